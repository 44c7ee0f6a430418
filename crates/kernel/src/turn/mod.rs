//! The turn machine. See [`Turn`].

mod calls;
mod contract;
mod record;
mod retry;
mod step;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use wire::{AgentEvent, Chunk, ErrorCode, QueuedMessage, Role, StepId, Usage};

use crate::Message;
use crate::log::{Entry, Growth, LogOp, TextKind};
use crate::provider::{Failure, FinishReason, ProviderEvent};
use crate::tool::ToolResult;

pub use contract::{DoneReason, Input, Options, Outcome, Output, Start};
pub use retry::RetryPolicy;
use step::{CallState, Open, Step};

/// What a call that never ran, or did not end in time, gets as its result when the turn is stopped.
pub const ABORTED: &str = "Aborted";

/// Tells readers of live output that there was more than they are shown.
const LIVE_OUTPUT_ENDS: &str =
    "\n[live output ends here: it has reached its limit; the result will say more]\n";

/// One turn of a conversation: from the prompt to the seal.
///
/// # Driving it
///
/// After every [`Turn::handle`], call [`Turn::poll`] until it returns `None`. What it returned is one batch, to be
/// performed as a unit: first all [`Output::Log`] of it, in order, as one write; then the rest, in order. If the
/// write fails, nothing else of the batch happens, and the machine is told with [`Input::LogFailed`]. So nothing
/// reaches a client that is not in the log. Several inputs may be handled before one batch is drawn.
///
/// When [`Turn::deadline`] has passed, give it [`Input::Time`].
///
/// # What it guarantees, whatever its inputs
///
/// - Events follow the grammar at [`AgentEvent`].
/// - Chunks get the seqs that follow the prompt's, without a gap; every tool call gets exactly one result.
/// - After [`Input::Stop`] the turn ends within [`Options::stop_grace`], and it always ends with one `done`.
/// - Queued messages are only asked for where they can be delivered, and a message that is not delivered stays in the
///   queue.
///
/// After [`Input::LogFailed`] the log can promise nothing more: the turn says `error` and `done` and nothing else, and
/// the seal mends the log.
pub struct Turn {
    start: Start,
    options: Options,
    began: Instant,
    outputs: VecDeque<Output>,
    phase: Phase,
    step: Step,
    /// The working history: what was there, the prompt, and the finished steps.
    messages: Vec<Arc<Message>>,
    next_seq: u64,
    next_message: u64,
    next_run: u32,
    provider_call: u32,
    /// Ids of all tool calls in the conversation: a provider may repeat one, the log may not.
    call_ids: HashSet<String>,
    /// The sum of what providers reported; none if none did.
    usage: Option<Usage>,
    context_size: Option<u64>,
    jitter: fastrand::Rng,
    stopped: bool,
}

/// Where the turn is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The provider's stream of the current step is open.
    Streaming,
    /// The provider's stream failed before its first content; another one starts then.
    Waiting { until: Instant },
    /// The provider's stream of the current step is over; its tools are not.
    Tools { give_up: Option<Instant> },
    /// The queue was asked for.
    Draining,
    /// `done` is out.
    Sealing,
    /// Nothing more will come.
    Over,
}

impl Turn {
    /// Begins a turn whose prompt is already in the log.
    pub fn new(now: Instant, start: Start, options: Options) -> Self {
        let call_ids = start
            .history
            .iter()
            .flat_map(|message| &message.parts)
            .filter_map(|part| match &part.chunk {
                Chunk::ToolCall { tool_call_id, .. } => Some(tool_call_id.clone()),
                _ => None,
            })
            .collect();
        let mut messages = start.history.clone();
        messages.push(start.prompt.clone());
        let mut turn = Self {
            began: now,
            outputs: VecDeque::new(),
            phase: Phase::Draining,
            step: Step::new(StepId::of(&start.turn_id, 0), 0, now),
            messages,
            next_seq: start.next_seq,
            next_message: start.next_message,
            next_run: 0,
            provider_call: 0,
            call_ids,
            usage: None,
            context_size: None,
            jitter: fastrand::Rng::with_seed(start.jitter_seed),
            stopped: false,
            start,
            options,
        };
        let (conversation_id, turn_id) = turn.ids();
        let (client_message_id, client_message_ids) = client_ids(&turn.start.client_message_ids);
        turn.emit(AgentEvent::UserMessage {
            conversation_id,
            turn_id,
            text: turn.start.text.clone(),
            client_message_id,
            client_message_ids,
            images: Some(turn.start.images.clone()).filter(|images| !images.is_empty()),
        });
        let (conversation_id, turn_id) = turn.ids();
        turn.emit(AgentEvent::TurnStart { conversation_id, turn_id });
        turn.call_provider(now);
        turn
    }

    /// Takes in one input. Inputs that come too late, or for a call that is gone, change nothing.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Provider { call, event } => {
                if self.phase == Phase::Streaming && call == self.provider_call {
                    self.on_provider(now, event);
                }
            }
            Input::ProviderEnded { call } => {
                if self.phase == Phase::Streaming && call == self.provider_call {
                    self.on_stream_failed(now, stream_ended());
                }
            }
            Input::ToolOutput { run, output } => self.on_tool_output(run, output),
            Input::ToolDone { run, result } => self.on_tool_done(now, run, result),
            Input::Drained(messages) => {
                if self.phase == Phase::Draining {
                    self.on_drained(now, &messages);
                }
            }
            Input::Stop => self.on_stop(now),
            Input::Time => self.on_time(now),
            Input::LogFailed { message, code } => self.on_log_failed(now, message, code),
            Input::Sealed => {
                if self.phase == Phase::Sealing {
                    self.phase = Phase::Over;
                    let (conversation_id, turn_id) = self.ids();
                    self.emit(AgentEvent::TurnSealed { conversation_id, turn_id });
                }
            }
            Input::SealFailed { message, code } => {
                if self.phase == Phase::Sealing {
                    self.phase = Phase::Over;
                    self.emit_error(message, Some(code.as_str().to_owned()));
                }
            }
        }
    }

    /// The next thing to do, until there is nothing.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to come back with [`Input::Time`], if nothing else happens before.
    pub fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Waiting { until } => Some(until),
            Phase::Tools { give_up } => give_up,
            Phase::Streaming | Phase::Draining | Phase::Sealing | Phase::Over => None,
        }
    }

    /// Whether the turn is over: sealed, or given up on.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    fn on_provider(&mut self, now: Instant, event: ProviderEvent) {
        match event {
            ProviderEvent::TextDelta(delta) => self.grow(now, TextKind::Text, delta),
            ProviderEvent::ReasoningDelta(delta) => self.grow(now, TextKind::Thinking, delta),
            ProviderEvent::ReasoningEnd { replay } => {
                match self.step.open {
                    Some(Open { kind: TextKind::Thinking, .. }) => self.close_open(replay),
                    Some(Open { kind: TextKind::Text, .. }) | None => {
                        // Reasoning that the provider hides still has to go back to it.
                        if replay.is_some() {
                            self.close_open(None);
                            self.append_part(Chunk::Thinking { text: String::new() }, replay);
                        }
                    }
                }
                self.step.has_content = true;
            }
            ProviderEvent::ToolCall { id, name, input } => self.on_tool_call(now, id, name, input),
            ProviderEvent::Usage(usage) => self.step.usage = Some(usage),
            ProviderEvent::Finish(reason) => {
                self.step.finish = Some(reason);
                self.end_stream(now);
            }
            ProviderEvent::Error(failure) => self.on_stream_failed(now, failure),
        }
    }

    fn grow(&mut self, now: Instant, kind: TextKind, delta: String) {
        if delta.is_empty() {
            return;
        }
        self.step.has_content = true;
        self.step.first_token.get_or_insert(now);
        if self.step.open.as_ref().is_none_or(|open| open.kind != kind) {
            self.close_open(None);
            self.step.open = Some(Open { seq: self.take_seq(), kind, text: String::new() });
        }
        let message = self.assistant_message();
        if let Some(open) = &mut self.step.open {
            open.text.push_str(&delta);
            let growth = Growth { seq: open.seq, message, kind, delta: delta.clone() };
            self.outputs.push_back(Output::Log(LogOp::Grow(growth)));
        }
        let (conversation_id, turn_id) = self.ids();
        self.emit(match kind {
            TextKind::Text => AgentEvent::TextDelta { conversation_id, turn_id, delta },
            TextKind::Thinking => AgentEvent::ReasoningDelta { conversation_id, turn_id, delta },
        });
    }

    fn on_stream_failed(&mut self, now: Instant, failure: Failure) {
        self.step.ended = Some(now);
        let content = self.step.has_content;
        if !content && failure.retryable && !self.stopped {
            let attempt = self.step.failures + 1;
            let delay =
                self.options.retry.delay(attempt, self.step.waited, failure.retry_after, &mut self.jitter);
            if let Some(delay) = delay {
                self.step.failures = attempt;
                self.step.waited += delay;
                self.phase = Phase::Waiting { until: now + delay };
                self.outputs.push_back(Output::CancelProvider);
                let (conversation_id, turn_id) = self.ids();
                self.outputs.push_back(Output::Announce(wire::extension::ExtensionEvent::ProviderRetry {
                    conversation_id,
                    turn_id,
                    attempt,
                    delay_ms: millis(delay),
                    message: failure.message,
                    code: failure.code,
                }));
                return;
            }
        }
        self.step.failed = true;
        self.close_open(None);
        self.append_part(Chunk::Error { message: failure.message.clone(), code: failure.code.clone() }, None);
        self.emit_error(failure.message, failure.code);
        self.outputs.push_back(Output::CancelProvider);
        self.end_stream(now);
    }

    /// The provider has said all that it will say in this step.
    fn end_stream(&mut self, now: Instant) {
        self.close_open(None);
        let metrics = self.step.metrics(self.step.ended.unwrap_or(now));
        if let Some(usage) = self.step.usage {
            self.usage.get_or_insert_default().add(&usage);
            let (conversation_id, turn_id) = self.ids();
            let step_id = Some(self.step.id.clone());
            self.emit(AgentEvent::Usage { conversation_id, turn_id, step_id, usage });
        }
        self.context_size =
            self.step.usage.map(|usage| usage.input_tokens.saturating_add(usage.output_tokens));
        self.outputs.push_back(Output::Log(LogOp::Step(metrics.clone())));
        let (conversation_id, turn_id) = self.ids();
        self.emit(AgentEvent::StepComplete {
            conversation_id,
            turn_id,
            step_id: metrics.step_id.clone(),
            ttft_ms: metrics.ttft_ms,
            decode_ms: metrics.decode_ms,
            gen_total_ms: metrics.gen_total_ms,
        });
        self.phase = Phase::Tools { give_up: None };
        if !self.stopped {
            self.dispatch(now);
        }
        self.finish_step_if_complete(now);
    }

    fn finish_step_if_complete(&mut self, now: Instant) {
        if !matches!(self.phase, Phase::Tools { .. }) || self.step.calls.iter().any(|call| !call.is_done()) {
            return;
        }
        let parts = std::mem::take(&mut self.step.parts);
        if !parts.is_empty() {
            self.messages.push(Arc::new(Message { role: Role::Assistant, parts }));
        }
        let calls = std::mem::take(&mut self.step.calls);
        let called = !calls.is_empty();
        for call in calls {
            self.answer(call);
        }
        let limited = self.options.max_steps > 0 && self.step.index + 1 >= self.options.max_steps;
        if self.stopped {
            self.finish(now, DoneReason::Aborted);
        } else if self.step.failed {
            self.finish(now, DoneReason::Error);
        } else if !called {
            self.finish(
                now,
                match self.step.finish {
                    Some(FinishReason::Length) => DoneReason::Length,
                    Some(FinishReason::ContentFilter) => DoneReason::ContentFilter,
                    Some(FinishReason::Stop | FinishReason::ToolCalls) | None => DoneReason::Stop,
                },
            );
        } else if limited {
            self.finish(now, DoneReason::MaxSteps);
        } else {
            self.phase = Phase::Draining;
            self.outputs.push_back(Output::Drain);
        }
    }

    fn on_drained(&mut self, now: Instant, messages: &[QueuedMessage]) {
        if !messages.is_empty() {
            let text = messages.iter().map(|message| message.text.as_str()).collect::<Vec<_>>().join("\n\n");
            let entry = Entry {
                seq: self.take_seq(),
                message: self.take_message(),
                role: Role::User,
                chunk: Chunk::Text { text: text.clone() },
                replay: None,
            };
            let ids = messages.iter().map(|message| message.id.clone()).collect();
            self.outputs.push_back(Output::Log(LogOp::Deliver(entry, ids)));
            self.messages.push(Arc::new(Message::user(text.clone())));
            let (conversation_id, turn_id) = self.ids();
            let ids: Vec<_> = messages.iter().map(|message| message.client_message_id.clone()).collect();
            let (client_message_id, client_message_ids) = client_ids(&ids);
            self.emit(AgentEvent::Steering {
                conversation_id,
                turn_id,
                text,
                client_message_id,
                client_message_ids,
            });
        }
        let index = self.step.index + 1;
        self.step = Step::new(StepId::of(&self.start.turn_id, index), index, now);
        self.call_provider(now);
    }

    fn on_stop(&mut self, now: Instant) {
        if self.stopped || matches!(self.phase, Phase::Sealing | Phase::Over) {
            return;
        }
        self.stopped = true;
        match self.phase {
            Phase::Streaming => {
                self.outputs.push_back(Output::CancelProvider);
                self.abort_calls();
                self.end_stream(now);
            }
            Phase::Waiting { .. } => self.end_stream(now),
            Phase::Tools { .. } => {
                self.abort_calls();
                self.finish_step_if_complete(now);
            }
            Phase::Draining => self.finish(now, DoneReason::Aborted),
            Phase::Sealing | Phase::Over => {}
        }
        if let Phase::Tools { give_up } = &mut self.phase {
            *give_up = Some(now + self.options.stop_grace);
        }
    }

    fn on_time(&mut self, now: Instant) {
        match self.phase {
            Phase::Waiting { until } if now >= until => self.call_provider(now),
            Phase::Tools { give_up: Some(give_up) } if now >= give_up => {
                for call in &mut self.step.calls {
                    if let CallState::Running { since } = call.state {
                        let duration = Some(millis(now.saturating_duration_since(since)));
                        call.state = CallState::Done { result: ToolResult::error(ABORTED), duration };
                    }
                }
                self.finish_step_if_complete(now);
            }
            Phase::Streaming
            | Phase::Waiting { .. }
            | Phase::Tools { .. }
            | Phase::Draining
            | Phase::Sealing
            | Phase::Over => {}
        }
    }

    fn on_log_failed(&mut self, now: Instant, message: String, code: ErrorCode) {
        if self.phase == Phase::Over {
            return;
        }
        self.outputs.clear();
        self.step.calls.clear();
        self.step.open = None;
        self.outputs.push_back(Output::CancelProvider);
        self.outputs.push_back(Output::CancelTools);
        self.emit_error(message, Some(code.as_str().to_owned()));
        self.finish(now, DoneReason::Error);
    }

    fn finish(&mut self, now: Instant, reason: DoneReason) {
        let duration_ms = millis(now.saturating_duration_since(self.began));
        let (conversation_id, turn_id) = self.ids();
        self.emit(AgentEvent::Done {
            conversation_id,
            turn_id,
            reason: reason.as_str().to_owned(),
            duration_ms: Some(duration_ms),
            usage: self.usage,
            context_size: self.context_size,
        });
        self.outputs.push_back(Output::Seal(Outcome {
            reason,
            duration_ms,
            context_size: self.context_size,
        }));
        self.phase = Phase::Sealing;
    }

    fn call_provider(&mut self, now: Instant) {
        self.provider_call += 1;
        self.step.began = now;
        self.step.ended = None;
        self.step.usage = None;
        self.phase = Phase::Streaming;
        self.outputs.push_back(Output::CallProvider {
            call: self.provider_call,
            request: self.start.request(self.messages.clone(), None),
        });
    }
}

/// How clients recognise their messages: by its id where one message came alone, by all ids where several were joined.
fn client_ids(messages: &[Option<String>]) -> (Option<String>, Option<Vec<String>>) {
    match messages {
        [only] => (only.clone(), None),
        several => {
            let ids: Vec<String> = several.iter().flatten().cloned().collect();
            (None, (!ids.is_empty()).then_some(ids))
        }
    }
}

fn stream_ended() -> Failure {
    Failure {
        message: "the provider's stream ended before it said that it was finished".to_owned(),
        code: Some(ErrorCode::ProviderStreamEnded.as_str().to_owned()),
        retryable: true,
        retry_after: None,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
