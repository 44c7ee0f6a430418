//! The viewer's machine. See [`Viewer`].

use std::collections::VecDeque;
use std::time::Instant;

use wire::realtime::{ClientMessage, ErrorType, Malformed, MessageKind, ServerMessage};

use crate::admit::{self, Refusal};
use crate::link::{Link, Overdue, Phase};
use crate::peer::{FromPeer, Limits, MediaEvent, ToPeer};
use crate::session::{Cause, State};
use crate::text;

/// One connection of somebody who watches what another one generates.
///
/// It is driven like a [`crate::Session`], and has the same limits of time. It has no output that could bill
/// anything, and says nothing of the generation: no id, no ticks, no end of it. When the producer ends, the viewer is
/// told in words that its client takes for final, and closed. A `prompt` or `set_image` is acknowledged as not
/// accepted.
pub struct Viewer {
    outputs: VecDeque<ToPeer>,
    link: Link,
}

/// What happens to a viewer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViewerInput {
    /// Something came from the client.
    Peer(FromPeer),
    /// What is watched is over.
    ProducerEnded,
    /// The server stops.
    Shutdown,
    /// Time has passed.
    Time,
}

impl Viewer {
    /// Begins with a client that was admitted.
    pub fn new(now: Instant, limits: Limits) -> Self {
        Self { outputs: VecDeque::new(), link: Link::new(now, limits) }
    }

    /// Takes in one input. Inputs that come too late, or for a peer connection that is gone, change nothing.
    pub fn handle(&mut self, now: Instant, input: ViewerInput) {
        match input {
            ViewerInput::Peer(FromPeer::Text(frame)) => {
                self.link.on_socket(now);
                if self.link.is_open() {
                    self.on_message(now, ClientMessage::parse(&frame));
                }
            }
            ViewerInput::Peer(FromPeer::Pong) => self.link.on_socket(now),
            ViewerInput::Peer(FromPeer::Closed { code }) => {
                self.gone(|link, outputs| link.on_closed(code, outputs));
            }
            ViewerInput::Peer(FromPeer::Lost) => self.gone(|link, _| link.on_lost()),
            ViewerInput::Peer(FromPeer::Media { pc, event }) => {
                if self.link.is_current(pc) {
                    self.on_media(now, event);
                }
            }
            ViewerInput::ProducerEnded => {
                let refusal = Refusal::ProducerEnded;
                self.close(now, Some(refusal.message()), refusal.close());
            }
            ViewerInput::Shutdown => self.end(now, &Cause::Shutdown),
            ViewerInput::Time => match self.link.on_time(now, &mut self.outputs) {
                Some(Overdue::Offer) => self.end(now, &Cause::NoOffer),
                Some(Overdue::Media) => self.end(now, &Cause::NoMedia),
                Some(Overdue::Peer) => self.end(now, &Cause::Silent),
                None => {}
            },
        }
    }

    /// The next thing to do, until there is nothing.
    pub fn poll(&mut self) -> Option<ToPeer> {
        self.outputs.pop_front()
    }

    /// When to come back with [`ViewerInput::Time`], if nothing else happens before.
    pub fn deadline(&self) -> Option<Instant> {
        self.link.deadline()
    }

    /// Where the viewer is.
    pub fn state(&self) -> State {
        match self.link.phase() {
            Phase::Open { .. } => State::Open,
            Phase::Negotiating { .. } => State::Negotiating,
            Phase::Live => State::Live,
            Phase::Ending | Phase::Closing { .. } => State::Ending,
            Phase::Gone => State::Gone,
        }
    }

    /// Whether it is over, and its socket closed or lost.
    pub fn is_over(&self) -> bool {
        self.state() == State::Gone
    }

    fn on_message(&mut self, now: Instant, message: Result<ClientMessage, Malformed>) {
        let cannot = || Some(text::VIEWER_CANNOT.to_owned());
        match message {
            Ok(ClientMessage::Offer(offer)) => self.link.on_offer(now, offer, &mut self.outputs),
            Ok(ClientMessage::IceCandidate(trickle)) => self.link.on_candidate(trickle, &mut self.outputs),
            Ok(ClientMessage::Prompt(prompt)) => {
                self.send(ServerMessage::PromptAck { prompt: prompt.prompt, success: false, error: cannot() })
            }
            Ok(ClientMessage::SetImage(_)) => {
                self.send(ServerMessage::SetImageAck { success: false, error: cannot() });
            }
            Ok(ClientMessage::LivekitJoin) => self.end(now, &Cause::Livekit),
            Ok(ClientMessage::Answer(_) | ClientMessage::Unknown) => {}
            Err(malformed) => match malformed.kind {
                Some(MessageKind::SetImage) => {
                    self.send(ServerMessage::SetImageAck { success: false, error: cannot() });
                }
                Some(MessageKind::IceCandidate | MessageKind::Answer) => {}
                Some(MessageKind::Offer | MessageKind::Prompt | MessageKind::LivekitJoin) | None => {
                    self.send(admit::error(malformed.to_string(), ErrorType::InvalidMessage));
                }
            },
        }
    }

    fn on_media(&mut self, now: Instant, event: MediaEvent) {
        match event {
            MediaEvent::Answered(sdp) => self.link.on_answered(sdp, &mut self.outputs),
            MediaEvent::Connected => {
                self.link.on_connected(now);
                // What is watched may pause; that the connection is up is enough.
                if self.link.is_connected() {
                    self.link.go_live();
                }
            }
            MediaEvent::Heard => self.link.on_heard(now),
            MediaEvent::Frame => {}
            MediaEvent::Refused(why) => self.end(now, &Cause::OfferRefused(why)),
            MediaEvent::Failed(why) => self.end(now, &Cause::Failed(why)),
        }
    }

    fn end(&mut self, now: Instant, cause: &Cause) {
        let message = cause.error().map(|(text, kind)| admit::error(text, kind));
        self.close(now, message, cause.close());
    }

    fn close(&mut self, now: Instant, message: Option<ServerMessage>, close: crate::Close) {
        if !self.link.is_open() {
            return;
        }
        self.link.end(&mut self.outputs);
        if let Some(message) = message {
            self.send(message);
        }
        self.link.close(now, close, &mut self.outputs);
    }

    fn gone(&mut self, mark: impl FnOnce(&mut Link, &mut VecDeque<ToPeer>)) {
        let was_open = self.link.is_open();
        mark(&mut self.link, &mut self.outputs);
        if was_open {
            self.link.end(&mut self.outputs);
        }
    }

    fn send(&mut self, message: ServerMessage) {
        self.outputs.push_back(ToPeer::Send(message));
    }
}
