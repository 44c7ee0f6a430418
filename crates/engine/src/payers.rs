//! Who pays for what waits in a queue, and what turns cost.

use std::collections::BTreeMap;

use meter::{KeyId, Price};
use serde::{Deserialize, Serialize};
use store::Attribute;
use wire::{ConversationId, QueuedMessage};

use crate::prepare::{Choice, Wishes, choose};
use crate::{Error, Shared, now_ms};

/// Who pays for queued messages, by their ids. What is not in it is paid by [`KeyId::LOCAL`].
#[derive(Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Payers {
    by_message: BTreeMap<String, KeyId>,
}

impl Payers {
    /// Of a conversation's queue, as it is kept.
    pub(crate) async fn of_queue(
        shared: &Shared,
        id: &ConversationId,
        queue: &[QueuedMessage],
    ) -> Result<Self, Error> {
        if queue.is_empty() {
            return Ok(Self::default());
        }
        let kept = shared.store.attribute(id, Attribute::QueuePayers).await?;
        let read = kept.map(|kept| serde_json::from_str(&kept)).transpose();
        read.map(Option::unwrap_or_default).map_err(|error| {
            Error::Store(store::Error::Corrupt(format!("who pays for the queue cannot be read: {error}")))
        })
    }

    /// Who pays for a message.
    pub(crate) fn of(&self, message: &str) -> KeyId {
        self.by_message.get(message).cloned().unwrap_or_else(KeyId::local)
    }

    /// Keeps, durably, who pays for a message that is about to be queued, and forgets those that are queued no longer.
    pub(crate) async fn keep(
        &mut self,
        shared: &Shared,
        id: &ConversationId,
        queue: &[QueuedMessage],
        (message, payer): (&str, &KeyId),
    ) -> Result<(), Error> {
        if payer.as_str() == KeyId::LOCAL {
            return Ok(());
        }
        let queued = queue.iter().map(|queued| queued.id.as_str());
        let known = queued.filter_map(|queued| self.by_message.get_key_value(queued));
        let mut by_message: BTreeMap<String, KeyId> =
            known.map(|(queued, payer)| (queued.clone(), payer.clone())).collect();
        by_message.insert(message.to_owned(), payer.clone());
        let payers = Self { by_message };
        let kept = serde_json::to_string(&payers).map_err(|error| {
            Error::Store(store::Error::Misfit(format!("who pays for the queue cannot be written: {error}")))
        })?;
        shared.store.set_attribute(id, now_ms(), Attribute::QueuePayers, Some(kept)).await?;
        *self = payers;
        Ok(())
    }
}

/// What the tokens of a turn cost; nothing where nobody answers.
pub(crate) fn price(shared: &Shared, choice: &Choice) -> Price {
    let model = choice.model.as_ref().filter(|_| choice.resolved.is_some());
    model.and_then(|model| shared.options.prices.get(model)).copied().unwrap_or(Price::FREE)
}

/// Whether a key could begin a turn now: a message of one that cannot is not queued, and interrupts nothing.
pub(crate) async fn admit(
    shared: &Shared,
    id: &ConversationId,
    key: &KeyId,
    model: Option<String>,
) -> Result<(), Error> {
    if key.as_str() == KeyId::LOCAL {
        return Ok(());
    }
    let choice = choose(shared, id, &Wishes { model, ..Wishes::default() }).await?;
    let known = shared.store.key(key).await?.ok_or(store::Error::NoSuchKey)?;
    let admitted = known.account().admit_turn(&price(shared, &choice));
    Ok(admitted.map_err(store::Error::from)?)
}
