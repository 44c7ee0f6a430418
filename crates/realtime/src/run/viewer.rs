//! Drives the connection of one viewer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use media::{Event, Events, Peer, Role};
use tokio::sync::OwnedSemaphorePermit;

use super::Shared;
use super::registry::Live;
use super::socket::{self, Frame, Received, Socket};
use crate::peer::{FromPeer, MediaEvent, ToPeer};
use crate::viewer::{Viewer, ViewerInput};

/// A viewer that was admitted, and waits for its socket.
pub struct Watcher {
    shared: Arc<Shared>,
    live: Arc<Live>,
    seat: OwnedSemaphorePermit,
}

struct Connection {
    pc: u32,
    peer: Peer,
    events: Events,
}

impl Watcher {
    pub(super) fn new(shared: Arc<Shared>, live: Arc<Live>, seat: OwnedSemaphorePermit) -> Self {
        Self { shared, live, seat }
    }

    /// Runs the connection to its end, in a task that a shutdown waits for.
    pub fn serve(self, socket: impl Socket + 'static) {
        let tasks = self.shared.tasks.clone();
        tasks.spawn(self.run(socket));
    }

    async fn run(self, mut socket: impl Socket) {
        let Self { shared, live, seat } = self;
        let mut seat = Some(seat);
        let mut viewer = Viewer::new(Instant::now(), shared.session.limits.clone());
        let mut over = live.over.clone();
        let (mut connection, mut inputs) = (None::<Connection>, VecDeque::new());
        let (mut stopping, mut ended) = (false, false);
        loop {
            loop {
                while let Some(output) = viewer.poll() {
                    let went = match output {
                        ToPeer::Send(message) => socket::send_message(&mut socket, &message).await,
                        ToPeer::Ping => socket::send(&mut socket, Frame::Ping).await,
                        ToPeer::Close(close) => {
                            // Before the client hears it: whoever comes back at once finds room.
                            drop(seat.take());
                            let frame = Frame::Close { code: close.code, reason: close.reason.to_owned() };
                            socket::send(&mut socket, frame).await
                        }
                        ToPeer::EchoClose { code } => {
                            drop(seat.take());
                            socket::send(&mut socket, Frame::Echo(code)).await
                        }
                        ToPeer::Negotiate { pc, offer } => {
                            let event = negotiate(&shared, &live, pc, &offer, &mut connection);
                            inputs.push_back(FromPeer::Media { pc, event });
                            true
                        }
                        ToPeer::AddCandidate { pc, candidate } => {
                            if let Some(connection) = connection.as_ref().filter(|found| found.pc == pc) {
                                connection.peer.add_candidate(&candidate);
                            }
                            true
                        }
                        // Whoever sees media end before it hears why takes that for a loss, and comes back.
                        ToPeer::StopMedia => true,
                    };
                    if !went {
                        inputs.push_back(FromPeer::Lost);
                    }
                }
                let Some(input) = inputs.pop_front() else { break };
                viewer.handle(Instant::now(), ViewerInput::Peer(input));
            }
            if viewer.is_over() {
                close(&mut connection);
                return;
            }
            let deadline = viewer.deadline().map(tokio::time::Instant::from_std);
            let input = tokio::select! {
                received = socket.receive() => Some(ViewerInput::Peer(match received {
                    None => FromPeer::Lost,
                    Some(Received::Text(text)) => FromPeer::Text(text),
                    Some(Received::Other) => FromPeer::Pong,
                    Some(Received::Close(code)) => FromPeer::Closed { code },
                })),
                event = next(&mut connection) => on_media(event, &live, &mut connection),
                _ = over.changed(), if !ended => {
                    ended = true;
                    Some(ViewerInput::ProducerEnded)
                }
                () = shared.stop.cancelled(), if !stopping => {
                    stopping = true;
                    Some(ViewerInput::Shutdown)
                }
                () = at(deadline) => Some(ViewerInput::Time),
            };
            if let Some(input) = input {
                viewer.handle(Instant::now(), input);
            }
        }
    }
}

fn negotiate(
    shared: &Shared,
    live: &Live,
    pc: u32,
    offer: &str,
    connection: &mut Option<Connection>,
) -> MediaEvent {
    close(connection);
    // Nothing was produced yet: what every client offers first.
    let codec = live.pipeline.codec().unwrap_or(media::Codec::Vp8);
    match shared.port.answer(offer, Role::Viewer { codec }) {
        Ok(media::Answer { peer, events, sdp }) => {
            live.viewers.join(peer.clone());
            *connection = Some(Connection { pc, peer, events });
            MediaEvent::Answered(sdp)
        }
        Err(media::OfferError::Closed) => MediaEvent::Failed("the server is stopping".to_owned()),
        Err(error) => MediaEvent::Refused(error.to_string()),
    }
}

fn on_media(event: Option<Event>, live: &Live, connection: &mut Option<Connection>) -> Option<ViewerInput> {
    let pc = connection.as_ref()?.pc;
    let event = match event {
        None => {
            *connection = None;
            return None;
        }
        Some(Event::Connected) => MediaEvent::Connected,
        Some(Event::Heard) => MediaEvent::Heard,
        Some(Event::KeyframeRequested) => {
            live.pipeline.request_keyframe();
            return None;
        }
        // What a viewer sends is nobody's, and its path decides nothing for the others.
        Some(
            Event::Video(_)
            | Event::Audio(_)
            | Event::Bandwidth(_)
            | Event::Statistics(_)
            | Event::Disconnected(_),
        ) => return None,
    };
    Some(ViewerInput::Peer(FromPeer::Media { pc, event }))
}

fn close(connection: &mut Option<Connection>) {
    if let Some(connection) = connection.take() {
        connection.peer.close();
    }
}

async fn next(connection: &mut Option<Connection>) -> Option<Event> {
    match connection {
        Some(connection) => connection.events.next().await,
        None => std::future::pending().await,
    }
}

async fn at(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
