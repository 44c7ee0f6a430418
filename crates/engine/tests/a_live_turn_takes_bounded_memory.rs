//! However long a turn is and however far behind its watchers are: memory stays within the limit, nobody waits for
//! anybody, and everybody gets all of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine::live::{Heard, Hub, MERGED_BYTES, Recorded, Spill, Watch, Watcher, Weight};
use serde_json::Value;
use wire::{AgentEvent, ConversationId, TurnId};

const LIMIT: usize = 1 << 20;

/// What a stream may take beyond its limit: the last events, frames that were put together, the open segment, and what
/// is kept to find what is in files.
const CONSTANT: usize = 512 * 1024;

fn hub(directory: &Path) -> Arc<Hub> {
    let spill = Spill { directory: Some(directory.to_owned()), limit: LIMIT };
    Arc::new(Hub::new(ConversationId::new("c"), spill))
}

fn text(turn: &str, delta: &str) -> Recorded {
    Recorded::from(&AgentEvent::TextDelta {
        conversation_id: ConversationId::new("c"),
        turn_id: TurnId::new(turn),
        delta: delta.to_owned(),
    })
}

/// The text of the next frame; none if there is nothing now, empty at the end of a turn.
fn next(watcher: &mut Watcher) -> Option<String> {
    match watcher.try_next()? {
        Heard::Frame(frame) => {
            let event: Value = serde_json::from_slice(&frame.event()).unwrap();
            Some(event["delta"].as_str().unwrap().to_owned())
        }
        Heard::TurnOver => Some(String::new()),
    }
}

fn rest(watcher: &mut Watcher) -> String {
    std::iter::from_fn(|| next(watcher)).collect()
}

/// The files of this process in that directory that have no name.
#[cfg(target_os = "linux")]
fn open_files(directory: &Path) -> usize {
    let links = std::fs::read_dir("/proc/self/fd").unwrap();
    links
        .filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok())
        .filter(|to| to.starts_with(directory))
        .count()
}

#[test]
fn a_slow_watcher_of_a_fast_turn_costs_others_nothing_and_gets_it_all() {
    let directory = tempfile::tempdir().unwrap();
    let hub = hub(directory.path());
    let (mut slow, mut fast) = (hub.watch(Watch::default()), hub.watch(Watch::default()));
    hub.begin(TurnId::new("t"), 1);
    let mut published = String::new();
    let (mut heard_slowly, mut heard_fast) = (String::new(), String::new());
    let mut worst = 0;
    for second in 0..60usize {
        // Half a megabyte, a hundred bytes at a time, fifty of them at once.
        for batch in 0..100 {
            let deltas: Vec<String> = (0..50).map(|n| format!("{second:>32}{batch:>32}{n:>35}\n")).collect();
            published.extend(deltas.iter().map(String::as_str));
            hub.publish(deltas.iter().map(|delta| text("t", delta)));
            heard_fast.push_str(&rest(&mut fast));
            worst = worst.max(hub.weight().memory);
        }
        assert_eq!(heard_fast.len(), published.len(), "who keeps up is never behind");
        // A thousand bytes a second: a frame when there was time for the one before.
        while heard_slowly.len() < 1000 * (second + 1) {
            heard_slowly.push_str(&next(&mut slow).unwrap());
        }
    }
    assert!(worst <= LIMIT + CONSTANT, "{worst} bytes in memory");
    assert!(hub.weight().spilled as usize > published.len() - LIMIT - CONSTANT);
    assert!(std::fs::read_dir(directory.path()).unwrap().next().is_none(), "the file has no name");
    hub.end([]);
    heard_slowly.push_str(&rest(&mut slow));
    assert!(heard_slowly == published && heard_fast == published);
    assert_eq!(rest(&mut fast), "");
    assert_eq!(Weight { watchers: 0, ..hub.weight() }, Weight::default(), "all is forgotten");
    #[cfg(target_os = "linux")]
    assert_eq!(open_files(directory.path()), 0);
}

#[test]
fn millions_of_deltas_of_one_character_take_no_index() {
    let directory = tempfile::tempdir().unwrap();
    let hub = hub(directory.path());
    hub.begin(TurnId::new("t"), 1);
    let alphabet: Vec<Recorded> = ('a'..='z').map(|c| text("t", &c.to_string())).collect();
    let count = 3_000_000;
    let mut published = 0;
    let mut letters = ('a'..='z').cycle();
    while published < count {
        hub.publish(alphabet.iter().cloned());
        published += alphabet.len();
        if published % 10_000 < alphabet.len() {
            let memory = hub.weight().memory;
            assert!(memory <= LIMIT + CONSTANT, "{memory} bytes after {published} deltas");
        }
    }
    let mut late = hub.watch(Watch::default());
    let (mut heard, mut frames) = (0, 0);
    while let Some(text) = next(&mut late) {
        assert!(text.chars().eq(letters.by_ref().take(text.len())), "after {heard} characters");
        heard += text.len();
        frames += 1;
    }
    assert_eq!((heard, frames), (published, published.div_ceil(MERGED_BYTES)), "as few frames as can be");
    let memory = hub.weight().memory;
    assert!(memory <= LIMIT + CONSTANT, "{memory} bytes");
}

#[test]
fn a_watcher_that_lags_over_many_turns_costs_no_memory_either() {
    let directory = tempfile::tempdir().unwrap();
    let hub = hub(directory.path());
    let mut slow = hub.watch(Watch::default());
    let mut published = String::new();
    for turn in 0..300 {
        let id = format!("t{turn}");
        hub.begin(TurnId::new(id.as_str()), 1);
        for n in 0..20 {
            let delta = format!("{turn}/{n}{}", ".".repeat(2000));
            hub.publish([text(&id, &delta)]);
            published.push_str(&delta);
        }
        hub.end([]);
        let memory = hub.weight().memory;
        assert!(memory <= LIMIT + CONSTANT, "{memory} bytes after {turn} turns");
    }
    assert!(hub.weight().spilled > 10_000_000);
    #[cfg(target_os = "linux")]
    assert_eq!(open_files(directory.path()), 1, "turns share a file");
    assert!(rest(&mut slow) == published);
    assert_eq!(hub.weight(), Weight { watchers: 1, ..Weight::default() });
    #[cfg(target_os = "linux")]
    assert_eq!(open_files(directory.path()), 0);
}

/// Counts what is said in the log.
struct Log(Arc<AtomicUsize>);

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn where_no_file_can_be_written_the_turn_stays_in_memory_and_that_is_said_once() {
    let parent = tempfile::tempdir().unwrap();
    let directory: PathBuf = parent.path().join("not there yet");
    let said = Arc::new(AtomicUsize::new(0));
    tracing::subscriber::with_default(Log(said.clone()), || {
        let hub = hub(&directory);
        let mut slow = hub.watch(Watch::default());
        hub.begin(TurnId::new("t"), 1);
        let mut published = String::new();
        let mut publish = |bytes: usize| {
            for n in 0..bytes / 1000 {
                let delta = format!("{n:>1000}");
                hub.publish([text("t", &delta)]);
                published.push_str(&delta);
            }
        };
        publish(5_000_000);
        assert_eq!(said.load(Ordering::Relaxed), 1);
        let Weight { memory, spilled, .. } = hub.weight();
        assert!(memory > 5_000_000 && spilled == 0, "{memory} and {spilled} bytes");
        // Once there is room again, it is used.
        std::fs::create_dir(&directory).unwrap();
        publish(1_000_000);
        let Weight { memory, spilled, .. } = hub.weight();
        assert!(memory <= LIMIT + CONSTANT && spilled > 4_000_000, "{memory} and {spilled} bytes");
        assert!(rest(&mut slow) == published);
        assert_eq!(said.load(Ordering::Relaxed), 1);
    });
}
