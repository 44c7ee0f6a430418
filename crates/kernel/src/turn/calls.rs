//! The tool calls of a step: when each starts, what it says while it runs, and its one result.

use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;
use wire::{AgentEvent, Chunk, Role};

use super::step::{Call, CallState};
use super::{ABORTED, LIVE_OUTPUT_ENDS, Output, Phase, Turn, millis};
use crate::Message;
use crate::log::{Entry, LogOp};
use crate::tool::{ToolOutput, ToolResult};

impl Turn {
    pub(super) fn on_tool_call(&mut self, now: Instant, id: String, name: String, input: Value) {
        self.close_open(None);
        self.step.has_content = true;
        let id = self.unique_call_id(id);
        let step_id = self.step.id.clone();
        self.append_part(
            Chunk::ToolCall {
                tool_call_id: id.clone(),
                tool_name: name.clone(),
                input: input.clone(),
                step_id: Some(step_id.clone()),
            },
            None,
        );
        let (conversation_id, turn_id) = self.ids();
        self.emit(AgentEvent::ToolCall {
            conversation_id,
            turn_id,
            step_id,
            tool_call_id: id.clone(),
            tool_name: name.clone(),
            input: input.clone(),
        });
        let run = self.next_run;
        self.next_run += 1;
        let exclusive = self.start.tools.iter().find(|spec| spec.name == name).map(|spec| spec.exclusive);
        let state = match exclusive {
            Some(_) => CallState::Waiting,
            None => {
                CallState::Done { result: ToolResult::error(format!("Unknown tool: {name}")), duration: None }
            }
        };
        self.step.calls.push(Call {
            run,
            id,
            name,
            input,
            exclusive: exclusive.unwrap_or(false),
            live_bytes: 0,
            state,
        });
        if self.options.eager {
            self.dispatch(now);
        }
    }

    /// Starts the calls that may start: in order, at most so many at a time, an exclusive one alone.
    pub(super) fn dispatch(&mut self, now: Instant) {
        let limit = match self.options.max_concurrent {
            0 => usize::MAX,
            limit => limit,
        };
        let mut running = self.step.calls.iter().filter(|call| call.is_running()).count();
        let mut alone = self.step.calls.iter().any(|call| call.is_running() && call.exclusive);
        for call in &mut self.step.calls {
            if !matches!(call.state, CallState::Waiting) {
                continue;
            }
            if alone || running >= limit || (call.exclusive && running > 0) {
                break;
            }
            running += 1;
            alone = call.exclusive;
            call.state = CallState::Running { since: now };
            self.outputs.push_back(Output::RunTool {
                run: call.run,
                tool_call_id: call.id.clone(),
                name: call.name.clone(),
                input: call.input.clone(),
            });
        }
    }

    pub(super) fn on_tool_output(&mut self, run: u32, output: ToolOutput) {
        let limit = self.options.live_output_limit;
        let Some(call) = self.step.calls.iter_mut().find(|call| call.run == run && call.is_running()) else {
            return;
        };
        if output.data.is_empty()
            || call.live_bytes > limit
            || !matches!(self.phase, Phase::Streaming | Phase::Tools { .. })
        {
            return;
        }
        call.live_bytes += output.data.len();
        let data = if call.live_bytes > limit { LIVE_OUTPUT_ENDS.to_owned() } else { output.data };
        let tool_call_id = call.id.clone();
        let (conversation_id, turn_id) = self.ids();
        self.emit(AgentEvent::ToolOutput {
            conversation_id,
            turn_id,
            tool_call_id,
            data,
            stream: output.stream,
        });
    }

    pub(super) fn on_tool_done(&mut self, now: Instant, run: u32, result: ToolResult) {
        let Some(call) = self.step.calls.iter_mut().find(|call| call.run == run) else { return };
        let CallState::Running { since } = call.state else { return };
        call.state = CallState::Done { result, duration: Some(millis(now.saturating_duration_since(since))) };
        match self.phase {
            Phase::Streaming => {
                if self.options.eager {
                    self.dispatch(now);
                }
            }
            Phase::Tools { .. } => {
                if !self.stopped {
                    self.dispatch(now);
                }
                self.finish_step_if_complete(now);
            }
            Phase::Waiting { .. } | Phase::Draining | Phase::Sealing | Phase::Over => {}
        }
    }

    /// Calls that have not started never will; those that run are told to end.
    pub(super) fn abort_calls(&mut self) {
        let mut running = false;
        for call in &mut self.step.calls {
            match call.state {
                CallState::Waiting => {
                    call.state = CallState::Done { result: ToolResult::error(ABORTED), duration: None };
                }
                CallState::Running { .. } => running = true,
                CallState::Done { .. } => {}
            }
        }
        if running {
            self.outputs.push_back(Output::CancelTools);
        }
    }

    /// Puts a call's result into the log, the stream and the working history.
    pub(super) fn answer(&mut self, call: Call) {
        let CallState::Done { result, duration } = call.state else { return };
        let step_id = self.step.id.clone();
        let chunk = Chunk::ToolResult {
            tool_call_id: call.id.clone(),
            tool_name: call.name.clone(),
            content: result.content.clone(),
            is_error: result.is_error,
            step_id: Some(step_id.clone()),
        };
        let entry = Entry {
            seq: self.take_seq(),
            message: self.take_message(),
            role: Role::Tool,
            chunk: chunk.clone(),
            replay: None,
        };
        self.outputs.push_back(Output::Log(LogOp::Answer(entry, duration)));
        self.messages.push(Arc::new(Message { role: Role::Tool, parts: vec![chunk.into()] }));
        let (conversation_id, turn_id) = self.ids();
        self.emit(AgentEvent::ToolResult {
            conversation_id,
            turn_id,
            step_id,
            tool_call_id: call.id,
            tool_name: call.name,
            content: result.content,
            is_error: result.is_error,
            duration_ms: duration,
        });
    }
}
