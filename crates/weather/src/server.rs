//! The server that plays the script.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use axum::serve::ListenerExt;
use bytes::Bytes;
use futures_util::stream;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time;

use crate::Reply;
use crate::reply::Act;

type Choose = Box<dyn FnMut(&Received) -> Reply + Send>;

/// What the server says, request by request.
pub struct Script {
    answers: Answers,
    models: Option<Reply>,
}

enum Answers {
    InTurn(VecDeque<Reply>),
    Always(Reply),
    Chosen(Choose),
}

impl Script {
    /// These replies, one per request. A request after the last one gets a 500 that says so.
    pub fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self { answers: Answers::InTurn(replies.into_iter().collect()), models: None }
    }

    /// The same reply to every request.
    pub fn always(reply: Reply) -> Self {
        Self { answers: Answers::Always(reply), models: None }
    }

    /// A reply that depends on the request.
    pub fn chosen_by(choose: impl FnMut(&Received) -> Reply + Send + 'static) -> Self {
        Self { answers: Answers::Chosen(Box::new(choose)), models: None }
    }

    /// What `GET …/models` gets, outside the order of the other replies.
    pub fn models(mut self, reply: Reply) -> Self {
        self.models = Some(reply);
        self
    }

    fn reply_to(&mut self, request: &Received) -> Reply {
        let listing = request.method == Method::GET && request.path.ends_with("/models");
        if let Some(models) = self.models.as_ref().filter(|_| listing) {
            return models.clone();
        }
        match &mut self.answers {
            Answers::InTurn(replies) => replies
                .pop_front()
                .unwrap_or_else(|| Reply::status(500).send("the script has no reply to this request")),
            Answers::Always(reply) => reply.clone(),
            Answers::Chosen(choose) => choose(request),
        }
    }
}

impl From<Reply> for Script {
    fn from(reply: Reply) -> Self {
        Self::new([reply])
    }
}

/// A request, and how its reply went.
#[derive(Clone, Debug)]
pub struct Received {
    /// The method.
    pub method: Method,
    /// The path without its query.
    pub path: String,
    /// The query without its question mark.
    pub query: Option<String>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// When the whole request was there.
    pub arrived: Instant,
    /// When the first content was handed to the connection.
    pub first_token: Option<Instant>,
    /// When the reply was over, whoever ended it.
    pub ended: Option<Instant>,
    /// Whether the reply was played to its end. False while it runs, and for ever if the client hung up.
    pub played: bool,
}

impl Received {
    /// The body as JSON; null if it is something else.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A running server. Dropping it closes its port; replies that already run go on until their client leaves.
pub struct Weather {
    address: SocketAddr,
    sky: Arc<Sky>,
    serving: JoinHandle<()>,
}

struct Sky {
    script: Mutex<Script>,
    requests: Mutex<Vec<Received>>,
    connections: AtomicUsize,
}

impl Weather {
    /// Serves a script on a free port of the loopback interface.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(script: impl Into<Script>) -> io::Result<Self> {
        Self::start_on(SocketAddr::from(([127, 0, 0, 1], 0)), script).await
    }

    /// Serves a script on that address.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start_on(address: SocketAddr, script: impl Into<Script>) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let sky = Arc::new(Sky {
            script: Mutex::new(script.into()),
            requests: Mutex::default(),
            connections: AtomicUsize::new(0),
        });
        let counted = Arc::clone(&sky);
        let listener = listener.tap_io(move |tcp| {
            counted.connections.fetch_add(1, Ordering::Relaxed);
            // Without it a token may wait for the acknowledgement of the one before.
            let _ = tcp.set_nodelay(true);
        });
        let app = Router::new().fallback(answer).with_state(Arc::clone(&sky));
        let serving = tokio::spawn(async move {
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self { address, sky, serving })
    }

    /// Where it listens, as `http://127.0.0.1:port`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Forgets the requests so far, if all of them are over.
    pub fn forget(&self) {
        let mut requests = lock(&self.sky.requests);
        if requests.iter().all(|request| request.ended.is_some()) {
            *requests = Vec::new();
        }
    }

    /// All requests so far, in the order in which they came.
    pub fn requests(&self) -> Vec<Received> {
        lock(&self.sky.requests).clone()
    }

    /// How many connections were opened so far.
    pub fn connections(&self) -> usize {
        self.sky.connections.load(Ordering::Relaxed)
    }

    /// Replaces what is left of the script.
    pub fn change(&self, script: impl Into<Script>) {
        *lock(&self.sky.script) = script.into();
    }

    /// Waits until all replies so far are over: played, broken, or left by the client.
    pub async fn settled(&self) {
        while lock(&self.sky.requests).iter().any(|request| request.ended.is_none()) {
            time::sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Drop for Weather {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(sky): State<Arc<Sky>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let received = Received {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head.headers,
        body: to_bytes(body, usize::MAX).await.unwrap_or_default(),
        arrived: Instant::now(),
        first_token: None,
        ended: None,
        played: false,
    };
    let reply = lock(&sky.script).reply_to(&received);
    let number = {
        let mut requests = lock(&sky.requests);
        requests.push(received);
        requests.len() - 1
    };
    let record = Record { sky, number };
    // Even a sleep of nothing waits for the next tick of the timer.
    if !reply.delay.is_zero() {
        time::sleep(reply.delay).await;
    }
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    let play = Play { acts: reply.acts.into(), paced: None, record };
    response.body(Body::from_stream(stream::unfold(play, Play::next))).unwrap_or_default()
}

/// Writes into the record of one request; its drop is the end of the reply, whoever ended it.
struct Record {
    sky: Arc<Sky>,
    number: usize,
}

impl Record {
    fn note(&self, note: impl FnOnce(&mut Received)) {
        if let Some(received) = lock(&self.sky.requests).get_mut(self.number) {
            note(received);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.note(|received| received.ended = Some(Instant::now()));
    }
}

struct Play {
    acts: VecDeque<Act>,
    paced: Option<Paced>,
    record: Record,
}

struct Paced {
    frames: Arc<[Bytes]>,
    next: usize,
    started: time::Instant,
    interval: Duration,
}

impl Play {
    async fn next(mut self) -> Option<(io::Result<Bytes>, Self)> {
        loop {
            if let Some(frame) = self.next_paced().await {
                return Some((Ok(frame), self));
            }
            match self.acts.pop_front() {
                None => {
                    self.record.note(|received| received.played = true);
                    return None;
                }
                Some(Act::Send { bytes, token }) => {
                    if token {
                        self.token_sent();
                    }
                    return Some((Ok(bytes), self));
                }
                Some(Act::Wait(delay)) => time::sleep(delay).await,
                Some(Act::Paced { frames, interval }) => {
                    self.paced = Some(Paced { frames, next: 0, started: time::Instant::now(), interval });
                }
                Some(Act::Stall) => std::future::pending::<()>().await,
                Some(Act::HangUp) => {
                    self.record.note(|received| received.played = true);
                    // What was sent before has to leave before the connection breaks.
                    time::sleep(Duration::from_millis(20)).await;
                    return Some((Err(io::Error::from(io::ErrorKind::ConnectionReset)), self));
                }
            }
        }
    }

    async fn next_paced(&mut self) -> Option<Bytes> {
        let paced = self.paced.as_mut()?;
        let frame = paced.frames.get(paced.next).cloned();
        if frame.is_some() {
            let due = u32::try_from(paced.next).unwrap_or(u32::MAX);
            let due = paced.started + paced.interval.saturating_mul(due);
            if due > time::Instant::now() {
                time::sleep_until(due).await;
            }
            paced.next += 1;
            self.token_sent();
        } else {
            self.paced = None;
        }
        frame
    }

    fn token_sent(&self) {
        self.record.note(|received| {
            received.first_token.get_or_insert_with(Instant::now);
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
