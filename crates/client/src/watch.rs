//! Watches a conversation through connections that come and go.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use wire::{ConversationId, TurnId};

use crate::cursor::{Cursor, Verdict};
use crate::retries::Budget;
use crate::{Client, Error, Event, Events, Retries};

/// How long nothing may come: the server says something every 15 seconds.
const SILENCE: Duration = Duration::from_secs(45);

/// Everything that happens in a conversation: the turn in flight from its first event, then whatever comes, over as many
/// turns as there will be. A connection that is lost is made anew and goes on with the next event: nothing is missed and
/// nothing comes twice, or [`Seen::Gap`] says so.
///
/// ```no_run
/// # async fn example(client: client::Client) -> Result<(), client::Error> {
/// use client::{Seen, Watch};
/// use futures_util::TryStreamExt;
///
/// let mut seen = Watch::new(&client, wire::ConversationId::new("tour")).into_stream();
/// while let Some(seen) = seen.try_next().await? {
///     match seen {
///         Seen::Event(event) => println!("{}", event.json),
///         Seen::Gap => println!("what was missed is in the history"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Watch {
    client: Client,
    conversation: ConversationId,
    retries: Retries,
    silence: Duration,
    events: Option<Events>,
    /// What comes before what the connection says.
    later: Option<Event>,
    cursor: Cursor,
    /// There was a connection before.
    was_connected: bool,
    /// Turns may have come and gone since the last event.
    is_doubtful: bool,
    /// The last of those that did, which is told already.
    missed: Option<TurnId>,
    failing: Option<Budget>,
}

/// What a watcher sees.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// Something happened.
    Event(Event),
    /// Something was missed: the connection was away, and what happened meanwhile is over. The history has all of it,
    /// and events go on with what happens now. After a connection that came back in time there is none: then nothing
    /// was missed.
    Gap,
}

impl Watch {
    /// Watches a conversation. Connects when the first event is asked for.
    pub fn new(client: &Client, conversation: ConversationId) -> Self {
        Self {
            client: client.clone(),
            conversation,
            retries: Retries::PATIENT,
            silence: SILENCE,
            events: None,
            later: None,
            cursor: Cursor::default(),
            was_connected: false,
            is_doubtful: false,
            missed: None,
            failing: None,
        }
    }

    /// Goes on after an event that an earlier watcher has seen, by its [`Event::id`] or that watcher's
    /// [`cursor`](Self::cursor); from the turn in flight, if it is no such id. If that turn is over by now, there is a gap.
    pub fn after(self, cursor: &str) -> Self {
        Self { cursor: Cursor::after(cursor), ..self }
    }

    /// Another budget for a server that cannot be reached; [`Retries::PATIENT`] without. An event begins it anew.
    pub fn with_retries(self, retries: Retries) -> Self {
        Self { retries, ..self }
    }

    /// Another time after which a connection over which nothing comes is taken for lost; 45 seconds without. A server says
    /// that it is alive every 15 seconds.
    pub fn with_silence(self, silence: Duration) -> Self {
        Self { silence, ..self }
    }

    /// Where it is: another watcher can go on [`after`](Self::after) that, in another process, too.
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.position().map(|position| position.id.as_str())
    }

    /// What happens next. Can be dropped while it waits.
    ///
    /// # Errors
    /// When the server refuses, or cannot be reached for a while. Another call tries again.
    pub async fn next(&mut self) -> Result<Seen, Error> {
        loop {
            if let Some(event) = self.later.take() {
                return Ok(Seen::Event(event));
            }
            let failed = match self.step().await {
                Ok(Some(seen)) => return Ok(seen),
                Ok(None) => continue,
                Err(error) => error,
            };
            self.events = None;
            let budget = self.failing.get_or_insert_with(|| Budget::new(self.retries));
            if !failed.may_pass() || !budget.wait(failed.retry_after()).await {
                self.failing = None;
                return Err(failed);
            }
        }
    }

    /// What happens, as a stream. It ends after an error.
    pub fn into_stream(self) -> BoxStream<'static, Result<Seen, Error>> {
        stream::try_unfold(self, |mut watch| async { Ok(Some((watch.next().await?, watch))) }).boxed()
    }

    async fn step(&mut self) -> Result<Option<Seen>, Error> {
        if self.is_doubtful {
            return self.settle_doubt().await;
        }
        let Some(events) = &mut self.events else { return self.connect().await };
        match events.next_alive(self.silence).await? {
            Some(event) => {
                self.failing = None;
                Ok(self.take(event))
            }
            None => Err(Error::broken("the server has ended the stream")),
        }
    }

    /// Connects, at the last position. If that is where nobody knows what came and went, that is a gap.
    async fn connect(&mut self) -> Result<Option<Seen>, Error> {
        self.events = Some(self.client.watch_after(&self.conversation, self.cursor()).await?);
        let is_again = std::mem::replace(&mut self.was_connected, true);
        Ok((is_again && self.cursor().is_none()).then_some(Seen::Gap))
    }

    /// What an event means to whoever has seen those before it. None if it was seen already.
    fn take(&mut self, event: Event) -> Option<Seen> {
        match self.cursor.take(&event) {
            Verdict::New => Some(Seen::Event(event)),
            Verdict::Old => None,
            Verdict::Late => {
                self.later = Some(event);
                Some(Seen::Gap)
            }
            Verdict::Doubtful => {
                self.is_doubtful = true;
                None
            }
        }
    }

    /// The last turn that was seen was seen to its end. If it is not the last one any more, others came and went.
    async fn settle_doubt(&mut self) -> Result<Option<Seen>, Error> {
        let metrics = self.client.metrics(&self.conversation).await?.value;
        self.is_doubtful = false;
        let last = metrics.turns.into_iter().next_back().map(|turn| turn.turn_id);
        let known = self.cursor.position().map(|position| position.turn.as_str());
        if last.as_ref().map(TurnId::as_str) == known || last == self.missed {
            return Ok(None);
        }
        self.missed = last;
        Ok(Some(Seen::Gap))
    }
}
