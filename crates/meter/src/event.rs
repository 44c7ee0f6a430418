//! Rows of the ledger as others see them.

use serde::{Deserialize, Serialize};
use wire::{ConversationId, TurnId, Usage};

use crate::{ConnectionId, Credits, DepositId, KeyId, SessionId};

/// A row of the ledger, as it is exported.
///
/// An event may be delivered more than once: the id is always the same, and no other event has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// See [`Entry::id`].
    pub id: String,
    /// Where the row is in the ledger: 1, 2, 3 … without gaps.
    pub position: u64,
    /// Milliseconds since the Unix epoch.
    pub at: u64,
    /// Whose balance it changes.
    pub key: KeyId,
    /// What happened.
    #[serde(flatten)]
    pub entry: Entry,
}

impl Event {
    /// A row.
    pub fn new(position: u64, at: u64, key: KeyId, entry: Entry) -> Self {
        Self { id: entry.id(), position, at, key, entry }
    }
}

/// What a row of the ledger says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Entry {
    /// A second of a connection was generated.
    Second {
        /// The logical session.
        session: SessionId,
        /// The connection.
        connection: ConnectionId,
        /// Which of the connection's seconds, from 1.
        n: u64,
        /// The model.
        model: String,
        /// What it cost.
        credits: Credits,
    },
    /// A step of a turn is complete.
    Step {
        /// The conversation.
        conversation: ConversationId,
        /// The turn.
        turn: TurnId,
        /// Which of the turn's steps, from 0.
        n: u64,
        /// The model, `credential/model`; absent if nobody chose one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        /// What it used.
        usage: Usage,
        /// What it cost.
        credits: Credits,
    },
    /// Somebody added to the key's balance.
    Credit {
        /// The addition.
        deposit: DepositId,
        /// What whoever added says about it.
        note: String,
        /// How much was added; a correction is negative.
        credits: Credits,
    },
    /// A connection has ended: all its seconds are in the ledger before this. Changes no balance.
    Ended {
        /// The logical session.
        session: SessionId,
        /// The connection.
        connection: ConnectionId,
        /// The model.
        model: String,
        /// Why it ended.
        reason: String,
        /// How many seconds it had.
        seconds: u64,
        /// What they cost.
        credits: Credits,
    },
}

impl Entry {
    /// Names what happened, once and for all: `second:<connection>:<n>`, `step:<turn>:<n>`, `credit:<deposit>`,
    /// `ended:<connection>`.
    pub fn id(&self) -> String {
        match self {
            Self::Second { connection, n, .. } => format!("second:{connection}:{n}"),
            Self::Step { turn, n, .. } => format!("step:{turn}:{n}"),
            Self::Credit { deposit, .. } => format!("credit:{deposit}"),
            Self::Ended { connection, .. } => format!("ended:{connection}"),
        }
    }

    /// By how much the key's balance changes.
    pub fn change(&self) -> Credits {
        match self {
            Self::Second { credits, .. } | Self::Step { credits, .. } => {
                Credits::from_micros(credits.micros().saturating_neg())
            }
            Self::Credit { credits, .. } => *credits,
            Self::Ended { .. } => Credits::ZERO,
        }
    }
}
