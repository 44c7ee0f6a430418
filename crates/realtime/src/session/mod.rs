//! The producer's machine. See [`Session`].

mod billing;
mod contract;

use std::collections::VecDeque;
use std::time::Instant;

use meter::Credits;
use wire::realtime::{ClientMessage, Malformed, MessageKind, ServerMessage, SetImage};

use crate::admit;
use crate::link::{Link, Overdue, Phase};
use crate::look::Look;
use crate::peer::{FromPeer, MediaEvent};

use billing::Billing;
pub use contract::{Advertised, Cause, Credit, Denial, Input, Options, Output, Receipt, Start, State};

/// One connection of somebody who generates: from the opened WebSocket to the settled bill.
///
/// # Driving it
///
/// After every [`Session::handle`], call [`Session::poll`] until it returns `None`, and perform each [`Output`] in
/// that order. When [`Session::deadline`] has passed, give it [`Input::Time`]. When [`Session::is_over`], drop the
/// socket and everything else.
///
/// # When a second counts
///
/// - Before the first frame goes out, nothing counts. The first one after the peer connection is up starts the clock,
///   and `generation_started` says so; so it does for every later peer connection.
/// - The clock runs as [`meter::ActiveTime`] says: from a frame to the next one, for at most
///   [`meter::ActiveTime::LONGEST_GAP`], and then it stands still until there is one. A new offer stops it at once,
///   and what it has counted so far stays.
/// - When it has counted the n-th whole second, the ledger is asked ([`Output::Grant`]) to charge it and to hold the
///   price of the next one. The next one begins in the same instant, so that no time is lost between two seconds,
///   whatever the ledger takes. `generation_tick{n}` goes out when the ledger has said that second n is charged, and
///   not before.
/// - If there is no next second, the session ends after that tick. If the ledger says nothing within
///   [`Options::ledger`], the session ends without it.
/// - When the session ends, what is left of a second is nobody's. A second that the ledger has been asked for is
///   waited for, for no longer than [`Options::ledger`], so that the last tick, `generation_ended` and the receipt
///   agree; a client that has left is not there to get the tick, but its receipt has the second.
///
/// # What it guarantees, whatever its inputs
///
/// - Ticks are 1, 2, 3 …, one for each second that the ledger said is charged.
/// - Each `prompt` and `set_image` is acknowledged once, in the order in which they came, in the outputs of the same
///   input. An ack says that something was accepted, not that it can be seen.
/// - The session ends by itself if its client does nothing, sends no video, or is gone, and says so:
///   `generation_ended`, then `error` if the client did not leave, then a close frame. After a close frame, be it sent
///   or echoed, nothing is sent.
/// - One [`Output::Settle`], once nothing more can be charged.
/// - What it keeps is bounded: a prompt, an image, a few candidates.
pub struct Session {
    options: Options,
    outputs: VecDeque<Output>,
    link: Link,
    billing: Billing,
    look: Look,
    /// Whether the look is that of an earlier connection and nothing was said about it in this one.
    is_resumed: bool,
    /// When the session has lasted as long as it may.
    expires: Option<Instant>,
    /// When the last frame went out.
    last_frame: Option<Instant>,
    end: End,
}

#[derive(Debug)]
enum End {
    /// It is not over.
    NotYet,
    /// It is over, and what became of the last second is not known yet.
    Settling(Cause),
    /// It is settled.
    Settled,
}

impl Session {
    /// Greets a client that was admitted.
    pub fn new(now: Instant, start: Start, options: Options) -> Self {
        let is_resumed = start.resumed.is_some();
        let look = start.resumed.unwrap_or_default();
        let mut session = Self {
            outputs: VecDeque::new(),
            link: Link::new(now, options.limits.clone()),
            billing: Billing::default(),
            look,
            is_resumed,
            expires: start.max_duration.map(|duration| now + duration),
            last_frame: None,
            end: End::NotYet,
            options,
        };
        session.send(ServerMessage::SessionId {
            session_id: start.session_id,
            server_ip: start.advertised.ip.to_string(),
            server_port: start.advertised.port.get(),
        });
        if session.is_resumed {
            session.apply();
        }
        session
    }

    /// Takes in one input. Inputs that come too late, or for a peer connection or second that is gone, change nothing.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Peer(FromPeer::Text(frame)) => {
                self.link.on_socket(now);
                if self.link.is_open() {
                    self.on_message(now, ClientMessage::parse(&frame));
                }
            }
            Input::Peer(FromPeer::Pong) => self.link.on_socket(now),
            Input::Peer(FromPeer::Closed { code }) => {
                self.link.on_closed(code, &mut self.outputs);
                self.end(now, Cause::Left);
            }
            Input::Peer(FromPeer::Lost) => {
                self.link.on_lost();
                self.end(now, Cause::Left);
            }
            Input::Peer(FromPeer::Media { pc, event }) => {
                if self.link.is_current(pc) {
                    self.on_media(now, event);
                }
            }
            Input::Credit { n, answer } => self.on_credit(now, n, answer),
            Input::End(cause) => self.end(now, cause),
            Input::Time => self.on_time(now),
        }
    }

    /// The next thing to do, until there is nothing.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to come back with [`Input::Time`], if nothing else happens before.
    pub fn deadline(&self) -> Option<Instant> {
        let ledger = match self.end {
            End::Settled => None,
            End::NotYet | End::Settling(_) => self.ledger_deadline(),
        };
        let running = match self.end {
            End::NotYet => [self.expires, self.idle_deadline(), self.billing.next_second()],
            End::Settling(_) | End::Settled => [None; 3],
        };
        [self.link.deadline(), ledger].into_iter().chain(running).flatten().min()
    }

    /// Where the session is.
    pub fn state(&self) -> State {
        match (self.link.phase(), &self.end) {
            (Phase::Open { .. }, _) => State::Open,
            (Phase::Negotiating { .. }, _) => State::Negotiating,
            (Phase::Live, _) => State::Live,
            (Phase::Gone, End::Settled) => State::Gone,
            (Phase::Ending | Phase::Closing { .. } | Phase::Gone, _) => State::Ending,
        }
    }

    /// Whether the session is over: settled, and its socket closed or lost.
    pub fn is_over(&self) -> bool {
        self.state() == State::Gone
    }

    /// The prompt and image as they hold now.
    pub fn look(&self) -> &Look {
        &self.look
    }

    /// How many seconds the ledger said are charged.
    pub fn seconds(&self) -> u64 {
        self.billing.charged()
    }

    fn on_message(&mut self, now: Instant, message: Result<ClientMessage, Malformed>) {
        match message {
            Ok(ClientMessage::Offer(offer)) => {
                self.billing.pause(now);
                self.link.on_offer(now, offer, &mut self.outputs);
            }
            Ok(ClientMessage::IceCandidate(trickle)) => self.link.on_candidate(trickle, &mut self.outputs),
            Ok(ClientMessage::Prompt(prompt)) => {
                let result = self.look.set_prompt(&prompt);
                self.send(ServerMessage::PromptAck {
                    prompt: prompt.prompt,
                    success: result.is_ok(),
                    error: result.err().map(str::to_owned),
                });
                if result.is_ok() {
                    self.is_resumed = false;
                    self.apply();
                }
            }
            Ok(ClientMessage::SetImage(message)) => self.on_set_image(message),
            Ok(ClientMessage::LivekitJoin) => self.end(now, Cause::Livekit),
            // An answer is one to an offer, and the server makes none.
            Ok(ClientMessage::Answer(_) | ClientMessage::Unknown) => {}
            Err(malformed) => match malformed.kind {
                Some(MessageKind::SetImage) => self
                    .send(ServerMessage::SetImageAck { success: false, error: Some(malformed.to_string()) }),
                // An error would end a connection that is being made, and it can well be made without.
                Some(MessageKind::IceCandidate | MessageKind::Answer) => {}
                Some(MessageKind::Offer | MessageKind::Prompt | MessageKind::LivekitJoin) | None => {
                    self.send(admit::error(malformed.to_string(), wire::realtime::ErrorType::InvalidMessage));
                }
            },
        }
    }

    fn on_set_image(&mut self, message: SetImage) {
        // A client that has nothing to set says so before its first offer. One that resumes has, and means to keep it.
        let keeps =
            self.is_resumed && message.is_passthrough() && matches!(self.link.phase(), Phase::Open { .. });
        let result = if keeps { Ok(()) } else { self.look.set_image(message) };
        self.send(ServerMessage::SetImageAck {
            success: result.is_ok(),
            error: result.err().map(str::to_owned),
        });
        if result.is_ok() && !keeps {
            self.is_resumed = false;
            self.apply();
        }
    }

    fn on_media(&mut self, now: Instant, event: MediaEvent) {
        match event {
            MediaEvent::Answered(sdp) => self.link.on_answered(sdp, &mut self.outputs),
            MediaEvent::Connected => self.link.on_connected(now),
            MediaEvent::Heard => self.link.on_heard(now),
            MediaEvent::Frame => self.on_frame(now),
            MediaEvent::Refused(why) => self.end(now, Cause::OfferRefused(why)),
            MediaEvent::Failed(why) => self.end(now, Cause::Failed(why)),
        }
    }

    fn on_frame(&mut self, now: Instant) {
        // One that was made before the peer connection was up went nowhere.
        if !self.link.is_connected() {
            return;
        }
        if self.link.phase() != Phase::Live {
            self.link.go_live();
            self.send(ServerMessage::GenerationStarted);
        }
        self.last_frame = Some(now);
        self.billing.on_frame(now);
        self.ask(now);
    }

    /// When a live session has made no frame for too long. Until it is live, the client's time for it is the link's.
    fn idle_deadline(&self) -> Option<Instant> {
        let is_live = self.link.phase() == Phase::Live;
        self.last_frame.filter(|_| is_live).map(|last| last + self.options.idle)
    }

    /// When the ledger counts as silent, if it was asked something.
    fn ledger_deadline(&self) -> Option<Instant> {
        self.billing.asked_at().map(|at| at + self.options.ledger)
    }

    /// Asks the ledger for a second that is complete.
    fn ask(&mut self, now: Instant) {
        if let Some(n) = self.billing.ask(now) {
            self.outputs.push_back(Output::Grant { n });
        }
    }

    fn on_credit(&mut self, now: Instant, n: u64, answer: Credit) {
        if matches!(self.end, End::Settled) || !self.billing.is_asked(n) {
            return;
        }
        let denial = match answer {
            Credit::Granted { left } => {
                self.tick(left);
                None
            }
            Credit::Last { denial, left } => {
                self.tick(left);
                Some(denial)
            }
            Credit::Refused(denial) => {
                self.billing.on_refused();
                Some(denial)
            }
        };
        match (std::mem::replace(&mut self.end, End::NotYet), denial) {
            (End::Settling(cause), _) => self.settle(now, &cause),
            (End::NotYet, Some(denial)) => self.end(now, Cause::Denied(denial)),
            (End::NotYet, None) => self.ask(now),
            (End::Settled, _) => self.end = End::Settled,
        }
    }

    fn tick(&mut self, left: Option<Credits>) {
        let seconds = self.billing.on_charged();
        if self.link.can_send() {
            let credits = left.map(|credits| credits.to_string());
            self.send(ServerMessage::GenerationTick { seconds, credits });
        }
    }

    fn on_time(&mut self, now: Instant) {
        let overdue = self.link.on_time(now, &mut self.outputs);
        let is_ledger_late = self.ledger_deadline().is_some_and(|deadline| now >= deadline);
        match std::mem::replace(&mut self.end, End::NotYet) {
            End::Settled => self.end = End::Settled,
            End::Settling(cause) if is_ledger_late => self.settle(now, &cause),
            End::Settling(cause) => self.end = End::Settling(cause),
            End::NotYet => match overdue {
                Some(Overdue::Offer) => self.end(now, Cause::NoOffer),
                Some(Overdue::Media) => self.end(now, Cause::NoMedia),
                Some(Overdue::Peer) => self.end(now, Cause::Silent),
                None if self.expires.is_some_and(|expires| now >= expires) => {
                    self.end(now, Cause::MaxDuration);
                }
                None if self.idle_deadline().is_some_and(|deadline| now >= deadline) => {
                    self.end(now, Cause::Idle);
                }
                None if is_ledger_late => self.end(now, Cause::LedgerSilent),
                None => self.ask(now),
            },
        }
    }

    fn end(&mut self, now: Instant, cause: Cause) {
        if !matches!(self.end, End::NotYet) {
            return;
        }
        self.link.end(&mut self.outputs);
        if self.ledger_deadline().is_some_and(|deadline| now < deadline) {
            self.end = End::Settling(cause);
        } else {
            self.settle(now, &cause);
        }
    }

    fn settle(&mut self, now: Instant, cause: &Cause) {
        self.end = End::Settled;
        let receipt = Receipt { seconds: self.billing.charged(), reason: cause.reason() };
        self.outputs.push_back(Output::Settle(receipt));
        if !self.link.can_send() {
            return;
        }
        // A client of that generation that was never admitted has no generation that could end.
        if *cause != Cause::Livekit {
            self.send(ServerMessage::GenerationEnded {
                seconds: receipt.seconds,
                reason: receipt.reason.as_str().to_owned(),
            });
        }
        if let Some((text, kind)) = cause.error() {
            self.send(admit::error(text, kind));
        }
        self.link.close(now, cause.close(), &mut self.outputs);
    }

    fn apply(&mut self) {
        self.outputs.push_back(Output::Apply(self.look.clone()));
    }

    fn send(&mut self, message: ServerMessage) {
        self.outputs.push_back(Output::Peer(crate::peer::ToPeer::Send(message)));
    }
}
