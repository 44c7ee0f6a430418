//! The connection of a client to a realtime session, as a machine: no socket, no media, no clock.
//!
//! Whoever drives it tells it what happened ([`Input`]) and does what it says ([`Output`]), in order. It owns everything
//! that is easy to get wrong in three languages: the public state, when an attempt has failed for good, the one loop
//! that connects again, which acknowledgement belongs to which call, what is restored afterwards. The cases in
//! `clients/cases/connection` fix what it does; every client of this project passes them.
//!
//! Each attempt to connect has a number, and what happens in it comes with that number. Of an attempt that is over,
//! nothing counts any more, however late it comes.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use wire::realtime::{ClientMessage, Description, IceCandidate, ServerMessage, Trickle};

use super::error::{Error, ErrorCode};
use super::look::{Look, Update};
use super::options::Options;
use super::updates::{Called, Over, Updates};

/// Milliseconds of a clock that never goes back.
pub type Millis = u64;

/// The public state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// There is no session and nobody tries to have one.
    #[default]
    Disconnected,
    /// The first session is being set up.
    Connecting,
    /// Media flow.
    Connected,
    /// Pictures are generated, and seconds count.
    Generating,
    /// The session was lost and another one is being set up.
    Reconnecting,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Input {
    /// The application wants a session. Answered by [`Output::Done`] of that call.
    Connect {
        /// Names the call.
        call: u64,
    },
    /// The application wants another look. Answered by [`Output::Done`] of that call.
    Update {
        /// Names the call.
        call: u64,
        /// The look.
        update: Update,
    },
    /// The application wants no session any more.
    Disconnect,
    /// The WebSocket is open.
    Opened {
        /// Of which attempt.
        attempt: u32,
    },
    /// The WebSocket was refused, or could not be opened.
    Refused {
        /// Of which attempt.
        attempt: u32,
        /// The HTTP status, if there was an answer.
        status: Option<u16>,
        /// What the answer or the failure said. Without the URL, which has the key in it.
        reason: String,
    },
    /// A text frame came.
    Message {
        /// Of which attempt.
        attempt: u32,
        /// The frame.
        text: String,
    },
    /// The WebSocket is closed, or was lost.
    Closed {
        /// Of which attempt.
        attempt: u32,
        /// The code of the close frame, if there was one.
        code: Option<u16>,
        /// Its reason.
        reason: String,
    },
    /// The offer that was asked for is made.
    Offer {
        /// Of which attempt.
        attempt: u32,
        /// The session description.
        sdp: String,
    },
    /// The client can be reached at one more address; none when there are no more.
    Candidate {
        /// Of which attempt.
        attempt: u32,
        /// The address.
        candidate: Option<IceCandidate>,
    },
    /// The peer connection is in another state.
    Media {
        /// Of which attempt.
        attempt: u32,
        /// The state.
        state: Media,
        /// What is wrong, if something is.
        #[serde(default)]
        reason: String,
    },
    /// The clock has reached [`Connection::deadline`].
    Time,
}

/// The states of a peer connection that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Media {
    /// Media flow.
    Connected,
    /// They do not, and may again.
    Interrupted,
    /// They will not any more, or never could.
    Failed,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Output {
    /// Open a WebSocket.
    Open {
        /// For that attempt.
        attempt: u32,
        /// The session that it goes on with, for the parameter `session` of the query.
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<String>,
    },
    /// Send a text frame.
    Send {
        /// Of which attempt.
        attempt: u32,
        /// The frame.
        message: ClientMessage,
    },
    /// Make a peer connection, and an offer.
    Offer {
        /// For that attempt.
        attempt: u32,
    },
    /// Give the peer connection its answer.
    Answer {
        /// Of which attempt.
        attempt: u32,
        /// The session description.
        sdp: String,
    },
    /// Give the peer connection one more address of the server.
    AddCandidate {
        /// Of which attempt.
        attempt: u32,
        /// The address.
        candidate: IceCandidate,
    },
    /// Let go of everything of an attempt: close the WebSocket with code 1000 if it is open, and the peer connection.
    /// What the application gave (its camera, say) stays as it is.
    Close {
        /// Of which attempt.
        attempt: u32,
    },
    /// Tell the application.
    Event {
        /// What.
        event: Event,
    },
    /// A call is over.
    Done {
        /// Which one.
        call: u64,
        /// Why it failed, if it did.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<Error>,
    },
}

/// What an application is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Event {
    /// The public state is another one.
    ConnectionChange {
        /// The state.
        state: State,
    },
    /// Something is wrong. Says nothing about the state.
    Error {
        /// What.
        error: Error,
    },
    /// A second was generated, and billed.
    GenerationTick(GenerationTick),
}

/// A second was generated, and billed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationTick {
    /// How many so far, in this connection. Begins with 1 again after a reconnect.
    pub seconds: u64,
    /// The credits that are left, if the server says so: a decimal number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credits: Option<String>,
}

/// What the server calls the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: String,
    /// For viewers.
    pub ip: String,
    /// For viewers.
    pub port: u16,
}

/// The machine. See the [module](self).
#[derive(Debug)]
pub struct Connection {
    options: Options,
    state: State,
    phase: Phase,
    /// The number of the newest attempt.
    attempt: u32,
    /// How many attempts, or sessions that did not last, there were in a row.
    failures: usize,
    /// The call that waits for the first session.
    connecting: Option<u64>,
    /// The look that the server has acknowledged, or is to begin with. None if only the server knows it.
    look: Option<Look>,
    updates: Updates,
    session: Option<Session>,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
enum Phase {
    Idle,
    /// For the next attempt.
    Waiting {
        until: Millis,
    },
    Trying(Line),
}

/// An attempt, and what becomes of it.
#[derive(Debug, Default)]
struct Line {
    is_open: bool,
    /// It goes on with an earlier session.
    goes_on: bool,
    /// The look is sent and not acknowledged.
    is_looking: bool,
    /// The offer that is not sent yet.
    offer: Option<String>,
    is_offered: bool,
    is_answered: bool,
    /// Addresses that came too early.
    ours: Vec<Option<IceCandidate>>,
    theirs: Vec<IceCandidate>,
    /// Nothing must be heard any later than that, until there is a session.
    progress: Millis,
    /// Pictures are generated, as the server says.
    is_generating: bool,
    /// Media have flowed.
    has_flowed: bool,
    /// When it became a session.
    established: Option<Millis>,
    /// When it is given up because media do not flow.
    interrupted: Option<Millis>,
    fault: Option<Fault>,
}

/// What the server has said is wrong.
#[derive(Debug)]
struct Fault {
    error: Error,
    /// If it is over by then, that is why.
    until: Millis,
}

/// How long a server may take to close what it has said is wrong.
const FAREWELL: Millis = 2_000;

impl Line {
    /// When it is given up.
    fn deadline(&self) -> Option<Millis> {
        match (self.established, &self.fault) {
            (Some(_), _) => self.interrupted,
            (None, Some(fault)) => Some(self.progress.min(fault.until)),
            (None, None) => Some(self.progress),
        }
    }
}

impl Connection {
    /// A connection that does nothing until [`Input::Connect`].
    pub fn new(options: Options) -> Self {
        Self {
            look: None,
            updates: Updates::new(options.timeouts.prompt, options.timeouts.image),
            options,
            state: State::default(),
            phase: Phase::Idle,
            attempt: 0,
            failures: 0,
            connecting: None,
            session: None,
            outputs: VecDeque::new(),
        }
    }

    /// The public state.
    pub fn state(&self) -> State {
        self.state
    }

    /// What the server calls the session; another one after each reconnect.
    pub fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// When [`Input::Time`] is wanted.
    pub fn deadline(&self) -> Option<Millis> {
        let phase = match &self.phase {
            Phase::Idle => None,
            Phase::Waiting { until } => Some(*until),
            Phase::Trying(line) => line.deadline(),
        };
        [phase, self.updates.deadline()].into_iter().flatten().min()
    }

    /// What is to be done next. To be drained after each [`handle`](Self::handle).
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Takes an input.
    pub fn handle(&mut self, now: Millis, input: Input) {
        match input {
            Input::Connect { call } => self.connect(now, call),
            Input::Update { call, update } => self.update(now, call, update),
            Input::Disconnect => self.disconnect(),
            Input::Time => self.time(now),
            Input::Opened { attempt } if self.is_current(attempt) => self.opened(now),
            Input::Refused { attempt, status, reason } if self.is_current(attempt) => {
                self.lose(now, Error::refused(status, &reason));
            }
            Input::Message { attempt, text } if self.is_current(attempt) => self.message(now, &text),
            Input::Closed { attempt, code, reason } if self.is_current(attempt) => {
                self.lose(now, Error::closed(code, &reason));
            }
            Input::Offer { attempt, sdp } if self.is_current(attempt) => {
                self.progress(now);
                if let Phase::Trying(line) = &mut self.phase {
                    line.offer = Some(sdp);
                }
                self.offer();
            }
            Input::Candidate { attempt, candidate } if self.is_current(attempt) => self.candidate(candidate),
            Input::Media { attempt, state, reason } if self.is_current(attempt) => {
                self.media(now, state, &reason);
            }
            // Of an attempt that is over.
            Input::Opened { .. }
            | Input::Refused { .. }
            | Input::Message { .. }
            | Input::Closed { .. }
            | Input::Offer { .. }
            | Input::Candidate { .. }
            | Input::Media { .. } => {}
        }
    }

    fn is_current(&self, attempt: u32) -> bool {
        attempt == self.attempt && matches!(self.phase, Phase::Trying(_))
    }

    fn connect(&mut self, now: Millis, call: u64) {
        if self.state != State::Disconnected {
            let error = Error::new(ErrorCode::InvalidState, "there is a connection already");
            self.done(call, Some(error));
            return;
        }
        if let Some(Err(error)) = self.options.look.as_ref().map(Look::check) {
            self.done(call, Some(error));
            return;
        }
        self.connecting = Some(call);
        // Only what was a session is tried again at once.
        self.failures = 1;
        self.session = None;
        self.look = match (&self.options.look, &self.options.session) {
            (None, Some(_)) => None,
            (look, _) => Some(look.clone().unwrap_or_default()),
        };
        self.show(State::Connecting);
        self.attempt(now);
    }

    /// Begins the next attempt.
    fn attempt(&mut self, now: Millis) {
        self.attempt += 1;
        let session = self.session.as_ref().map(|session| session.id.clone());
        let session = session.or_else(|| self.options.session.clone()).filter(|_| self.options.produces);
        self.phase = Phase::Trying(Line {
            goes_on: session.is_some(),
            progress: now.saturating_add(self.options.timeouts.attempt),
            ..Line::default()
        });
        self.outputs.push_back(Output::Open { attempt: self.attempt, session });
    }

    fn opened(&mut self, now: Millis) {
        self.progress(now);
        let Phase::Trying(line) = &mut self.phase else { return };
        if std::mem::replace(&mut line.is_open, true) {
            return;
        }
        let look = self.look.as_ref().filter(|_| self.options.produces);
        let look = look.map(|look| look.message(line.goes_on));
        line.is_looking = look.is_some();
        // The peer connection is made while the look is on its way.
        if let Some(message) = look {
            self.send(message);
        }
        self.outputs.push_back(Output::Offer { attempt: self.attempt });
    }

    /// Sends the offer, once there is one and the server has the look.
    fn offer(&mut self) {
        let Phase::Trying(line) = &mut self.phase else { return };
        if !line.is_open || line.is_looking || line.is_offered {
            return;
        }
        let Some(sdp) = line.offer.take() else { return };
        line.is_offered = true;
        let early = std::mem::take(&mut line.ours);
        self.send(ClientMessage::Offer(Description { sdp }));
        for candidate in early {
            self.send(ClientMessage::IceCandidate(Trickle { candidate }));
        }
    }

    fn candidate(&mut self, candidate: Option<IceCandidate>) {
        let Phase::Trying(line) = &mut self.phase else { return };
        if line.is_offered {
            self.send(ClientMessage::IceCandidate(Trickle { candidate }));
        } else {
            line.ours.push(candidate);
        }
    }

    fn message(&mut self, now: Millis, text: &str) {
        // What cannot be read is for somebody else, or from a later contract.
        let Ok(message) = serde_json::from_str::<ServerMessage>(text) else { return };
        self.progress(now);
        match message {
            ServerMessage::SessionId { session_id, server_ip, server_port } => {
                self.session = Some(Session { id: session_id, ip: server_ip, port: server_port });
            }
            ServerMessage::Answer { sdp } => self.answer(sdp),
            ServerMessage::IceCandidate(Trickle { candidate: Some(candidate) }) => {
                let Phase::Trying(line) = &mut self.phase else { return };
                if line.is_answered {
                    self.outputs.push_back(Output::AddCandidate { attempt: self.attempt, candidate });
                } else {
                    line.theirs.push(candidate);
                }
            }
            ServerMessage::PromptAck { prompt, success, error } => {
                self.acknowledged(now, Called::Prompt(&prompt), success, error);
            }
            ServerMessage::SetImageAck { success, error } => {
                self.acknowledged(now, Called::Image, success, error);
            }
            ServerMessage::GenerationStarted => self.generating(now),
            ServerMessage::GenerationTick { seconds, credits } => {
                self.generating(now);
                self.event(Event::GenerationTick(GenerationTick { seconds, credits }));
            }
            ServerMessage::Error { error, error_type } => {
                self.fault(now, Error::server(&error, error_type));
            }
            // The receipt tells how a generation ended; and this client offers by itself.
            ServerMessage::GenerationEnded { .. }
            | ServerMessage::IceCandidate(Trickle { candidate: None })
            | ServerMessage::Offer { .. }
            | ServerMessage::Ready
            | ServerMessage::IceRestart { .. }
            | ServerMessage::Status { .. }
            | ServerMessage::QueuePosition { .. }
            | ServerMessage::Unknown => {}
        }
    }

    fn answer(&mut self, sdp: String) {
        let Phase::Trying(line) = &mut self.phase else { return };
        if !line.is_offered || line.is_answered {
            return;
        }
        line.is_answered = true;
        let early = std::mem::take(&mut line.theirs);
        let attempt = self.attempt;
        self.outputs.push_back(Output::Answer { attempt, sdp });
        self.outputs.extend(early.into_iter().map(|candidate| Output::AddCandidate { attempt, candidate }));
    }

    fn acknowledged(&mut self, now: Millis, what: Called<'_>, success: bool, error: Option<String>) {
        let result = if success { Ok(()) } else { Err(Error::rejected(error.as_deref())) };
        if let Phase::Trying(line) = &mut self.phase
            && line.is_looking
        {
            if !self.look.as_ref().is_some_and(|look| look.is_called(line.goes_on, what)) {
                return;
            }
            line.is_looking = false;
            match result {
                Ok(()) => self.offer(),
                // What was never taken will not be; what was taken before may be again.
                Err(error) => {
                    let permanent = error.permanent || self.connecting.is_some();
                    self.lose(now, Error { permanent, ..error });
                }
            }
        } else if let Some(over) = self.updates.acknowledged(now, what, result) {
            self.finish(over);
            self.next_update(now);
        }
    }

    fn finish(&mut self, Over { call, result }: Over) {
        let error = match result {
            Ok(update) => {
                self.look = update.applied_to(self.look.take());
                None
            }
            Err(error) => Some(error),
        };
        if let Some(call) = call {
            self.done(call, error);
        }
    }

    fn update(&mut self, now: Millis, call: u64, update: Update) {
        if !self.options.produces {
            let error = Error::new(ErrorCode::InvalidState, "only who sends the video can change it");
            self.done(call, Some(error));
        } else if let Err(error) = update.check() {
            self.done(call, Some(error));
        } else if matches!(self.state, State::Connected | State::Generating) {
            self.updates.add(call, update);
            self.next_update(now);
        } else {
            self.done(call, Some(Error::not_connected(self.state)));
        }
    }

    fn next_update(&mut self, now: Millis) {
        if let Some(message) = self.updates.next(now) {
            self.send(message);
        }
    }

    fn media(&mut self, now: Millis, state: Media, reason: &str) {
        let grace = now.saturating_add(self.options.timeouts.interruption);
        let Phase::Trying(line) = &mut self.phase else { return };
        match state {
            // There can be no media before that.
            Media::Connected if !line.is_answered => {}
            Media::Connected => {
                line.interrupted = None;
                line.has_flowed = true;
                let state = if line.is_generating { State::Generating } else { State::Connected };
                self.establish(now, state);
            }
            Media::Interrupted if line.established.is_some() => {
                line.interrupted.get_or_insert(grace);
            }
            Media::Interrupted => {}
            Media::Failed => self.lose(now, Error::media(reason)),
        }
    }

    fn generating(&mut self, now: Millis) {
        let Phase::Trying(line) = &mut self.phase else { return };
        line.is_generating = true;
        // Before the answer there can be no media. It counts when there are.
        if line.is_answered {
            self.establish(now, State::Generating);
        }
    }

    /// There is a session.
    fn establish(&mut self, now: Millis, state: State) {
        let Phase::Trying(line) = &mut self.phase else { return };
        let told = match line.established {
            Some(_) => None,
            None => line.fault.as_ref().map(|fault| fault.error.clone()),
        };
        line.established.get_or_insert(now);
        if !line.has_flowed {
            // The server is ahead of the news that media flow, or they never will.
            line.interrupted.get_or_insert(now.saturating_add(self.options.timeouts.attempt));
        }
        if self.state != State::Generating {
            self.show(state);
        }
        if let Some(call) = self.connecting.take() {
            self.done(call, None);
        }
        // It was not the end.
        if let Some(error) = told {
            self.event(Event::Error { error });
        }
    }

    /// The server says that something is wrong. If that ends the session, it closes the WebSocket.
    fn fault(&mut self, now: Millis, error: Error) {
        let Phase::Trying(line) = &mut self.phase else { return };
        let until = now.saturating_add(FAREWELL);
        if line.established.is_some() {
            line.fault = Some(Fault { error: error.clone(), until });
            self.event(Event::Error { error: error.clone() });
            // It can be said in the place of an acknowledgement.
            if let Some(call) = self.updates.failed() {
                self.done(call, Some(error));
                self.next_update(now);
            }
            return;
        }
        // Until there is a session, it is why the attempt fails.
        line.fault = Some(match line.fault.take() {
            Some(fault) if fault.error.permanent && !error.permanent => fault,
            Some(fault) => Fault { error, ..fault },
            None => Fault { error, until },
        });
    }

    fn time(&mut self, now: Millis) {
        if let Some(over) = self.updates.overdue(now) {
            self.finish(over);
        }
        self.next_update(now);
        match &self.phase {
            Phase::Waiting { until } if *until <= now => self.attempt(now),
            Phase::Trying(line) if line.deadline().is_some_and(|until| until <= now) => {
                let error = match (line.established, line.has_flowed) {
                    (None, _) => Error::new(ErrorCode::Timeout, "the server did not go on in time"),
                    (Some(_), false) => Error::media("media do not flow"),
                    (Some(_), true) => Error::media("media do not flow any more"),
                };
                self.lose(now, error);
            }
            Phase::Idle | Phase::Waiting { .. } | Phase::Trying(_) => {}
        }
    }

    /// Something came of an attempt that goes on.
    fn progress(&mut self, now: Millis) {
        if let Phase::Trying(line) = &mut self.phase {
            line.progress = now.saturating_add(self.options.timeouts.attempt);
        }
    }

    /// The attempt, or the session that it became, is over. If there is a reason to, another one follows.
    fn lose(&mut self, now: Millis, error: Error) {
        let Phase::Trying(line) = std::mem::replace(&mut self.phase, Phase::Idle) else { return };
        self.outputs.push_back(Output::Close { attempt: self.attempt });
        self.fail_updates(&Error::new(ErrorCode::NotConnected, "the connection was lost"));
        // What was said long ago was not the end.
        let fault = line.fault.filter(|fault| line.established.is_none() || now <= fault.until);
        let is_told = line.established.is_some() && fault.is_some();
        let cause = match fault {
            Some(fault) => fault.error.ended_by(&error),
            None => error,
        };
        let stable = self.options.retry.stable;
        if line.established.is_some_and(|since| now.saturating_sub(since) >= stable) {
            self.failures = 0;
        }
        let delay = match self.failures {
            0 => Some(0),
            failures => self.options.retry.delays.get(failures - 1).copied(),
        };
        self.failures += 1;
        let may_go_on = self.connecting.is_some() || self.options.reconnects;
        match delay {
            Some(delay) if may_go_on && !cause.permanent => {
                if self.connecting.is_none() {
                    self.show(State::Reconnecting);
                }
                self.phase = Phase::Waiting { until: now.saturating_add(delay) };
                if delay == 0 {
                    self.attempt(now);
                }
            }
            Some(_) | None => self.give_up(cause, is_told),
        }
    }

    fn give_up(&mut self, cause: Error, is_told: bool) {
        self.show(State::Disconnected);
        match self.connecting.take() {
            Some(call) => self.done(call, Some(cause)),
            None if is_told => {}
            None => self.event(Event::Error { error: cause }),
        }
    }

    fn disconnect(&mut self) {
        if let Phase::Trying(_) = std::mem::replace(&mut self.phase, Phase::Idle) {
            self.outputs.push_back(Output::Close { attempt: self.attempt });
        }
        let error = Error::new(ErrorCode::Aborted, "the client has disconnected");
        self.fail_updates(&error);
        self.show(State::Disconnected);
        if let Some(call) = self.connecting.take() {
            self.done(call, Some(error));
        }
    }

    fn fail_updates(&mut self, error: &Error) {
        for call in self.updates.clear() {
            self.done(call, Some(error.clone()));
        }
    }

    fn show(&mut self, state: State) {
        if self.state != state {
            self.state = state;
            self.event(Event::ConnectionChange { state });
        }
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event { event });
    }

    fn send(&mut self, message: ClientMessage) {
        self.outputs.push_back(Output::Send { attempt: self.attempt, message });
    }

    fn done(&mut self, call: u64, error: Option<Error>) {
        self.outputs.push_back(Output::Done { call, error });
    }
}
