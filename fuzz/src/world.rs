//! A whole server in this process: the real routes over a log in memory and a model that answers at once.

use std::fs;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use engine::{Catalog, Credential, Engine, Options, Toolbox};
use futures_util::future::{self, BoxFuture};
use futures_util::{FutureExt, StreamExt, stream};
use kernel::provider::EventStream;
use kernel::{Failure, FinishReason, ModelInfo, Provider, ProviderEvent, Request};
use server::{Parts, Settings};
use store::{Attribute, Filter, Global, Memory, Store, Window};
use wire::{Chunk, Role, Usage};

use crate::scratch;

/// What stands in a file that nobody may read.
pub(crate) const HIDDEN: &str = "\u{1F512}-what-lies-outside";

/// The most bytes of a request or a frame.
pub(crate) const BODY_LIMIT: usize = 4096;

/// How long a turn lasts that is told to wait. No real time.
const WAIT: Duration = Duration::from_secs(3600);

pub(crate) struct World {
    pub(crate) store: Memory,
    pub(crate) router: Router,
}

impl World {
    pub(crate) fn new() -> Self {
        let store = Memory::new();
        let credential = Credential { name: "test".to_owned(), provider: Arc::new(Echo) };
        let options = Options {
            cwd: WORK.clone(),
            images: Some(IMAGES.clone()),
            system_prompt: Some("You work in [prompt:cwd].".to_owned()),
            ..Options::default()
        };
        let toolbox = Toolbox { todos: true, ..Toolbox::default() };
        let catalog = Catalog::new(vec![credential], None);
        let engine = Engine::new(options, Arc::new(store.clone()), catalog, toolbox);
        let settings = Settings { body_limit: BODY_LIMIT, ..Settings::default() };
        let router =
            server::fuzzing::router(&settings, &engine, Parts::default()).expect("the settings are good");
        Self { store, router }
    }

    /// All that is kept, in words.
    pub(crate) async fn kept(&self) -> String {
        use std::fmt::Write;
        let store = &self.store;
        let mut kept = String::new();
        let conversations = store.conversations(Filter::default()).await.expect("the log can be read");
        for meta in conversations {
            let id = meta.id;
            let _ = write!(
                kept,
                "{:?} {:?} {:?} {:?}",
                store.conversation(&id).await,
                store.chunks(&id, Window::default()).await,
                store.queue(&id).await,
                store.metrics(&id).await,
            );
            for attribute in Attribute::ALL {
                let _ = write!(kept, " {:?}", store.attribute(&id, attribute).await);
            }
            kept.push('\n');
        }
        let _ = write!(kept, "{:?} ", store.global(Global::SystemPrompt).await);
        let _ = write!(kept, "{:?} {:?}", store.throughput(0, u64::MAX).await, images());
        kept
    }
}

/// Runs in a runtime of its own, with everything that it leaves behind, in no real time: the clock moves only when
/// nothing else can happen.
pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let result = runtime.expect("a runtime").block_on(work);
    let _ = fs::remove_dir_all(&*IMAGES);
    result
}

/// Waits until nothing happens any more but by the clock.
pub(crate) async fn settle() {
    tokio::time::sleep(MOMENT).await;
}

/// So short that nothing waits less, but longer than what the clock can tell.
pub(crate) const MOMENT: Duration = Duration::from_millis(2);

static WORK: LazyLock<PathBuf> = LazyLock::new(|| {
    let work = scratch::directory().join("work");
    fs::create_dir_all(&work).expect("a directory can be made");
    fs::write(work.join("AGENTS.md"), "Be kind.").expect("a file can be written");
    // A way from the images to it would be a way to anything.
    fs::write(scratch::directory().join("hidden.png"), HIDDEN).expect("a file can be written");
    work
});

static IMAGES: LazyLock<PathBuf> = LazyLock::new(|| scratch::directory().join("images"));

/// How many directories of images there are.
fn images() -> usize {
    fs::read_dir(&*IMAGES).map_or(0, Iterator::count)
}

/// Says again what it was told, at once. `wait` in it: takes its time over it. `todo` in it: what follows is the input of
/// a call of `todo_write`.
struct Echo;

impl Provider for Echo {
    fn stream(&self, request: Request) -> EventStream {
        let last = request.messages.last();
        let told: String = last
            .filter(|message| message.role == Role::User)
            .iter()
            .flat_map(|message| &message.parts)
            .filter_map(|part| match &part.chunk {
                Chunk::Text { text } => Some(text.as_str()),
                _ => None,
            })
            .collect();
        let usage = Usage { input_tokens: told.len() as u64, output_tokens: 1, ..Usage::default() };
        let mut events = vec![ProviderEvent::TextDelta("so".to_owned()), ProviderEvent::Usage(usage)];
        let call = told.split_once("todo").map(|(_, input)| {
            let input = serde_json::from_str(input).unwrap_or_else(|_| input.into());
            ProviderEvent::ToolCall { id: String::new(), name: "todo_write".to_owned(), input }
        });
        let waits = told.contains("wait");
        events.push(ProviderEvent::TextDelta(if told.is_empty() { "done".to_owned() } else { told }));
        let finish = if call.is_some() { FinishReason::ToolCalls } else { FinishReason::Stop };
        events.extend(call);
        let end = async move {
            if waits {
                tokio::time::sleep(WAIT).await;
            }
            ProviderEvent::Finish(finish)
        };
        stream::iter(events).chain(stream::once(end)).boxed()
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelInfo>, Failure>> {
        let model = ModelInfo { id: "m".to_owned(), context_window: Some(1000), vision: Some(true) };
        future::ready(Ok(vec![model])).boxed()
    }
}
