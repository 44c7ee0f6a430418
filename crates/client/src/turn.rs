//! A message and its turn, through connections that come and go.

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use wire::transport::QueueResponse;
use wire::{AgentEvent, ConversationId, TurnId};

use crate::cursor::{Cursor, Verdict};
use crate::retries::Budget;
use crate::{Client, Error, Event, Events, Heard, Message, Retries, Seen, Sent};

/// The code of a message that came while a turn was running.
const ACTIVE: &str = "turn-active";

/// A message and the events of its turn, up to `turn-sealed`. From [`Client::stream`].
///
/// The turn is the server's: to drop this, or to lose the connection, does not end it. A connection that is lost is made
/// anew and goes on with the next event. Where that cannot be, because the turn was over before, [`Seen::Gap`] says so;
/// the history has what was missed.
pub struct Turn {
    client: Client,
    message: Message,
    retries: Retries,
    events: Option<Events>,
    /// What comes before what the connection says.
    later: Option<Event>,
    cursor: Cursor,
    failing: Option<Budget>,
    is_over: bool,
}

impl Turn {
    pub(crate) fn new(client: &Client, mut message: Message) -> Self {
        message.name();
        message.extras.watch.cursor = Some(true);
        message.extras.watch.extensions = Some(true);
        Self {
            client: client.clone(),
            message,
            retries: Retries { within: Retries::PATIENT.within / 2, ..Retries::PATIENT },
            events: None,
            later: None,
            cursor: Cursor::default(),
            failing: None,
            is_over: false,
        }
    }

    /// Another budget for a server that cannot be reached; a minute without. An event begins it anew.
    pub fn with_retries(self, retries: Retries) -> Self {
        Self { retries, ..self }
    }

    /// The conversation.
    pub fn conversation(&self) -> Option<&ConversationId> {
        self.message.request.conversation_id.as_ref()
    }

    /// What happens next; none after the end of the turn. Can be dropped while it waits.
    ///
    /// # Errors
    /// When the server refuses, with the code `turn-active` if the message waits for another turn; or when it cannot be
    /// reached for a while. Another call tries again.
    pub async fn next(&mut self) -> Result<Option<Seen>, Error> {
        loop {
            if let Some(event) = self.later.take() {
                self.is_over |= is_end(&event);
                return Ok(Some(Seen::Event(event)));
            }
            if self.is_over {
                return Ok(None);
            }
            let heard = match &mut self.events {
                Some(events) => events.next().await,
                None => match self.open().await? {
                    None => continue,
                    Some(_) => {
                        let message = "the message is queued: another turn is running".to_owned();
                        return Err(refused(message, Some(ACTIVE.to_owned()), Some(202)));
                    }
                },
            };
            match heard {
                Ok(Some(event)) => {
                    self.failing = None;
                    if let Some(message) = self.refusal(&event) {
                        self.is_over = true;
                        let error = refused(message, Some(ACTIVE.to_owned()), None);
                        return Err(error.without(self.client.key()));
                    }
                    match self.cursor.take(&event) {
                        Verdict::New => self.later = Some(event),
                        Verdict::Late => {
                            self.later = Some(event);
                            return Ok(Some(Seen::Gap));
                        }
                        Verdict::Old | Verdict::Doubtful => {}
                    }
                }
                // An error in the place of the end of a turn that could not be sealed.
                Ok(None) => self.is_over = true,
                Err(error) => {
                    self.events = None;
                    self.failed(error).await?;
                }
            }
        }
    }

    /// The events as a stream. It ends with the turn, or after an error.
    pub fn into_stream(self) -> BoxStream<'static, Result<Seen, Error>> {
        stream::try_unfold(self, |mut turn| async { Ok(turn.next().await?.map(|seen| (seen, turn))) }).boxed()
    }

    /// Waits for the end of the turn: the last text of the answer.
    ///
    /// # Errors
    /// As [`Turn::next`], and when the turn fails.
    pub async fn text(mut self) -> Result<String, Error> {
        let (mut text, mut is_next) = (String::new(), false);
        while let Some(seen) = self.next().await? {
            match seen {
                Seen::Event(Event { heard: Heard::Turn(AgentEvent::TextDelta { delta, .. }), .. }) => {
                    if std::mem::take(&mut is_next) {
                        text.clear();
                    }
                    text.push_str(&delta);
                }
                Seen::Event(Event { heard: Heard::Turn(AgentEvent::StepComplete { .. }), .. }) => {
                    is_next = true;
                }
                Seen::Event(Event {
                    heard: Heard::Turn(AgentEvent::Error { message, code, .. }), ..
                }) => {
                    return Err(refused(message, code, None).without(self.client.key()));
                }
                Seen::Gap => {
                    let Some(id) = self.conversation() else { continue };
                    return Ok(self.client.last(id).await?.value.content);
                }
                Seen::Event(_) => {}
            }
        }
        Ok(text)
    }

    /// Sends the message, if it is not sent or the connection is lost. The queue, if that is where it is now.
    pub(crate) async fn open(&mut self) -> Result<Option<QueueResponse>, Error> {
        loop {
            let position = self.cursor.position();
            self.message.extras.watch.turn_id = position.map(|position| TurnId::new(position.turn.clone()));
            self.message.extras.watch.after_event_seq = position.map(|position| position.seq);
            match self.client.post_once(&self.message).await {
                Ok(Sent::Turn(events)) => {
                    self.events = Some(events);
                    return Ok(None);
                }
                Ok(Sent::Queued(answer)) => return Ok(Some(answer.value)),
                Err(error) => self.failed(error).await?,
            }
        }
    }

    /// The turn's id: its first event has it.
    pub(crate) async fn id(&mut self) -> Result<TurnId, Error> {
        while let Some(seen) = self.next().await? {
            if let Seen::Event(event) = seen
                && let Some(id) = event.of_turn().and_then(AgentEvent::turn_id)
            {
                return Ok(id.clone());
            }
        }
        Err(Error::broken("the answer has no turn"))
    }

    /// Waits, if it is worth while.
    async fn failed(&mut self, error: Error) -> Result<(), Error> {
        let budget = self.failing.get_or_insert_with(|| Budget::new(self.retries));
        if error.may_pass() && budget.wait(error.retry_after()).await {
            return Ok(());
        }
        self.failing = None;
        Err(error)
    }

    /// Why there is no turn, if this is all that is said.
    fn refusal(&self, event: &Event) -> Option<String> {
        match event.of_turn() {
            Some(AgentEvent::Error { message, code, .. })
                if code.as_deref() == Some(ACTIVE) && self.cursor.position().is_none() =>
            {
                Some(message.clone())
            }
            _ => None,
        }
    }
}

fn is_end(event: &Event) -> bool {
    matches!(event.of_turn(), Some(AgentEvent::TurnSealed { .. }))
}

fn refused(message: String, code: Option<String>, status: Option<u16>) -> Error {
    Error::Refused { message, code, status, retry_after: None }
}
