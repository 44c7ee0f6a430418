//! A process compacts and deletes conversations and says what it is about to do and what was acknowledged; it is
//! killed at a random moment, again and again. The next start finds each compaction and each deletion done or not
//! begun, done if it was acknowledged, and removes what is left of the deletions.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write as _};
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use fastrand::Rng;
use kernel::LogOp;
use serde_json::{Value, json};
use store::{BeginTurn, ClientMessage, Compaction, Conversation, Filter, Sqlite, Store, Window};
use wire::{Chunk, ConversationStatus, QueuedMessage, Role};

use crate::support::{beginning, id, journal, queued, says, sealing, step, text, turn_id};

const DIRECTORY: &str = "DISPATCH_STORE_TEST_DIRECTORY";
const ROUND: &str = "DISPATCH_STORE_TEST_ROUND";
const CONVERSATIONS: usize = 4;
const ROUNDS: u64 = 12;

/// What was said before a kill. Conversations by their ids.
#[derive(Default)]
struct Said {
    /// The text that was acknowledged last.
    texts: BTreeMap<String, u64>,
    /// Turns that were sealed, and messages that were queued: clients' ids of both.
    client_messages: BTreeSet<(String, String)>,
    sealed: u64,
    /// Archives, with their conversations.
    compacting: BTreeMap<String, String>,
    compacted: BTreeSet<String>,
    deleting: BTreeSet<String>,
    deleted: BTreeSet<String>,
}

#[test]
fn all_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut said = Said::default();
    let mut rng = Rng::with_seed(0xc0ac7);
    let mut with_leftovers = 0;
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_killed_process_leaves_no_half_of_a_compaction_or_a_deletion::compacts_and_deletes_until_it_is_killed", "--nocapture"])
            .env(DIRECTORY, dir.path())
            .env(ROUND, round.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (heard, hears) = mpsc::channel();
        // Another thread, so that the pipe never makes the child wait.
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(value) = said_in(&line) {
                    heard.send(value).unwrap();
                }
            }
        });
        // In the middle of a compaction, or while what a deletion has left is removed.
        let what = if round % 2 == 0 { "compacting" } else { "deleted" };
        let (mut skip, mut values) = (rng.usize(20..60), vec![]);
        while skip > 0 || values.last().is_none_or(|value: &Value| value["what"] != what) {
            values.push(hears.recv().unwrap());
            skip = skip.saturating_sub(1);
        }
        std::thread::sleep(Duration::from_micros(rng.u64(0..2000)));
        child.kill().unwrap();
        child.wait().unwrap();
        reader.join().unwrap();
        values.extend(hears.try_iter());
        for value in &values {
            said.note(value);
        }

        with_leftovers += u64::from(count(dir.path(), "deleted") > 0);
        let (store, _) = Sqlite::open(dir.path()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let found = runtime.block_on(found(&store));
        for conversation in found.values() {
            conversation.verify(&found, &said);
        }
        said.verify(&found);
        runtime.block_on(said.verify_clients_ids(&store, &found));
        let used = runtime.block_on(store.throughput(0, u64::MAX)).unwrap();
        let (turns, tokens) = used.iter().fold((0, 0), |(a, b), of| (a + of.turns, b + of.output_tokens));
        assert!(turns >= said.sealed, "{turns} turns are counted, and {} were sealed", said.sealed);
        assert_eq!(tokens, turns * 5);
        while count(dir.path(), "deleted") > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let chunks: u64 = found.values().map(|found| found.known.last_seq).sum();
        assert_eq!(count(dir.path(), "chunks"), chunks, "chunks of nobody are left");
    }
    let unfinished = said.compacting.len() - said.compacted.len();
    assert!(
        said.compacted.len() > 20,
        "only {} compactions: the test has tried little",
        said.compacted.len()
    );
    assert!(said.deleted.len() > 10, "only {} deletions: the test has tried little", said.deleted.len());
    assert!(unfinished > 0, "no kill hit a compaction: the test has tried little");
    assert!(with_leftovers > 0, "no kill left something of a deletion: the test has tried little");
}

/// Beside the store, into its tables.
fn count(dir: &Path, table: &str) -> u64 {
    let conn = rusqlite::Connection::open(dir.join("dispatch.db")).unwrap();
    conn.busy_timeout(Duration::from_secs(60)).unwrap();
    conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0))
        .unwrap()
        .try_into()
        .unwrap()
}

fn said_in(line: &str) -> Option<Value> {
    // The test harness may have begun the line.
    line.find('{').and_then(|start| serde_json::from_str(&line[start..]).ok())
}

impl Said {
    fn note(&mut self, said: &Value) {
        let string = |name: &str| said[name].as_str().unwrap().to_owned();
        let conversation = string("conversation");
        match said["what"].as_str().unwrap() {
            "sealed" => {
                self.texts.insert(conversation.clone(), said["text"].as_u64().unwrap());
                self.client_messages.insert((conversation, string("client_message")));
                self.sealed += 1;
            }
            "queued" => drop(self.client_messages.insert((conversation, string("client_message")))),
            "compacting" => drop(self.compacting.insert(string("archive"), conversation)),
            "compacted" => drop(self.compacted.insert(string("archive"))),
            "deleting" => drop(self.deleting.insert(conversation)),
            "deleted" => drop(self.deleted.insert(conversation)),
            other => panic!("{other}"),
        }
    }

    fn verify(&self, found: &BTreeMap<String, Found>) {
        for deleted in &self.deleted {
            assert!(!found.contains_key(deleted), "{deleted} is not gone");
        }
        for (conversation, text) in &self.texts {
            if !self.deleting.contains(conversation) {
                let last = found[conversation].last_text(found);
                assert!(last >= *text, "{conversation} ends with text {last}, and had had {text}");
            }
        }
        for archive in &self.compacted {
            let conversation = &self.compacting[archive];
            if !self.deleting.contains(archive) {
                assert!(found.contains_key(archive), "the archive {archive} is gone");
            }
            // Its successor is the conversation or a later archive.
            let may_be_gone = |id: &String| self.deleting.contains(id);
            let later =
                self.compacting.iter().filter(|(_, of)| *of == conversation).map(|(archive, _)| archive);
            if !may_be_gone(conversation) && !later.into_iter().any(may_be_gone) {
                let successors = found.values().filter(|of| of.compacted_from() == Some(archive));
                assert_eq!(successors.count(), 1, "{archive} is not in the chain");
            }
        }
    }

    async fn verify_clients_ids(&self, store: &Sqlite, found: &BTreeMap<String, Found>) {
        for (conversation, client_message) in &self.client_messages {
            if found.contains_key(conversation) {
                let known = store.client_message(&id(conversation), client_message.clone()).await.unwrap();
                let expected = match client_message.strip_prefix("m-") {
                    Some(turn) => ClientMessage::Delivered(turn_id(turn)),
                    None => ClientMessage::Queued,
                };
                assert_eq!(known, Some(expected), "{client_message} of {conversation}");
            }
        }
    }
}

/// A conversation as the start has found it. Its texts are numbers that count from 1, compactions or not.
struct Found {
    known: Conversation,
    /// What the summary says of the first text that stays.
    summary: Option<u64>,
    texts: Option<RangeInclusive<u64>>,
}

async fn found(store: &Sqlite) -> BTreeMap<String, Found> {
    let mut all = BTreeMap::new();
    for meta in store.conversations(Filter::default()).await.unwrap() {
        let known = store.conversation(&meta.id).await.unwrap().unwrap();
        let rows = store.chunks(&meta.id, Window::default()).await.unwrap();
        let seqs: Vec<u64> = rows.iter().map(|row| row.seq).collect();
        // Not whole: they are thousands.
        assert!(seqs.into_iter().eq(1..=known.last_seq), "the seqs of {} up to {}", meta.id, known.last_seq);
        let mut texts: Vec<u64> = rows
            .iter()
            .map(|row| match serde_json::from_str(row.chunk.get()).unwrap() {
                Chunk::Text { text } => text.parse().unwrap(),
                other => panic!("{other:?}"),
            })
            .collect();
        let has_summary = rows.first().is_some_and(|row| row.role == Role::System);
        let summary = has_summary.then(|| texts.remove(0));
        let range = texts.first().zip(texts.last()).map(|(first, last)| *first..=*last);
        assert!(texts.into_iter().eq(range.clone().into_iter().flatten()), "{range:?} of {}", meta.id);
        all.insert(meta.id.to_string(), Found { known, summary, texts: range });
    }
    all
}

impl Found {
    fn compacted_from(&self) -> Option<&str> {
        self.known.meta.compacted_from.as_ref().map(|archive| archive.as_str())
    }

    /// The last text that is in the log, or that the summary has taken the place of.
    fn last_text(&self, all: &BTreeMap<String, Self>) -> u64 {
        let archived = || self.compacted_from().and_then(|archive| all.get(archive));
        match &self.texts {
            Some(texts) => *texts.end(),
            None => archived().map_or(u64::MAX, |archive| archive.last_text(all)),
        }
    }

    fn verify(&self, all: &BTreeMap<String, Self>, said: &Said) {
        let meta = &self.known.meta;
        let name = meta.id.as_str();
        assert_eq!(self.summary.is_some(), meta.compacted_from.is_some(), "{name} is half compacted");
        let is_archive = said.compacting.contains_key(name);
        assert_eq!(meta.title.starts_with("Archive: "), is_archive, "{name}");
        let status = if is_archive { ConversationStatus::Closed } else { ConversationStatus::Idle };
        assert_eq!(meta.status, status, "{name}");
        match (self.summary, self.compacted_from()) {
            (Some(keep_from), Some(archive)) => {
                if let Some(texts) = &self.texts {
                    assert_eq!(*texts.start(), keep_from, "what {name} has kept");
                }
                match all.get(archive) {
                    Some(archived) => {
                        let last = archived.last_text(all);
                        assert!(keep_from <= last.saturating_add(1), "{name} has lost something");
                        assert!(self.texts.is_none() || self.last_text(all) >= last || last == u64::MAX);
                    }
                    None => assert!(said.deleting.contains(archive), "the archive {archive} is gone"),
                }
            }
            _ => assert_eq!(self.texts.as_ref().map_or(1, |texts| *texts.start()), 1, "{name}"),
        }
    }
}

/// Not a test by itself: the process that is killed.
#[test]
fn compacts_and_deletes_until_it_is_killed() {
    let (Ok(directory), Ok(round)) = (std::env::var(DIRECTORY), std::env::var(ROUND)) else { return };
    let (store, _) = Sqlite::open(directory.as_ref()).unwrap();
    let store = Arc::new(store);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        for number in 0..CONVERSATIONS {
            let rng = Rng::with_seed(round.parse::<u64>().unwrap() * 100 + number as u64);
            let name = format!("{round}-{number}");
            tokio::spawn(Working { store: Arc::clone(&store), name, texts: 0, rng }.forever());
        }
        std::future::pending::<()>().await;
    });
}

struct Working {
    store: Arc<Sqlite>,
    name: String,
    /// How many there were in the present conversation.
    texts: u64,
    rng: Rng,
}

impl Working {
    async fn forever(mut self) {
        let name = self.name.clone();
        for generation in 0.. {
            self.name = format!("{name}-{generation}");
            self.texts = 0;
            let mut archives = vec![];
            for number in 0..self.rng.u64(1..4) {
                self.turn(&format!("{}-{number}", self.name)).await;
                if self.rng.bool() {
                    archives.push(self.compact(number).await);
                }
            }
            if self.rng.bool() {
                let name = self.name.clone();
                self.delete(&name).await;
            }
            if self.rng.bool() {
                for archive in archives {
                    self.delete(&archive).await;
                }
            }
        }
    }

    fn next_text(&mut self) -> Chunk {
        self.texts += 1;
        text(&self.texts.to_string())
    }

    async fn turn(&mut self, turn: &str) {
        let Chunk::Text { text: prompt } = self.next_text() else { unreachable!() };
        let client_message = format!("m-{turn}");
        let begin = BeginTurn {
            client_message_id: Some(client_message.clone()),
            model: Some("a/b".to_owned()),
            ..beginning(&self.name, turn, &prompt, 1)
        };
        let begun = self.store.begin_turn(begin).await.unwrap();
        let last = begun.seq + self.rng.u64(1..2000);
        let message = begun.message + 1;
        let mut ops: Vec<LogOp> =
            (begun.next_seq..=last).map(|seq| says(seq, message, self.next_text())).collect();
        ops.push(LogOp::Step(step(turn, 1, 5)));
        journal(&*self.store, &self.name, turn, ops).await.unwrap();
        self.store.seal(sealing(&self.name, turn, 2)).await.unwrap();
        self.say(json!({ "what": "sealed", "text": self.texts, "client_message": client_message }));
        let client_message = format!("q-{turn}");
        let message = QueuedMessage { client_message_id: Some(client_message.clone()), ..queued(turn, 1) };
        self.store.enqueue(&id(&self.name), message).await.unwrap();
        self.say(json!({ "what": "queued", "client_message": client_message }));
    }

    /// Keeps the log from one of its messages on, or nothing.
    async fn compact(&mut self, number: u64) -> String {
        let conversation = id(&self.name);
        let messages = self.store.messages(&conversation, u64::MAX).await.unwrap();
        let kept = messages.get(self.rng.usize(0..=messages.len()));
        let first_kept = kept.map_or(self.texts + 1, |kept| match &kept.message.parts[0].chunk {
            Chunk::Text { text } if kept.message.role != Role::System => text.parse().unwrap(),
            _ => 0,
        });
        // A summary is no text to keep.
        let (keep_from, first_kept) = match first_kept {
            0 => (None, self.texts + 1),
            first => (kept.map(|kept| kept.number), first),
        };
        let archive = format!("{}/{number}", self.name);
        self.say(json!({ "what": "compacting", "archive": archive }));
        let compaction = Compaction {
            conversation: conversation.clone(),
            archive: id(&archive),
            summary: first_kept.to_string(),
            keep_from,
            last_seq: self.store.conversation(&conversation).await.unwrap().unwrap().last_seq,
        };
        self.store.compact(compaction).await.unwrap();
        self.say(json!({ "what": "compacted", "archive": archive }));
        archive
    }

    async fn delete(&self, conversation: &str) {
        self.say(json!({ "what": "deleting", "conversation": conversation }));
        assert!(self.store.delete(&id(conversation)).await.unwrap());
        self.say(json!({ "what": "deleted", "conversation": conversation }));
    }

    fn say(&self, mut what: Value) {
        if what["conversation"].is_null() {
            what["conversation"] = self.name.clone().into();
        }
        let line = format!("{what}\n");
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    }
}
