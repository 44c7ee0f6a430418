//! What the ledger promises, by both stores: keys, balances, seconds, steps, receipts, usage and the outbox.

use kernel::LogOp;
use meter::{
    ClientToken, ConnectionReceipt, Credits, DailyUsage, Day, DepositId, Entry, Event, Funds, Grant, Key,
    KeyId, Limits, Next, Payer, Price, Receipt, SecretHash,
};
use store::{Deposit, Error, NewKey, OpenConnection, Resumable, SessionPrompt, Store};
use wire::{ConversationId, StepMetrics, TurnId, Usage};

use crate::support::ledger::{
    connection_id, granted, key_id, micros, new_key, opening, rate, session_id, with_key,
};
use crate::support::{World, begin, beginning, id, journal, says, seal, step, text, turn_id};

behaviours! {
    the_local_key_is_always_there
    a_key_is_found_by_its_secret_until_it_is_revoked
    a_deposit_is_added_once
    a_client_token_lives_as_long_as_its_key
    a_second_is_charged_once_and_the_next_one_is_held
    nothing_is_opened_for_a_key_that_has_nothing_left
    connections_of_a_key_never_overdraw_it
    an_end_releases_what_is_held_and_keeps_its_reason
    a_crash_ends_what_was_open_and_charges_no_second_in_flight
    a_receipt_adds_up_all_connections_of_a_session
    a_session_knows_the_tokens_that_opened_it
    a_client_goes_on_with_its_session_until_it_ends
    sessions_that_nobody_went_on_with_end
    a_step_is_charged_with_its_row
    a_turn_of_a_key_that_has_nothing_left_is_not_begun
    a_step_that_cannot_be_counted_is_not_written
    a_turn_that_nobody_pays_for_is_in_no_ledger
    a_crashed_turn_is_charged_for_the_steps_that_it_had
    what_a_deleted_conversation_cost_stays_in_the_ledger
    usage_is_added_up_by_day_key_and_model
    an_exporter_goes_on_where_it_was
    what_does_not_fit_is_refused_and_changes_nothing
}

const DAY: u64 = 24 * 60 * 60 * 1000;

async fn balance(store: &dyn Store, key: &str) -> (Credits, Credits) {
    let key = store.key(&key_id(key)).await.unwrap().unwrap();
    (key.balance, key.held)
}

async fn events(store: &dyn Store) -> Vec<Event> {
    store.outbox(0, u64::MAX).await.unwrap()
}

async fn event_ids(store: &dyn Store) -> Vec<String> {
    events(store).await.into_iter().map(|event| event.id).collect()
}

async fn the_local_key_is_always_there(mut world: impl World) {
    let local = Key {
        id: KeyId::local(),
        name: "this machine".to_owned(),
        created_at: 0,
        revoked_at: None,
        funds: Funds::Unlimited,
        balance: Credits::ZERO,
        held: Credits::ZERO,
    };
    assert_eq!(world.store().keys().await, Ok(vec![local.clone()]));
    assert_eq!(world.store().revoke_key(&KeyId::local(), 1).await, Ok(false), "there is no secret to revoke");
    assert_eq!(world.store().find_key(SecretHash::from_bytes([0; 32])).await, Ok(None));
    world.reopen();
    assert_eq!(world.store().key(&KeyId::local()).await, Ok(Some(local)));
    // It never runs out.
    let store = world.store();
    store
        .open_connection(OpenConnection { key: KeyId::local(), ..opening("k", "s", "x", 10) })
        .await
        .unwrap();
    let unlimited = Grant { n: 1, is_new: true, next: Next::Held, left: None };
    assert_eq!(store.grant_second(&connection_id("x"), 1, 5).await, Ok(unlimited));
    assert_eq!(balance(store, "local").await, (micros(-10), micros(10)));
}

async fn a_key_is_found_by_its_secret_until_it_is_revoked(mut world: impl World) {
    let store = world.store();
    let key = store.create_key(new_key("a", 7)).await.unwrap();
    let expected = Key {
        id: key_id("a"),
        name: "key a".to_owned(),
        created_at: 7,
        revoked_at: None,
        funds: Funds::Prepaid,
        balance: Credits::ZERO,
        held: Credits::ZERO,
    };
    assert_eq!(key, expected);
    store.create_key(new_key("b", 8)).await.unwrap();
    assert_eq!(store.find_key(SecretHash::of("secret of a")).await, Ok(Some(key.clone())));
    assert_eq!(store.find_key(SecretHash::of("secret of c")).await, Ok(None));
    let same_secret = NewKey { hash: SecretHash::of("secret of a"), ..new_key("c", 9) };
    assert!(matches!(store.create_key(same_secret).await, Err(Error::Misfit(_))));
    assert!(matches!(store.create_key(new_key("a", 9)).await, Err(Error::Misfit(_))));

    assert_eq!(store.revoke_key(&key_id("a"), 20).await, Ok(true));
    assert_eq!(store.revoke_key(&key_id("a"), 30).await, Ok(true));
    assert_eq!(store.revoke_key(&key_id("nobody"), 30).await, Ok(false));
    world.reopen();
    let store = world.store();
    assert_eq!(store.find_key(SecretHash::of("secret of a")).await, Ok(None));
    assert_eq!(store.key(&key_id("a")).await, Ok(Some(Key { revoked_at: Some(20), ..key })));
    let ids: Vec<_> = store.keys().await.unwrap().into_iter().map(|key| key.id.to_string()).collect();
    assert_eq!(ids, ["local", "a", "b"]);
    assert_eq!(store.open_connection(opening("a", "s", "x", 0)).await, Err(Error::NoSuchKey));
}

async fn a_deposit_is_added_once(mut world: impl World) {
    let deposit = |id: &str, key: &str, amount: i64| Deposit {
        id: DepositId::new(id),
        key: key_id(key),
        amount: micros(amount),
        note: format!("note of {id}"),
        at: 5,
    };
    let store = world.store();
    store.create_key(new_key("a", 1)).await.unwrap();
    store.create_key(new_key("b", 1)).await.unwrap();
    assert_eq!(store.credit_key(deposit("1", "a", 100)).await.unwrap().balance, micros(100));
    assert_eq!(store.credit_key(deposit("1", "a", 100)).await.unwrap().balance, micros(100));
    assert!(matches!(store.credit_key(deposit("1", "a", 101)).await, Err(Error::Misfit(_))));
    assert!(matches!(store.credit_key(deposit("1", "b", 100)).await, Err(Error::Misfit(_))));
    assert_eq!(store.credit_key(deposit("2", "nobody", 100)).await, Err(Error::NoSuchKey));
    assert!(matches!(store.credit_key(deposit("2", "a", i64::MAX)).await, Err(Error::Misfit(_))));
    assert_eq!(store.credit_key(deposit("2", "a", -30)).await.unwrap().balance, micros(70));
    world.reopen();
    let store = world.store();
    assert_eq!(store.credit_key(deposit("2", "a", -30)).await.unwrap().balance, micros(70));
    let row = |position, id: &str, amount| {
        let entry = Entry::Credit {
            deposit: DepositId::new(id),
            note: format!("note of {id}"),
            credits: micros(amount),
        };
        Event::new(position, 5, key_id("a"), entry)
    };
    assert_eq!(events(store).await, [row(1, "1", 100), row(2, "2", -30)]);
}

async fn a_client_token_lives_as_long_as_its_key(mut world: impl World) {
    let token = |secret: &str, key: &str, issued_at: u64| ClientToken {
        hash: SecretHash::of(secret),
        key: key_id(key),
        issued_at,
        limits: Limits::new(
            Some(5),
            Some(vec!["m".to_owned()]),
            Some(vec!["https://a.b".to_owned()]),
            Some(10),
        )
        .unwrap(),
    };
    let store = world.store();
    store.create_key(new_key("a", 1)).await.unwrap();
    store.create_token(token("ek_1", "a", 1000)).await.unwrap();
    assert!(matches!(store.create_token(token("ek_1", "a", 1000)).await, Err(Error::Misfit(_))));
    assert_eq!(store.create_token(token("ek_2", "nobody", 1000)).await, Err(Error::NoSuchKey));
    world.reopen();
    let store = world.store();
    assert_eq!(store.find_token(SecretHash::of("ek_1")).await, Ok(Some(token("ek_1", "a", 1000))));
    assert_eq!(store.find_token(SecretHash::of("ek_2")).await, Ok(None));
    assert_eq!(store.find_key(SecretHash::of("ek_1")).await, Ok(None), "a client token is no key");
    // An hour after it has expired nobody has to be told that any more.
    store.create_token(token("ek_2", "a", 6000 + 3_600_000)).await.unwrap();
    assert!(store.find_token(SecretHash::of("ek_1")).await.unwrap().is_some());
    store.create_token(token("ek_3", "a", 6001 + 3_600_000)).await.unwrap();
    assert_eq!(store.find_token(SecretHash::of("ek_1")).await, Ok(None));
    store.revoke_key(&key_id("a"), 9).await.unwrap();
    assert_eq!(store.find_token(SecretHash::of("ek_3")).await, Ok(None));
    assert_eq!(store.create_token(token("ek_4", "a", 1000)).await, Err(Error::NoSuchKey));
}

async fn a_second_is_charged_once_and_the_next_one_is_held(mut world: impl World) {
    with_key(world.store(), "k", 25).await;
    let (store, x) = (world.store(), connection_id("x"));
    store.open_connection(opening("k", "s", "x", 10)).await.unwrap();
    assert_eq!(balance(store, "k").await, (micros(25), micros(10)));
    assert_eq!(store.grant_second(&x, 1, 100).await, granted(1, Next::Held, 15));
    assert_eq!(balance(store, "k").await, (micros(15), micros(10)));
    let again = |next, left| Ok(Grant { n: 1, is_new: false, next, left: Some(micros(left)) });
    assert_eq!(store.grant_second(&x, 1, 101).await, again(Next::Held, 15));
    assert!(matches!(store.grant_second(&x, 3, 102).await, Err(Error::Misfit(_))));
    assert!(matches!(store.grant_second(&x, 0, 102).await, Err(Error::Misfit(_))));
    assert_eq!(store.grant_second(&x, 2, 103).await, granted(2, Next::InsufficientCredits, 5));
    assert_eq!(store.grant_second(&x, 3, 104).await, Err(Error::InsufficientCredits));
    assert_eq!(balance(store, "k").await, (micros(5), Credits::ZERO));
    assert_eq!(event_ids(store).await, ["credit:of k", "second:x:1", "second:x:2"]);
    world.reopen();
    let store = world.store();
    assert_eq!(store.grant_second(&x, 1, 105).await, again(Next::Ended, 5));
    assert_eq!(store.grant_second(&x, 3, 105).await, Err(Error::SessionEnded));
    assert_eq!(balance(store, "k").await, (micros(5), Credits::ZERO));
    assert_eq!(event_ids(store).await, ["credit:of k", "second:x:1", "second:x:2", "ended:x"]);
    let second = Entry::Second {
        session: session_id("s"),
        connection: x,
        n: 2,
        model: "model".to_owned(),
        credits: micros(10),
    };
    assert_eq!(events(store).await[2], Event::new(3, 103, key_id("k"), second));
}

async fn nothing_is_opened_for_a_key_that_has_nothing_left(world: impl World) {
    let store = world.store();
    with_key(store, "k", 10).await;
    assert_eq!(store.open_connection(opening("k", "s", "x", 11)).await, Err(Error::InsufficientCredits));
    assert_eq!(store.receipt("s").await, Ok(None), "not even a session");
    store.open_connection(opening("k", "s", "x", 10)).await.unwrap();
    assert_eq!(store.grant_second(&connection_id("x"), 1, 1).await, granted(1, Next::InsufficientCredits, 0));
    store.end_connection(&connection_id("x"), 1, "insufficient_credits").await.unwrap();
    // As a client does that goes on by itself.
    for attempt in 0..3 {
        let open = opening("k", "s", &format!("again {attempt}"), 10);
        assert_eq!(store.open_connection(open).await, Err(Error::InsufficientCredits));
    }
    assert_eq!(Error::InsufficientCredits.code().as_str(), "insufficient_credits");
    store.open_connection(opening("k", "s", "free", 0)).await.unwrap();
}

async fn connections_of_a_key_never_overdraw_it(world: impl World) {
    const PRICE: i64 = 7;
    let store = world.store();
    with_key(store, "k", 100 * PRICE + 3).await;
    let session = async |name: String| {
        let x = connection_id(&name);
        if store.open_connection(opening("k", &name, &name, PRICE)).await.is_err() {
            return 0;
        }
        for n in 1.. {
            // Twice at once, as after an answer that was lost.
            let (one, other) =
                futures_util::join!(store.grant_second(&x, n, 1), store.grant_second(&x, n, 1));
            match (one, other) {
                (Ok(one), Ok(other)) => {
                    assert_eq!([one.is_new, other.is_new], [true, false]);
                    if other.next != Next::Held {
                        return n;
                    }
                }
                other => panic!("second {n} was held, and then {other:?}"),
            }
            tokio::task::yield_now().await;
        }
        unreachable!()
    };
    let sessions = (0..9).map(|number| session(format!("x{number}")));
    let seconds: Vec<u64> = futures_util::future::join_all(sessions).await;
    assert_eq!(seconds.iter().sum::<u64>(), 100, "{seconds:?}");
    assert_eq!(balance(store, "k").await, (micros(3), Credits::ZERO));
}

async fn an_end_releases_what_is_held_and_keeps_its_reason(mut world: impl World) {
    with_key(world.store(), "k", 100).await;
    let (store, x) = (world.store(), connection_id("x"));
    store.open_connection(opening("k", "s", "x", 10)).await.unwrap();
    store.grant_second(&x, 1, 100).await.unwrap();
    store.end_connection(&x, 150, "disconnect").await.unwrap();
    store.end_connection(&x, 160, "error").await.unwrap();
    assert_eq!(balance(store, "k").await, (micros(90), Credits::ZERO));
    assert_eq!(store.grant_second(&x, 2, 170).await, Err(Error::SessionEnded));
    world.reopen();
    let store = world.store();
    let ended = Entry::Ended {
        session: session_id("s"),
        connection: x,
        model: "model".to_owned(),
        reason: "disconnect".to_owned(),
        seconds: 1,
        credits: micros(10),
    };
    assert_eq!(events(store).await[2..], [Event::new(3, 150, key_id("k"), ended)]);
}

async fn a_crash_ends_what_was_open_and_charges_no_second_in_flight(mut world: impl World) {
    with_key(world.store(), "k", 100).await;
    let store = world.store();
    store.open_connection(opening("k", "s", "x", 10)).await.unwrap();
    store.open_connection(opening("k", "t", "y", 20)).await.unwrap();
    store.grant_second(&connection_id("x"), 1, 100).await.unwrap();
    assert_eq!(balance(store, "k").await, (micros(90), micros(30)));
    world.reopen();
    let store = world.store();
    assert_eq!(balance(store, "k").await, (micros(90), Credits::ZERO));
    let receipt = store.receipt("s").await.unwrap().unwrap();
    assert_eq!((receipt.seconds, receipt.settled, receipt.reason.as_deref()), (1, true, Some("interrupted")));
    let before = events(store).await;
    world.reopen();
    assert_eq!(events(world.store()).await, before, "a second start has nothing to do");
}

async fn a_receipt_adds_up_all_connections_of_a_session(world: impl World) {
    let store = world.store();
    with_key(store, "k", 1000).await;
    with_key(store, "l", 1000).await;
    let mut left = 1000;
    for (connection, seconds, reason) in
        [("x", 2, Some("error")), ("y", 0, Some("disconnect")), ("z", 3, None)]
    {
        let open =
            OpenConnection { model: format!("model {connection}"), ..opening("k", "s", connection, 10) };
        store.open_connection(open).await.unwrap();
        for n in 1..=seconds {
            // Ticks begin anew with every connection.
            left -= 10;
            let answer = store.grant_second(&connection_id(connection), n, 50).await;
            assert_eq!(answer, granted(n, Next::Held, left));
        }
        if let Some(reason) = reason {
            store.end_connection(&connection_id(connection), 60, reason).await.unwrap();
        }
    }
    store.open_connection(opening("l", "other", "o", 1)).await.unwrap();
    let connection = |id: &str, seconds: u64, reason: Option<&str>| ConnectionReceipt {
        connection: connection_id(id),
        model: format!("model {id}"),
        opened_at: 2,
        ended_at: reason.map(|_| 60),
        reason: reason.map(str::to_owned),
        seconds,
        credits: micros(seconds as i64 * 10),
    };
    let receipt = Receipt {
        session: session_id("s"),
        key: key_id("k"),
        connections: vec![
            connection("x", 2, Some("error")),
            connection("y", 0, Some("disconnect")),
            connection("z", 3, None),
        ],
        seconds: 5,
        credits: micros(50),
        settled: false,
        reason: None,
    };
    assert_eq!(store.receipt("s").await, Ok(Some(receipt.clone())));
    assert_eq!(store.receipt("y").await, Ok(Some(receipt.clone())), "by a connection");
    assert_eq!(store.receipt("nobody").await, Ok(None));
    let ids = async |key: Option<&str>, limit| {
        let receipts = store.sessions(key.map(key_id), limit).await.unwrap();
        receipts.into_iter().map(|receipt| receipt.session.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(ids(None, 9).await, ["other", "s"]);
    assert_eq!(ids(None, 1).await, ["other"]);
    assert_eq!(ids(Some("k"), 9).await, ["s"]);
    assert_eq!(ids(Some("nobody"), 9).await, Vec::<String>::new());
    assert_eq!(store.sessions(Some(key_id("k")), 9).await, Ok(vec![receipt]));
}

async fn a_session_knows_the_tokens_that_opened_it(mut world: impl World) {
    let hash = SecretHash::of;
    with_key(world.store(), "k", 1000).await;
    for (session, connection, token) in
        [("s", "x", Some("ek_1")), ("s", "y", None), ("s", "z", Some("ek_2")), ("t", "w", None)]
    {
        let open = OpenConnection { token: token.map(hash), ..opening("k", session, connection, 10) };
        world.store().open_connection(open).await.unwrap();
    }
    for _ in 0..2 {
        for (session, token, is) in [
            ("s", "ek_1", true),
            ("s", "ek_2", true),
            ("s", "ek_3", false),
            ("t", "ek_1", false),
            ("x", "ek_1", false),
            ("nobody", "ek_1", false),
        ] {
            assert_eq!(world.store().is_opened_by(&session_id(session), hash(token)).await, Ok(is));
        }
        world.store().revoke_key(&key_id("k"), 9).await.unwrap();
        world.reopen();
    }
}

async fn a_client_goes_on_with_its_session_until_it_ends(mut world: impl World) {
    let (s, x) = (session_id("s"), connection_id("x"));
    let prompt = || Some(SessionPrompt { text: "Anime".to_owned(), enhance: true });
    with_key(world.store(), "k", 1000).await;
    let store = world.store();
    store.open_connection(opening("k", "s", "x", 10)).await.unwrap();
    let mut expected = Resumable {
        session: s.clone(),
        key: key_id("k"),
        model: "model".to_owned(),
        prompt: None,
        image: None,
    };
    assert_eq!(store.resumable(&x).await, Ok(Some(expected.clone())));
    assert_eq!(store.resumable(&connection_id("s")).await, Ok(None));
    store.keep_prompt(&s, prompt()).await.unwrap();
    store.keep_image(&s, Some(vec![1; 100_000])).await.unwrap();
    store.keep_image(&s, Some(vec![0, 255, 3])).await.unwrap();
    store.keep_image(&session_id("nobody"), Some(vec![0])).await.unwrap();
    world.reopen();
    let store = world.store();
    expected.prompt = prompt();
    expected.image = Some(vec![0, 255, 3]);
    assert_eq!(store.resumable(&x).await, Ok(Some(expected.clone())));
    store.keep_image(&s, None).await.unwrap();
    store.keep_prompt(&s, None).await.unwrap();
    // Another model; and a client that has not heard of the new connection goes on by the old one.
    let open = OpenConnection { model: "other".to_owned(), ..opening("k", "s", "y", 10) };
    store.open_connection(open).await.unwrap();
    let bare = Resumable { model: "other".to_owned(), prompt: None, image: None, ..expected.clone() };
    assert_eq!(store.resumable(&x).await, Ok(Some(bare.clone())));
    assert_eq!(store.resumable(&connection_id("y")).await, Ok(Some(bare)));

    store.keep_prompt(&s, prompt()).await.unwrap();
    store.keep_image(&s, Some(vec![7])).await.unwrap();
    assert_eq!(store.end_session(&s, 90).await, Ok(true));
    assert_eq!(store.end_session(&s, 91).await, Ok(true));
    assert_eq!(store.end_session(&session_id("nobody"), 90).await, Ok(false));
    store.keep_prompt(&s, prompt()).await.unwrap();
    store.keep_image(&s, Some(vec![7])).await.unwrap();
    assert_eq!(store.resumable(&x).await, Ok(None));
    assert_eq!(store.open_connection(opening("k", "s", "z", 10)).await, Err(Error::SessionEnded));
    // What is open is ended by whoever opened it.
    assert_eq!(store.grant_second(&connection_id("y"), 1, 95).await, granted(1, Next::Held, 990));
    store.end_connection(&connection_id("y"), 96, "deleted").await.unwrap();
    assert_eq!(store.receipt("s").await.unwrap().unwrap().seconds, 1);
    // Of a revoked key nobody goes on with anything.
    store.open_connection(opening("k", "t", "w", 10)).await.unwrap();
    assert!(store.resumable(&connection_id("w")).await.unwrap().is_some());
    store.revoke_key(&key_id("k"), 99).await.unwrap();
    assert_eq!(store.resumable(&connection_id("w")).await, Ok(None));
}

async fn sessions_that_nobody_went_on_with_end(world: impl World) {
    let store = world.store();
    with_key(store, "k", 1000).await;
    for (session, ended) in [("idle", Some(10)), ("later", Some(20)), ("open", None), ("reopened", Some(10))]
    {
        store.open_connection(opening("k", session, session, 1)).await.unwrap();
        if let Some(at) = ended {
            store.end_connection(&connection_id(session), at, "disconnect").await.unwrap();
        }
    }
    store.open_connection(opening("k", "reopened", "second", 1)).await.unwrap();
    assert_eq!(store.end_sessions_idle_since(20, 30).await, Ok(1));
    assert_eq!(store.end_sessions_idle_since(20, 30).await, Ok(0));
    assert_eq!(store.resumable(&connection_id("idle")).await, Ok(None));
    for live in ["later", "open", "reopened"] {
        assert!(store.resumable(&connection_id(live)).await.unwrap().is_some(), "{live}");
    }
    assert!(store.receipt("idle").await.unwrap().is_some());
}

fn price() -> Price {
    Price {
        per_second: rate(0),
        per_million_input_tokens: rate(3_000_000),
        per_million_output_tokens: rate(15_000_000),
        per_million_cached_tokens: Some(rate(0)),
    }
}

fn payer(key: &str) -> Payer {
    Payer { key: key_id(key), price: price() }
}

fn row(event: &Event) -> (u64, Entry) {
    (event.position, event.entry.clone())
}

fn charged(n: u64, usage: Usage, credits: i64) -> Entry {
    Entry::Step {
        conversation: ConversationId::new("c"),
        turn: TurnId::new("t"),
        n,
        model: Some("a/b".to_owned()),
        usage,
        credits: micros(credits),
    }
}

async fn a_step_is_charged_with_its_row(mut world: impl World) {
    with_key(world.store(), "k", 1000).await;
    let store = world.store();
    let begin = store::BeginTurn { answered_by: Some("a/b".to_owned()), ..beginning("c", "t", "Hello", 1) };
    store.begin_paid_turn(begin, payer("k")).await.unwrap();
    let (one, two) = (step("s1", 100, 10), {
        let usage = Usage {
            input_tokens: 100,
            output_tokens: 1,
            cache_read_tokens: Some(90),
            cache_write_tokens: None,
        };
        StepMetrics { usage, ..step("s2", 0, 0) }
    });
    journal(store, "c", "t", [says(2, 2, text("Hi")), LogOp::Step(one.clone())]).await.unwrap();
    assert_eq!(balance(store, "k").await, (micros(1000 - 450), Credits::ZERO), "before the turn is sealed");
    assert!(matches!(journal(store, "c", "t", [LogOp::Step(one.clone())]).await, Err(Error::Misfit(_))));
    journal(store, "c", "t", [LogOp::Step(two.clone())]).await.unwrap();
    seal(store, "c", "t").await.unwrap();
    world.reopen();
    let store = world.store();
    assert_eq!(balance(store, "k").await, (micros(1000 - 450 - 45), Credits::ZERO));
    let rows: Vec<_> = events(store).await.iter().map(row).collect();
    assert_eq!(rows[1..], [(2, charged(0, one.usage, 450)), (3, charged(1, two.usage, 45))]);
    assert_eq!(event_ids(store).await, ["credit:of k", "step:t:0", "step:t:1"]);
    assert_eq!(store.metrics(&id("c")).await.unwrap()[0].metrics.steps, [one, two]);
}

async fn a_turn_of_a_key_that_has_nothing_left_is_not_begun(world: impl World) {
    let store = world.store();
    with_key(store, "k", 1).await;
    let begin = |turn: &str| beginning("c", turn, "Hello", 1);
    store.begin_paid_turn(begin("t"), payer("k")).await.unwrap();
    journal(store, "c", "t", [LogOp::Step(step("s", 0, 1))]).await.unwrap();
    // What a step cost is known when it is done; it is charged all the same.
    assert_eq!(balance(store, "k").await, (micros(-14), Credits::ZERO));
    seal(store, "c", "t").await.unwrap();
    assert_eq!(store.begin_paid_turn(begin("t2"), payer("k")).await, Err(Error::InsufficientCredits));
    assert_eq!(store.conversation(&id("c")).await.unwrap().unwrap().last_seq, 1);
    assert_eq!(store.begin_paid_turn(begin("t2"), payer("nobody")).await, Err(Error::NoSuchKey));
    let free = Payer { price: Price::FREE, ..payer("k") };
    store.begin_paid_turn(begin("t2"), free).await.unwrap();
    // As for any turn.
    assert_eq!(store.begin_paid_turn(begin("t3"), payer("local")).await, Err(Error::TurnOpen));
    seal(store, "c", "t2").await.unwrap();
    store.revoke_key(&key_id("k"), 5).await.unwrap();
    let free = Payer { price: Price::FREE, ..payer("k") };
    assert_eq!(store.begin_paid_turn(begin("t3"), free).await, Err(Error::NoSuchKey));
    assert!(store.conversation(&id("new")).await.unwrap().is_none());
    let new = beginning("new", "t4", "Hello", 1);
    assert_eq!(store.begin_paid_turn(new, payer("k")).await, Err(Error::NoSuchKey));
    assert!(store.conversation(&id("new")).await.unwrap().is_none());
}

async fn a_step_that_cannot_be_counted_is_not_written(world: impl World) {
    let store = world.store();
    with_key(store, "k", 1000).await;
    store.begin_paid_turn(beginning("c", "t", "Hello", 1), payer("k")).await.unwrap();
    let absurd = [LogOp::Step(step("s1", 1, 1)), LogOp::Step(step("s2", u64::MAX, u64::MAX))];
    assert!(matches!(journal(store, "c", "t", absurd).await, Err(Error::Misfit(_))));
    assert_eq!(balance(store, "k").await, (micros(1000), Credits::ZERO));
    journal(store, "c", "t", [LogOp::Step(step("s1", 1, 1))]).await.unwrap();
    seal(store, "c", "t").await.unwrap();
    assert_eq!(event_ids(store).await, ["credit:of k", "step:t:0"]);
    assert_eq!(store.metrics(&id("c")).await.unwrap()[0].metrics.steps.len(), 1);
    // Where tokens are free they may be as many as anybody claims, and others are counted all the same.
    let free = Payer { price: Price::FREE, ..payer("k") };
    store.begin_paid_turn(beginning("c", "t2", "Hello", 1), free).await.unwrap();
    for step in [step("s1", u64::MAX, u64::MAX), step("s2", 1, 1)] {
        journal(store, "c", "t2", [LogOp::Step(step)]).await.unwrap();
    }
    let usage = store.usage(Day::from_number(0)..=Day::LAST, None).await.unwrap();
    assert_eq!((usage[0].steps, usage[0].input_tokens), (3, i64::MAX as u64));
}

async fn a_turn_that_nobody_pays_for_is_in_no_ledger(world: impl World) {
    let store = world.store();
    begin(store, "c", "t").await;
    journal(store, "c", "t", [LogOp::Step(step("s", 5, 5))]).await.unwrap();
    seal(store, "c", "t").await.unwrap();
    assert_eq!(events(store).await, []);
    assert_eq!(store.usage(Day::from_number(0)..=Day::LAST, None).await, Ok(vec![]));
}

async fn a_crashed_turn_is_charged_for_the_steps_that_it_had(mut world: impl World) {
    with_key(world.store(), "k", 1000).await;
    let store = world.store();
    store.begin_paid_turn(beginning("c", "t", "Hello", 1), payer("k")).await.unwrap();
    journal(store, "c", "t", [LogOp::Step(step("s", 0, 2))]).await.unwrap();
    assert_eq!(world.reopen().turns, [(id("c"), turn_id("t"))]);
    let store = world.store();
    assert_eq!(balance(store, "k").await, (micros(970), Credits::ZERO));
    assert_eq!(event_ids(store).await, ["credit:of k", "step:t:0"]);
}

async fn what_a_deleted_conversation_cost_stays_in_the_ledger(mut world: impl World) {
    with_key(world.store(), "k", 1000).await;
    let store = world.store();
    store.begin_paid_turn(beginning("c", "t", "Hello", 1), payer("k")).await.unwrap();
    journal(store, "c", "t", [LogOp::Step(step("s", 0, 2))]).await.unwrap();
    seal(store, "c", "t").await.unwrap();
    let before = events(store).await;
    assert_eq!(store.delete(&id("c")).await, Ok(true));
    assert_eq!(events(store).await, before);
    world.reopen();
    assert_eq!(events(world.store()).await, before);
}

async fn usage_is_added_up_by_day_key_and_model(mut world: impl World) {
    with_key(world.store(), "k", 1000).await;
    with_key(world.store(), "l", 1000).await;
    let store = world.store();
    for (key, connection, model) in [("l", "x", "m"), ("k", "y", "m"), ("k", "z", "n")] {
        let open = OpenConnection { model: model.to_owned(), ..opening(key, connection, connection, 2) };
        store.open_connection(open).await.unwrap();
    }
    for (connection, n, at) in
        [("x", 1, DAY - 1), ("x", 2, DAY), ("y", 1, DAY), ("y", 2, 2 * DAY - 1), ("z", 1, DAY)]
    {
        store.grant_second(&connection_id(connection), n, at).await.unwrap();
    }
    world.reopen();
    let store = world.store();
    let used = |day, key: &str, model: &str, seconds: u64| DailyUsage {
        day: Day::from_number(day),
        key: key_id(key),
        model: model.to_owned(),
        seconds,
        steps: 0,
        input_tokens: 0,
        cached_tokens: 0,
        output_tokens: 0,
        credits: micros(seconds as i64 * 2),
    };
    let all = [used(0, "l", "m", 1), used(1, "k", "m", 2), used(1, "k", "n", 1), used(1, "l", "m", 1)];
    let usage = async |from, to, key: Option<&str>| {
        store.usage(Day::from_number(from)..=Day::from_number(to), key.map(key_id)).await.unwrap()
    };
    assert_eq!(usage(0, 9, None).await, all);
    assert_eq!(usage(1, 1, Some("k")).await, all[1..3]);
    assert_eq!(usage(0, 0, Some("k")).await, []);
    assert_eq!(usage(2, 9, None).await, []);
}

async fn an_exporter_goes_on_where_it_was(mut world: impl World) {
    with_key(world.store(), "k", 1000).await;
    let store = world.store();
    store.open_connection(opening("k", "s", "x", 1)).await.unwrap();
    for n in 1..=9 {
        store.grant_second(&connection_id("x"), n, n).await.unwrap();
    }
    let portion = async |store: &dyn Store, after, limit| {
        let events = store.outbox(after, limit).await.unwrap();
        events.into_iter().map(|event| event.position).collect::<Vec<_>>()
    };
    assert_eq!(store.exported("file").await, Ok(0));
    assert_eq!(portion(store, 0, 4).await, [1, 2, 3, 4]);
    store.acknowledge("file", 4).await.unwrap();
    store.acknowledge("file", 3).await.unwrap();
    world.reopen();
    let store = world.store();
    assert_eq!((store.exported("file").await, store.exported("webhook").await), (Ok(4), Ok(0)));
    assert_eq!(portion(store, 4, 4).await, [5, 6, 7, 8]);
    assert_eq!(portion(store, 8, 100).await, [9, 10, 11]);
    assert_eq!(portion(store, 11, 100).await, Vec::<u64>::new());
    assert_eq!(portion(store, u64::MAX, 100).await, Vec::<u64>::new());
    assert!(matches!(store.acknowledge("file", 12).await, Err(Error::Misfit(_))));
    store.acknowledge("file", 11).await.unwrap();
    assert_eq!(store.exported("file").await, Ok(11));
}

async fn what_does_not_fit_is_refused_and_changes_nothing(world: impl World) {
    let store = world.store();
    with_key(store, "k", 100).await;
    with_key(store, "l", 100).await;
    store.open_connection(opening("k", "s", "x", 10)).await.unwrap();
    let before = (store.keys().await, store.sessions(None, 9).await, events(store).await);
    let is_misfit =
        |answer: Result<(), Error>| assert!(matches!(answer, Err(Error::Misfit(_))), "{answer:?}");
    is_misfit(store.open_connection(opening("k", "s", "x", 10)).await);
    is_misfit(store.open_connection(opening("k", "new", "x", 10)).await);
    is_misfit(store.open_connection(opening("l", "s", "y", 10)).await);
    is_misfit(store.end_connection(&connection_id("nobody"), 1, "error").await);
    is_misfit(store.grant_second(&connection_id("nobody"), 1, 1).await.map(|_| ()));
    assert_eq!(store.open_connection(opening("nobody", "t", "y", 0)).await, Err(Error::NoSuchKey));
    assert_eq!((store.keys().await, store.sessions(None, 9).await, events(store).await), before);
}
