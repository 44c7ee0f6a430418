//! A turn, from its start to its end.

use std::io;

use futures_util::FutureExt;
use tokio::signal::unix::{Signal, SignalKind, signal};
use wire::{AgentEvent, ConversationId};

use crate::failure::Failure;
use crate::render::short;
use client::{Client, Error, Event, Events};

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The model was done.
    Done,
    /// It failed; an event said how.
    Failed,
    /// Somebody else stopped it.
    Stopped,
    /// The user pressed Ctrl-C.
    Interrupted,
}

/// Ctrl-C, from now on: the process no longer ends by itself.
pub(super) struct Interrupts(Signal);

impl Interrupts {
    pub(super) fn new() -> Result<Self, Failure> {
        Ok(Self(signal(SignalKind::interrupt())?))
    }

    /// Ready with the next one.
    pub(super) async fn next(&mut self) {
        // None when signals cannot come any more.
        if self.0.recv().await.is_none() {
            std::future::pending().await
        }
    }
}

impl Interrupts {
    /// Waits for something, unless the user does not want to.
    pub(super) async fn unless<T>(
        &mut self,
        future: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Failure> {
        // One from before was meant for something else.
        while self.next().now_or_never().is_some() {}
        tokio::select! {
            done = future => Ok(done?),
            () = self.next() => Err(Failure::new("interrupted before the server answered")),
        }
    }
}

/// Follows a turn, or one after the other. The first Ctrl-C stops it and shows how it ends; the second one leaves it
/// alone.
pub(super) struct Turn {
    client: Client,
    events: Events,
    interrupts: Interrupts,
    stopping: bool,
    /// Something was heard besides the end.
    told: bool,
    /// A turn has begun and its end was not heard.
    running: bool,
    failed: bool,
    reason: Option<String>,
}

impl Turn {
    /// From now on Ctrl-C is for the turn.
    pub(super) fn new(client: &Client, events: Events) -> Result<Self, Failure> {
        Ok(Self {
            client: client.clone(),
            events,
            interrupts: Interrupts::new()?,
            stopping: false,
            told: false,
            running: false,
            failed: false,
            reason: None,
        })
    }

    /// The conversation, as soon as it is known.
    pub(super) fn conversation(&self) -> Option<&ConversationId> {
        self.events.conversation()
    }

    /// Whether the turn was told to stop from here.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Whether the turn was over when this began to listen: what it said is history.
    pub(super) fn was_over(&self) -> bool {
        !self.told
    }

    /// Whether there is a turn right now, as far as was heard.
    pub(super) fn is_running(&self) -> bool {
        self.running
    }

    /// The next event; none at the end. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Result<Option<Event>, Failure> {
        loop {
            tokio::select! {
                event = self.events.next() => {
                    let event = event.map_err(|error| self.lost(error))?;
                    if let Some(known) = event.as_ref().and_then(Event::of_turn) {
                        self.note(known);
                    }
                    return Ok(event);
                }
                () = self.interrupts.next() => {
                    if self.stopping {
                        return Err(Failure::Interrupted);
                    }
                    self.stop();
                }
            }
        }
    }

    /// Tells the server to stop the turn, which then ends as turns do.
    pub(super) fn stop(&mut self) {
        self.stopping = true;
        let Some(id) = self.conversation().cloned() else { return };
        let client = self.client.clone();
        // Whether it worked shows in the events.
        tokio::spawn(async move { client.stop(&id).await.map(drop) });
    }

    /// How it ended, once there are no more events, or once it is sealed.
    pub(super) fn end(&self) -> End {
        match self.reason.as_deref() {
            Some("aborted") if self.stopping => End::Interrupted,
            Some("aborted" | "interrupted") => End::Stopped,
            _ if self.failed => End::Failed,
            _ => End::Done,
        }
    }

    fn note(&mut self, event: &AgentEvent) {
        self.told |= !matches!(event, AgentEvent::TurnSealed { .. });
        // A turn that cannot be sealed says an error after its end.
        let is_last = match event {
            AgentEvent::TurnSealed { .. } => true,
            AgentEvent::Error { .. } => self.reason.is_some(),
            _ => false,
        };
        self.running = !is_last;
        match event {
            AgentEvent::UserMessage { .. } => {
                self.failed = false;
                self.reason = None;
            }
            AgentEvent::Error { .. } => self.failed = true,
            AgentEvent::Done { reason, .. } => self.reason = Some(reason.clone()),
            _ => {}
        }
    }

    /// The turn does not need this connection.
    fn lost(&self, error: Error) -> Failure {
        let code = "connection-broken";
        match (self.conversation(), &error) {
            (Some(id), Error::Broken { .. }) => Failure::coded(
                format!(
                    "{error}. A turn goes on without it; see how it ends with: dispatch read {}",
                    short(id)
                ),
                code,
            ),
            _ => error.into(),
        }
    }
}

/// Follows a turn and shows every event.
pub(super) async fn follow(
    turn: &mut Turn,
    mut show: impl FnMut(&Event) -> io::Result<()>,
) -> Result<End, Failure> {
    while let Some(event) = turn.next().await? {
        show(&event)?;
    }
    Ok(turn.end())
}
