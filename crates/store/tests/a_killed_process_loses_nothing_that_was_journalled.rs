//! A process writes turns and says what was acknowledged; it is killed at a random moment, again and again. Whatever
//! it had said is in the log that the next start finds, and the log is lawful.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use kernel::{Growth, LogOp, TextKind};
use serde_json::{Value, json};
use store::{BeginTurn, Sqlite, Store};
use wire::Role;

use crate::support::{
    ShownConversation, append, assert_lawful, beginning, call, entry, id, queued, result, says, sealing,
    shown, step, text, turn_id,
};

const DIRECTORY: &str = "DISPATCH_STORE_TEST_DIRECTORY";
const ROUND: &str = "DISPATCH_STORE_TEST_ROUND";
const CONVERSATIONS: usize = 4;
const ROUNDS: u64 = 12;

/// Everything that was acknowledged before a kill, of one conversation.
#[derive(Default)]
struct Acknowledged {
    complete: BTreeMap<u64, Value>,
    /// What chunks had grown to.
    grown: BTreeMap<u64, String>,
    steps: BTreeSet<String>,
    sealed: BTreeSet<String>,
    enqueued: BTreeSet<String>,
}

#[test]
fn nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged: Vec<Acknowledged> = (0..CONVERSATIONS).map(|_| Acknowledged::default()).collect();
    let mut rng = Rng::with_seed(0xd15);
    let (mut said, mut recovered) = (0, 0);
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "a_killed_process_loses_nothing_that_was_journalled::writes_until_it_is_killed",
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
        std::thread::sleep(Duration::from_micros(rng.u64(0..120_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        heard.extend(reader.join().unwrap());
        for value in heard.iter().filter_map(|line| said_in(line)) {
            said += 1;
            note(&mut acknowledged, &value);
        }

        let (store, recovery) = Sqlite::open(dir.path()).unwrap();
        recovered += recovery.turns.len();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let shown = runtime.block_on(shown(&store));
        for (number, acknowledged) in acknowledged.iter().enumerate() {
            let found = shown
                .conversations
                .iter()
                .find(|found| found.conversation.meta.id == id(&number.to_string()));
            match found {
                Some(found) => verify(acknowledged, found),
                None => assert!(acknowledged.complete.is_empty(), "conversation {number} is gone"),
            }
        }
    }
    assert!(said > 1000, "only {said} acknowledgements: the test has tried little");
    assert!(recovered > 0, "no kill hit an open turn: the test has tried little");
}

fn said_in(line: &str) -> Option<Value> {
    // The test harness may have begun the line.
    line.find('{').and_then(|start| serde_json::from_str(&line[start..]).ok())
}

fn note(acknowledged: &mut [Acknowledged], said: &Value) {
    let of = &mut acknowledged[usize::try_from(said["conversation"].as_u64().unwrap()).unwrap()];
    let string = |value: &Value| value.as_str().unwrap().to_owned();
    match said["what"].as_str().unwrap() {
        "complete" => {
            of.complete.insert(said["seq"].as_u64().unwrap(), said["chunk"].clone());
        }
        "grown" => {
            of.grown.insert(said["seq"].as_u64().unwrap(), string(&said["text"]));
        }
        "step" => assert!(of.steps.insert(string(&said["id"]))),
        "sealed" => assert!(of.sealed.insert(string(&said["id"]))),
        "enqueued" => assert!(of.enqueued.insert(string(&said["id"]))),
        other => panic!("{other}"),
    }
}

fn verify(acknowledged: &Acknowledged, found: &ShownConversation) {
    assert_lawful(&found.chunks);
    let chunks: BTreeMap<u64, &Value> = found.chunks.iter().map(|(seq, _, chunk)| (*seq, chunk)).collect();
    for (seq, chunk) in &acknowledged.complete {
        assert_eq!(chunks.get(seq), Some(&chunk), "chunk {seq}");
    }
    for (seq, text) in &acknowledged.grown {
        let there = chunks[seq]["text"].as_str().unwrap();
        assert!(there.starts_with(text), "chunk {seq} is {there:?}, and had been {text:?}");
    }
    let steps: Vec<String> = found
        .metrics
        .iter()
        .flat_map(|turn| &turn.metrics.steps)
        .map(|step| step.step_id.to_string())
        .collect();
    assert_eq!(steps.len(), steps.iter().collect::<BTreeSet<_>>().len(), "a step is counted once");
    assert!(acknowledged.steps.iter().all(|step| steps.contains(step)), "a step is missing");
    // Sealed by itself, not by the recovery, which does not know the duration.
    for turn in &acknowledged.sealed {
        let sealed = found.metrics.iter().find(|found| found.metrics.turn_id.as_str() == turn).unwrap();
        assert_eq!(sealed.metrics.duration_ms, Some(7));
    }
    let taken: Vec<&str> = found
        .chunks
        .iter()
        .filter(|(_, role, _)| *role == Role::User)
        .flat_map(|(.., chunk)| chunk["text"].as_str().unwrap().split_whitespace())
        .collect();
    for message in &acknowledged.enqueued {
        let queued = found.queue.iter().filter(|queued| queued.id == *message).count();
        let delivered = taken.iter().filter(|taken| *taken == message).count();
        assert_eq!(
            queued + delivered,
            1,
            "{message}: {queued} times in the queue, {delivered} times in the log"
        );
    }
}

/// Not a test by itself: the process that is killed.
#[test]
fn writes_until_it_is_killed() {
    let (Ok(directory), Ok(round)) = (std::env::var(DIRECTORY), std::env::var(ROUND)) else { return };
    let (store, _) = Sqlite::open(directory.as_ref()).unwrap();
    let store = Arc::new(store);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        for conversation in 0..CONVERSATIONS {
            let rng = Rng::with_seed(round.parse::<u64>().unwrap() * 100 + conversation as u64);
            tokio::spawn(
                Writing { store: Arc::clone(&store), conversation, round: round.clone(), rng }.forever(),
            );
        }
        std::future::pending::<()>().await;
    });
}

struct Writing {
    store: Arc<Sqlite>,
    conversation: usize,
    round: String,
    rng: Rng,
}

impl Writing {
    async fn forever(mut self) {
        for number in 0.. {
            let turn = format!("{}-{}-{number}", self.conversation, self.round);
            self.turn(&turn).await;
        }
    }

    async fn turn(&mut self, turn: &str) {
        let conversation = id(&self.conversation.to_string());
        let carries = match self.rng.bool() {
            true => self.queue().await,
            false => vec![],
        };
        let prompt = format!("prompt {}", carries.join(" "));
        let begin = BeginTurn { carries, ..beginning(conversation.as_str(), turn, &prompt, 1) };
        let begun = self.store.begin_turn(begin).await.unwrap();
        self.say(json!({ "what": "complete", "seq": begun.seq, "chunk": text(&prompt) }));
        let (mut seq, mut message) = (begun.seq, begun.message);
        for index in 0..self.rng.u64(1..4) {
            message += 1;
            seq += 1;
            let mut grown = String::new();
            for _ in 0..self.rng.u64(0..12) {
                let delta = format!("{} ", self.rng.u32(..));
                grown.push_str(&delta);
                let growth = Growth { seq, message, kind: TextKind::Text, delta };
                self.journal(turn, vec![LogOp::Grow(growth)]).await;
                self.say(json!({ "what": "grown", "seq": seq, "text": grown }));
            }
            let mut ops = vec![says(seq, message, text(&grown))];
            let calls = self.rng.u64(0..3);
            for number in 0..calls {
                seq += 1;
                ops.push(says(seq, message, call(&format!("{turn}-{index}-{number}"))));
            }
            self.journal(turn, ops).await;
            let id = format!("{turn}#{index}");
            self.journal(turn, vec![LogOp::Step(step(&id, 1, 1))]).await;
            self.say(json!({ "what": "step", "id": id }));
            for number in 0..calls {
                (seq, message) = (seq + 1, message + 1);
                let result = result(&format!("{turn}-{index}-{number}"), "done", false);
                self.journal(turn, vec![append(seq, message, Role::Tool, result)]).await;
            }
            if self.rng.u8(..) < 64 {
                let queued = queued(&format!("m-{turn}-{index}"), 1);
                let id = queued.id.clone();
                self.store.enqueue(&conversation, queued).await.unwrap();
                self.say(json!({ "what": "enqueued", "id": id }));
            }
            let queue = self.queue().await;
            if !queue.is_empty() && self.rng.bool() {
                (seq, message) = (seq + 1, message + 1);
                let entry = entry(seq, message, Role::User, text(&queue.join(" ")));
                self.journal(turn, vec![LogOp::Deliver(entry, queue)]).await;
            }
        }
        self.store.seal(sealing(conversation.as_str(), turn, 2)).await.unwrap();
        self.say(json!({ "what": "sealed", "id": turn }));
    }

    async fn journal(&self, turn: &str, ops: Vec<LogOp>) {
        let complete: Vec<_> = ops
            .iter()
            .filter_map(|op| match op {
                LogOp::Append(entry) | LogOp::Answer(entry, _) | LogOp::Deliver(entry, _) => {
                    Some((entry.seq, entry.chunk.clone()))
                }
                LogOp::Grow(_) | LogOp::Step(_) => None,
            })
            .collect();
        self.store.journal(&id(&self.conversation.to_string()), &turn_id(turn), ops).await.unwrap();
        for (seq, chunk) in complete {
            self.say(json!({ "what": "complete", "seq": seq, "chunk": chunk }));
        }
    }

    async fn queue(&self) -> Vec<String> {
        let queue = self.store.queue(&id(&self.conversation.to_string())).await.unwrap();
        queue.into_iter().map(|message| message.id).collect()
    }

    fn say(&self, mut what: Value) {
        what["conversation"] = self.conversation.into();
        let line = format!("{what}\n");
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    }
}
