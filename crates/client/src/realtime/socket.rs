//! The WebSocket of one attempt.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How long the server may take to answer a close frame.
const FAREWELL: Duration = Duration::from_secs(5);

/// What happens to it.
#[derive(Debug)]
pub(super) enum Heard {
    /// It is open, to a server at that address.
    Opened(SocketAddr),
    Refused {
        status: Option<u16>,
        reason: String,
    },
    Text(String),
    Closed {
        code: Option<u16>,
        reason: String,
    },
}

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Opens it and serves it until it ends, or until nobody can send any more. The URL has the key in it, and is in nothing
/// that this tells.
pub(super) async fn run(url: String, mut orders: mpsc::UnboundedReceiver<String>, hear: impl Fn(Heard)) {
    let connected = tokio::select! {
        connected = tokio_tungstenite::connect_async(&url) => connected,
        // Nobody waits for it any more. There is nothing else that it can be told yet.
        _ = orders.recv() => return,
    };
    let mut stream = match connected {
        Ok((stream, _)) => stream,
        Err(error) => return hear(refused(error)),
    };
    let Some(address) = address(&stream) else {
        return hear(Heard::Refused { status: None, reason: String::new() });
    };
    hear(Heard::Opened(address));
    let mut may_be_told = true;
    loop {
        let sent = tokio::select! {
            order = orders.recv(), if may_be_told => match order {
                Some(text) => stream.send(Message::text(text)).await,
                None => return goodbye(stream).await,
            },
            frame = stream.next() => match frame {
                Some(Ok(Message::Text(text))) => {
                    hear(Heard::Text(text.to_string()));
                    Ok(())
                }
                Some(Ok(Message::Close(frame))) => {
                    // The library answers it when it is called again.
                    let _ = stream.flush().await;
                    let code = frame.as_ref().map_or(1005, |frame| frame.code.into());
                    let reason = frame.map(|frame| frame.reason.to_string()).unwrap_or_default();
                    return hear(Heard::Closed { code: Some(code), reason });
                }
                Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(()),
                Some(Err(error)) => return hear(Heard::Closed { code: None, reason: error.to_string() }),
                None => return hear(Heard::Closed { code: None, reason: String::new() }),
            },
        };
        // What the server said last may still be readable where nothing can be written any more.
        may_be_told &= sent.is_ok();
    }
}

async fn goodbye(mut stream: Stream) {
    let goodbye = async {
        let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        if stream.close(Some(frame)).await.is_ok() {
            while let Some(Ok(_)) = stream.next().await {}
        }
    };
    // A server that does not answer is left alone.
    let _ = tokio::time::timeout(FAREWELL, goodbye).await;
}

fn refused(error: Error) -> Heard {
    match error {
        Error::Http(response) => {
            let status = Some(response.status().as_u16());
            let body = response.body().as_deref().unwrap_or_default();
            Heard::Refused { status, reason: String::from_utf8_lossy(body).trim().to_owned() }
        }
        Error::Url(_) => {
            Heard::Refused { status: None, reason: "the server's URL cannot be used".to_owned() }
        }
        error => Heard::Refused { status: None, reason: format!("the server cannot be reached: {error}") },
    }
}

fn address(stream: &Stream) -> Option<SocketAddr> {
    match stream.get_ref() {
        MaybeTlsStream::Plain(tcp) => tcp.peer_addr().ok(),
        MaybeTlsStream::Rustls(tls) => tls.get_ref().0.peer_addr().ok(),
        _ => None,
    }
}
