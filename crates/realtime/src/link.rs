//! What a producer's and a viewer's machine have in common: a socket, and the peer connection that it negotiates.

use std::collections::VecDeque;
use std::time::Instant;

use wire::realtime::{Description, ServerMessage, Trickle};

use crate::candidate;
use crate::peer::{Close, Limits, ToPeer};

/// The most candidates of a client for one peer connection: real ones have a handful.
const MOST_CANDIDATES: usize = 64;

pub(crate) struct Link {
    limits: Limits,
    phase: Phase,
    /// The peer connection, counted from 1; 0 before the first offer.
    pc: u32,
    /// Whether the peer connection's answer was sent.
    answered: bool,
    /// Candidates that came before the answer.
    early: Vec<String>,
    /// How many candidates the peer connection was given, or will be.
    candidates: usize,
    /// When something last came over the socket.
    socket_heard: Instant,
    next_ping: Instant,
    /// When something last came over the peer connection.
    media_heard: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// There was no offer yet.
    Open { until: Instant },
    /// There was an offer, and media do not flow.
    Negotiating { until: Instant, connected: bool },
    /// Media flow.
    Live,
    /// The machine has decided that it is over, and has something to find out before it closes.
    Ending,
    /// The close frame is out, its answer not here.
    Closing { until: Instant },
    /// Nothing more comes or goes.
    Gone,
}

/// What did not come in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overdue {
    Offer,
    Media,
    /// Any sign of life.
    Peer,
}

impl Link {
    pub(crate) fn new(now: Instant, limits: Limits) -> Self {
        Self {
            phase: Phase::Open { until: now + limits.offer },
            pc: 0,
            answered: false,
            early: Vec::new(),
            candidates: 0,
            socket_heard: now,
            next_ping: now + limits.ping,
            media_heard: now,
            limits,
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether messages of the client still count.
    pub(crate) fn is_open(&self) -> bool {
        match self.phase {
            Phase::Open { .. } | Phase::Negotiating { .. } | Phase::Live => true,
            Phase::Ending | Phase::Closing { .. } | Phase::Gone => false,
        }
    }

    /// Whether a frame can be sent.
    pub(crate) fn can_send(&self) -> bool {
        self.is_open() || self.phase == Phase::Ending
    }

    /// Something came over the socket.
    pub(crate) fn on_socket(&mut self, now: Instant) {
        self.socket_heard = self.socket_heard.max(now);
    }

    pub(crate) fn on_offer<O: From<ToPeer>>(
        &mut self,
        now: Instant,
        Description { sdp: offer }: Description,
        out: &mut VecDeque<O>,
    ) {
        let until = match self.phase {
            Phase::Open { .. } | Phase::Live => now + self.limits.media,
            // Whoever offers again and again does not get more time for it.
            Phase::Negotiating { until, .. } => until,
            Phase::Ending | Phase::Closing { .. } | Phase::Gone => return,
        };
        if self.pc > 0 {
            // These were addresses of the connection that is replaced.
            self.early.clear();
            self.candidates = 0;
        }
        self.pc = self.pc.saturating_add(1);
        self.answered = false;
        self.phase = Phase::Negotiating { until, connected: false };
        out.push_back(ToPeer::Negotiate { pc: self.pc, offer }.into());
    }

    pub(crate) fn on_candidate<O: From<ToPeer>>(&mut self, trickle: Trickle, out: &mut VecDeque<O>) {
        if self.candidates >= MOST_CANDIDATES {
            return;
        }
        let Some(candidate) = trickle.candidate.and_then(candidate::usable) else { return };
        self.candidates += 1;
        if self.answered {
            out.push_back(ToPeer::AddCandidate { pc: self.pc, candidate }.into());
        } else {
            self.early.push(candidate);
        }
    }

    /// Whether that is the peer connection of now: events of one that was replaced come too late.
    pub(crate) fn is_current(&self, pc: u32) -> bool {
        pc > 0 && pc == self.pc && self.is_open()
    }

    pub(crate) fn on_answered<O: From<ToPeer>>(&mut self, sdp: String, out: &mut VecDeque<O>) {
        if self.answered {
            return;
        }
        self.answered = true;
        out.push_back(ToPeer::Send(ServerMessage::Answer { sdp }).into());
        let pc = self.pc;
        out.extend(self.early.drain(..).map(|candidate| ToPeer::AddCandidate { pc, candidate }.into()));
    }

    pub(crate) fn on_connected(&mut self, now: Instant) {
        if let (Phase::Negotiating { connected, .. }, true) = (&mut self.phase, self.answered) {
            *connected = true;
            self.media_heard = now;
        }
    }

    pub(crate) fn on_heard(&mut self, now: Instant) {
        self.media_heard = self.media_heard.max(now);
    }

    /// Whether the peer connection is up.
    pub(crate) fn is_connected(&self) -> bool {
        match self.phase {
            Phase::Negotiating { connected, .. } => connected,
            Phase::Live => true,
            Phase::Open { .. } | Phase::Ending | Phase::Closing { .. } | Phase::Gone => false,
        }
    }

    /// Media flow from now on.
    pub(crate) fn go_live(&mut self) {
        self.phase = Phase::Live;
    }

    /// Time has passed.
    pub(crate) fn on_time<O: From<ToPeer>>(
        &mut self,
        now: Instant,
        out: &mut VecDeque<O>,
    ) -> Option<Overdue> {
        let overdue = match self.phase {
            Phase::Open { until } => (now >= until).then_some(Overdue::Offer),
            Phase::Negotiating { until, .. } => (now >= until).then_some(Overdue::Media),
            Phase::Live => (now >= self.media_heard + self.limits.media_silence).then_some(Overdue::Peer),
            Phase::Closing { until } => {
                if now >= until {
                    self.phase = Phase::Gone;
                }
                return None;
            }
            Phase::Ending | Phase::Gone => return None,
        };
        if overdue.is_some() {
            return overdue;
        }
        if now >= self.socket_heard + self.limits.socket_silence {
            return Some(Overdue::Peer);
        }
        if now >= self.next_ping {
            self.next_ping = now + self.limits.ping;
            out.push_back(ToPeer::Ping.into());
        }
        None
    }

    /// When time matters next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let until = match self.phase {
            Phase::Open { until } | Phase::Negotiating { until, .. } => until,
            Phase::Live => self.media_heard + self.limits.media_silence,
            Phase::Closing { until } => return Some(until),
            Phase::Ending | Phase::Gone => return None,
        };
        Some(until.min(self.socket_heard + self.limits.socket_silence).min(self.next_ping))
    }

    /// It is over, and what was negotiated is dropped; the socket can still be written to, if it is there.
    pub(crate) fn end<O: From<ToPeer>>(&mut self, out: &mut VecDeque<O>) {
        if self.is_open() {
            self.phase = Phase::Ending;
        }
        self.early = Vec::new();
        if self.pc > 0 {
            out.push_back(ToPeer::StopMedia.into());
        }
    }

    /// Closes the socket, if it is still there.
    pub(crate) fn close<O: From<ToPeer>>(&mut self, now: Instant, close: Close, out: &mut VecDeque<O>) {
        if self.can_send() {
            self.phase = Phase::Closing { until: now + self.limits.close };
            out.push_back(ToPeer::Close(close).into());
        }
    }

    /// The client closes the socket.
    pub(crate) fn on_closed<O: From<ToPeer>>(&mut self, code: Option<u16>, out: &mut VecDeque<O>) {
        // What comes while this side is closing is the answer to its own frame.
        if self.can_send() {
            out.push_back(ToPeer::EchoClose { code }.into());
        }
        self.phase = Phase::Gone;
    }

    /// The socket broke.
    pub(crate) fn on_lost(&mut self) {
        self.phase = Phase::Gone;
    }
}
