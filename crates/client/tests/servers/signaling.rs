//! The signaling of a server of realtime sessions, with a media connection that answers and never comes up.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use str0m::change::SdpOffer;
use str0m::{Candidate, Rtc};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

pub(crate) type Socket = WebSocketStream<TcpStream>;

/// What a server has seen of all connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// How many there were.
    pub(crate) connections: u32,
    /// How many there are.
    pub(crate) open: u32,
    /// The newest one that made an offer.
    pub(crate) newest: u32,
    /// What came from others after that.
    pub(crate) strays: Vec<String>,
    /// What the last session began with.
    pub(crate) look: Option<Value>,
    /// What was acknowledged last.
    pub(crate) acknowledged: Option<Value>,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

impl Server {
    /// Sets sessions up, acknowledges everything, and ticks so often.
    pub(crate) async fn start(tick: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::<Mutex<Seen>>::default());
        let shared = seen.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let seen = shared.clone();
                tokio::spawn(async move {
                    // One that breaks in the middle of the handshake is none.
                    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
                    let number = {
                        let mut seen = seen.lock().unwrap();
                        seen.connections += 1;
                        seen.open += 1;
                        seen.connections
                    };
                    // It breaks.
                    let _ = serve(&mut socket, &seen, number, tick).await;
                    seen.lock().unwrap().open -= 1;
                });
            }
        });
        Self { address, seen }
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }
}

pub(crate) async fn say(socket: &mut Socket, message: Value) -> Option<()> {
    socket.send(Message::text(message.to_string())).await.ok()
}

async fn serve(socket: &mut Socket, seen: &Mutex<Seen>, number: u32, tick: Duration) -> Option<()> {
    let id = json!({"type": "session_id", "session_id": format!("s-{number}"), "server_ip": "192.0.2.1", "server_port": 1});
    say(socket, id).await?;
    let mut ticks = tokio::time::interval(tick);
    let (mut seconds, mut is_set_up) = (0, false);
    loop {
        let frame = tokio::select! {
            frame = socket.next() => frame?.ok()?,
            _ = ticks.tick(), if is_set_up => {
                seconds += 1;
                say(socket, json!({"type": "generation_tick", "seconds": seconds})).await?;
                continue;
            }
        };
        let Message::Text(text) = frame else { continue };
        let message: Value = serde_json::from_str(&text).unwrap();
        {
            let mut seen = seen.lock().unwrap();
            if seen.newest > number {
                seen.strays.push(message.to_string());
            }
            if message["type"] == "offer" {
                seen.newest = number;
            }
        }
        match message["type"].as_str().unwrap() {
            kind @ ("prompt" | "set_image") => {
                {
                    let mut seen = seen.lock().unwrap();
                    let noted = if is_set_up { &mut seen.acknowledged } else { &mut seen.look };
                    *noted = Some(message.clone());
                }
                let acknowledgement = match kind {
                    "prompt" => {
                        json!({"type": "prompt_ack", "prompt": message["prompt"], "success": true, "error": null})
                    }
                    _ => json!({"type": "set_image_ack", "success": true, "error": null}),
                };
                say(socket, acknowledgement).await?;
            }
            "offer" => {
                say(socket, json!({"type": "answer", "sdp": answer(message["sdp"].as_str().unwrap())}))
                    .await?;
                say(socket, json!({"type": "generation_started"})).await?;
                is_set_up = true;
                ticks.reset_immediately();
            }
            _ => {}
        }
    }
}

/// An answer to an offer. Nobody is where it says that media go.
pub(crate) fn answer(offer: &str) -> String {
    let mut rtc = Rtc::builder().clear_codecs().enable_vp8(true).build(Instant::now());
    rtc.add_local_candidate(Candidate::host("127.0.0.1:9".parse().unwrap(), "udp").unwrap());
    let offer = SdpOffer::from_sdp_string(offer).unwrap();
    rtc.sdp_api().accept_offer(offer).unwrap().to_sdp_string()
}
