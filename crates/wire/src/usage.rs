//! Tokens, timings and the effort knob.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{StepId, TurnId};

/// Token counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Tokens of the whole prompt, those read from and written to a cache included, whatever the provider counts.
    pub input_tokens: u64,
    /// Tokens that the model produced, reasoning included.
    pub output_tokens: u64,
    /// How many of the input tokens were read from the provider's prompt cache. Absent if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read_tokens: Option<u64>,
    /// How many of the input tokens were written to the provider's prompt cache. Absent if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u64>,
}

impl Usage {
    /// Adds another step's counters. A cache counter is present in the sum if any step reported it.
    pub fn add(&mut self, other: &Usage) {
        fn sum(a: Option<u64>, b: Option<u64>) -> Option<u64> {
            match (a, b) {
                (None, None) => None,
                (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
            }
        }
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.cache_read_tokens = sum(self.cache_read_tokens, other.cache_read_tokens);
        self.cache_write_tokens = sum(self.cache_write_tokens, other.cache_write_tokens);
    }
}

/// Metrics of a finished step: what its `usage` and `step-complete` events said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepMetrics {
    /// The step.
    pub step_id: StepId,
    /// Its tokens; zeros if the provider reported none.
    pub usage: Usage,
    /// Milliseconds from the start of the stream to the first text or reasoning. Absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft_ms: Option<u64>,
    /// Milliseconds from the first text or reasoning to the end of the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_ms: Option<u64>,
    /// Milliseconds from the start of the stream to its end: `ttftMs + decodeMs` when those are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gen_total_ms: Option<u64>,
}

/// Metrics of a sealed turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TurnMetrics {
    /// The turn.
    pub turn_id: TurnId,
    /// The sum of the steps' tokens.
    pub usage: Usage,
    /// Milliseconds from the start of the turn to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// The steps, in order.
    pub steps: Vec<StepMetrics>,
    /// Tokens that the conversation occupies as of this turn: input plus output of its last step. Absent when that
    /// step reported no usage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_size: Option<u64>,
}

/// How much reasoning the model should spend. Each provider maps a level to its own knob, or ignores it.
///
/// Resolved per turn: the request's value, else the conversation's, else `high`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReasoningEffort {
    /// The least.
    Low,
    /// Between low and high.
    Medium,
    /// What holds when nobody chose.
    #[default]
    High,
    /// More than high.
    Xhigh,
    /// All that the model can spend.
    Max,
}

impl ReasoningEffort {
    /// All levels, the least first.
    pub const ALL: [Self; 5] = [Self::Low, Self::Medium, Self::High, Self::Xhigh, Self::Max];

    /// The level's name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Xhigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// The level of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == name)
    }
}
