//! What a second and a token cost.

use serde::{Deserialize, Serialize};
use wire::Usage;

use crate::{Credits, KeyId};

/// Tokens have prices per so many of them.
const MILLION: u128 = 1_000_000;

/// An amount that is not negative: nobody is paid for using something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Credits", into = "Credits")]
pub struct Rate(Credits);

/// A price was below zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a price must not be negative, and this one is {0}")]
pub struct NegativeRate(pub Credits);

impl Rate {
    /// For nothing.
    pub const FREE: Self = Self(Credits::ZERO);

    /// The amount.
    pub fn credits(self) -> Credits {
        self.0
    }

    fn micros(self) -> u128 {
        u128::from(self.0.micros().unsigned_abs())
    }
}

impl TryFrom<Credits> for Rate {
    type Error = NegativeRate;

    fn try_from(amount: Credits) -> Result<Self, NegativeRate> {
        if amount < Credits::ZERO { Err(NegativeRate(amount)) } else { Ok(Self(amount)) }
    }
}

impl From<Rate> for Credits {
    fn from(rate: Rate) -> Self {
        rate.0
    }
}

/// The price of a model. What is not said is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Price {
    /// Of a second of active generation.
    pub per_second: Rate,
    /// Of a million tokens of a prompt.
    pub per_million_input_tokens: Rate,
    /// Of a million tokens that the model produced.
    pub per_million_output_tokens: Rate,
    /// Of a million tokens of a prompt that were read from a cache; absent, they cost what others do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_million_cached_tokens: Option<Rate>,
}

impl Price {
    /// Of what costs nothing.
    pub const FREE: Self = Self {
        per_second: Rate::FREE,
        per_million_input_tokens: Rate::FREE,
        per_million_output_tokens: Rate::FREE,
        per_million_cached_tokens: None,
    };

    /// Whether tokens cost anything.
    pub fn charges_tokens(&self) -> bool {
        let Self { per_million_input_tokens, per_million_output_tokens, per_million_cached_tokens, .. } =
            *self;
        let rates =
            [Some(per_million_input_tokens), Some(per_million_output_tokens), per_million_cached_tokens];
        rates.into_iter().flatten().any(|rate| rate != Rate::FREE)
    }

    /// What a step costs: the exact sum, rounded once, to the nearest millionth of a credit (halves go up). None if there
    /// is no such amount.
    pub fn of_step(&self, usage: &Usage) -> Option<Credits> {
        let cached = usage.cache_read_tokens.unwrap_or(0).min(usage.input_tokens);
        let cached_rate = self.per_million_cached_tokens.unwrap_or(self.per_million_input_tokens);
        // No overflow: the first two factors are at most 2⁶⁴ together, the third is, and rates are below 2⁶³.
        let sum = u128::from(usage.input_tokens - cached) * self.per_million_input_tokens.micros()
            + u128::from(cached) * cached_rate.micros()
            + u128::from(usage.output_tokens) * self.per_million_output_tokens.micros();
        let micros = (sum + MILLION / 2) / MILLION;
        i64::try_from(micros).ok().map(Credits::from_micros)
    }
}

/// Who pays for a turn, and at which price. Both are as they were when the turn began, whatever becomes of the
/// configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payer {
    /// The key.
    pub key: KeyId,
    /// The price of the turn's model.
    pub price: Price,
}
