//! Drives a session as a server does, without a server: a ledger, a peer connection and a socket that note everything,
//! and panic at the first output that breaks a rule.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use realtime::{
    Close, Credit, FromPeer, Input, Look, MediaEvent, Options, Output, Receipt, Session, Start, State, ToPeer,
};
use serde_json::{Value, json};

pub struct World {
    pub session: Session,
    pub began: Instant,
    pub now: Instant,
    options: Options,
    /// Everything sent, as JSON, and what the socket was told otherwise.
    pub sent: Vec<Value>,
    /// When each tick was sent.
    pub ticks: Vec<Instant>,
    pub pings: usize,
    pub close: Option<Close>,
    pub echo: Option<Option<u16>>,
    /// The socket cannot be written to: a close frame is out or the socket broke.
    pub is_shut: bool,
    /// The peer connection of now; 0 if there is none.
    pub pc: u32,
    last_pc: u32,
    offers: Vec<String>,
    is_answered: bool,
    is_connected: bool,
    is_stopped: bool,
    started: BTreeSet<u32>,
    pub candidates: Vec<(u32, String)>,
    /// The second that the ledger is asked for.
    pub asked: Option<u64>,
    pub charged: u64,
    /// Seconds that were charged when nobody could be told any more.
    pub untold: u64,
    denied: bool,
    pub applied: Vec<Look>,
    pub settled: Option<Receipt>,
    /// What the clock must have counted, by other means than the machine's.
    delivered: Duration,
    last_frame: Option<Instant>,
}

/// What a frame counts for at most when no other follows.
const GAP: Duration = Duration::from_millis(500);

impl World {
    pub fn new(start: Start, options: Options) -> Self {
        let now = Instant::now();
        let session = Session::new(now, start, options.clone());
        let mut world = Self {
            session,
            began: now,
            now,
            options,
            sent: Vec::new(),
            ticks: Vec::new(),
            pings: 0,
            close: None,
            echo: None,
            is_shut: false,
            pc: 0,
            last_pc: 0,
            offers: Vec::new(),
            is_answered: false,
            is_connected: false,
            is_stopped: false,
            started: BTreeSet::new(),
            candidates: Vec::new(),
            asked: None,
            charged: 0,
            untold: 0,
            denied: false,
            applied: Vec::new(),
            settled: None,
            delivered: Duration::ZERO,
            last_frame: None,
        };
        world.perform();
        assert_eq!(world.sent.len(), 1, "the greeting comes first, and alone");
        world
    }

    pub fn is_open(&self) -> bool {
        matches!(self.session.state(), State::Open | State::Negotiating | State::Live)
    }

    /// What the clock must show now.
    pub fn counted(&self) -> Duration {
        self.delivered + self.last_frame.map_or(Duration::ZERO, |last| (self.now - last).min(GAP))
    }

    pub fn give(&mut self, input: Input) {
        let was_open = self.is_open();
        let first = self.sent.len();
        match &input {
            Input::Peer(FromPeer::Media { pc, event }) if was_open && *pc == self.pc => match event {
                MediaEvent::Connected if self.is_answered => self.is_connected = true,
                MediaEvent::Frame if self.is_connected => {
                    self.delivered = self.counted();
                    self.last_frame = Some(self.now);
                }
                _ => {}
            },
            Input::Peer(FromPeer::Closed { .. }) if self.close.is_some() => self.is_shut = true,
            Input::Peer(FromPeer::Lost) => self.is_shut = true,
            Input::Credit { n, answer } if self.asked == Some(*n) && self.settled.is_none() => {
                self.asked = None;
                match answer {
                    Credit::Granted { .. } => self.charged += 1,
                    Credit::Last { .. } => {
                        self.charged += 1;
                        self.denied = true;
                    }
                    Credit::Refused(_) => self.denied = true,
                }
                if !matches!(answer, Credit::Refused(_)) && self.is_shut {
                    self.untold += 1;
                }
            }
            _ => {}
        }
        let acks = match &input {
            Input::Peer(FromPeer::Text(frame)) if was_open => expected_ack(frame),
            _ => None,
        };
        let checks_clock = matches!(
            &input,
            Input::Time
                | Input::Peer(FromPeer::Media { event: MediaEvent::Frame, .. })
                | Input::Credit { .. }
        );
        let is_time = input == Input::Time;
        let (look, applied) = (self.session.look().clone(), self.applied.len());
        self.session.handle(self.now, input);
        self.perform();
        if is_time {
            let wakes_again = self.session.deadline().is_some_and(|deadline| deadline <= self.now);
            assert!(!wakes_again, "woken, and wants to be woken at once again");
        }

        let given: Vec<Value> = self.sent[first..]
            .iter()
            .filter(|message| message["type"] == "prompt_ack" || message["type"] == "set_image_ack")
            .map(|message| match message.get("prompt") {
                Some(prompt) => json!([message["type"], prompt]),
                None => json!([message["type"]]),
            })
            .collect();
        assert_eq!(given, acks.into_iter().collect::<Vec<_>>(), "one ack for each request, at once");
        if self.sent[first..].iter().all(|message| message["success"] != true) {
            assert_eq!(self.session.look(), &look, "changed, and not acknowledged");
            assert_eq!(self.applied.len(), applied, "applied, and not acknowledged");
        }
        let is_due = self.counted() >= Duration::from_secs(self.charged + 1);
        if checks_clock && self.is_open() && self.asked.is_none() {
            assert!(!is_due, "second {} is complete, and not asked for", self.charged + 1);
        }
        if self.denied {
            assert!(self.settled.is_some(), "goes on without credits");
        }
    }

    pub fn perform(&mut self) {
        while let Some(output) = self.session.poll() {
            match output {
                Output::Peer(output) => self.perform_for_peer(output),
                Output::Apply(look) => {
                    assert_eq!(&look, self.session.look());
                    self.applied.push(look);
                }
                Output::Grant { n } => {
                    assert_eq!(self.asked, None, "two seconds are asked for at a time");
                    assert_eq!(n, self.charged + 1, "a second is left out or asked for twice");
                    assert!(!self.started.is_empty(), "billed before the generation started");
                    assert!(self.counted() >= Duration::from_secs(n), "asked for before it was delivered");
                    assert!(self.settled.is_none(), "billed after the bill");
                    assert!(!self.is_stopped, "billed after the end");
                    self.asked = Some(n);
                }
                Output::Settle(receipt) => {
                    assert_eq!(self.settled, None, "settled twice");
                    assert_eq!(receipt.seconds, self.charged, "the bill is not the sum");
                    assert!(self.is_stopped || self.last_pc == 0, "settled while media go on");
                    self.settled = Some(receipt);
                }
            }
        }
    }

    fn perform_for_peer(&mut self, output: ToPeer) {
        match output {
            ToPeer::Send(message) => {
                assert!(!self.is_shut, "sent after the close: {message:?}");
                let message = serde_json::to_value(message).unwrap();
                self.check(&message);
                self.sent.push(message);
            }
            ToPeer::Ping => {
                assert!(!self.is_shut, "pinged after the close");
                self.pings += 1;
            }
            ToPeer::Negotiate { pc, offer } => {
                assert!(!self.is_stopped && pc == self.last_pc + 1);
                self.last_pc = pc;
                self.pc = pc;
                self.offers.push(offer);
                self.is_answered = false;
                self.is_connected = false;
                self.delivered = self.counted();
                self.last_frame = None;
            }
            ToPeer::AddCandidate { pc, candidate } => {
                assert!(self.is_answered && pc == self.pc, "a candidate before the answer");
                self.candidates.push((pc, candidate));
                assert!(self.candidates.iter().filter(|(of, _)| *of == pc).count() <= 64);
            }
            ToPeer::StopMedia => {
                assert!(self.pc > 0 && !self.is_stopped);
                self.is_stopped = true;
                self.pc = 0;
                self.last_frame = None;
            }
            ToPeer::Close(close) => {
                assert!(!self.is_shut, "closed twice");
                assert!(self.settled.is_some(), "closed before the bill");
                self.is_shut = true;
                self.close = Some(close);
            }
            ToPeer::EchoClose { code } => {
                assert!(!self.is_shut, "closed twice");
                self.is_shut = true;
                self.echo = Some(code);
            }
        }
    }

    fn check(&mut self, message: &Value) {
        let kind = message["type"].as_str().unwrap();
        let ended = self.sent.iter().any(|message| message["type"] == "generation_ended");
        if ended {
            assert_eq!(kind, "error", "after generation_ended");
        }
        match kind {
            "session_id" => assert!(self.sent.is_empty()),
            "answer" => {
                assert!(!self.is_answered, "answered twice");
                self.is_answered = true;
            }
            "generation_started" => {
                assert!(self.is_connected, "started before media were up");
                assert!(self.started.insert(self.pc), "started twice by one peer connection");
            }
            "generation_tick" => {
                assert_eq!(message["seconds"], json!(self.ticks.len() + 1), "ticks are 1, 2, 3 …");
                assert_eq!(self.ticks.len() as u64 + 1, self.charged, "ticked, not charged");
                self.ticks.push(self.now);
            }
            "generation_ended" => {
                assert_eq!(message["seconds"], json!(self.ticks.len()), "the end is not the last tick");
            }
            "prompt_ack" | "set_image_ack" => {
                assert_eq!(message["success"], json!(message["error"].is_null()));
            }
            "error" => {}
            other => panic!("{other} is never sent"),
        }
    }

    pub fn text(&mut self, message: Value) {
        self.give(Input::Peer(FromPeer::Text(message.to_string())));
    }

    pub fn media(&mut self, event: MediaEvent) {
        let pc = self.pc;
        self.give(Input::Peer(FromPeer::Media { pc, event }));
    }

    /// From an offer to a peer connection that is up.
    pub fn connect(&mut self) {
        self.text(json!({"type": "offer", "sdp": "their sdp"}));
        self.media(MediaEvent::Answered("our sdp".to_owned()));
        self.media(MediaEvent::Connected);
    }

    /// From an offer to the first frame.
    pub fn go_live(&mut self) {
        self.connect();
        self.media(MediaEvent::Frame);
    }

    pub fn advance(&mut self, by: Duration) {
        self.now += by;
    }

    /// Time passes, and the session is told at each of its deadlines.
    pub fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(deadline) = self.session.deadline().filter(|deadline| *deadline <= until) {
            self.now = self.now.max(deadline);
            self.give(Input::Time);
        }
        self.now = until;
    }

    /// A healthy connection for so long: frames, signs of life, and a ledger that answers at once.
    pub fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until && self.is_open() {
            let step = Duration::from_millis(40).min(until - self.now);
            self.pass_and_pay(step);
            self.media(MediaEvent::Heard);
            self.give(Input::Peer(FromPeer::Pong));
            self.media(MediaEvent::Frame);
            self.pay();
        }
    }

    fn pass_and_pay(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(deadline) = self.session.deadline().filter(|deadline| *deadline <= until) {
            self.now = self.now.max(deadline);
            self.give(Input::Time);
            self.pay();
        }
        self.now = until;
    }

    /// The ledger answers what it is asked.
    pub fn pay(&mut self) {
        while let (Some(n), None) = (self.asked, self.settled) {
            self.give(Input::Credit { n, answer: Credit::Granted { left: None } });
        }
    }

    /// Nothing comes from the client any more, and nothing from the ledger. Frames may still be made.
    pub fn finish(&mut self, frames_go_on: bool) {
        let gone = self.now;
        for _ in 0..10_000 {
            if self.session.is_over() {
                break;
            }
            if frames_go_on && self.pc > 0 {
                self.media(MediaEvent::Frame);
            }
            let deadline = self.session.deadline().expect("waits for nothing, and for ever");
            let until = if frames_go_on { deadline.min(self.now + millis(33)) } else { deadline };
            self.now = self.now.max(until);
            self.give(Input::Time);
        }
        assert!(self.session.is_over(), "does not end");
        let limits = &self.options.limits;
        let longest = limits.socket_silence + self.options.ledger + limits.close;
        assert!(self.now - gone <= longest, "ends after {:?}", self.now - gone);
        assert_eq!(self.session.deadline(), None);
    }
}

fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The ack that a frame must get, read by other means than the machine's.
fn expected_ack(frame: &str) -> Option<Value> {
    let message: Value = serde_json::from_str(frame).ok()?;
    match message["type"].as_str()? {
        "prompt" => Some(json!(["prompt_ack", message["prompt"].as_str()?])),
        "set_image" => Some(json!(["set_image_ack"])),
        _ => None,
    }
}
