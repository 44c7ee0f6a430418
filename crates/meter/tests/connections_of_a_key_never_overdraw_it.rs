//! Whatever connections do together, a second begins only when its price is held; rows, balance and holds add up.

use meter::{Account, Credits, Funds, Grant, Next, Price, Rate, Refusal, Running};
use proptest::prelude::*;

fn micros(micros: i64) -> Credits {
    Credits::from_micros(micros)
}

fn rate(micros: i64) -> Rate {
    Rate::try_from(Credits::from_micros(micros)).unwrap()
}

fn account(balance: i64) -> Account {
    Account { funds: Funds::Prepaid, balance: micros(balance), held: Credits::ZERO, is_revoked: false }
}

fn granted(n: u64, next: Next, left: i64) -> Result<Grant, Refusal> {
    Ok(Grant { n, is_new: true, next, left: Some(micros(left)) })
}

fn again(n: u64, next: Next, left: i64) -> Result<Grant, Refusal> {
    Ok(Grant { n, is_new: false, next, left: Some(micros(left)) })
}

#[test]
fn a_key_gets_exactly_what_it_paid_for() {
    let mut key = account(35);
    let mut connection = Running::open(&mut key, rate(10)).unwrap();
    assert_eq!((key.balance, key.held), (micros(35), micros(10)));
    assert_eq!(connection.grant(&mut key, 1), granted(1, Next::Held, 25));
    assert_eq!((key.balance, key.held), (micros(25), micros(10)));
    assert_eq!(connection.grant(&mut key, 2), granted(2, Next::Held, 15));
    assert_eq!(connection.grant(&mut key, 3), granted(3, Next::InsufficientCredits, 5));
    assert_eq!((key.balance, key.held), (micros(5), Credits::ZERO));
    // Somebody who goes on all the same gets nothing.
    assert_eq!(connection.grant(&mut key, 4), Err(Refusal::InsufficientCredits));
    assert_eq!(connection.end(&mut key), Ok(()));
    assert_eq!(Running::open(&mut key, rate(10)), Err(Refusal::InsufficientCredits));
    assert_eq!((key.balance, key.held), (micros(5), Credits::ZERO));
}

#[test]
fn the_same_second_is_charged_once() {
    let mut key = account(100);
    let mut connection = Running::open(&mut key, rate(10)).unwrap();
    connection.grant(&mut key, 1).unwrap();
    let before = (key, connection);
    assert_eq!(connection.grant(&mut key, 1), again(1, Next::Held, 90));
    assert_eq!(connection.grant(&mut key, 0), Err(Refusal::OutOfOrder { asked: 0, next: 2 }));
    assert_eq!(connection.grant(&mut key, 3), Err(Refusal::OutOfOrder { asked: 3, next: 2 }));
    assert_eq!((key, connection), before);
    connection.end(&mut key).unwrap();
    connection.end(&mut key).unwrap();
    assert_eq!((key.balance, key.held), (micros(90), Credits::ZERO));
    assert_eq!(connection.grant(&mut key, 1), again(1, Next::Ended, 90));
    assert_eq!(connection.grant(&mut key, 2), Err(Refusal::Ended));
}

#[test]
fn a_key_that_was_topped_up_in_time_goes_on() {
    let mut key = account(10);
    let mut connection = Running::open(&mut key, rate(10)).unwrap();
    assert_eq!(connection.grant(&mut key, 1), granted(1, Next::InsufficientCredits, 0));
    key.credit(micros(20)).unwrap();
    assert_eq!(connection.grant(&mut key, 1), again(1, Next::Held, 20));
    assert_eq!(connection.grant(&mut key, 2), granted(2, Next::Held, 10));
    assert_eq!(connection.grant(&mut key, 3), granted(3, Next::InsufficientCredits, 0));
    key.credit(micros(10)).unwrap();
    assert_eq!(connection.grant(&mut key, 4), granted(4, Next::InsufficientCredits, 0));
}

#[test]
fn a_revoked_key_pays_for_the_second_in_flight_and_begins_no_other() {
    let mut key = account(100);
    let mut connection = Running::open(&mut key, rate(10)).unwrap();
    key.is_revoked = true;
    assert_eq!(connection.grant(&mut key, 1), granted(1, Next::Revoked, 90));
    assert_eq!(connection.grant(&mut key, 2), Err(Refusal::Revoked));
    assert_eq!(Running::open(&mut key, rate(0)), Err(Refusal::Revoked));
    assert_eq!(key.admit_turn(&Price::FREE), Err(Refusal::Revoked));
}

#[test]
fn what_is_free_needs_no_credits_and_what_is_unlimited_has_no_end() {
    let mut broke = account(-5);
    let mut connection = Running::open(&mut broke, Rate::FREE).unwrap();
    assert_eq!(connection.grant(&mut broke, 1), granted(1, Next::Held, -5));
    assert_eq!(broke.balance, micros(-5));
    let mut local = Account { funds: Funds::Unlimited, ..account(0) };
    let mut connection = Running::open(&mut local, rate(10)).unwrap();
    assert_eq!(
        connection.grant(&mut local, 1),
        Ok(Grant { n: 1, is_new: true, next: Next::Held, left: None })
    );
    assert_eq!(local.balance, micros(-10));
    assert_eq!(connection.credits(), Some(micros(10)));
}

#[test]
fn a_turn_begins_if_there_is_anything_left_and_costs_what_it_costs() {
    let price = Price { per_million_output_tokens: rate(1), ..Price::FREE };
    assert_eq!(account(1).admit_turn(&price), Ok(()));
    for left in [0, -1] {
        assert_eq!(account(left).admit_turn(&price), Err(Refusal::InsufficientCredits));
        assert_eq!(account(left).admit_turn(&Price::FREE), Ok(()));
        assert_eq!(Account { funds: Funds::Unlimited, ..account(left) }.admit_turn(&price), Ok(()));
    }
    // What is held for a session is not left.
    assert_eq!(
        Account { held: micros(5), ..account(5) }.admit_turn(&price),
        Err(Refusal::InsufficientCredits)
    );
    let mut key = account(1);
    assert_eq!(key.charge(micros(7)), Ok(()));
    assert_eq!(key.balance, micros(-6));
    let mut key = account(i64::MIN);
    assert_eq!(key.charge(micros(1)), Err(Refusal::Overflow));
    assert_eq!(account(i64::MAX).credit(micros(1)), Err(Refusal::Overflow));
}

#[derive(Clone, Debug)]
enum Action {
    Open(i64),
    /// A second of a connection: the next one, or another one.
    Grant(usize, i64),
    End(usize),
    Credit(i64),
    /// All connections end, as they do at a start after a crash.
    Crash,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        2 => (0..20i64).prop_map(Action::Open),
        12 => (0..8usize, prop_oneof![6 => Just(0i64), 1 => -3..3i64]).prop_map(|(which, off)| Action::Grant(which, off)),
        1 => (0..8usize).prop_map(Action::End),
        1 => (0..100i64).prop_map(Action::Credit),
        1 => Just(Action::Crash),
    ]
}

proptest! {
    #[test]
    fn no_schedule_overdraws(start in 0..200i64, actions in prop::collection::vec(action(), 1..120)) {
        let mut key = account(start);
        let mut connections: Vec<(Running, Vec<u64>)> = vec![];
        let mut added = start;
        for action in actions {
            let before = key;
            match action {
                Action::Open(price) => match Running::open(&mut key, rate(price)) {
                    Ok(running) => connections.push((running, vec![])),
                    Err(refusal) => {
                        prop_assert_eq!(refusal, Refusal::InsufficientCredits);
                        prop_assert!((before.balance.micros() - before.held.micros()) < price);
                        prop_assert_eq!(key, before);
                    }
                },
                Action::Grant(which, off) => {
                    let Some((running, rows)) = connections.get_mut(which) else { continue };
                    let n = (running.seconds + 1).saturating_add_signed(off);
                    let was = *running;
                    let answer = running.grant(&mut key, n);
                    if let Ok(grant) = answer {
                        prop_assert_eq!(grant.left, Some(key.balance));
                    }
                    match answer {
                        Ok(grant) if grant.is_new => {
                            prop_assert_eq!(n, was.seconds + 1);
                            rows.push(n);
                        }
                        Ok(_) => {
                            prop_assert!((1..=was.seconds).contains(&n));
                            prop_assert_eq!((running.seconds, key.balance), (was.seconds, before.balance));
                        }
                        Err(_) => prop_assert_eq!((*running, key), (was, before)),
                    }
                }
                Action::End(which) => {
                    if let Some((running, _)) = connections.get_mut(which) {
                        running.end(&mut key).unwrap();
                    }
                }
                Action::Credit(amount) => {
                    key.credit(micros(amount)).unwrap();
                    added += amount;
                }
                Action::Crash => {
                    for (running, _) in &mut connections {
                        running.end(&mut key).unwrap();
                    }
                    prop_assert_eq!(key.held, Credits::ZERO);
                }
            }
            let spent: i64 = connections
                .iter()
                .map(|(running, rows)| running.per_second.credits().micros() * rows.len() as i64)
                .sum();
            let held: i64 = connections
                .iter()
                .filter(|(running, _)| running.holds)
                .map(|(running, _)| running.per_second.credits().micros())
                .sum();
            prop_assert_eq!(key.balance, micros(added - spent), "the balance is the sum of the rows");
            prop_assert_eq!(key.held, micros(held));
            prop_assert!(key.balance >= key.held, "overdrawn: {:?}", key);
            for (running, rows) in &connections {
                prop_assert_eq!(rows, &(1..=running.seconds).collect::<Vec<_>>());
            }
        }
    }
}
