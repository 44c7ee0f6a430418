//! The step in progress.

use std::time::{Duration, Instant};

use serde_json::Value;
use wire::{StepId, StepMetrics, Usage};

use super::millis;
use crate::Part;
use crate::log::TextKind;
use crate::provider::FinishReason;
use crate::tool::ToolResult;

/// One round-trip to the model, and the tools it asked for.
pub(super) struct Step {
    pub(super) id: StepId,
    pub(super) index: u32,
    /// When the current provider call was made.
    pub(super) began: Instant,
    /// When the last provider call failed, until another one is made.
    pub(super) ended: Option<Instant>,
    pub(super) first_token: Option<Instant>,
    /// Whether the provider has said anything that a client saw: from then on the call is not tried again.
    pub(super) has_content: bool,
    /// The number of the assistant message, once it has a chunk.
    pub(super) message: Option<u64>,
    /// The complete chunks of the assistant message.
    pub(super) parts: Vec<Part>,
    /// The chunk that is growing.
    pub(super) open: Option<Open>,
    pub(super) usage: Option<Usage>,
    pub(super) finish: Option<FinishReason>,
    pub(super) failed: bool,
    /// How many provider calls failed before their first content.
    pub(super) failures: u32,
    /// How long the step has waited between provider calls.
    pub(super) waited: Duration,
    pub(super) calls: Vec<Call>,
}

pub(super) struct Open {
    pub(super) seq: u64,
    pub(super) kind: TextKind,
    pub(super) text: String,
}

pub(super) struct Call {
    pub(super) run: u32,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) input: Value,
    pub(super) exclusive: bool,
    /// Bytes of live output so far.
    pub(super) live_bytes: usize,
    pub(super) state: CallState,
}

pub(super) enum CallState {
    Waiting,
    Running { since: Instant },
    Done { result: ToolResult, duration: Option<u64> },
}

impl Step {
    pub(super) fn new(id: StepId, index: u32, now: Instant) -> Self {
        Self {
            id,
            index,
            began: now,
            ended: None,
            first_token: None,
            has_content: false,
            message: None,
            parts: Vec::new(),
            open: None,
            usage: None,
            finish: None,
            failed: false,
            failures: 0,
            waited: Duration::ZERO,
            calls: Vec::new(),
        }
    }

    /// The step's metrics, if its stream ended then. The parts always add up to the total.
    pub(super) fn metrics(&self, end: Instant) -> StepMetrics {
        let total = millis(end.saturating_duration_since(self.began));
        let ttft =
            self.first_token.map(|first| millis(first.saturating_duration_since(self.began)).min(total));
        StepMetrics {
            step_id: self.id.clone(),
            usage: self.usage.unwrap_or_default(),
            ttft_ms: ttft,
            decode_ms: ttft.map(|ttft| total - ttft),
            gen_total_ms: Some(total),
        }
    }
}

impl Call {
    pub(super) fn is_running(&self) -> bool {
        matches!(self.state, CallState::Running { .. })
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, CallState::Done { .. })
    }
}
