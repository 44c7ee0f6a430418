//! Random writes, most of which fit, go to both stores; whatever they answer and show must be the same, across
//! restarts, and lawful.

use std::collections::HashMap;

use kernel::{Growth, LogOp, TextKind};
use proptest::prelude::*;
use serde_json::json;
use store::{
    Attribute, BeginTurn, Begun, Compaction, Error, Filter, Global, Numbered, Setting, Store, Window,
};
use wire::{ConversationStatus, QueuedMessage, ReasoningEffort, Role};

use crate::support::{
    InMemory, OnDisk, World, append, assert_lawful, assert_numbered, beginning, call, entry, id, image,
    queued, result, sealing, shown, step, text, turn_id,
};

/// Something that is done to a conversation. Numbers choose among what is there.
#[derive(Clone, Debug)]
enum Action {
    Begin {
        carry: bool,
        text: String,
        images: usize,
        client_message: Option<u8>,
        model: Option<u8>,
    },
    Journal(Vec<Write>),
    Seal,
    /// With the id of a turn that may not be open.
    SealAny(u8),
    Enqueue(u8, Option<u8>),
    Dequeue(u8, u8),
    Close,
    Reopen,
    Set(u8),
    /// From that one of its messages on.
    Compact(Option<u8>),
    /// As nobody should.
    CompactAnything {
        archive: u8,
        keep_from: u8,
        last_seq: u8,
    },
    Delete,
    SetAttribute(usize, Option<u8>),
    SetGlobal(Option<u8>),
    Restart,
}

/// The names of what is done something to. The last one is that of the newest archive.
const CONVERSATIONS: [&str; 2] = ["one", "two"];

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
        4 => (any::<bool>(), "[a-c ]{0,3}", 0..3usize, few(), few()).prop_map(
            |(carry, text, images, client_message, model)| {
                Action::Begin { carry, text, images, client_message, model }
            }
        ),
        12 => prop::collection::vec(write(), 1..4).prop_map(Action::Journal),
        3 => Just(Action::Seal),
        1 => (0..4u8).prop_map(Action::SealAny),
        2 => (0..5u8, few()).prop_map(|(message, client_message)| Action::Enqueue(message, client_message)),
        1 => (0..5u8, 0..5u8).prop_map(|(a, b)| Action::Dequeue(a, b)),
        1 => Just(Action::Close),
        1 => Just(Action::Reopen),
        1 => (0..6u8).prop_map(Action::Set),
        2 => prop::option::of(0..9u8).prop_map(Action::Compact),
        1 => (0..4u8, 0..4u8, 0..4u8).prop_map(|(archive, keep_from, last_seq)| {
            Action::CompactAnything { archive, keep_from, last_seq }
        }),
        1 => Just(Action::Delete),
        1 => (0..Attribute::ALL.len(), few()).prop_map(|(name, value)| Action::SetAttribute(name, value)),
        1 => few().prop_map(Action::SetGlobal),
        1 => Just(Action::Restart),
    ]
}

fn few() -> impl Strategy<Value = Option<u8>> {
    prop::option::of(0..4u8)
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
                let result = result(&name.to_string(), "done", false);
                let ran = (name % 2 == 0).then_some(u64::from(*name));
                LogOp::Answer(entry(self.seq, self.message, Role::Tool, result), ran)
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

async fn run(actions: Vec<(usize, Action)>) -> Result<(), TestCaseError> {
    let (mut disk, mut memory) = (OnDisk::new(), InMemory::new());
    let mut places: HashMap<String, Place> = HashMap::new();
    let mut archive = CONVERSATIONS[0].to_owned();
    for (time, (which, action)) in actions.into_iter().enumerate() {
        let time = time as u64;
        let name = CONVERSATIONS.get(which).map_or(archive.clone(), |name| (*name).to_owned());
        let name = name.as_str();
        let conversation = id(name);
        let place = places.entry(name.to_owned()).or_default();
        match action {
            Action::Begin { carry, text, images, client_message, model } => {
                let turn = format!("turn {time}");
                let carries = match carry {
                    true => {
                        disk.store().queue(&conversation).await.unwrap().into_iter().map(|m| m.id).collect()
                    }
                    false => vec![],
                };
                let begin = BeginTurn {
                    carries,
                    images: vec![image("/images/1"); images],
                    client_message_id: client_message.map(|id| id.to_string()),
                    model: model.map(|model| format!("a/{model}")),
                    ..beginning(name, &turn, &text, time)
                };
                if let Ok(Begun { seq, next_seq, message }) =
                    both!(disk, memory, |store| store.begin_turn(begin.clone()))
                {
                    prop_assert_eq!(next_seq, seq + 1 + images as u64);
                    let seq = next_seq - 1;
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
            Action::Enqueue(message, client_message) => {
                let client_message_id = client_message.map(|id| id.to_string());
                let message = QueuedMessage { client_message_id, ..queued(&message.to_string(), time) };
                let _ = both!(disk, memory, |store| store.enqueue(&conversation, message.clone()));
            }
            Action::Dequeue(a, b) => {
                let ids = vec![a.to_string(), b.to_string()];
                let _ = both!(disk, memory, |store| store.dequeue(&conversation, ids.clone()));
            }
            Action::Close => {
                let _ = both!(disk, memory, |store| store.close(&conversation));
            }
            Action::Reopen => {
                let _ = both!(disk, memory, |store| store.reopen(&conversation));
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
            Action::Compact(keep) => {
                let messages = memory.store().messages(&conversation, u64::MAX).await.unwrap();
                let known = memory.store().conversation(&conversation).await.unwrap();
                let kept = keep.and_then(|keep| {
                    let place = usize::from(keep) % messages.len().max(1);
                    messages.get(place).map(|kept| (kept.number, messages[place..].to_vec()))
                });
                let new = format!("archive {time}");
                let compaction = Compaction {
                    conversation: conversation.clone(),
                    archive: id(&new),
                    summary: format!("summary {time}"),
                    keep_from: kept.as_ref().map(|(number, _)| *number),
                    last_seq: known.map_or(0, |known| known.last_seq),
                };
                if both!(disk, memory, |store| store.compact(compaction.clone())).is_ok() {
                    prop_assert_eq!(memory.store().messages(&id(&new), u64::MAX).await.unwrap(), messages);
                    let kept = kept.unwrap_or_default().1.into_iter().zip(2..);
                    let kept: Vec<_> =
                        kept.map(|(kept, number)| Numbered { number, message: kept.message }).collect();
                    let now = memory.store().messages(&conversation, u64::MAX).await.unwrap();
                    prop_assert_eq!(&now[1..], kept);
                    archive = new;
                }
            }
            Action::CompactAnything { archive, keep_from, last_seq } => {
                let compaction = Compaction {
                    conversation: conversation.clone(),
                    archive: id(CONVERSATIONS.get(usize::from(archive)).unwrap_or(&"new")),
                    summary: "summary".to_owned(),
                    keep_from: Some(u64::from(keep_from)),
                    last_seq: u64::from(last_seq),
                };
                let _ = both!(disk, memory, |store| store.compact(compaction.clone()));
            }
            Action::Delete => {
                let _ = both!(disk, memory, |store| store.delete(&conversation));
            }
            Action::SetAttribute(name, value) => {
                let value = value.map(|value| value.to_string());
                let _ = both!(disk, memory, |store| {
                    store.set_attribute(&conversation, time, Attribute::ALL[name], value.clone())
                });
            }
            Action::SetGlobal(value) => {
                let value = value.map(|value| value.to_string());
                let _ = both!(disk, memory, |store| store.set_global(Global::SystemPrompt, value.clone()));
            }
            Action::Restart => prop_assert_eq!(disk.reopen(), memory.reopen()),
        }
        let window = Window { since: time % 3, before: Some(time % 7), limit: Some(time % 5) };
        let _ = both!(disk, memory, |store| async {
            let rows = store.chunks(&conversation, window).await?;
            Ok(rows
                .into_iter()
                .map(|row| (row.seq, row.role, row.chunk.get().to_owned(), row.extras))
                .collect::<Vec<_>>())
        });
        let _ = both!(disk, memory, |store| store.messages(&conversation, time % 9));
        for client_message in ["0", "1", "2", "3"] {
            let _ = both!(disk, memory, |store| {
                store.client_message(&conversation, client_message.to_owned())
            });
        }
        let attribute = Attribute::ALL[time as usize % Attribute::ALL.len()];
        let _ = both!(disk, memory, |store| store.attribute(&conversation, attribute));
        let _ = both!(disk, memory, |store| store.throughput(time / 3, time));
        let filter = Filter { statuses: vec![ConversationStatus::Idle], id_prefix: Some("o".to_owned()) };
        let _ = both!(disk, memory, |store| store.conversations(filter.clone()));
        prop_assert_eq!(shown(disk.store()).await, shown(memory.store()).await);
    }
    prop_assert_eq!(disk.reopen(), memory.reopen());
    let on_disk = shown(disk.store()).await;
    prop_assert_eq!(&on_disk, &shown(memory.store()).await);
    for conversation in &on_disk.conversations {
        match conversation.conversation.meta.compacted_from {
            // A compaction can keep a result without its call.
            Some(_) => assert_numbered(&conversation.chunks),
            None => assert_lawful(&conversation.chunks),
        }
        prop_assert_eq!(conversation.conversation.last_seq, conversation.chunks.len() as u64);
        prop_assert_ne!(conversation.conversation.meta.status, ConversationStatus::Active);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_and_memory_agree(actions in prop::collection::vec((0..3usize, action()), 1..50)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(actions))?;
    }
}
