//! Changes of the look on their way: one at a time, each with its own acknowledgement.

use std::collections::VecDeque;

use wire::realtime::ClientMessage;

use super::connection::Millis;
use super::error::{Error, ErrorCode};
use super::look::{Look, Update};

/// What an acknowledgement says of what it acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Called<'a> {
    /// A prompt, with its text.
    Prompt(&'a str),
    /// An image.
    Image,
}

/// The calls of an application, in their order.
///
/// A server acknowledges what it got in the order in which it got it, and an acknowledgement does not say whose it is.
/// So an update goes out when the one before is acknowledged or given up; and of one that was given up, the
/// acknowledgement is still awaited for a while, so that it is taken for that of no other. Should the one in flight
/// get none of its own then, it was its own after all: a server that has left one out does not leave all behind it
/// one short.
#[derive(Debug)]
pub(crate) struct Updates {
    prompt: Millis,
    image: Millis,
    waiting: VecDeque<(u64, Update)>,
    sent: Option<Sent>,
    given_up: VecDeque<Awaited>,
}

#[derive(Debug)]
struct Sent {
    call: u64,
    update: Awaited,
    /// What was taken for the answer to one that was given up, and can be the answer to this one.
    doubtful: Option<Result<(), Error>>,
}

#[derive(Debug)]
struct Awaited {
    update: Update,
    until: Millis,
}

/// An update that is over.
#[derive(Debug)]
pub(crate) struct Over {
    /// Its call, if that still waits.
    pub call: Option<u64>,
    /// What holds from now on, or why it does not.
    pub result: Result<Update, Error>,
}

impl Updates {
    pub(crate) fn new(prompt: Millis, image: Millis) -> Self {
        Self { prompt, image, waiting: VecDeque::new(), sent: None, given_up: VecDeque::new() }
    }

    pub(crate) fn deadline(&self) -> Option<Millis> {
        self.sent.as_ref().map(|sent| sent.update.until)
    }

    pub(crate) fn add(&mut self, call: u64, update: Update) {
        self.waiting.push_back((call, update));
    }

    /// What to send now, if anything.
    pub(crate) fn next(&mut self, now: Millis) -> Option<ClientMessage> {
        if self.sent.is_some() {
            return None;
        }
        let (call, update) = self.waiting.pop_front()?;
        let message = update.message();
        let until = now.saturating_add(self.patience(&update));
        self.sent = Some(Sent { call, update: Awaited { update, until }, doubtful: None });
        Some(message)
    }

    /// The update that this acknowledges.
    pub(crate) fn acknowledged(
        &mut self,
        now: Millis,
        what: Called<'_>,
        result: Result<(), Error>,
    ) -> Option<Over> {
        self.given_up.retain(|awaited| awaited.until > now);
        if let Some(position) = self.given_up.iter().position(|awaited| awaited.update.is_called(what)) {
            if let Some(sent) = self.sent.as_mut().filter(|sent| sent.update.update.is_called(what)) {
                sent.doubtful = Some(result.clone());
            }
            // Those before it will not be acknowledged any more.
            let awaited = self.given_up.drain(..=position).next_back()?;
            return Some(Over { call: None, result: result.map(|()| awaited.update) });
        }
        let sent = self.sent.take_if(|sent| sent.update.update.is_called(what))?;
        self.given_up.clear();
        Some(Over { call: Some(sent.call), result: result.map(|()| sent.update.update) })
    }

    /// The update that is over because the server said that something is wrong, instead of acknowledging it.
    pub(crate) fn failed(&mut self) -> Option<u64> {
        self.sent.take().map(|sent| sent.call)
    }

    /// The update whose time is over now, if one's is.
    pub(crate) fn overdue(&mut self, now: Millis) -> Option<Over> {
        let sent = self.sent.take_if(|sent| sent.update.until <= now)?;
        self.given_up.retain(|awaited| awaited.until > now);
        let (call, update) = (Some(sent.call), sent.update.update);
        if let Some(result) = sent.doubtful {
            return Some(Over { call, result: result.map(|()| update) });
        }
        let until = now.saturating_add(self.patience(&update));
        self.given_up.push_back(Awaited { update, until });
        let late = Error::new(ErrorCode::Timeout, "the server did not acknowledge it in time");
        Some(Over { call, result: Err(late) })
    }

    /// Forgets all of them, and says which calls there were.
    pub(crate) fn clear(&mut self) -> Vec<u64> {
        self.given_up.clear();
        let sent = self.sent.take().map(|sent| sent.call);
        sent.into_iter().chain(self.waiting.drain(..).map(|(call, _)| call)).collect()
    }

    fn patience(&self, update: &Update) -> Millis {
        match update {
            Update::Prompt(_) => self.prompt,
            Update::Image(_) => self.image,
        }
    }
}

impl Update {
    fn is_called(&self, what: Called<'_>) -> bool {
        match (self, what) {
            (Self::Prompt(prompt), Called::Prompt(text)) => prompt.prompt == text,
            (Self::Image(_), Called::Image) => true,
            (Self::Prompt(_), Called::Image) | (Self::Image(_), Called::Prompt(_)) => false,
        }
    }
}

impl Look {
    /// Whether that is the acknowledgement of what a session begins with.
    pub(crate) fn is_called(&self, goes_on: bool, what: Called<'_>) -> bool {
        match (self, what) {
            (Self { prompt: Some(prompt), image: None }, Called::Prompt(text)) if !goes_on => {
                prompt.prompt == text
            }
            (Self { prompt: Some(_), image: None }, Called::Image) => goes_on,
            (Self { .. }, Called::Image) => true,
            (Self { .. }, Called::Prompt(_)) => false,
        }
    }
}
