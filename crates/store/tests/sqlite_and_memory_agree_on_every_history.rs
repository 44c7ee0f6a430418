//! Random writes, most of which fit, go to both stores; whatever they answer and show must be the same, across
//! restarts, and lawful.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::collections::HashMap;

use kernel::{Growth, LogOp, TextKind};
use proptest::prelude::*;
use serde_json::json;
use store::{BeginTurn, Begun, Error, Filter, Setting, Store, Window};
use wire::{ConversationStatus, ReasoningEffort, Role};

use support::{
    InMemory, OnDisk, World, append, assert_lawful, beginning, call, entry, id, queued, result, sealing,
    shown, step, text, turn_id,
};

/// Something that is done to a conversation. Numbers choose among what is there.
#[derive(Clone, Debug)]
enum Action {
    Begin {
        carry: bool,
        text: String,
    },
    Journal(Vec<Write>),
    Seal,
    /// With the id of a turn that may not be open.
    SealAny(u8),
    Enqueue(u8),
    Dequeue(u8, u8),
    Close,
    Set(u8),
    Restart,
}

/// A write to the journal. Most are made to fit what was written before.
#[derive(Clone, Debug)]
enum Write {
    Grow(TextKind, String),
    /// Completes what is growing, or else appends something.
    Append(String),
    /// The same message as before, or the next.
    Call {
        name: u8,
        same_message: bool,
    },
    Result(u8),
    Deliver(u8),
    Step(u8),
    /// At a place that is off by so much.
    Misplaced(i8, i8),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => (any::<bool>(), "[a-c ]{0,3}").prop_map(|(carry, text)| Action::Begin { carry, text }),
        12 => prop::collection::vec(write(), 1..4).prop_map(Action::Journal),
        3 => Just(Action::Seal),
        1 => (0..4u8).prop_map(Action::SealAny),
        2 => (0..5u8).prop_map(Action::Enqueue),
        1 => (0..5u8, 0..5u8).prop_map(|(a, b)| Action::Dequeue(a, b)),
        1 => Just(Action::Close),
        1 => (0..6u8).prop_map(Action::Set),
        1 => Just(Action::Restart),
    ]
}

fn write() -> impl Strategy<Value = Write> {
    let kind = prop_oneof![3 => Just(TextKind::Text), 1 => Just(TextKind::Thinking)];
    prop_oneof![
        6 => (kind, "[a-z\u{e9}\"]{0,4}").prop_map(|(kind, delta)| Write::Grow(kind, delta)),
        4 => "[a-z]{0,4}".prop_map(Write::Append),
        3 => (0..6u8, any::<bool>()).prop_map(|(name, same_message)| Write::Call { name, same_message }),
        3 => (0..6u8).prop_map(Write::Result),
        1 => (0..5u8).prop_map(Write::Deliver),
        1 => (0..6u8).prop_map(Write::Step),
        1 => (-2..3i8, -2..3i8).prop_map(|(seq, message)| Write::Misplaced(seq, message)),
    ]
}

/// Where a conversation's turn is, so that most writes fit.
#[derive(Clone, Default)]
struct Place {
    turn: String,
    seq: u64,
    message: u64,
    role: Option<Role>,
    growing: Option<(TextKind, String)>,
}

impl Place {
    fn op(&mut self, write: &Write) -> LogOp {
        match write {
            Write::Grow(kind, delta) => {
                let kind = match &mut self.growing {
                    Some((kind, grown)) => {
                        grown.push_str(delta);
                        *kind
                    }
                    None => {
                        self.advance(Role::Assistant, true);
                        self.growing = Some((*kind, delta.clone()));
                        *kind
                    }
                };
                LogOp::Grow(Growth { seq: self.seq, message: self.message, kind, delta: delta.clone() })
            }
            Write::Append(words) => {
                let chunk = match self.growing.take() {
                    Some((TextKind::Text, grown)) => text(&grown),
                    Some((TextKind::Thinking, text)) => wire::Chunk::Thinking { text },
                    None => {
                        self.advance(Role::Assistant, true);
                        text(words)
                    }
                };
                let mut entry = entry(self.seq, self.message, Role::Assistant, chunk);
                entry.replay = (words.len() == 2).then(|| json!({ "signature": words }));
                LogOp::Append(entry)
            }
            Write::Call { name, same_message } => {
                self.advance(Role::Assistant, *same_message);
                append(self.seq, self.message, Role::Assistant, call(&name.to_string()))
            }
            Write::Result(name) => {
                self.advance(Role::Tool, false);
                append(self.seq, self.message, Role::Tool, result(&name.to_string(), "done", false))
            }
            Write::Deliver(message) => {
                self.advance(Role::User, false);
                let entry = entry(self.seq, self.message, Role::User, text("steer"));
                LogOp::Deliver(entry, vec![message.to_string()])
            }
            Write::Step(number) => LogOp::Step(step(&format!("step {number}"), u64::from(*number), 1)),
            Write::Misplaced(seq, message) => append(
                self.seq.saturating_add_signed(i64::from(*seq)),
                self.message.saturating_add_signed(i64::from(*message)),
                Role::Assistant,
                text("misplaced"),
            ),
        }
    }

    fn advance(&mut self, role: Role, same_message: bool) {
        self.seq += 1;
        if !same_message || self.role != Some(role) {
            self.message += 1;
            self.role = Some(role);
        }
    }
}

/// An answer, with errors reduced to their kind: the words may differ.
fn kind<T: std::fmt::Debug>(answer: &Result<T, Error>) -> String {
    match answer {
        Ok(value) => format!("{value:?}"),
        Err(Error::Misfit(_)) => "misfit".to_owned(),
        Err(error) => format!("{error:?}"),
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

async fn run(actions: Vec<(bool, Action)>) -> Result<(), TestCaseError> {
    let (mut disk, mut memory) = (OnDisk::new(), InMemory::new());
    let mut places: HashMap<&str, Place> = HashMap::new();
    for (time, (first, action)) in actions.into_iter().enumerate() {
        let time = time as u64;
        let name = if first { "one" } else { "two" };
        let conversation = id(name);
        let place = places.entry(name).or_default();
        match action {
            Action::Begin { carry, text } => {
                let turn = format!("turn {time}");
                let carries = match carry {
                    true => {
                        disk.store().queue(&conversation).await.unwrap().into_iter().map(|m| m.id).collect()
                    }
                    false => vec![],
                };
                let begin = BeginTurn { carries, ..beginning(name, &turn, &text, time) };
                if let Ok(Begun { seq, message }) =
                    both!(disk, memory, |store| store.begin_turn(begin.clone()))
                {
                    *place = Place { turn, seq, message, role: Some(Role::User), growing: None };
                }
            }
            Action::Journal(writes) => {
                let mut next = place.clone();
                let ops: Vec<_> = writes.iter().map(|write| next.op(write)).collect();
                let turn = turn_id(&place.turn);
                if both!(disk, memory, |store| store.journal(&conversation, &turn, ops.clone())).is_ok() {
                    *place = next;
                }
            }
            Action::Seal => {
                let seal = sealing(name, &place.turn, time);
                let _ = both!(disk, memory, |store| store.seal(seal.clone()));
            }
            Action::SealAny(turn) => {
                let seal = sealing(name, &format!("turn {turn}"), time);
                let _ = both!(disk, memory, |store| store.seal(seal.clone()));
            }
            Action::Enqueue(message) => {
                let message = queued(&message.to_string(), time);
                let _ = both!(disk, memory, |store| store.enqueue(&conversation, message.clone()));
            }
            Action::Dequeue(a, b) => {
                let ids = vec![a.to_string(), b.to_string()];
                let _ = both!(disk, memory, |store| store.dequeue(&conversation, ids.clone()));
            }
            Action::Close => {
                let _ = both!(disk, memory, |store| store.close(&conversation));
            }
            Action::Set(setting) => {
                let setting = match setting {
                    0 => Setting::Title("Title".to_owned()),
                    1 => Setting::Cwd(Some("/srv".to_owned())),
                    2 => Setting::Cwd(None),
                    3 => Setting::Model(Some("a/b".to_owned())),
                    4 => Setting::Model(None),
                    _ => Setting::Effort(ReasoningEffort::Low),
                };
                let _ = both!(disk, memory, |store| store.set(&conversation, time, setting.clone()));
            }
            Action::Restart => prop_assert_eq!(disk.reopen(), memory.reopen()),
        }
        let window = Window { since: time % 3, before: Some(time % 7), limit: Some(time % 5) };
        let _ = both!(disk, memory, |store| async {
            let rows = store.chunks(&conversation, window).await?;
            Ok(rows
                .into_iter()
                .map(|row| (row.seq, row.role, row.chunk.get().to_owned()))
                .collect::<Vec<_>>())
        });
        let _ = both!(disk, memory, |store| store.messages(&conversation, time % 9));
        let filter = Filter { statuses: vec![ConversationStatus::Idle], id_prefix: Some("o".to_owned()) };
        let _ = both!(disk, memory, |store| store.conversations(filter.clone()));
        prop_assert_eq!(shown(disk.store()).await, shown(memory.store()).await);
    }
    prop_assert_eq!(disk.reopen(), memory.reopen());
    let on_disk = shown(disk.store()).await;
    prop_assert_eq!(&on_disk, &shown(memory.store()).await);
    for conversation in &on_disk.conversations {
        assert_lawful(&conversation.chunks);
        prop_assert_eq!(conversation.conversation.last_seq, conversation.chunks.len() as u64);
        prop_assert_ne!(conversation.conversation.meta.status, ConversationStatus::Active);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_and_memory_agree(actions in prop::collection::vec((any::<bool>(), action()), 1..50)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(actions))?;
    }
}
