//! The least that it costs to send a turn's frames to many WebSockets: nothing is stored, parsed or merged.

use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::routing::any;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, oneshot};
use tokio::time;

/// A server that sends the same frames to everybody, on threads of its own.
pub(crate) struct Floor {
    url: String,
    frames: broadcast::Sender<Utf8Bytes>,
    tokens: usize,
    interval: Duration,
    /// Dropped, it ends the server.
    _running: oneshot::Sender<()>,
}

impl Floor {
    pub(crate) fn start(tokens: usize, interval: Duration) -> Result<Self> {
        let (frames, _) = broadcast::channel::<Utf8Bytes>(1024);
        let (running, stopped) = oneshot::channel::<()>();
        let (started, start) = channel();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let source = frames.clone();
        thread::Builder::new().name("floor".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let bound = TcpListener::bind("127.0.0.1:0").await;
                let Ok(listener) = bound else {
                    return drop(started.send(bound.map(drop).map(|()| String::new())));
                };
                let url = listener.local_addr().map(|address| format!("ws://{address}/"));
                let _ = started.send(url);
                let listener = listener.tap_io(|tcp| drop(tcp.set_nodelay(true)));
                let app = Router::new().fallback(any(move |upgrade: WebSocketUpgrade| {
                    let frames = source.subscribe();
                    async move { upgrade.on_upgrade(|socket| send_all(socket, frames)) }
                }));
                tokio::select! {
                    served = async { axum::serve(listener, app).await } => drop(served),
                    _ = stopped => {}
                }
            });
        })?;
        let url = start.recv().context("the server has not started")??;
        Ok(Self { url, frames, tokens, interval, _running: running })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Sends the frames of a turn; when the last but one was handed over.
    pub(crate) async fn play(&self, watchers: usize) -> Result<Instant> {
        while self.frames.receiver_count() < watchers {
            time::sleep(Duration::from_millis(1)).await;
        }
        let frame = |event: String| {
            format!(r#"{{"type":"chat.delta","event":{{{event}"conversationId":"watched","turnId":"t"}}}}"#)
        };
        let began = time::Instant::now();
        for token in 0..self.tokens {
            time::sleep_until(began + self.interval.saturating_mul(u32::try_from(token)?)).await;
            self.frames.send(frame(format!(r#""type":"text-delta","delta":"token{token} ","#)).into())?;
        }
        let end = Instant::now();
        for kind in ["usage", "step-complete", "done", "turn-sealed"] {
            self.frames.send(frame(format!(r#""type":"{kind}","#)).into())?;
        }
        Ok(end)
    }
}

async fn send_all(mut socket: WebSocket, mut frames: broadcast::Receiver<Utf8Bytes>) {
    while let Ok(frame) = frames.recv().await {
        if socket.send(Message::Text(frame)).await.is_err() {
            return;
        }
    }
}
