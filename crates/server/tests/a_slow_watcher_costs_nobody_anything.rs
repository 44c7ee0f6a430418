//! A watcher that reads a kilobyte a second while megabytes stream: the others are not held up, the server's memory does
//! not grow by what it has not read, and in the end it has the exact transcript.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, unsafe_code)]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use engine::live::Spill;
use engine::{Catalog, Credential, Engine, Options};
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::{SinkExt, StreamExt, stream};
use kernel::provider::EventStream;
use kernel::{Failure, FinishReason, ModelInfo, Provider, ProviderEvent, Request};
use serde_json::{Value, json};
use server::Server;
use store::Sqlite;
use support::settings;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::Message;

/// What one turn streams, in deltas of a kilobyte.
const DELTAS: usize = 12_000;

/// What a watcher that lags may cost: what the tape keeps in memory, and buffers on the way to the socket.
const ALLOWED: usize = 4 << 20;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// Knows how many bytes are allocated, and how many were at most.
struct Counting;

// SAFETY: everything is passed to the system's allocator as it came; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Says a lot.
struct Torrent;

fn delta(n: usize) -> String {
    format!("{n:05} {}", "wörter \"so\" viele\n".repeat(50))
}

impl Provider for Torrent {
    fn stream(&self, _: Request) -> EventStream {
        stream::iter(0..DELTAS)
            .then(|n| async move {
                // As fast as watchers that keep up can take it, and no faster than a disk.
                if n % 8 == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                ProviderEvent::TextDelta(delta(n))
            })
            .chain(stream::iter([ProviderEvent::Finish(FinishReason::Stop)]))
            .boxed()
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelInfo>, Failure>> {
        let model = ModelInfo { id: "m".to_owned(), context_window: None, vision: None };
        std::future::ready(Ok(vec![model])).boxed()
    }
}

/// A connection that reads at most a kilobyte a second, until it is let go.
struct Trickle {
    stream: TcpStream,
    slow: Arc<AtomicBool>,
    read: Arc<AtomicUsize>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl AsyncRead for Trickle {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let slow = self.slow.load(Ordering::Relaxed);
        if let Some(pause) = self.pause.as_mut().filter(|_| slow) {
            // Short naps, so that letting it go is noticed.
            ready!(pause.as_mut().poll(context));
        }
        self.pause = None;
        let most = if slow { 100 } else { buffer.remaining() };
        let mut small = buffer.take(most);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut small))?;
        let (filled, initialised) = (small.filled().len(), small.initialized().len());
        // SAFETY: the smaller buffer is the beginning of this one, and says how much of it was written.
        unsafe { buffer.assume_init(initialised) };
        buffer.advance(filled);
        self.read.fetch_add(filled, Ordering::Relaxed);
        if slow {
            self.pause = Some(Box::pin(tokio::time::sleep(Duration::from_millis(100))));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Trickle {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Takes events until the turn is sealed, and compares the text with what was said without keeping it.
async fn transcript(
    http: SocketAddr,
    slow: Arc<AtomicBool>,
    read: Arc<AtomicUsize>,
    subscribed: tokio::sync::oneshot::Sender<()>,
) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(http).await.unwrap();
    let was_slow = slow.swap(false, Ordering::Relaxed);
    let trickle = Trickle { stream, slow: slow.clone(), read, pause: None };
    let (mut socket, _) = tokio_tungstenite::client_async(format!("ws://{http}/"), trickle).await.unwrap();
    let subscribe = json!({ "type": "chat.subscribe", "conversationId": "c" });
    socket.send(Message::text(subscribe.to_string())).await.unwrap();
    let acknowledge = json!({ "type": "subscribe", "surfaceId": "todo" });
    socket.send(Message::text(acknowledge.to_string())).await.unwrap();
    let mut subscribed = Some(subscribed);
    let (mut next, mut rest) = (0, String::new());
    loop {
        let Message::Text(text) = socket.next().await.unwrap().unwrap() else { continue };
        let frame: Value = serde_json::from_str(&text).unwrap();
        if frame["type"] == "surface" {
            slow.store(was_slow, Ordering::Relaxed);
            let _ = subscribed.take().map(|subscribed| subscribed.send(()));
        }
        match frame["event"]["type"].as_str() {
            Some("text-delta") => {
                rest.push_str(frame["event"]["delta"].as_str().unwrap());
                while next < DELTAS {
                    let expected = delta(next);
                    if rest.len() < expected.len() {
                        break;
                    }
                    assert!(rest.starts_with(&expected), "delta {next} is not what was said");
                    rest.drain(..expected.len());
                    next += 1;
                }
            }
            Some("turn-sealed") => break,
            _ => {}
        }
    }
    assert_eq!((next, rest.as_str()), (DELTAS, ""), "something is missing or came twice");
}

/// Streams one turn to a watcher that keeps up, and perhaps one that does not. Says how much memory that took at most.
async fn run(with_slow: bool) -> usize {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = Sqlite::open(directory.path()).unwrap();
    let catalog =
        Catalog::new(vec![Credential { name: "torrent".to_owned(), provider: Arc::new(Torrent) }], None);
    let spill = Spill { directory: Some(directory.path().to_owned()), limit: 1 << 20 };
    let engine = Engine::new(Options { spill, ..Options::default() }, Arc::new(store), catalog, Vec::new());
    let server = Server::bind(settings(), engine.clone()).await.unwrap();
    let http = server.http_addr().unwrap();
    tokio::spawn(server.run(std::future::pending()));
    let watch = |slow: bool| {
        let (slow, read) = (Arc::new(AtomicBool::new(slow)), Arc::new(AtomicUsize::new(0)));
        let (subscribed, is_subscribed) = tokio::sync::oneshot::channel();
        let watching = tokio::spawn(transcript(http, slow.clone(), read.clone(), subscribed));
        (watching, slow, read, is_subscribed)
    };
    let (quick, _, _, quick_subscribed) = watch(false);
    quick_subscribed.await.unwrap();
    let slow = with_slow.then(|| watch(true));
    let mut reading = None;
    if let Some((watching, slow, read, subscribed)) = slow {
        subscribed.await.unwrap();
        reading = Some((watching, slow, read));
    }
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let prompt = engine::Prompt { text: "go".to_owned(), ..engine::Prompt::default() };
    let id = wire::ConversationId::new("c");
    assert!(matches!(engine.send(&id, prompt).await.unwrap(), engine::Sent::Started(_)));
    quick.await.unwrap();
    let peak = PEAK.load(Ordering::Relaxed) - before;
    if let Some((watching, slow, read)) = reading {
        let so_far = read.load(Ordering::Relaxed);
        assert!(so_far < DELTAS * 100, "the slow one has read {so_far} bytes: it was not slow");
        assert!(!watching.is_finished());
        slow.store(false, Ordering::Relaxed);
        watching.await.unwrap();
    }
    peak
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_are_unaffected_memory_is_bounded_and_nothing_is_lost() {
    let without = run(false).await;
    let with = run(true).await;
    let streamed = DELTAS * delta(0).len();
    println!("streamed {streamed} bytes; peak {without} bytes without the slow watcher, {with} with it");
    assert!(streamed > 2 * ALLOWED, "too little was streamed to tell");
    assert!(with < without + ALLOWED, "{} bytes more for one slow watcher", with - without);
}
