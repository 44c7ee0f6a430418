//! Events keep their shape and their ids, and whoever adds them up, in whatever portions and however often, gets the
//! receipts and balances.

use meter::{
    Bill, ConnectionId, ConnectionReceipt, Credits, Day, DepositId, Entry, Event, KeyId, Receipt, SessionId,
    Total,
};
use proptest::prelude::*;
use serde_json::json;
use wire::{ConversationId, TurnId, Usage};

fn micros(micros: i64) -> Credits {
    Credits::from_micros(micros)
}

fn second(connection: &str, n: u64, credits: i64) -> Entry {
    Entry::Second {
        session: SessionId::new(&connection[..1]),
        connection: ConnectionId::new(connection),
        n,
        model: "m".to_owned(),
        credits: micros(credits),
    }
}

fn event(position: u64, entry: Entry) -> Event {
    Event::new(position, 5, KeyId::new("k"), entry)
}

#[test]
fn events_keep_their_shape() {
    let step = Entry::Step {
        conversation: ConversationId::new("c"),
        turn: TurnId::new("t"),
        n: 0,
        model: Some("a/b".to_owned()),
        usage: Usage { input_tokens: 9_007_199_254_740_993, output_tokens: 2, ..Usage::default() },
        credits: micros(1),
    };
    let credit =
        Entry::Credit { deposit: DepositId::new("d"), note: "paid".to_owned(), credits: micros(-1_500_000) };
    let ended = Entry::Ended {
        session: SessionId::new("s"),
        connection: ConnectionId::new("x"),
        model: "m".to_owned(),
        reason: "disconnect".to_owned(),
        seconds: 2,
        credits: micros(40_000),
    };
    for (entry, expected, change) in [
        (
            second("s1", 7, 20_000),
            json!({ "id": "second:s1:7", "position": 3, "at": 5, "key": "k", "type": "second", "session": "s",
                "connection": "s1", "n": 7, "model": "m", "credits": "0.02" }),
            -20_000,
        ),
        (
            step,
            json!({ "id": "step:t:0", "position": 3, "at": 5, "key": "k", "type": "step", "conversation": "c",
                "turn": "t", "n": 0, "model": "a/b", "credits": "0.000001",
                "usage": { "inputTokens": 9_007_199_254_740_993u64, "outputTokens": 2 } }),
            -1,
        ),
        (
            credit,
            json!({ "id": "credit:d", "position": 3, "at": 5, "key": "k", "type": "credit", "deposit": "d",
                "note": "paid", "credits": "-1.5" }),
            -1_500_000,
        ),
        (
            ended,
            json!({ "id": "ended:x", "position": 3, "at": 5, "key": "k", "type": "ended", "session": "s",
                "connection": "x", "model": "m", "reason": "disconnect", "seconds": 2, "credits": "0.04" }),
            0,
        ),
    ] {
        let event = event(3, entry);
        assert_eq!(event.entry.change(), micros(change));
        assert_eq!(serde_json::to_value(&event).unwrap(), expected);
        assert_eq!(serde_json::from_value::<Event>(expected).unwrap(), event);
        let line = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event);
        assert!(!line.contains('\n'));
    }
}

#[test]
fn a_receipt_adds_all_connections_up() {
    let connection = |id: &str, ended: Option<(u64, &str)>, seconds: u64| ConnectionReceipt {
        connection: ConnectionId::new(id),
        model: "m".to_owned(),
        opened_at: 1,
        ended_at: ended.map(|(at, _)| at),
        reason: ended.map(|(_, reason)| reason.to_owned()),
        seconds,
        credits: micros(seconds as i64 * 10),
    };
    let of = |connections| Receipt::of(SessionId::new("s"), KeyId::new("k"), connections);
    let settled = of(vec![
        connection("a", Some((90, "error")), 3),
        // Opened while the first one was dying, and ended before it.
        connection("b", Some((80, "disconnect")), 4),
    ])
    .unwrap();
    assert_eq!((settled.seconds, settled.credits), (7, micros(70)));
    assert_eq!((settled.settled, settled.reason.as_deref()), (true, Some("error")));
    let open = of(vec![connection("a", Some((90, "error")), 3), connection("b", None, 1)]).unwrap();
    assert_eq!((open.seconds, open.credits, open.settled, open.reason), (4, micros(40), false, None));
    let none = of(vec![]).unwrap();
    assert_eq!((none.seconds, none.credits, none.settled), (0, Credits::ZERO, true));
    assert_eq!(of(vec![connection("a", None, u64::MAX), connection("b", None, 1)]), None);
}

#[test]
fn days_are_written_as_in_the_calendar() {
    for (ms, day) in [
        (0, "1970-01-01"),
        (86_399_999, "1970-01-01"),
        (86_400_000, "1970-01-02"),
        (951_782_400_000, "2000-02-29"),
        (951_868_800_000, "2000-03-01"),
        (4_107_542_400_000, "2100-03-01"),
        (1_767_225_599_999, "2025-12-31"),
        (u64::MAX, "9999-12-31"),
    ] {
        assert_eq!(Day::of(ms).to_string(), day);
        assert_eq!(day.parse(), Ok(Day::of(ms)));
    }
    for wrong in [
        "",
        "2026",
        "2026-1-1",
        "2026-02-30",
        "2026-13-01",
        "2026-00-10",
        "1969-12-31",
        "2026-01-01x",
        "10000-01-01",
        "+2026-01-01",
    ] {
        assert!(wrong.parse::<Day>().is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn a_day_is_read_as_it_was_written(number in 0..=Day::LAST.number()) {
        let day = Day::from_number(number);
        prop_assert_eq!(day.to_string().parse(), Ok(day));
        prop_assert_eq!(serde_json::from_str::<Day>(&serde_json::to_string(&day).unwrap()).unwrap(), day);
        if number < Day::LAST.number() {
            // As text, days are in the order of time.
            prop_assert!(day.to_string() < Day::from_number(number + 1).to_string());
        }
    }

    #[test]
    fn events_that_come_again_change_nothing(
        seconds in prop::collection::vec((0..3usize, 1..1000i64), 0..40),
        resent in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
    ) {
        let connections = ["a1", "a2", "b1"];
        let mut counts = [(0u64, 0i64); 3];
        let mut events = vec![event(1, Entry::Credit {
            deposit: DepositId::new("d"), note: String::new(), credits: micros(1_000_000),
        })];
        for (which, credits) in seconds {
            counts[which] = (counts[which].0 + 1, counts[which].1 + credits);
            let position = events.len() as u64 + 1;
            events.push(event(position, second(connections[which], counts[which].0, credits)));
        }
        let mut bill = Bill::default();
        let again = resent.iter().map(|index| index.get(&events));
        let new = events.iter().chain(again).filter(|event| bill.add(event) == Some(true)).count();
        prop_assert_eq!(new, events.len());
        let total = |counts: &[(u64, i64)]| Total {
            seconds: counts.iter().map(|count| count.0).sum(),
            credits: micros(counts.iter().map(|count| count.1).sum()),
        };
        prop_assert_eq!(bill.session(&SessionId::new("a")), total(&counts[..2]));
        prop_assert_eq!(bill.session(&SessionId::new("b")), total(&counts[2..]));
        let spent = total(&counts).credits.micros();
        prop_assert_eq!(bill.balance(&KeyId::new("k")), micros(1_000_000 - spent));
    }
}
