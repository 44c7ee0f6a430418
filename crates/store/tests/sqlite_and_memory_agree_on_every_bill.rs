//! Random use of the ledger, most of which fits, goes to both stores; whatever they answer and show must be the same,
//! across restarts, and add up.

use kernel::LogOp;
use meter::{ClientToken, Entry, Limits, Payer, Price, SecretHash};
use proptest::prelude::*;
use store::{Error, OpenConnection, SessionPrompt, Store};

use crate::support::ledger::{
    Books, books, connection_id, deposit, key_id, new_key, opening, rate, session_id,
};
use crate::support::{InMemory, OnDisk, World, beginning, id, sealing, step, turn_id};

/// Something that is done. Numbers choose among few names.
#[derive(Clone, Debug)]
enum Action {
    CreateKey(u8),
    Revoke(u8),
    Credit {
        id: u8,
        key: u8,
        amount: i64,
    },
    Token {
        key: u8,
        life: u64,
    },
    Open {
        key: u8,
        session: u8,
        connection: u8,
        price: i64,
    },
    /// The next second of a connection, or one that is off by so much.
    Grant {
        connection: u8,
        off: i8,
    },
    End(u8),
    Prompt(u8, bool),
    EndSession(u8),
    EndIdle(u64),
    Begin {
        key: u8,
        conversation: u8,
        free: bool,
    },
    Step {
        conversation: u8,
        tokens: u64,
    },
    Seal(u8),
    Delete(u8),
    Acknowledge(u64),
    Restart,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        2 => (0..3u8).prop_map(Action::CreateKey),
        1 => (0..3u8).prop_map(Action::Revoke),
        3 => (0..9u8, 0..3u8, -20..100i64).prop_map(|(id, key, amount)| Action::Credit { id, key, amount }),
        1 => (0..3u8, 1..9u64).prop_map(|(key, life)| Action::Token { key, life }),
        5 => (0..3u8, 0..4u8, 0..9u8, 0..15i64)
            .prop_map(|(key, session, connection, price)| Action::Open { key, session, connection, price }),
        14 => (0..9u8, prop_oneof![5 => Just(0i8), 1 => -2..3i8])
            .prop_map(|(connection, off)| Action::Grant { connection, off }),
        2 => (0..9u8).prop_map(Action::End),
        1 => (0..4u8, any::<bool>()).prop_map(|(session, some)| Action::Prompt(session, some)),
        1 => (0..4u8).prop_map(Action::EndSession),
        1 => (0..60u64).prop_map(Action::EndIdle),
        3 => (0..3u8, 0..2u8, any::<bool>())
            .prop_map(|(key, conversation, free)| Action::Begin { key, conversation, free }),
        4 => (0..2u8, prop_oneof![9 => 0..5u64, 1 => Just(i64::MAX as u64)])
            .prop_map(|(conversation, tokens)| Action::Step { conversation, tokens }),
        2 => (0..2u8).prop_map(Action::Seal),
        1 => (0..2u8).prop_map(Action::Delete),
        1 => (0..30u64).prop_map(Action::Acknowledge),
        1 => Just(Action::Restart),
    ]
}

/// What was answered, as far as both stores say it in the same words.
fn kind<T: std::fmt::Debug>(answer: &Result<T, Error>) -> String {
    match answer {
        Err(Error::Misfit(_)) => "misfit".to_owned(),
        other => format!("{other:?}"),
    }
}

macro_rules! both {
    ($disk:expr, $memory:expr, |$store:ident| $ask:expr) => {{
        let ask = async |$store: &dyn Store| $ask.await;
        let (on_disk, in_memory) = (ask($disk.store()).await, ask($memory.store()).await);
        prop_assert_eq!(kind(&on_disk), kind(&in_memory));
        on_disk
    }};
}

/// The books without what the clock has said.
fn timeless(mut books: Books) -> Books {
    for event in &mut books.events {
        let is_interrupted =
            |entry: &Entry| matches!(entry, Entry::Ended { reason, .. } if reason == "interrupted");
        if matches!(event.entry, Entry::Step { .. }) || is_interrupted(&event.entry) {
            event.at = 0;
        }
    }
    for receipt in &mut books.sessions {
        for connection in &mut receipt.connections {
            if connection.reason.as_deref() == Some("interrupted") {
                connection.ended_at = None;
            }
        }
        // Of two connections that ended, the last: by times that may be the clock's.
        receipt.reason = None;
    }
    books
}

async fn run(actions: Vec<Action>) -> Result<(), TestCaseError> {
    let (mut disk, mut memory) = (OnDisk::new(), InMemory::new());
    let key = |number: u8| if number == 0 { "local".to_owned() } else { number.to_string() };
    let mut turns = [0usize; 2];
    for (time, action) in actions.into_iter().enumerate() {
        let time = time as u64;
        match action {
            Action::CreateKey(number) => {
                let _ = both!(disk, memory, |store| store.create_key(new_key(&key(number), time)));
            }
            Action::Revoke(number) => {
                let _ = both!(disk, memory, |store| store.revoke_key(&key_id(&key(number)), time));
            }
            Action::Credit { id, key: number, amount } => {
                let deposit = deposit(&id.to_string(), &key(number), amount);
                let _ = both!(disk, memory, |store| store.credit_key(deposit.clone()));
            }
            Action::Token { key: number, life } => {
                let token = ClientToken {
                    hash: SecretHash::of(&format!("ek_{}", time % 3)),
                    key: key_id(&key(number)),
                    issued_at: time * 1_000_000,
                    limits: Limits::new(Some(life), None, Some(vec![]), None).unwrap(),
                };
                let _ = both!(disk, memory, |store| store.create_token(token.clone()));
            }
            Action::Open { key: number, session, connection, price } => {
                let opening = opening(&key(number), &session.to_string(), &connection.to_string(), price);
                let token = time.is_multiple_of(2).then(|| SecretHash::of(&format!("ek_{}", time % 3)));
                let open = OpenConnection { at: time, token, ..opening };
                let _ = both!(disk, memory, |store| store.open_connection(open.clone()));
            }
            Action::Grant { connection, off } => {
                let name = connection.to_string();
                let receipt = memory.store().receipt(&name).await.unwrap();
                let all = receipt.into_iter().flat_map(|receipt| receipt.connections);
                let seconds =
                    all.filter(|of| of.connection.as_str() == name).map(|of| of.seconds).sum::<u64>();
                let n = (seconds + 1).saturating_add_signed(i64::from(off));
                let _ = both!(disk, memory, |store| store.grant_second(&connection_id(&name), n, time));
            }
            Action::End(connection) => {
                let connection = connection_id(&connection.to_string());
                let _ = both!(disk, memory, |store| store.end_connection(&connection, time, "disconnect"));
            }
            Action::Prompt(session, some) => {
                let session = session_id(&session.to_string());
                let prompt =
                    some.then(|| SessionPrompt { text: time.to_string(), enhance: time.is_multiple_of(2) });
                let image = some.then(|| vec![time as u8; 3]);
                let _ = both!(disk, memory, |store| store.keep_prompt(&session, prompt.clone()));
                let _ = both!(disk, memory, |store| store.keep_image(&session, image.clone()));
            }
            Action::EndSession(session) => {
                let session = session_id(&session.to_string());
                let _ = both!(disk, memory, |store| store.end_session(&session, time));
            }
            Action::EndIdle(before) => {
                let _ = both!(disk, memory, |store| store.end_sessions_idle_since(before, time));
            }
            Action::Begin { key: number, conversation, free } => {
                let tokens = Price { per_million_output_tokens: rate(2_500_000), ..Price::FREE };
                let price = if free { Price::FREE } else { tokens };
                let payer = Payer { key: key_id(&key(number)), price };
                let turn = format!("turn {conversation} {}", turns[usize::from(conversation)] + 1);
                let begin = beginning(&conversation.to_string(), &turn, "Hello", time);
                if both!(disk, memory, |store| store.begin_paid_turn(begin.clone(), payer.clone())).is_ok() {
                    turns[usize::from(conversation)] += 1;
                }
            }
            Action::Step { conversation, tokens } => {
                let name = format!("turn {conversation} {}", turns[usize::from(conversation)]);
                let ops = [LogOp::Step(step(&format!("step {}", time % 5), 1, tokens))];
                let _ = both!(disk, memory, |store| {
                    store.journal(&id(&conversation.to_string()), &turn_id(&name), ops.to_vec())
                });
            }
            Action::Seal(conversation) => {
                let name = format!("turn {conversation} {}", turns[usize::from(conversation)]);
                let seal = sealing(&conversation.to_string(), &name, time);
                let _ = both!(disk, memory, |store| store.seal(seal.clone()));
            }
            Action::Delete(conversation) => {
                let _ = both!(disk, memory, |store| store.delete(&id(&conversation.to_string())));
            }
            Action::Acknowledge(position) => {
                let _ = both!(disk, memory, |store| store.acknowledge("file", position));
                let _ = both!(disk, memory, |store| store.exported("file"));
            }
            Action::Restart => prop_assert_eq!(disk.reopen(), memory.reopen()),
        }
        for number in 0..4 {
            let of = |prefix: &str| SecretHash::of(&format!("{prefix}{number}"));
            let _ = both!(disk, memory, |store| store.find_key(of("secret of ")));
            let _ = both!(disk, memory, |store| store.find_token(of("ek_")));
            for session in 0..4 {
                let session = session_id(&session.to_string());
                let _ = both!(disk, memory, |store| store.is_opened_by(&session, of("ek_")));
            }
        }
        for connection in 0..9 {
            let id = connection_id(&connection.to_string());
            let _ = both!(disk, memory, |store| store.resumable(&id));
        }
        prop_assert_eq!(timeless(books(disk.store()).await), timeless(books(memory.store()).await));
    }
    prop_assert_eq!(disk.reopen(), memory.reopen());
    let on_disk = books(disk.store()).await;
    prop_assert!(on_disk.keys.iter().all(|key| key.held == meter::Credits::ZERO), "{:?}", on_disk.keys);
    prop_assert!(on_disk.sessions.iter().all(|receipt| receipt.settled));
    prop_assert_eq!(timeless(on_disk), timeless(books(memory.store()).await));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_and_memory_agree(actions in prop::collection::vec(action(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(actions))?;
    }
}
