//! Does what the [`Connection`] machine says, with real sockets and real media.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use wire::realtime::ClientMessage;

use super::connection::{Connection, Event, Input, Millis, Output, Session, State};
use super::emitter::Emitter;
use super::error::Error;
use super::look::Update;
use super::media::{self, Order, Said, Streams};
use super::socket::{self, Heard};
use crate::secret::Secret;

/// What the application asks for.
pub(super) enum Command {
    Connect(oneshot::Sender<Result<(), Error>>),
    Update(Update, oneshot::Sender<Result<(), Error>>),
    /// Answered when everything is let go of.
    Disconnect(oneshot::Sender<()>),
}

/// What can be seen of the connection from outside.
#[derive(Clone, Debug, Default)]
pub(super) struct Status {
    pub(super) state: State,
    pub(super) session: Option<Session>,
    /// Where the server is, as seen from the newest socket.
    pub(super) server: Option<SocketAddr>,
}

/// Makes the URL for a session that goes on with that one, or with none.
pub(super) type SocketUrl = Box<dyn Fn(Option<&str>) -> String + Send>;

pub(super) struct Driver {
    pub(super) connection: Connection,
    pub(super) url: SocketUrl,
    pub(super) streams: Streams,
    pub(super) emitter: Emitter,
    pub(super) status: Arc<Mutex<Status>>,
    /// What is in no error.
    pub(super) key: Secret,
}

/// One attempt.
struct Line {
    /// What the socket sends. When it is dropped, the socket is closed.
    say: mpsc::UnboundedSender<String>,
    server: Option<SocketAddr>,
    media: Option<(mpsc::UnboundedSender<Order>, Task)>,
}

/// A task that ends when this is dropped.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What happens in an attempt, with its number.
enum Happened {
    Socket(u32, Heard),
    Media(u32, Said),
}

impl Driver {
    /// Runs until the application has let go of it.
    pub(super) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let begun = Instant::now();
        let (happen, mut happened) = mpsc::unbounded_channel();
        let mut lines: HashMap<u32, Line> = HashMap::new();
        let mut calls: HashMap<u64, oneshot::Sender<Result<(), Error>>> = HashMap::new();
        let mut next_call = 0;
        loop {
            let deadline = self.connection.deadline();
            let wake = async {
                match deadline {
                    Some(at) => {
                        let at = begun + std::time::Duration::from_millis(at);
                        tokio::time::sleep_until(at.into()).await;
                    }
                    None => std::future::pending().await,
                }
            };
            let mut left = None;
            let input = tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::Connect(answer)) => {
                        next_call += 1;
                        calls.insert(next_call, answer);
                        Input::Connect { call: next_call }
                    }
                    Some(Command::Update(update, answer)) => {
                        next_call += 1;
                        calls.insert(next_call, answer);
                        Input::Update { call: next_call, update }
                    }
                    Some(Command::Disconnect(answer)) => {
                        left = Some(answer);
                        Input::Disconnect
                    }
                    None => break,
                },
                Some(happened) = happened.recv() => match self.input(happened, &mut lines) {
                    Some(input) => input,
                    None => continue,
                },
                () = wake => Input::Time,
            };
            // Timers are early at times, by less than a millisecond.
            let elapsed = Millis::try_from(begun.elapsed().as_millis()).unwrap_or(Millis::MAX);
            let now = match input {
                Input::Time => elapsed.max(deadline.unwrap_or(0)),
                _ => elapsed,
            };
            self.connection.handle(now, input);
            while let Some(output) = self.connection.poll() {
                self.perform(output, &mut lines, &mut calls, &happen);
            }
            self.look();
            if let Some(answer) = left {
                // Whoever asked may have gone.
                let _ = answer.send(());
            }
        }
        self.connection.handle(Millis::MAX, Input::Disconnect);
        while let Some(output) = self.connection.poll() {
            self.perform(output, &mut lines, &mut calls, &happen);
        }
        self.look();
        self.emitter.close();
    }

    fn input(&mut self, happened: Happened, lines: &mut HashMap<u32, Line>) -> Option<Input> {
        Some(match happened {
            Happened::Socket(attempt, Heard::Opened(server)) => {
                lines.get_mut(&attempt)?.server = Some(server);
                self.status().server = Some(server);
                Input::Opened { attempt }
            }
            Happened::Socket(attempt, Heard::Refused { status, reason }) => {
                Input::Refused { attempt, status, reason }
            }
            Happened::Socket(attempt, Heard::Text(text)) => Input::Message { attempt, text },
            Happened::Socket(attempt, Heard::Closed { code, reason }) => {
                Input::Closed { attempt, code, reason }
            }
            Happened::Media(attempt, Said::Offer(sdp)) => Input::Offer { attempt, sdp },
            Happened::Media(attempt, Said::State(state, reason)) => Input::Media { attempt, state, reason },
        })
    }

    fn perform(
        &mut self,
        output: Output,
        lines: &mut HashMap<u32, Line>,
        calls: &mut HashMap<u64, oneshot::Sender<Result<(), Error>>>,
        happen: &mpsc::UnboundedSender<Happened>,
    ) {
        match output {
            Output::Open { attempt, session } => {
                let (say, orders) = mpsc::unbounded_channel();
                let (url, happen) = ((self.url)(session.as_deref()), happen.clone());
                let hear = move |heard| drop(happen.send(Happened::Socket(attempt, heard)));
                tokio::spawn(socket::run(url, orders, hear));
                lines.insert(attempt, Line { say, server: None, media: None });
            }
            Output::Send { attempt, message } => send(lines.get(&attempt), &message),
            Output::Offer { attempt } => {
                let Some(line) = lines.get_mut(&attempt) else { return };
                let Some(server) = line.server else { return };
                let (order, orders) = mpsc::unbounded_channel();
                let (streams, happen) = (self.streams.clone(), happen.clone());
                let say = move |said| drop(happen.send(Happened::Media(attempt, said)));
                let task = tokio::spawn(media::run(server, streams, orders, say));
                line.media = Some((order, Task(task)));
            }
            Output::Answer { attempt, sdp } => order(lines.get(&attempt), Order::Answer(sdp)),
            Output::AddCandidate { attempt, candidate } => {
                order(lines.get(&attempt), Order::Candidate(candidate.candidate));
            }
            Output::Close { attempt } => {
                if let Some(lens) = &self.streams.lens {
                    lens.pause();
                }
                lines.remove(&attempt);
            }
            Output::Event { event: Event::Error { error } } => {
                self.emitter.emit(Event::Error { error: error.without(&self.key) });
            }
            Output::Event { event } => self.emitter.emit(event),
            Output::Done { call, error } => {
                self.look();
                if let Some(answer) = calls.remove(&call) {
                    // Whoever asked may have gone.
                    let _ = answer.send(error.map_or(Ok(()), |error| Err(error.without(&self.key))));
                }
            }
        }
    }

    /// What can be seen from outside follows the machine.
    fn look(&self) {
        let mut status = self.status();
        status.state = self.connection.state();
        status.session = self.connection.session().cloned();
    }

    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn send(line: Option<&Line>, message: &ClientMessage) {
    let Some(line) = line else { return };
    match serde_json::to_string(message) {
        // A socket that is gone has said so.
        Ok(text) => drop(line.say.send(text)),
        Err(error) => tracing::error!("a message cannot be written: {error}"),
    }
}

fn order(line: Option<&Line>, order: Order) {
    if let Some((orders, _)) = line.and_then(|line| line.media.as_ref()) {
        // Media that are gone have said so.
        let _ = orders.send(order);
    }
}
