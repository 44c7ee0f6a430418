//! A process grants seconds, says their ticks, runs turns and exports the ledger to a file; it is killed at a random
//! moment, again and again. Of what it had said nothing is missing from the bill, nothing is in it twice, at most one
//! second of a connection was charged without a tick, and the file goes on without a gap and without a repetition.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use kernel::LogOp;
use meter::{Event, Next, Payer, Price};
use serde_json::{Value, json};
use store::{Ledger, Sqlite, Store};

use crate::support::ledger::{books, connection_id, deposit, key_id, opening, rate, with_key};
use crate::support::{beginning, id, sealing, step, turn_id};

const DIRECTORY: &str = "DISPATCH_STORE_TEST_DIRECTORY";
const ROUND: &str = "DISPATCH_STORE_TEST_ROUND";
const SESSIONS: usize = 4;
const ROUNDS: u64 = 12;
const PRICE: i64 = 10;
/// Keys run dry all the time, and are topped up.
const DEPOSIT: i64 = 400;

/// What was said before the kills.
#[derive(Default)]
struct Said {
    /// Connections that were opened, with their last tick.
    ticks: BTreeMap<String, u64>,
    /// Connections whose end was acknowledged, with their seconds.
    ended: BTreeMap<String, u64>,
    steps: BTreeSet<String>,
    deposits: BTreeSet<String>,
}

#[test]
fn every_second_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut said = Said::default();
    let mut rng = Rng::with_seed(0x5ec0d);
    let (mut without_tick, mut resumed, mut interrupted) = (0, 0, 0);
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "a_killed_process_bills_every_second_once::bills_until_it_is_killed",
                "--nocapture",
            ])
            .env(DIRECTORY, dir.path())
            .env(ROUND, round.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut heard = vec![lines.find(|line| said_in(line.as_ref().unwrap()).is_some()).unwrap().unwrap()];
        // The rest is read by another thread, so that the pipe never makes the child wait.
        let reader = std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>());
        std::thread::sleep(Duration::from_micros(rng.u64(20_000..150_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        heard.extend(reader.join().unwrap());
        heard.iter().filter_map(|line| said_in(line)).for_each(|value| said.note(&value));

        let (store, _) = Sqlite::open(&dir.path().join("store")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        // Verifies that the sums are those of the rows, and that no row is there twice.
        let books = runtime.block_on(books(&store));
        assert!(books.keys.iter().all(|key| key.held == meter::Credits::ZERO));
        let ids: BTreeSet<&str> = books.events.iter().map(|event| event.id.as_str()).collect();
        let charged: BTreeMap<&str, (u64, Option<&str>)> = books
            .sessions
            .iter()
            .flat_map(|receipt| &receipt.connections)
            .map(|of| (of.connection.as_str(), (of.seconds, of.reason.as_deref())))
            .collect();
        without_tick = 0;
        for (connection, ticks) in &said.ticks {
            let (seconds, reason) = charged[connection.as_str()];
            assert!(
                (*ticks..=ticks + 1).contains(&seconds),
                "{connection}: {ticks} ticks, {seconds} seconds"
            );
            without_tick += seconds - ticks;
            match said.ended.get(connection) {
                Some(ended) => assert_eq!((seconds, reason), (*ended, Some("disconnect")), "{connection}"),
                None => assert!(reason.is_some(), "{connection} is still open"),
            }
            interrupted += u64::from(reason == Some("interrupted"));
        }
        // An opening that was not acknowledged may have happened, but no second without it.
        let unheard = charged.iter().filter(|(connection, _)| !said.ticks.contains_key(**connection));
        assert!(unheard.into_iter().all(|(_, (seconds, _))| *seconds == 0));
        assert!(said.steps.iter().all(|step| ids.contains(step.as_str())), "a step is missing");
        assert!(said.deposits.iter().all(|deposit| ids.contains(deposit.as_str())), "a deposit is missing");

        let file = dir.path().join("export.ndjson");
        let before = exported(&file).len();
        assert!(
            runtime.block_on(store.exported("file")).unwrap() <= before as u64,
            "what was acknowledged is there"
        );
        runtime.block_on(export_rest(&store, &file));
        assert_eq!(exported(&file), books.events, "after {before} lines");
        resumed += u64::from(before > 0 && before < books.events.len());
    }
    assert!(said.ticks.values().sum::<u64>() > 200, "the test has tried little");
    assert!(
        said.steps.len() > 10 && said.ended.len() > 5 && said.deposits.len() > 3,
        "the test has tried little"
    );
    assert!(interrupted > 0, "no kill hit an open connection: the test has tried little");
    assert!(resumed > 0, "no kill came between a row and its export: the test has tried little");
    println!("{} ticks, {without_tick} seconds without one", said.ticks.values().sum::<u64>());
}

fn said_in(line: &str) -> Option<Value> {
    // The test harness may have begun the line.
    line.find('{').and_then(|start| serde_json::from_str(&line[start..]).ok())
}

impl Said {
    fn note(&mut self, said: &Value) {
        let of = || said["of"].as_str().unwrap().to_owned();
        let n = || said["n"].as_u64().unwrap();
        match said["what"].as_str().unwrap() {
            "opened" => assert_eq!(self.ticks.insert(of(), 0), None),
            "tick" => assert_eq!(self.ticks.insert(of(), n()), Some(n() - 1)),
            "ended" => assert_eq!(self.ended.insert(of(), n()), None),
            "step" => assert!(self.steps.insert(of())),
            "deposit" => assert!(self.deposits.insert(of())),
            other => panic!("{other}"),
        }
    }
}

/// The complete lines of the export.
fn exported(file: &Path) -> Vec<Event> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let complete = text.rfind('\n').map_or("", |end| &text[..end]);
    complete.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// As an exporter does: what is half written is cut off, and the last line says where to go on.
async fn export_rest(store: &Sqlite, file: &Path) {
    let mut open = OpenOptions::new().create(true).append(true).open(file).unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    open.set_len(text.rfind('\n').map_or(0, |end| end as u64 + 1)).unwrap();
    let mut position = exported(file).last().map_or(0, |event| event.position);
    while export_portion(store, &mut open, &mut position).await > 0 {}
}

async fn export_portion(store: &Sqlite, file: &mut File, position: &mut u64) -> usize {
    let events = store.outbox(*position, 16).await.unwrap();
    for event in &events {
        // In two writes, so that a kill may leave half a line.
        let line = serde_json::to_string(event).unwrap();
        file.write_all(line.as_bytes()).unwrap();
        file.write_all(b"\n").unwrap();
        *position = event.position;
    }
    if !events.is_empty() {
        file.sync_data().unwrap();
        store.acknowledge("file", *position).await.unwrap();
    }
    events.len()
}

/// Not a test by itself: the process that is killed.
#[test]
fn bills_until_it_is_killed() {
    let (Ok(directory), Ok(round)) = (std::env::var(DIRECTORY), std::env::var(ROUND)) else { return };
    let (store, _) = Sqlite::open(&Path::new(&directory).join("store")).unwrap();
    let store = Arc::new(store);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    runtime.block_on(async {
        if round == "0" {
            with_key(&*store, "k", DEPOSIT).await;
        }
        for session in 0..SESSIONS {
            let rng = Rng::with_seed(round.parse::<u64>().unwrap() * 100 + session as u64);
            let billing = Billing { store: Arc::clone(&store), name: format!("{round}-{session}"), rng };
            tokio::spawn(billing.forever());
        }
        let file = Path::new(&directory).join("export.ndjson");
        let mut position = exported(&file).last().map_or(0, |event| event.position);
        let mut file = OpenOptions::new().create(true).append(true).open(file).unwrap();
        loop {
            if export_portion(&store, &mut file, &mut position).await == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
}

struct Billing {
    store: Arc<Sqlite>,
    name: String,
    rng: Rng,
}

impl Billing {
    async fn forever(mut self) {
        for number in 0.. {
            let name = format!("{}-{number}", self.name);
            match self.rng.u8(0..3) {
                0 => self.turn(&name).await,
                _ => self.connection(&name).await,
            }
        }
    }

    async fn top_up(&self, name: &str) {
        self.store.credit_key(deposit(name, "k", DEPOSIT)).await.unwrap();
        say(json!({ "what": "deposit", "of": format!("credit:{name}") }));
    }

    async fn connection(&mut self, name: &str) {
        // Several connections of a logical session.
        let session = format!("session {}", self.name);
        if self.store.open_connection(opening("k", &session, name, PRICE)).await.is_err() {
            return self.top_up(name).await;
        }
        say(json!({ "what": "opened", "of": name }));
        let mut seconds = 0;
        while seconds < self.rng.u64(1..40) {
            let n = seconds + 1;
            let grant = self.store.grant_second(&connection_id(name), n, 1).await.unwrap();
            assert!(grant.is_new);
            if self.rng.bool() {
                let again = self.store.grant_second(&connection_id(name), n, 1).await.unwrap();
                assert!(!again.is_new);
            }
            say(json!({ "what": "tick", "of": name, "n": n }));
            seconds = n;
            if grant.next != Next::Held {
                break;
            }
        }
        if self.rng.bool() {
            self.store.end_connection(&connection_id(name), 2, "disconnect").await.unwrap();
            say(json!({ "what": "ended", "of": name, "n": seconds }));
        }
    }

    async fn turn(&mut self, name: &str) {
        let payer = Payer {
            key: key_id("k"),
            price: Price { per_million_output_tokens: rate(3_000_000), ..Price::FREE },
        };
        let conversation = format!("conversation {}", self.name);
        let begin = beginning(&conversation, name, "Hello", 1);
        if self.store.begin_paid_turn(begin, payer).await.is_err() {
            return self.top_up(name).await;
        }
        for n in 0..self.rng.u64(1..4) {
            let ops = vec![LogOp::Step(step(&format!("{name}#{n}"), 1, 5))];
            self.store.journal(&id(&conversation), &turn_id(name), ops).await.unwrap();
            say(json!({ "what": "step", "of": format!("step:{name}:{n}") }));
        }
        self.store.seal(sealing(&conversation, name, 2)).await.unwrap();
    }
}

fn say(what: Value) {
    let line = format!("{what}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}
