//! The WebSocket.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::Happening;
use super::mailbox::Mailbox;

/// How long the server may take to accept, and to answer an offer. Far more than it should need.
const PATIENCE: Duration = Duration::from_secs(30);

/// The server does not want to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// Of the HTTP answer, when there was no WebSocket.
    pub status: Option<u16>,
    /// What the server said: the body, or the text of the error message.
    pub error: String,
    /// The kind of error that the error message told.
    pub error_type: Option<String>,
    /// That of the close frame.
    pub close: Option<u16>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")?;
        if let Some(status) = self.status {
            write!(f, " with status {status}")?;
        }
        if let Some(close) = self.close {
            write!(f, " with close code {close}")?;
        }
        write!(f, ": {}", self.error)?;
        self.error_type.as_ref().map_or(Ok(()), |kind| write!(f, " ({kind})"))
    }
}

impl std::error::Error for Refused {}

pub(super) enum Command {
    Say(Value),
    Close,
}

pub(super) struct Signaling {
    socket: WebSocketStream<TcpStream>,
    /// The address from which the server was reached.
    pub(super) local: IpAddr,
}

impl Signaling {
    pub(super) async fn open(
        url: &str,
        path: &str,
        key: &str,
        query: impl Iterator<Item = (String, String)>,
    ) -> Result<Self> {
        let host = url.split_once("://").map_or(url, |(_, host)| host).trim_end_matches('/');
        let agent =
            ("user_agent".to_owned(), format!("dispatch-bench/{} lang/rs", env!("CARGO_PKG_VERSION")));
        let mut given: Vec<_> = [("api_key".to_owned(), key.to_owned())].into_iter().chain(query).collect();
        if !given.iter().any(|(name, _)| *name == agent.0) {
            given.push(agent);
        }
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish();
        let connecting = async {
            let tcp = TcpStream::connect(host).await?;
            tcp.set_nodelay(true)?;
            let local = tcp.local_addr()?.ip();
            let url = format!("ws://{host}{path}?{query}");
            match tokio_tungstenite::client_async(url, tcp).await {
                Ok((socket, _)) => Ok(Self { socket, local }),
                Err(Error::Http(response)) => {
                    let status = Some(response.status().as_u16());
                    let error = String::from_utf8_lossy(response.body().as_deref().unwrap_or_default());
                    Err(Refused { status, error: error.into_owned(), ..Refused::default() }.into())
                }
                Err(error) => Err(anyhow::Error::from(error)),
            }
        };
        time::timeout(PATIENCE, connecting).await.context("the server does not accept the connection")?
    }

    pub(super) async fn send(&mut self, message: Value) -> Result<()> {
        Ok(self.socket.send(Message::text(message.to_string())).await?)
    }

    /// The description of the answer, and all messages up to it.
    pub(super) async fn until_answered(&mut self) -> Result<(String, Vec<Value>)> {
        let mut messages = Vec::new();
        let answered = async {
            loop {
                match read(self.socket.next().await) {
                    Read::Message(message) => {
                        let sdp = is(&message, "answer").then(|| message["sdp"].as_str().map(str::to_owned));
                        messages.push(message);
                        if let Some(sdp) = sdp.flatten() {
                            return Ok(sdp);
                        }
                    }
                    Read::Nothing => {}
                    Read::End { code, reason } => {
                        let error = messages.iter().find(|message| is(message, "error"));
                        let text = |name| error.and_then(|error| error[name].as_str()).map(str::to_owned);
                        let (said, kind) = (text("error"), text("error_type"));
                        let error = said.unwrap_or(reason);
                        return Err(Refused { status: None, error, error_type: kind, close: code });
                    }
                }
            }
        };
        match time::timeout(PATIENCE, answered).await {
            Ok(Ok(sdp)) => Ok((sdp, messages)),
            Ok(Err(refused)) => Err(refused.into()),
            Err(_) => bail!("the server does not answer the offer; it said {messages:?}"),
        }
    }

    /// Until the end, which is the last thing to happen.
    pub(super) async fn serve(
        mut self,
        mut commands: mpsc::UnboundedReceiver<Command>,
        mailbox: Arc<Mailbox>,
    ) {
        let mut listening = true;
        loop {
            let sent = tokio::select! {
                command = commands.recv(), if listening => match command {
                    Some(Command::Say(message)) => self.socket.send(Message::text(message.to_string())).await,
                    Some(Command::Close) => {
                        listening = false;
                        let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
                        self.socket.close(Some(frame)).await
                    }
                    None => {
                        listening = false;
                        Ok(())
                    }
                },
                frame = self.socket.next() => match read(frame) {
                    Read::Message(message) => {
                        mailbox.put(Happening::Message(message));
                        Ok(())
                    }
                    Read::Nothing => Ok(()),
                    Read::End { code, reason } => {
                        // The library answers a close frame when it is called again.
                        let _ = self.socket.flush().await;
                        mailbox.put(Happening::Closed { code, reason });
                        return;
                    }
                },
            };
            // What the server said last may still be readable where nothing can be written any more.
            listening &= sent.is_ok();
        }
    }
}

fn is(message: &Value, kind: &str) -> bool {
    message["type"] == kind
}

enum Read {
    Message(Value),
    Nothing,
    End { code: Option<u16>, reason: String },
}

fn read(frame: Option<Result<Message, Error>>) -> Read {
    match frame {
        Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
            Ok(message) => Read::Message(message),
            Err(error) => {
                Read::End { code: None, reason: format!("the server sent no JSON ({error}): {text}") }
            }
        },
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => {
            Read::Nothing
        }
        Some(Ok(Message::Close(Some(frame)))) => {
            Read::End { code: Some(frame.code.into()), reason: frame.reason.to_string() }
        }
        Some(Ok(Message::Close(None))) => Read::End { code: None, reason: String::new() },
        Some(Err(error)) => Read::End { code: None, reason: error.to_string() },
        None => Read::End { code: None, reason: "the connection ended without a close frame".to_owned() },
    }
}
