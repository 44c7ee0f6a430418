//! The judge finds what it is there to find.

use serde_json::{Value, json};

use super::*;

const PRICE: i64 = 250_001;

/// Two keys. One has two sessions: `a`, which the client left and went on with as `b`, which the kill cut with a second in
/// flight; the other one ran out in `c`.
fn events() -> Vec<Event> {
    let second = |key: &str, session: &str, connection: &str, n: u64| {
        let credits = Credits::from_micros(PRICE);
        let entry =
            json!({"type": "second", "session": session, "connection": connection, "n": n, "model": "m"});
        (key.to_owned(), with(entry, credits))
    };
    let ended = |key: &str, session: &str, connection: &str, seconds: u64, reason: &str| {
        let credits = Credits::from_micros(PRICE).checked_mul(seconds).unwrap();
        let entry = json!({"type": "ended", "session": session, "connection": connection, "model": "m",
                           "seconds": seconds, "reason": reason});
        (key.to_owned(), with(entry, credits))
    };
    let credit = |key: &str, deposit: &str, micros: i64| {
        let entry = json!({"type": "credit", "deposit": deposit, "note": ""});
        (key.to_owned(), with(entry, Credits::from_micros(micros)))
    };
    let rows = [
        credit("rich", "d1", 1_000_000_000),
        credit("poor", "d2", 2 * PRICE + 1),
        second("rich", "a", "a", 1),
        second("poor", "c", "c", 1),
        second("rich", "a", "a", 2),
        ended("rich", "a", "a", 2, "disconnect"),
        second("poor", "c", "c", 2),
        ended("poor", "c", "c", 2, "insufficient_credits"),
        second("rich", "a", "b", 1),
        second("rich", "a", "b", 2),
        ended("rich", "a", "b", 2, "interrupted"),
    ];
    (1..)
        .zip(rows)
        .map(|(position, (key, entry))| {
            let entry: Entry = serde_json::from_value(entry).unwrap();
            Event::new(position, 1_000 * position, meter::KeyId::new(key), entry)
        })
        .collect()
}

fn with(mut entry: Value, credits: Credits) -> Value {
    entry["credits"] = json!(credits);
    entry
}

/// The kill came before the last row.
fn rows() -> Vec<Row> {
    events()[..10].iter().map(Row::from).collect()
}

fn receipts() -> Vec<SessionReceipt> {
    let connection = |name: &str, reason: &str| {
        json!({"connection": name, "model": "m", "openedAt": 1, "endedAt": 2, "reason": reason, "seconds": 2,
               "credits": "0.500002"})
    };
    let receipts = json!([
        {"session": "c", "key": "poor", "connections": [connection("c", "insufficient_credits")], "seconds": 2,
         "credits": "0.500002", "settled": true, "reason": "insufficient_credits"},
        {"session": "a", "key": "rich", "connections": [connection("a", "disconnect"), connection("b", "interrupted")],
         "seconds": 4, "credits": "1.000004", "settled": true, "reason": "interrupted"},
    ]);
    serde_json::from_value(receipts).unwrap()
}

fn keys() -> Vec<ApiKey> {
    let key = |id: &str, balance: &str| json!({"id": id, "name": id, "createdAt": 1, "funds": "prepaid", "balance": balance, "held": "0"});
    let keys = json!([key("local", "0"), key("rich", "998.999996"), key("poor", "0.000001")]);
    serde_json::from_value(keys).unwrap()
}

fn usage() -> Vec<UsageRow> {
    let row = |key: &str, day: &str, seconds: u64, credits: &str| {
        json!({"day": day, "key": key, "model": "m", "seconds": seconds, "steps": 0, "inputTokens": 0,
               "cachedTokens": 0, "outputTokens": 0, "credits": credits})
    };
    let rows = json!([
        row("rich", "2026-01-01", 3, "0.750003"),
        row("poor", "2026-01-01", 2, "0.500002"),
        row("rich", "2026-01-02", 1, "0.250001"),
    ]);
    serde_json::from_value(rows).unwrap()
}

fn shown() -> Shown {
    Shown { rows: rows(), events: events(), receipts: receipts(), keys: keys(), usage: usage() }
}

fn seen() -> [Seen; 3] {
    let seen = |connection: &str, key: &str, ticks: u64, parting: Parting, bond: Bond| Seen {
        connection: connection.to_owned(),
        key: key.to_owned(),
        model: "m".to_owned(),
        ticks: (1..=ticks).collect(),
        lasted: Duration::from_millis(2_500),
        parting,
        expects: None,
        bond,
        settled: None,
    };
    let told = Parting::Told { seconds: 2, reason: "insufficient_credits".to_owned() };
    [
        seen("a", "rich", 2, Parting::Left, Bond::Alone),
        seen("b", "rich", 1, Parting::Cut, Bond::With("a".to_owned())),
        Seen {
            expects: Some(EndReason::InsufficientCredits),
            settled: Some(receipts()[0].connections[0].clone()),
            ..seen("c", "poor", 2, told, Bond::Alone)
        },
    ]
}

fn known(seen: impl IntoIterator<Item = Seen>) -> Known {
    let mut known = Known::new([("m".to_owned(), Credits::from_micros(PRICE))]);
    known.deposit("d1".to_owned(), "rich".to_owned(), Credits::from_micros(1_000_000_000));
    known.deposit("d2".to_owned(), "poor".to_owned(), Credits::from_micros(2 * PRICE + 1));
    seen.into_iter().for_each(|seen| known.see(seen));
    known
}

/// What is found when the server shows something else.
fn wrong(change: impl FnOnce(&mut Shown)) -> Vec<String> {
    let mut shown = shown();
    change(&mut shown);
    known(seen()).judge(shown)
}

/// What is found when clients saw something else.
fn wrong_for(change: impl FnOnce(&mut [Seen; 3])) -> Vec<String> {
    let mut seen = seen();
    change(&mut seen);
    known(seen).judge(shown())
}

fn assert_finds(wrong: &[String], what: &str) {
    assert!(wrong.iter().any(|wrong| wrong.contains(what)), "{what:?} is not in {wrong:#?}");
}

fn nothing() -> Vec<String> {
    Vec::new()
}

/// Puts positions right after rows were added or removed.
fn number(events: &mut [Event]) {
    (1..).zip(events).for_each(|(position, event)| event.position = position);
}

#[test]
fn a_ledger_that_is_right_is_right() {
    let mut known = known(seen());
    assert_eq!(known.judge(shown()), nothing());
    assert_eq!(known.judge(shown()), nothing());
    assert_eq!(
        known.tally(),
        Tally { connections: 3, gone_on: 1, ended: 2, ticks: 5, seconds: 6, in_flight: 1, left: 0 }
    );
    assert_eq!(known.rows(&receipts()), 11);
}

#[test]
fn a_second_that_is_charged_twice_is_found() {
    // The same row again, with everything else made to fit it.
    let doubled = |shown: &mut Shown| {
        let again = shown.events[8].clone();
        shown.events.insert(9, again);
        number(&mut shown.events);
        shown.rows = shown.events[..11].iter().map(Row::from).collect();
    };
    let found = wrong(doubled);
    assert_finds(&found, "the export has second:b:1 twice");
    assert_finds(&found, "second 1 where 2 should be");
    // Another row for the same moment.
    let found = wrong(|shown| {
        let Entry::Second { n, .. } = &mut shown.events[4].entry else { panic!() };
        *n = 3;
    });
    assert_finds(&found, "second 3 where 2 should be");
    assert_finds(&found, "row 5, second:a:2: it should be second:a:3");
    // One in the file alone.
    let found = wrong(|shown| {
        let again = shown.events[9].clone();
        shown.events.push(again);
    });
    assert_finds(&found, "the export has second:b:2 twice");
    assert_finds(&found, "the export has row 10, second:b:2, where 12 should be");
}

#[test]
fn a_second_that_is_lost_is_found() {
    let found = wrong(|shown| {
        shown.events.remove(2);
        number(&mut shown.events);
    });
    assert_finds(&found, "second 2 where 1 should be");
    assert_finds(&found, "the ledger had");
    let found = wrong(|shown| {
        shown.events.remove(2);
    });
    assert_finds(&found, "the export has row 4, second:c:1, where 3 should be");
    // Lost everywhere: only the client knows.
    let found = wrong(|shown| {
        shown.events.remove(4);
        number(&mut shown.events);
        let Entry::Ended { seconds, credits, .. } = &mut shown.events[4].entry else { panic!() };
        (*seconds, *credits) = (1, Credits::from_micros(PRICE));
        shown.rows = shown.events[..9].iter().map(Row::from).collect();
        let receipt = &mut shown.receipts[1];
        (receipt.seconds, receipt.credits) = (3, "0.750003".to_owned());
        (receipt.connections[0].seconds, receipt.connections[0].credits) = (1, "0.250001".to_owned());
        shown.keys[1].balance = "999.249997".to_owned();
        (shown.usage[0].seconds, shown.usage[0].credits) = (2, "0.500002".to_owned());
    });
    assert_eq!(found, ["a: 2 ticks were seen and 1 s are charged: Left"]);
}

#[test]
fn rows_that_the_kill_left_and_the_export_has_not_are_found() {
    assert_finds(&wrong(|shown| shown.events.truncate(8)), "the ledger had");
    assert_finds(&wrong(|shown| shown.rows[3].change = Credits::ZERO), "the ledger had");
    assert_finds(&wrong(|shown| shown.rows[3].key = "rich".to_owned()), "the ledger had");
}

#[test]
fn a_second_that_the_recovery_charged_is_found() {
    assert_finds(&wrong(|shown| shown.rows.truncate(9)), "was added after the kill");
    // An end that it gave another reason.
    assert_finds(&wrong(|shown| shown.rows.truncate(7)), "was added after the kill");
}

#[test]
fn an_export_that_has_changed_is_found() {
    let mut known = known(seen());
    assert_eq!(known.judge(shown()), nothing());
    let mut later = shown();
    later.events[3].at += 1;
    later.rows[3].at += 1;
    assert_finds(&known.judge(later), "the export has changed");
}

#[test]
fn wrong_prices_are_found() {
    let found = wrong(|shown| {
        let Entry::Second { credits, .. } = &mut shown.events[2].entry else { panic!() };
        *credits = Credits::from_micros(PRICE + 1);
    });
    assert_finds(&found, "a second of m for 0.250002");
    assert_finds(&found, "the rows before have (2, Credits(0.500003))");
}

#[test]
fn wrong_balances_are_found() {
    let found = wrong(|shown| shown.keys[1].balance = "998.749995".to_owned());
    assert_eq!(found, ["rich has 998.749995; 1000 less 1.000004 is 998.999996"]);
    let found = wrong(|shown| shown.keys[2].held = "0.250001".to_owned());
    assert_eq!(found, ["poor holds 0.250001 after a start"]);
    assert_finds(&wrong(|shown| drop(shown.keys.pop())), "poor: there are rows of it, and no such key");
}

#[test]
fn deposits_that_are_missing_doubled_or_different_are_found() {
    let mut known_more = known(seen());
    known_more.deposit("d3".to_owned(), "rich".to_owned(), Credits::from_micros(1));
    let found = known_more.judge(shown());
    assert_finds(&found, "rich was added to 1 times, not 2 times");
    assert_finds(&found, "rich has 998.999996; 1000.000001 less");
    let found = wrong(|shown| {
        let mut again = shown.events[0].clone();
        again.position = 12;
        shown.events.push(again);
    });
    assert_finds(&found, "rich was added to 2 times, not 1 times");
    let found = wrong(|shown| {
        let Entry::Credit { credits, .. } = &mut shown.events[0].entry else { panic!() };
        *credits = Credits::from_micros(7);
    });
    assert_finds(&found, "0.000007 were added to rich");
}

#[test]
fn a_key_that_spent_more_than_it_had_is_found() {
    let found = wrong(|shown| shown.events.swap(0, 2));
    assert_finds(&found, "rich has -0.250001 after it");
}

#[test]
fn a_key_that_ended_before_it_had_run_out_is_found() {
    let mut generous = known(seen());
    generous.deposit("d2".to_owned(), "poor".to_owned(), Credits::from_micros(3 * PRICE));
    let mut shown = shown();
    let Entry::Credit { credits, .. } = &mut shown.events[1].entry else { panic!() };
    *credits = Credits::from_micros(3 * PRICE);
    shown.rows[1].change = *credits;
    shown.keys[2].balance = "0.250001".to_owned();
    let found = generous.judge(shown);
    assert_eq!(found, ["row 8, ended:c: poor had 0.250001, enough for another second"]);
}

#[test]
fn receipts_that_are_no_sums_are_found() {
    let found = wrong(|shown| shown.receipts[1].seconds = 5);
    assert_finds(&found, "session a: 5 s for 1.000004");
    let found = wrong(|shown| shown.receipts[1].connections[1].seconds = 1);
    assert_finds(&found, "session a: b is shown as (1, ");
    let found = wrong(|shown| drop(shown.receipts.remove(0)));
    assert_finds(&found, "c: it is in the ledger, and no receipt has it");
    let found = wrong(|shown| {
        let again = shown.receipts[0].clone();
        shown.receipts.push(again);
    });
    assert_finds(&found, "c is shown twice");
    let found = wrong(|shown| shown.receipts[0].key = "rich".to_owned());
    assert_finds(&found, "session c: c is of Charged");
}

#[test]
fn sessions_that_are_not_settled_are_found() {
    let found = wrong(|shown| shown.receipts[1].settled = false);
    assert_eq!(found, ["session a: it is live after a start"]);
    let found = wrong(|shown| shown.receipts[1].reason = None);
    assert_eq!(found, ["session a: it is live after a start"]);
    let found = wrong(|shown| shown.receipts[1].connections[1].ended_at = None);
    assert_eq!(found, ["session a: b is open after a start"]);
    let found = wrong(|shown| {
        shown.events.pop();
        shown.receipts[1].connections[1].reason = None;
    });
    assert_finds(&found, "b: it ended with None: Cut");
}

#[test]
fn usage_that_is_no_sum_is_found() {
    assert_finds(&wrong(|shown| shown.usage[2].seconds = 2), "the usage is");
    assert_finds(&wrong(|shown| shown.usage[2].credits = "0.25".to_owned()), "the usage is");
    assert_finds(&wrong(|shown| drop(shown.usage.pop())), "the usage is");
}

#[test]
fn one_second_may_be_unseen_and_only_where_it_can_be() {
    assert_eq!(wrong_for(|seen| seen[0].ticks.truncate(1)), nothing());
    assert_finds(&wrong_for(|seen| seen[0].ticks.clear()), "a: 0 ticks were seen and 2 s are charged: Left");
    assert_finds(&wrong_for(|seen| seen[1].ticks.clear()), "b: 0 ticks were seen and 2 s are charged: Cut");
    assert_eq!(wrong_for(|seen| seen[1].ticks.push(2)), nothing());
    assert_finds(
        &wrong_for(|seen| {
            seen[1].ticks.extend([2, 3]);
            seen[1].lasted = Duration::from_secs(4);
        }),
        "b: 3 ticks were seen and 2 s are charged",
    );
    assert_finds(
        &wrong_for(|seen| seen[2].ticks.truncate(1)),
        "c: 1 ticks were seen and 2 s are charged: Told",
    );
}

#[test]
fn ticks_that_no_clock_has_are_found() {
    assert_eq!(wrong_for(|seen| seen[0].ticks = vec![1, 1]), ["a: its ticks were [1, 1]"]);
    assert_eq!(wrong_for(|seen| seen[0].ticks = vec![2, 3]), ["a: its ticks were [2, 3]"]);
    let found = wrong_for(|seen| seen[0].lasted = Duration::from_millis(1_999));
    assert_eq!(found, ["a: 2 ticks in 1.999s"]);
}

#[test]
fn what_was_said_at_the_end_is_what_is_charged() {
    let told = |seconds, reason: &str| Parting::Told { seconds, reason: reason.to_owned() };
    let found = wrong_for(|seen| seen[2].parting = told(3, "insufficient_credits"));
    assert_finds(&found, "c: it was told 3 s, insufficient_credits; the rows say");
    let found = wrong_for(|seen| seen[2].parting = told(2, "error"));
    assert_finds(&found, "c: it was ended for error");
    assert_finds(&found, "c: it was told 2 s, error; the rows say");
    assert_finds(&wrong_for(|seen| seen[2].expects = None), "c: it was ended for insufficient_credits");
}

#[test]
fn reasons_that_cannot_be_are_found() {
    assert_finds(
        &wrong_for(|seen| seen[0].parting = Parting::Cut),
        "a: it ended with Some(\"disconnect\"): Cut",
    );
    // The server may have ended it just before it was killed.
    assert_eq!(wrong_for(|seen| seen[2].parting = Parting::Cut), nothing());
    // Or been killed before it noticed that the client was gone.
    assert_eq!(wrong_for(|seen| seen[1].parting = Parting::Left), nothing());
}

#[test]
fn what_was_settled_stays_as_it_was() {
    let settled = || receipts()[1].connections[0].clone();
    assert_eq!(wrong_for(|seen| seen[0].settled = Some(settled())), nothing());
    let fewer = ConnectionReceipt { seconds: 1, ..settled() };
    assert_finds(&wrong_for(|seen| seen[0].settled = Some(fewer)), "a: it was settled with (1, ");
    let other = ConnectionReceipt { reason: Some("timeout".to_owned()), ..settled() };
    assert_finds(&wrong_for(|seen| seen[0].settled = Some(other)), "a: it was settled with (2, ");
}

#[test]
fn connections_belong_to_their_sessions() {
    assert_finds(&wrong_for(|seen| seen[1].bond = Bond::Alone), "b: it is of session a, and should be Alone");
    let found = wrong_for(|seen| seen[2].bond = Bond::With("a".to_owned()));
    assert_finds(&found, "c: it is of session c, and should be With(\"a\")");
    let found = wrong_for(|seen| seen[1].bond = Bond::Without("a".to_owned()));
    assert_finds(&found, "b: it is of session a, and should be Without(\"a\")");
    assert_finds(&wrong_for(|seen| seen[0].key = "poor".to_owned()), "and was opened by poor for m");
    assert_finds(&wrong_for(|seen| seen[0].model = "o".to_owned()), "and was opened by rich for o");
}

#[test]
fn connections_without_a_client_cost_nothing() {
    let [a, b, c] = seen();
    let mut without_one = known([a.clone(), b.clone()]);
    assert_eq!(
        without_one.judge(shown()),
        ["1 connections that no client had, where 0 could be", "c: 2 s are charged that no client had"]
    );
    without_one.lose(1);
    assert_eq!(without_one.judge(shown()), ["c: 2 s are charged that no client had"]);
    let other = Seen { connection: "d".to_owned(), ..c.clone() };
    assert_finds(&known([a, b, c, other]).judge(shown()), "d: it is not in the ledger");
}
