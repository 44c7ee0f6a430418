//! A session whose sockets are cut, stalled and refused at random, with the same weather in each run; `WEATHER_SEED` makes
//! another one.
use crate::servers;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::Client;
use client::realtime::{Camera, ErrorCode, Event, Options, Retry, Session, Start, State, Timeouts};
use futures_util::StreamExt;
use serde_json::json;
use servers::signaling::Server;
use tokio::time::{Instant, sleep, timeout};
use weather::tcp::Relay;

const PATIENCE: Duration = Duration::from_secs(60);
const WEATHER: Duration = Duration::from_secs(15);

fn options() -> Options {
    Options {
        // As many attempts as it takes.
        retry: Retry { delays: vec![30; 10_000], stable: 10_000 },
        timeouts: Timeouts { attempt: 5_000, ..Timeouts::default() },
        ..Options::default()
    }
}

async fn until(what: &str, is: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < deadline, "it never came to that: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// What was heard, in order.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Event>>>);

impl Heard {
    fn all(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }

    fn push(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }

    /// The ticks of the newest connection.
    fn ticks(&self) -> usize {
        self.all().iter().rev().take_while(|event| matches!(event, Event::GenerationTick(_))).count()
    }
}

/// The states that were heard, and after each the ticks until the next one.
fn phases(events: &[Event]) -> Vec<(State, Vec<u64>)> {
    let mut phases: Vec<(State, Vec<u64>)> = Vec::new();
    for event in events {
        match event {
            Event::ConnectionChange { state } => phases.push((*state, Vec::new())),
            Event::GenerationTick(tick) => phases.last_mut().unwrap().1.push(tick.seconds),
            Event::Error { error } => panic!("{error:?}"),
        }
    }
    phases
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_becomes_of_its_sockets() {
    let seed = std::env::var("WEATHER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("the seed is {seed}");
    let server = Server::start(Duration::from_millis(20)).await;
    let relay = Relay::start(server.address).await.unwrap();
    let client = Client::new(&relay.address().to_string(), Some("dsp_a-very-secret-key")).unwrap();
    let start = Start { model: "mirage".to_owned(), camera: Camera::new(25).unwrap(), options: options() };
    let session = Arc::new(timeout(PATIENCE, Session::connect(&client, start)).await.unwrap().unwrap());

    // Handlers, one that panics between them, and a stream.
    let heard: [Heard; 3] = Default::default();
    let first = heard[0].clone();
    session.on(move |event| first.push(event));
    session.on(|_| std::panic::resume_unwind(Box::new("as it is meant to")));
    let second = heard[1].clone();
    session.on(move |event| second.push(event));
    let (third, mut events) = (heard[2].clone(), session.events());
    let streamed = tokio::spawn(async move {
        while let Some(event) = events.next().await {
            third.push(&event);
        }
    });

    // An application that never stops asking for something.
    let is_over = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let callers: Vec<_> = (0..3)
        .map(|caller| {
            let (session, is_over) = (session.clone(), is_over.clone());
            tokio::spawn(async move {
                let (mut taken, mut failed) = (0, 0);
                while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                    let prompt = format!("look {caller} {taken}");
                    match timeout(PATIENCE, session.set_prompt(&prompt, false))
                        .await
                        .expect("a call is never answered")
                    {
                        Ok(()) => taken += 1,
                        Err(error) => {
                            assert_eq!(error.code, ErrorCode::NotConnected, "{error:?}");
                            failed += 1;
                        }
                    }
                    sleep(Duration::from_millis(3)).await;
                }
                (taken, failed)
            })
        })
        .collect();

    let mut chance = fastrand::Rng::with_seed(seed);
    let end = Instant::now() + WEATHER;
    let mut cuts = 0;
    while Instant::now() < end {
        sleep(Duration::from_millis(chance.u64(5..200))).await;
        match chance.u8(0..4) {
            0 | 1 => {
                relay.cut();
                cuts += 1;
            }
            2 => {
                relay.stall();
                sleep(Duration::from_millis(chance.u64(5..300))).await;
                if chance.bool() {
                    relay.cut();
                    cuts += 1;
                }
                relay.go_on();
            }
            _ => {
                relay.refuse(true);
                if chance.bool() {
                    relay.cut();
                    cuts += 1;
                }
                sleep(Duration::from_millis(chance.u64(5..150))).await;
                relay.refuse(false);
            }
        }
    }
    is_over.store(true, std::sync::atomic::Ordering::Relaxed);
    let (mut taken, mut failed) = (0, 0);
    for caller in callers {
        let (well, badly) = timeout(PATIENCE, caller).await.expect("it hangs").unwrap();
        (taken, failed) = (taken + well, failed + badly);
    }

    // The weather is fine: it is well again, with the look that was taken last.
    until("a session", || heard[0].ticks() > 20).await;
    timeout(PATIENCE, session.set_prompt("the last look", false)).await.unwrap().unwrap();
    assert_eq!(server.seen().acknowledged.unwrap()["prompt"], "the last look");
    let before = server.seen().newest;
    relay.cut();
    until("another session", || server.seen().newest > before).await;
    let look =
        json!({"type": "set_image", "image_data": null, "prompt": "the last look", "enhance_prompt": false});
    assert_eq!(server.seen().look, Some(look));
    until("its ticks", || heard[0].ticks() > 20).await;
    until("one connection", || server.seen().open == 1).await;

    timeout(PATIENCE, session.disconnect()).await.expect("it hangs");
    until("the end", || {
        heard
            .iter()
            .all(|heard| heard.all().last() == Some(&Event::ConnectionChange { state: State::Disconnected }))
    })
    .await;
    let error =
        timeout(PATIENCE, session.set_prompt("too late", false)).await.expect("it hangs").unwrap_err();
    assert_eq!(error.code, ErrorCode::NotConnected);
    until("no connection", || server.seen().open == 0).await;
    let seen = server.seen();
    // No second loop goes on.
    sleep(Duration::from_secs(1)).await;
    assert_eq!(server.seen().connections, seen.connections);
    assert_eq!(seen.strays, Vec::<String>::new(), "two attempts at once");

    drop(session);
    timeout(PATIENCE, streamed).await.expect("the stream does not end").unwrap();
    let [first, second, third] = heard.map(|heard| heard.all());
    assert_eq!(first, second);
    assert_eq!(first, third);
    let mut ticks = 0;
    let phases = phases(&first);
    for (at, (state, seconds)) in phases.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| phases[at].0);
        let follows = match state {
            State::Connecting => before.is_none(),
            State::Generating => matches!(before, Some(State::Connecting | State::Reconnecting)),
            State::Reconnecting => before == Some(State::Generating),
            State::Disconnected => at + 1 == phases.len(),
            State::Connected => false,
        };
        assert!(follows, "{state:?} after {before:?}");
        // None is missing, none comes twice, none is of another connection.
        assert_eq!(*seconds, (1..=seconds.len() as u64).collect::<Vec<_>>());
        ticks += seconds.len();
    }
    let sessions = phases.iter().filter(|(state, _)| *state == State::Generating).count();
    println!(
        "{cuts} cuts, {} connections, {sessions} sessions, {ticks} ticks; {taken} calls were taken, {failed} failed",
        seen.connections
    );
    assert!(sessions > 10 && ticks > 50 && taken > 10 && failed > 10, "the weather was too fine, or too bad");
}
