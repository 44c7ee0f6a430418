//! Drives the session of one producer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use media::{Event, Events, Fanout, Peer, Role};
use meter::{ConnectionId, SessionId};
use store::SessionPrompt;
use tokio::sync::{Semaphore, mpsc, watch};

use super::pipeline::{Pipeline, style};
use super::registry::{Live, Place};
use super::socket::{self, Frame, Received, Socket};
use super::{Model, Shared, now_ms};
use crate::look::Look;
use crate::peer::{FromPeer, MediaEvent, ToPeer};
use crate::session::{Cause, Credit, Denial, Input, Output, Receipt, Session, Start};

/// A session that was admitted, and waits for its socket. Dropping it ends it.
pub struct Producer {
    shared: Arc<Shared>,
    /// None when the session is over.
    place: Option<Place>,
    /// What others end it for.
    ends: mpsc::Receiver<Cause>,
    session: SessionId,
    connection: ConnectionId,
    model: Model,
    start: Start,
    settled: bool,
}

/// What others have of a session from when its socket is there until it is settled, or its client has left. Dropping it
/// takes that away: the place is free and viewers are told before the client hears that its connection is closed, so
/// that whoever comes back at once finds room.
struct Stage {
    live: Arc<Live>,
    _place: Place,
    _over: watch::Sender<()>,
}

impl Stage {
    fn new(place: Place, pipeline: Arc<Pipeline>, seats: usize) -> Self {
        let (over, watched) = watch::channel(());
        let seats = Arc::new(Semaphore::new(seats.min(Semaphore::MAX_PERMITS)));
        let live = Arc::new(Live { viewers: Fanout::default(), pipeline, seats, over: watched });
        live.pipeline.show_to(live.clone());
        place.go_live(live.clone());
        Self { live, _place: place, _over: over }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.live.pipeline.stop();
    }
}

/// What the session has of the network.
struct Connection {
    pc: u32,
    peer: Peer,
    events: Events,
}

impl Producer {
    pub(super) fn new(
        shared: Arc<Shared>,
        place: Place,
        ends: mpsc::Receiver<Cause>,
        session: SessionId,
        connection: ConnectionId,
        model: Model,
        start: Start,
    ) -> Self {
        Self { shared, place: Some(place), ends, session, connection, model, start, settled: false }
    }

    /// Runs the session to its end, in a task that a shutdown waits for.
    pub fn serve(self, socket: impl Socket + 'static) {
        let tasks = self.shared.tasks.clone();
        tasks.spawn(self.run(socket));
    }

    async fn run(mut self, socket: impl Socket) {
        let shared = self.shared.clone();
        let generator = (shared.generators)(&self.model.generator);
        let (Some(generator), Some(place)) = (generator, self.place.take()) else {
            tracing::error!(model = self.model.name, "there is no such generator");
            return;
        };
        let pipeline = Arc::new(Pipeline::new(shared.workers.queue(), self.model.clone(), generator));
        let stage = Stage::new(place, pipeline, shared.max_viewers_per_session);
        tracing::info!(session = self.start.session_id, model = self.model.name, "a realtime session begins");

        let session = Session::new(Instant::now(), self.start.clone(), shared.session.clone());
        let drive = Drive {
            producer: &mut self,
            session,
            socket,
            live: stage.live.clone(),
            stage: Some(stage),
            connection: None,
            stopped: None,
            inputs: VecDeque::new(),
            working: FuturesUnordered::new(),
            looks: watch::channel(None).0,
        };
        drive.run().await;
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        // No socket came, or its task was cut off.
        let (store, connection) = (self.shared.store.clone(), self.connection.clone());
        self.shared.tasks.spawn(async move {
            if let Err(error) = store.end_connection(&connection, now_ms(), "disconnect").await {
                tracing::error!(%connection, "a session is not settled: {error}");
            }
        });
    }
}

impl AsRef<Fanout> for Live {
    fn as_ref(&self) -> &Fanout {
        &self.viewers
    }
}

struct Drive<'p, S> {
    producer: &'p mut Producer,
    session: Session,
    socket: S,
    live: Arc<Live>,
    /// None when the session is over.
    stage: Option<Stage>,
    connection: Option<Connection>,
    /// One that was stopped, until the client has heard why.
    stopped: Option<Connection>,
    /// What outputs have brought about.
    inputs: VecDeque<Input>,
    /// Answers of the ledger that are awaited.
    working: FuturesUnordered<BoxFuture<'static, Input>>,
    /// The newest look, for the task that keeps it and reads its image.
    looks: watch::Sender<Option<Look>>,
}

impl<S: Socket> Drive<'_, S> {
    async fn run(mut self) {
        let scribe = keep(
            self.producer.shared.clone(),
            self.producer.session.clone(),
            self.live.pipeline.clone(),
            self.looks.subscribe(),
        );
        self.producer.shared.tasks.spawn(scribe);
        let stop = self.producer.shared.stop.clone();
        let pipeline = self.live.pipeline.clone();
        let mut stopping = false;
        loop {
            self.perform().await;
            if self.session.is_over() {
                return;
            }
            let deadline = self.session.deadline().map(tokio::time::Instant::from_std);
            let input = tokio::select! {
                received = self.socket.receive() => Some(Input::Peer(match received {
                    None => FromPeer::Lost,
                    Some(Received::Text(text)) => FromPeer::Text(text),
                    Some(Received::Other) => FromPeer::Pong,
                    Some(Received::Close(code)) => FromPeer::Closed { code },
                })),
                event = next(&mut self.connection) => self.on_media(event),
                Some(input) = self.working.next() => Some(input),
                () = pipeline.news.notified() => self.on_news(),
                Some(cause) = self.producer.ends.recv() => Some(Input::End(cause)),
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    Some(Input::End(Cause::Shutdown))
                }
                () = at(deadline) => Some(Input::Time),
            };
            if let Some(input) = input {
                self.session.handle(Instant::now(), input);
            }
        }
    }

    /// Does what the session wants done, until it wants nothing more.
    async fn perform(&mut self) {
        loop {
            while let Some(output) = self.session.poll() {
                match output {
                    Output::Peer(output) => self.perform_for_peer(output).await,
                    Output::Apply(look) => self.looks.send_modify(|newest| *newest = Some(look)),
                    Output::Grant { n } => self.grant(n),
                    Output::Settle(receipt) => self.settle(receipt).await,
                }
            }
            let Some(input) = self.inputs.pop_front() else { return };
            self.session.handle(Instant::now(), input);
        }
    }

    async fn perform_for_peer(&mut self, output: ToPeer) {
        let went = match output {
            ToPeer::Send(message) => socket::send_message(&mut self.socket, &message).await,
            ToPeer::Ping => socket::send(&mut self.socket, Frame::Ping).await,
            ToPeer::Close(close) => {
                let frame = Frame::Close { code: close.code, reason: close.reason.to_owned() };
                socket::send(&mut self.socket, frame).await
            }
            ToPeer::EchoClose { code } => {
                // Before the client hears it: who comes back at once finds room.
                self.stage = None;
                socket::send(&mut self.socket, Frame::Echo(code)).await
            }
            ToPeer::Negotiate { pc, offer } => {
                let event = self.negotiate(pc, &offer);
                self.inputs.push_back(Input::Peer(FromPeer::Media { pc, event }));
                true
            }
            ToPeer::AddCandidate { pc, candidate } => {
                if let Some(connection) = self.connection.as_ref().filter(|connection| connection.pc == pc) {
                    connection.peer.add_candidate(&candidate);
                }
                true
            }
            ToPeer::StopMedia => {
                self.live.pipeline.disconnect();
                // Whoever sees media end before it hears why takes that for a loss, and comes back.
                self.stopped = self.connection.take();
                true
            }
        };
        if !went {
            self.inputs.push_back(Input::Peer(FromPeer::Lost));
        }
    }

    fn negotiate(&mut self, pc: u32, offer: &str) -> MediaEvent {
        self.connection = None;
        self.live.pipeline.disconnect();
        match self.producer.shared.port.answer(offer, Role::Producer) {
            Ok(media::Answer { peer, events, sdp }) => {
                self.live.pipeline.connect(peer.clone());
                self.connection = Some(Connection { pc, peer, events });
                MediaEvent::Answered(sdp)
            }
            Err(media::OfferError::Closed) => MediaEvent::Failed("the server is stopping".to_owned()),
            Err(error) => MediaEvent::Refused(error.to_string()),
        }
    }

    fn on_media(&mut self, event: Option<Event>) -> Option<Input> {
        let pc = self.connection.as_ref()?.pc;
        let pipeline = &self.live.pipeline;
        let event = match event {
            None => {
                self.connection = None;
                return None;
            }
            Some(Event::Connected) => MediaEvent::Connected,
            Some(Event::Heard) => MediaEvent::Heard,
            Some(Event::Video(received)) => {
                pipeline.push(received.frame);
                return None;
            }
            Some(Event::Audio(received)) => {
                self.live.viewers.write_audio(&received.packet);
                let connection = self.connection.as_ref()?;
                let _ = connection.peer.write_audio(received.packet);
                return None;
            }
            Some(Event::KeyframeRequested) => {
                pipeline.request_keyframe();
                return None;
            }
            Some(Event::Bandwidth(bits_per_second)) => {
                pipeline.set_bitrate(bits_per_second);
                return None;
            }
            // Whether it comes back is for the session to wait for.
            Some(Event::Statistics(_) | Event::Disconnected(_)) => return None,
        };
        Some(Input::Peer(FromPeer::Media { pc, event }))
    }

    fn on_news(&mut self) -> Option<Input> {
        let news = self.live.pipeline.take_news();
        match news.failed {
            // Whatever connection there is by now: there will be no pictures for it.
            Some(why) => Some(Input::End(Cause::Failed(why))),
            None => {
                let pc = self.connection.as_ref().filter(|_| news.sent)?.pc;
                Some(Input::Peer(FromPeer::Media { pc, event: MediaEvent::Frame }))
            }
        }
    }

    fn grant(&mut self, n: u64) {
        let (store, connection) = (self.producer.shared.store.clone(), self.producer.connection.clone());
        let granting = async move {
            let answer = match store.grant_second(&connection, n, now_ms()).await {
                Ok(grant) => Credit::from(Ok(grant)),
                Err(error) => match error.refusal() {
                    Some(refusal) => Credit::from(Err(refusal)),
                    None => {
                        tracing::error!(%connection, "a second is not charged: {error}");
                        Credit::Refused(Denial::Failed("the server cannot write its ledger".to_owned()))
                    }
                },
            };
            Input::Credit { n, answer }
        };
        self.working.push(granting.boxed());
    }

    async fn settle(&mut self, receipt: Receipt) {
        let Producer { shared, connection, .. } = &*self.producer;
        let reason = receipt.reason.as_str();
        match shared.store.end_connection(connection, now_ms(), reason).await {
            Ok(()) => {
                tracing::info!(session = %connection, seconds = receipt.seconds, reason, "a realtime session is over");
                self.producer.settled = true;
            }
            Err(error) => tracing::error!(%connection, "a session is not settled: {error}"),
        }
        self.stage = None;
    }
}

/// Keeps each new look and gives it to the generator, in order and away from the connection: an image takes a while to
/// read.
async fn keep(
    shared: Arc<Shared>,
    session: SessionId,
    pipeline: Arc<Pipeline>,
    mut looks: watch::Receiver<Option<Look>>,
) {
    let mut before = Look::default();
    while looks.changed().await.is_ok() {
        let Some(look) = looks.borrow_and_update().clone() else { continue };
        let ready = look.clone();
        let applying = async {
            match tokio::task::spawn_blocking(move || style(&ready)).await {
                Ok(style) => pipeline.set(style),
                Err(error) => tracing::error!("a prompt is not applied: {error}"),
            }
        };
        let keeping = async {
            let prompt = look
                .prompt
                .as_ref()
                .map(|prompt| SessionPrompt { text: prompt.text.clone(), enhance: prompt.enhance });
            let mut kept = shared.store.keep_prompt(&session, prompt).await;
            if look.image != before.image {
                let image = look.image.as_ref().map(|image| image.file.to_vec());
                kept = kept.and(shared.store.keep_image(&session, image).await);
            }
            if let Err(error) = kept {
                tracing::warn!(%session, "a later connection will not find this prompt: {error}");
            }
        };
        tokio::join!(applying, keeping);
        before = look;
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
