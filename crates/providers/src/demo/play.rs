//! Streams a script, token by token.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use kernel::provider::EventStream;
use kernel::{Failure, FinishReason, ProviderEvent, Request};
use serde_json::Value;
use tokio::time;
use wire::{Chunk, Role, Usage};

use super::script::{Beat, FAILED, Script};
use crate::failure;

pub(super) struct Player {
    cues: VecDeque<Cue>,
}

struct Cue {
    wait: Duration,
    event: ProviderEvent,
}

impl Player {
    pub(super) fn new(script: Script, request: &Request, delay: Duration, stall: Duration) -> Self {
        let mut player = Writer {
            cues: VecDeque::new(),
            usage: prompt_tokens(request),
            room: request.max_tokens.unwrap_or(u64::MAX),
            delay,
        };
        let mut end = script.finish.map(ProviderEvent::Finish);
        let mut wait = Duration::ZERO;
        for beat in script.beats {
            let written = match beat {
                Beat::Text(text) => player.speak(&text, delay, ProviderEvent::TextDelta),
                Beat::Slow(text, times) => {
                    let delay = delay.saturating_mul(times).max(Duration::from_millis(10));
                    player.speak(&text, delay, ProviderEvent::TextDelta)
                }
                Beat::Reasoning(text) => {
                    player.speak(&text, delay, ProviderEvent::ReasoningDelta)
                        && player.cue(0, Duration::ZERO, ProviderEvent::ReasoningEnd { replay: None })
                }
                Beat::Call { id, name, input } => player.call(id, name, input),
                Beat::Stall => {
                    wait = stall;
                    end = Some(ProviderEvent::Error(failure::stalled(stall)));
                    break;
                }
                Beat::Fail { message, retryable } => {
                    let code = Some(FAILED.to_string());
                    end = Some(ProviderEvent::Error(Failure { message, code, retryable, retry_after: None }));
                    break;
                }
            };
            if !written {
                end = Some(ProviderEvent::Finish(FinishReason::Length));
                break;
            }
        }
        player.cues.push_back(Cue { wait, event: ProviderEvent::Usage(player.usage) });
        player.cues.extend(end.map(|event| Cue { wait: Duration::ZERO, event }));
        Self { cues: player.cues }
    }

    pub(super) fn events(self) -> EventStream {
        stream::unfold(self.cues, |mut cues| async move {
            let Cue { wait, event } = cues.pop_front()?;
            if !wait.is_zero() {
                time::sleep(wait).await;
            }
            Some((event, cues))
        })
        .boxed()
    }
}

struct Writer {
    cues: VecDeque<Cue>,
    usage: Usage,
    room: u64,
    delay: Duration,
}

impl Writer {
    /// False if the answer has become too long.
    fn speak(&mut self, text: &str, delay: Duration, event: fn(String) -> ProviderEvent) -> bool {
        pieces(text).all(|piece| self.cue(1, delay, event(piece.to_owned())))
    }

    fn call(&mut self, id: String, name: String, input: Value) -> bool {
        let tokens = tokens(input.to_string().len());
        // A call is not there until all of it is.
        let wait = self.delay.saturating_mul(u32::try_from(tokens).unwrap_or(u32::MAX).min(40));
        self.cue(tokens, wait, ProviderEvent::ToolCall { id, name, input })
    }

    fn cue(&mut self, tokens: u64, wait: Duration, event: ProviderEvent) -> bool {
        if self.usage.output_tokens + tokens > self.room {
            return false;
        }
        self.usage.output_tokens += tokens;
        self.cues.push_back(Cue { wait, event });
        true
    }
}

/// Pieces of a word or part of one, the space before it included.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    const LONGEST: usize = 6;
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut end = rest.len();
        for (count, (at, c)) in rest.char_indices().enumerate() {
            if count >= LONGEST || (count > 0 && c.is_whitespace()) {
                end = at;
                break;
            }
        }
        let (piece, after) = rest.split_at(end);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Four characters are a token, give or take.
fn tokens(chars: usize) -> u64 {
    u64::try_from(chars.div_ceil(4)).unwrap_or(u64::MAX)
}

/// The tokens of the prompt. What an earlier request of the conversation had already counts as read from a cache, as
/// it would be with a real provider.
fn prompt_tokens(request: &Request) -> Usage {
    let fixed = request.system.as_deref().map_or(0, str::len)
        + request.tools.iter().map(|tool| tool.name.len() + tool.description.len()).sum::<usize>();
    let sizes: Vec<usize> = request
        .messages
        .iter()
        .map(|message| message.parts.iter().map(|part| size(&part.chunk)).sum::<usize>())
        .collect();
    let answered = request.messages.iter().rposition(|message| message.role == Role::Assistant);
    let earlier = answered.map_or(0, |at| fixed + sizes[..at].iter().sum::<usize>());
    Usage {
        input_tokens: tokens(fixed + sizes.iter().sum::<usize>()),
        output_tokens: 0,
        cache_read_tokens: Some(tokens(earlier)),
        cache_write_tokens: None,
    }
}

fn size(chunk: &Chunk) -> usize {
    match chunk {
        Chunk::Text { text } | Chunk::System { text } => text.len(),
        Chunk::ToolCall { tool_name, input, .. } => tool_name.len() + input.to_string().len(),
        Chunk::ToolResult { content, .. } => content.len(),
        Chunk::Thinking { .. } | Chunk::Error { .. } | Chunk::Image(_) => 0,
    }
}
