//! A server, media and a clock around a [`Connection`], and what must hold whatever they do.

use std::collections::VecDeque;

use client::realtime::connection::{Connection, Event, Input, Media, Millis, Output, State};
use client::realtime::{ErrorCode, Options, Update};
use serde_json::{Value, json};
use wire::realtime::{ClientMessage, IceCandidate};

/// Something that happens in an attempt.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Happening {
    Opened,
    Refused(Option<u16>),
    Message(Value),
    /// An error message of that kind and with those words. Each one is told from all others.
    Error(Option<&'static str>, &'static str),
    Garbage(&'static str),
    Closed(Option<u16>),
    Offer,
    Candidate(Option<&'static str>),
    Media(Media),
}

/// A connection, and all there is to know about it from outside.
pub(crate) struct World {
    pub(crate) connection: Connection,
    pub(crate) options: Options,
    pub(crate) now: Millis,
    /// What the application was shown last.
    pub(crate) shown: State,
    /// Of the look that each attempt began with, the last one.
    pub(crate) begun_with: Option<ClientMessage>,
    last: Option<Input>,
    calls: Calls,
    /// The newest attempt.
    attempt: u32,
    /// What there is of it, until it is closed.
    line: Option<Line>,
    /// What is on its way, in its order, of the socket and of media.
    under_way: [VecDeque<(u32, Happening)>; 2],
    /// When the last attempt was closed.
    closed: Millis,
    /// How many attempts there were since the last session that lasted, or since connect.
    in_a_row: usize,
    errors: usize,
    /// The errors of the server that may still be told.
    untold: Vec<String>,
}

#[derive(Default)]
struct Calls {
    count: u64,
    connect: Option<u64>,
    /// Updates that were not sent yet, in their order.
    waiting: VecDeque<u64>,
    sent: Option<u64>,
}

/// What a server and a peer connection that work know of an attempt.
#[derive(Default)]
struct Line {
    is_open: bool,
    is_offer_wanted: bool,
    is_offer_made: bool,
    is_offered: bool,
    is_answered: bool,
    has_answer: bool,
    /// It is on its way that media flow.
    is_connected: bool,
    has_media: bool,
    is_generating: bool,
    ticks: u64,
    acknowledgements: VecDeque<Value>,
    established: Option<Millis>,
}

const SOCKET: usize = 0;
const MEDIA: usize = 1;

impl World {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            connection: Connection::new(options.clone()),
            options,
            now: 0,
            shown: State::Disconnected,
            begun_with: None,
            last: None,
            calls: Calls::default(),
            attempt: 0,
            line: None,
            under_way: Default::default(),
            closed: 0,
            in_a_row: 0,
            errors: 0,
            untold: Vec::new(),
        }
    }

    pub(crate) fn connect(&mut self) {
        self.calls.count += 1;
        let call = self.calls.count;
        let outputs = self.give(Input::Connect { call });
        if self.shown == State::Connecting && self.calls.connect.is_none() {
            self.calls.connect = Some(call);
        } else {
            assert!(matches!(outputs[..], [Output::Done { error: Some(_), .. }]), "{outputs:?}");
        }
    }

    pub(crate) fn update(&mut self, update: Update) -> u64 {
        self.calls.count += 1;
        let call = self.calls.count;
        // It is known as waiting before it is given, and is sent or over in the same go if nothing is before it.
        self.calls.waiting.push_back(call);
        self.give(Input::Update { call, update });
        call
    }

    pub(crate) fn is_over(&self, call: u64) -> bool {
        self.calls.sent != Some(call) && !self.calls.waiting.contains(&call)
    }

    /// It is over: all calls are answered, and nothing that comes changes anything.
    pub(crate) fn disconnect(&mut self) {
        let outputs = self.give(Input::Disconnect);
        for output in &outputs {
            let belongs = match output {
                Output::Close { .. } => true,
                Output::Event { event } => *event == Event::ConnectionChange { state: State::Disconnected },
                Output::Done { error, .. } => {
                    error.as_ref().is_some_and(|error| error.code == ErrorCode::Aborted)
                }
                Output::Open { .. }
                | Output::Send { .. }
                | Output::Offer { .. }
                | Output::Answer { .. }
                | Output::AddCandidate { .. } => false,
            };
            assert!(belongs, "{output:?} after a disconnect");
        }
        assert_eq!(self.shown, State::Disconnected);
    }

    /// Something happens in the newest attempt, or in one so many before it.
    pub(crate) fn happens(&mut self, back: u32, happening: &Happening) {
        if let Some(attempt) = self.attempt.checked_sub(back) {
            self.deliver(attempt, happening);
        }
    }

    /// What happened last happens once more.
    pub(crate) fn again(&mut self) {
        match self.last.clone() {
            Some(Input::Connect { .. } | Input::Update { .. } | Input::Disconnect | Input::Time) | None => {}
            Some(input) => {
                self.give(input);
            }
        }
    }

    /// The next thing that happens if all goes well. False if there is nothing to wait for but the clock.
    pub(crate) fn go_on(&mut self) -> bool {
        let Some((channel, happening)) = self.next() else { return false };
        if self.under_way[channel].is_empty() {
            self.deliver(self.attempt, &happening);
        } else {
            self.under_way[channel].push_back((self.attempt, happening));
        }
        true
    }

    /// The next thing that happens if all goes well takes longer.
    pub(crate) fn hold(&mut self) {
        if let Some((channel, happening)) = self.next() {
            self.under_way[channel].push_back((self.attempt, happening));
        }
    }

    /// What is under way arrives.
    pub(crate) fn arrive(&mut self) {
        for channel in [SOCKET, MEDIA] {
            while let Some((attempt, happening)) = self.under_way[channel].pop_front() {
                self.deliver(attempt, &happening);
            }
        }
    }

    /// Time passes, and the machine is told when it wants to be.
    pub(crate) fn pass(&mut self, time: Millis) {
        let until = self.now + time;
        while let Some(deadline) = self.connection.deadline().filter(|deadline| *deadline <= until) {
            self.now = self.now.max(deadline);
            self.give(Input::Time);
        }
        self.now = until;
    }

    /// Time passes, and nobody tells the machine: what happens next comes before the clock does.
    pub(crate) fn jump(&mut self, time: Millis) {
        self.now += time;
    }

    /// Server, network and clock work: it has to get to a session, and may not give up.
    pub(crate) fn heal(&mut self) {
        self.arrive();
        if self.shown == State::Disconnected {
            self.connect();
        }
        for _ in 0..200 {
            if self.shown == State::Generating && self.under_way.iter().all(VecDeque::is_empty) {
                return;
            }
            if !self.go_on() {
                let deadline = self.connection.deadline().expect("it waits for nothing");
                self.now = self.now.max(deadline);
                self.give(Input::Time);
            }
            assert_ne!(self.shown, State::Disconnected, "it gave up although all was well");
        }
        panic!("it never got to a session: {:?}", self.connection);
    }

    /// Until the call is over: with all that the server owes, and with the clock.
    pub(crate) fn finish(&mut self, call: u64) {
        while !self.is_over(call) {
            let owes = self.line.as_ref().is_some_and(|line| !line.acknowledgements.is_empty());
            if owes {
                self.go_on();
            } else {
                let deadline = self.connection.deadline().expect("the call waits for nothing");
                self.now = self.now.max(deadline);
                self.give(Input::Time);
            }
        }
    }

    /// What happens next if all goes well, and where.
    fn next(&mut self) -> Option<(usize, Happening)> {
        let line = self.line.as_mut()?;
        if !line.is_open {
            line.is_open = true;
            return Some((SOCKET, Happening::Opened));
        }
        if line.is_offer_wanted && !line.is_offer_made {
            line.is_offer_made = true;
            return Some((MEDIA, Happening::Offer));
        }
        if let Some(message) = line.acknowledgements.pop_front() {
            return Some((SOCKET, Happening::Message(message)));
        }
        if !line.is_offered {
            return None;
        }
        if !line.is_answered {
            line.is_answered = true;
            return Some((SOCKET, Happening::Message(json!({"type": "answer", "sdp": "an answer"}))));
        }
        if !line.is_connected {
            if !line.has_answer {
                return None;
            }
            line.is_connected = true;
            return Some((MEDIA, Happening::Media(Media::Connected)));
        }
        if !line.is_generating {
            line.is_generating = true;
            return Some((SOCKET, Happening::Message(json!({"type": "generation_started"}))));
        }
        line.ticks += 1;
        let tick = json!({"type": "generation_tick", "seconds": line.ticks});
        Some((SOCKET, Happening::Message(tick)))
    }

    fn deliver(&mut self, attempt: u32, happening: &Happening) {
        let message = |message: &Value| Input::Message { attempt, text: message.to_string() };
        let reason = String::new();
        let input = match happening {
            Happening::Opened => Input::Opened { attempt },
            Happening::Refused(status) => Input::Refused { attempt, status: *status, reason },
            Happening::Message(value) => message(value),
            Happening::Error(kind, words) => {
                self.errors += 1;
                let mut error = json!({"type": "error", "error": format!("{words} ({})", self.errors)});
                if let Some(kind) = kind {
                    error["error_type"] = json!(kind);
                }
                message(&error)
            }
            Happening::Garbage(text) => Input::Message { attempt, text: (*text).to_owned() },
            Happening::Closed(code) => Input::Closed { attempt, code: *code, reason },
            Happening::Offer => Input::Offer { attempt, sdp: "an offer".to_owned() },
            Happening::Candidate(candidate) => Input::Candidate {
                attempt,
                candidate: candidate.map(|candidate| IceCandidate {
                    candidate: candidate.to_owned(),
                    sdp_mid: None,
                    sdp_m_line_index: Some(0),
                    username_fragment: None,
                }),
            },
            Happening::Media(state) => Input::Media { attempt, state: *state, reason },
        };
        self.give(input);
    }

    /// Gives the machine an input, and checks all that it does.
    fn give(&mut self, input: Input) -> Vec<Output> {
        self.last = Some(input.clone());
        let before = self.connection.deadline();
        let was = self.shown;
        let attempt = attempt_of(&input);
        let is_late = attempt.is_some_and(|attempt| attempt != self.attempt || self.line.is_none());
        let error = said_error(&input).filter(|_| !is_late);
        self.untold.extend(error.clone());
        // A peer connection that works does not mind what its machine thinks of it.
        if let (Input::Media { state, .. }, Some(line), false) = (&input, &mut self.line, is_late) {
            line.has_media = line.has_answer && *state == Media::Connected;
            line.is_connected = line.has_media;
        }

        self.connection.handle(self.now, input.clone());
        let outputs: Vec<Output> = std::iter::from_fn(|| self.connection.poll()).collect();
        for output in &outputs {
            self.check(output);
        }

        assert_eq!(
            self.connection.state(),
            self.shown,
            "the state is another one than the one that was shown"
        );
        let deadline = self.connection.deadline();
        if is_late {
            assert_eq!(outputs, [], "{input:?} of an attempt that is over");
            assert_eq!(deadline, before, "{input:?} of an attempt that is over");
        }
        if input == Input::Time || before.is_none_or(|before| before >= self.now) {
            assert!(deadline.is_none_or(|deadline| deadline >= self.now), "a deadline in the past");
        }
        let ticks: Vec<u64> = outputs.iter().filter_map(tick_of).collect();
        assert_eq!(ticks, said_ticks(&input).into_iter().filter(|_| !is_late).collect::<Vec<_>>());
        if let Some(error) = error
            && matches!(was, State::Connected | State::Generating)
        {
            assert!(!self.untold.contains(&error), "an error that was not told");
        }

        match self.shown {
            State::Disconnected => {
                assert!(self.line.is_none(), "an attempt that is still open");
                assert_eq!(deadline, None);
                assert_eq!((self.calls.connect, self.calls.sent), (None, None));
                assert!(self.calls.waiting.is_empty());
                let is_quiet = was != State::Disconnected
                    || outputs.iter().all(|output| matches!(output, Output::Done { .. }));
                assert!(is_quiet || matches!(input, Input::Connect { .. }), "{outputs:?} after the end");
            }
            State::Connecting | State::Reconnecting => {
                assert!(deadline.is_some(), "it would wait for ever");
                assert_eq!(self.calls.sent, None);
                assert!(self.calls.waiting.is_empty());
            }
            State::Connected | State::Generating => {
                let waits = !self.line.as_ref().unwrap().has_media || self.calls.sent.is_some();
                assert_eq!(deadline.is_some(), waits, "it waits for nothing, or for ever");
                assert_eq!(self.calls.connect, None);
                assert!(self.calls.waiting.is_empty() || self.calls.sent.is_some(), "nothing is sent");
            }
        }
        outputs
    }

    fn check(&mut self, output: &Output) {
        let attempt = match output {
            Output::Send { attempt, .. }
            | Output::Offer { attempt }
            | Output::Answer { attempt, .. }
            | Output::AddCandidate { attempt, .. }
            | Output::Close { attempt } => Some(*attempt),
            Output::Open { .. } | Output::Event { .. } | Output::Done { .. } => None,
        };
        assert!(attempt.is_none_or(|attempt| attempt == self.attempt && self.line.is_some()), "{output:?}");
        match output {
            Output::Open { attempt, .. } => {
                assert!(self.line.is_none(), "two attempts at once");
                assert_eq!(*attempt, self.attempt + 1);
                assert!(matches!(self.shown, State::Connecting | State::Reconnecting));
                if let Some(before) = self.in_a_row.checked_sub(1) {
                    let delay = self.options.retry.delays.get(before).expect("it tries too often");
                    assert!(self.now >= self.closed + delay, "it tries too soon");
                }
                self.in_a_row += 1;
                self.attempt = *attempt;
                self.line = Some(Line::default());
                self.begun_with = None;
            }
            Output::Close { .. } => {
                self.closed = self.now;
                let line = self.line.take().unwrap();
                if line.established.is_some_and(|since| self.now - since >= self.options.retry.stable) {
                    self.in_a_row = 0;
                }
            }
            Output::Send { message, .. } => self.check_sent(message),
            Output::Offer { .. } => {
                let line = self.line.as_mut().unwrap();
                assert!(!std::mem::replace(&mut line.is_offer_wanted, true), "two peer connections");
            }
            Output::Answer { .. } => {
                let line = self.line.as_mut().unwrap();
                assert!(line.is_offered && !line.has_answer);
                line.has_answer = true;
            }
            Output::AddCandidate { .. } => assert!(self.line.as_ref().unwrap().has_answer),
            Output::Event { event } => self.check_event(event),
            Output::Done { call, .. } => {
                let calls = &mut self.calls;
                if calls.connect.take_if(|connect| connect == call).is_some()
                    || calls.sent.take_if(|sent| sent == call).is_some()
                {
                    return;
                }
                let waited = calls.waiting.len();
                calls.waiting.retain(|waiting| waiting != call);
                // A second connect is over at once.
                assert!(
                    calls.waiting.len() < waited || self.last == Some(Input::Connect { call: *call }),
                    "{call} was over already"
                );
            }
        }
    }

    fn check_sent(&mut self, message: &ClientMessage) {
        let line = self.line.as_mut().unwrap();
        let acknowledgement = match message {
            ClientMessage::Offer(_) => {
                assert!(!std::mem::replace(&mut line.is_offered, true), "two offers");
                assert!(line.is_offer_wanted);
                return;
            }
            ClientMessage::IceCandidate(_) => {
                assert!(line.is_offered, "an address before the offer");
                return;
            }
            ClientMessage::Prompt(prompt) => {
                json!({"type": "prompt_ack", "prompt": prompt.prompt, "success": true, "error": null})
            }
            ClientMessage::SetImage(_) => json!({"type": "set_image_ack", "success": true, "error": null}),
            ClientMessage::Answer(_) | ClientMessage::LivekitJoin | ClientMessage::Unknown => {
                panic!("{message:?}")
            }
        };
        assert!(self.options.produces);
        line.acknowledgements.push_back(acknowledgement);
        if line.established.is_some() {
            assert_eq!(self.calls.sent, None, "two updates at once");
            self.calls.sent = Some(self.calls.waiting.pop_front().expect("an update that nobody asked for"));
        } else {
            assert!(!line.is_offered && self.begun_with.is_none());
            self.begun_with = Some(message.clone());
        }
    }

    fn check_event(&mut self, event: &Event) {
        match event {
            Event::ConnectionChange { state } => {
                use State::{Connected, Connecting, Disconnected, Generating, Reconnecting};
                let may = match self.shown {
                    Disconnected => matches!(state, Connecting),
                    Connecting => matches!(state, Connected | Generating | Disconnected),
                    Connected => matches!(state, Generating | Reconnecting | Disconnected),
                    Generating => matches!(state, Reconnecting | Disconnected),
                    Reconnecting => matches!(state, Connected | Generating | Disconnected),
                };
                assert!(may, "{:?} → {state:?}", self.shown);
                self.shown = *state;
                match state {
                    Connecting => self.in_a_row = 0,
                    Connected | Generating => {
                        self.line.as_mut().unwrap().established.get_or_insert(self.now);
                    }
                    Disconnected | Reconnecting => assert!(self.line.is_none()),
                }
            }
            Event::Error { error } => {
                if error.code == ErrorCode::Server {
                    let position = self.untold.iter().position(|untold| *untold == error.message);
                    self.untold.remove(position.expect("an error that was told twice"));
                }
            }
            Event::GenerationTick(_) => assert_ne!(self.shown, State::Disconnected),
        }
    }
}

fn attempt_of(input: &Input) -> Option<u32> {
    match input {
        Input::Opened { attempt }
        | Input::Refused { attempt, .. }
        | Input::Message { attempt, .. }
        | Input::Closed { attempt, .. }
        | Input::Offer { attempt, .. }
        | Input::Candidate { attempt, .. }
        | Input::Media { attempt, .. } => Some(*attempt),
        Input::Connect { .. } | Input::Update { .. } | Input::Disconnect | Input::Time => None,
    }
}

fn message_of(input: &Input) -> Option<Value> {
    match input {
        Input::Message { text, .. } => serde_json::from_str(text).ok(),
        Input::Opened { .. }
        | Input::Refused { .. }
        | Input::Closed { .. }
        | Input::Offer { .. }
        | Input::Candidate { .. }
        | Input::Media { .. }
        | Input::Connect { .. }
        | Input::Update { .. }
        | Input::Disconnect
        | Input::Time => None,
    }
}

fn said_ticks(input: &Input) -> Option<u64> {
    let message = message_of(input).filter(|message| message["type"] == "generation_tick")?;
    message["seconds"].as_u64()
}

fn said_error(input: &Input) -> Option<String> {
    let message = message_of(input).filter(|message| message["type"] == "error")?;
    Some(message["error"].as_str()?.to_owned())
}

fn tick_of(output: &Output) -> Option<u64> {
    match output {
        Output::Event { event: Event::GenerationTick(tick) } => Some(tick.seconds),
        _ => None,
    }
}
