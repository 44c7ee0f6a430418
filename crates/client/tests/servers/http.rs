//! A server of HTTP, request by request.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// As `POST /chat`.
    pub(crate) line: String,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
    pub(crate) at: Instant,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Nothing: the connection is closed.
    Nothing,
    /// Status line, more header lines (each with its end), body.
    Whole(&'static str, String, String),
    /// The same, but later.
    Late(Duration, &'static str, String),
    /// The beginning of an endless body of that type, then the connection is closed; a chunk of HTTP for each piece.
    Broken(&'static str, Vec<String>),
    /// The same piece again and again, so often and with so long between, and then the others and silence.
    Paced(&'static str, String, usize, Duration, Vec<String>),
    /// The beginning of an endless body, and then silence.
    Silent(&'static str, Vec<String>),
}

impl Answer {
    pub(crate) fn ok(body: impl Into<String>) -> Self {
        Self::Whole("200 OK", String::new(), body.into())
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Answers each request as `answer` says, which is given its number, from 0.
    pub(crate) async fn start<F: Future<Output = Answer> + Send>(
        answer: impl Fn(usize, Request) -> F + Send + Sync + 'static,
    ) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), answer)
    }

    pub(crate) fn on<F: Future<Output = Answer> + Send>(
        listener: TcpListener,
        answer: impl Fn(usize, Request) -> F + Send + Sync + 'static,
    ) -> Self {
        let (address, requests) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<Request>>>::default());
        let (known, answer) = (requests.clone(), Arc::new(answer));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (known, answer) = (known.clone(), answer.clone());
                tokio::spawn(async move {
                    let mut stream = stream;
                    let Some(request) = read(&mut stream).await else { return };
                    let number = {
                        let mut known = known.lock().unwrap();
                        known.push(request.clone());
                        known.len() - 1
                    };
                    let answer = answer(number, request).await;
                    // A client may have gone.
                    let _ = write(&mut stream, answer).await;
                });
            }
        });
        Self { address, requests }
    }

    /// Answers the first requests in that order, and all others as the last one.
    pub(crate) async fn scripted(answers: Vec<Answer>) -> Self {
        Self::start(move |number, _| {
            let answer = answers[number.min(answers.len() - 1)].clone();
            async move { answer }
        })
        .await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let at = Instant::now();
    let whole = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let (line, head) = whole.split_once("\r\n").unwrap();
    let line = line.rsplit_once(' ').unwrap().0.to_owned();
    let head = head.to_lowercase();
    let mut request = Request { line, head, body: String::new(), at };
    let length = request.header("content-length").map_or(0, |length| length.parse::<usize>().unwrap());
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    request.body = String::from_utf8(bytes[end..].to_vec()).unwrap();
    Some(request)
}

async fn write(stream: &mut TcpStream, answer: Answer) -> std::io::Result<()> {
    let whole = |status: &str, headers: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}")
    };
    match answer {
        Answer::Nothing => Ok(()),
        Answer::Whole(status, headers, body) => {
            stream.write_all(whole(status, &headers, &body).as_bytes()).await
        }
        Answer::Late(delay, status, body) => {
            tokio::time::sleep(delay).await;
            stream.write_all(whole(status, "", &body).as_bytes()).await
        }
        Answer::Broken(kind, pieces) => stream_of(stream, kind, pieces).await,
        Answer::Paced(kind, piece, count, pause, rest) => {
            stream_of(stream, kind, Vec::new()).await?;
            for _ in 0..count {
                pieces_of(stream, vec![piece.clone()]).await?;
                tokio::time::sleep(pause).await;
            }
            pieces_of(stream, rest).await?;
            std::future::pending().await
        }
        Answer::Silent(kind, pieces) => {
            stream_of(stream, kind, pieces).await?;
            std::future::pending().await
        }
    }
}

async fn stream_of(stream: &mut TcpStream, kind: &str, pieces: Vec<String>) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    pieces_of(stream, pieces).await
}

async fn pieces_of(stream: &mut TcpStream, pieces: Vec<String>) -> std::io::Result<()> {
    for piece in pieces {
        stream.write_all(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes()).await?;
    }
    stream.flush().await
}
