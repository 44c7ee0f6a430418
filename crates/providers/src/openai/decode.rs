//! A stream of chat completion chunks, as servers really send them.

use std::collections::VecDeque;
use std::sync::Arc;

use kernel::{FinishReason, Message, ProviderEvent};
use reqwest::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use wire::Usage;

use super::calls::Calls;
use crate::{failure, sse, stream};

pub(super) struct Decoder {
    calls: Calls,
    has_text: bool,
    usage: Option<Usage>,
    finish: Option<FinishReason>,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Option<Vec<Choice>>,
    #[serde(default, deserialize_with = "if_readable")]
    usage: Option<Counters>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: Option<u64>,
    #[serde(default)]
    delta: Option<Delta>,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<Content>,
    #[serde(default)]
    reasoning_content: Option<String>,
    #[serde(default)]
    reasoning: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<CallDelta>>,
    /// What `tool_calls` was before there could be several.
    #[serde(default)]
    function_call: Option<FunctionDelta>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<ContentPart>),
}

#[derive(Deserialize)]
struct ContentPart {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    thinking: Option<Content>,
}

#[derive(Default, Deserialize)]
pub(super) struct CallDelta {
    #[serde(default)]
    pub(super) index: Option<u64>,
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) function: Option<FunctionDelta>,
}

#[derive(Default, Deserialize)]
pub(super) struct FunctionDelta {
    #[serde(default)]
    pub(super) name: Option<String>,
    /// A piece of a string; from some servers, the whole object.
    #[serde(default)]
    pub(super) arguments: Option<Value>,
}

#[derive(Deserialize)]
struct Counters {
    #[serde(default)]
    prompt_tokens: Option<u64>,
    #[serde(default)]
    completion_tokens: Option<u64>,
    #[serde(default)]
    prompt_tokens_details: Option<PromptDetails>,
    #[serde(default)]
    cache_read_tokens: Option<u64>,
    #[serde(default)]
    prompt_cache_hit_tokens: Option<u64>,
    #[serde(default)]
    cache_write_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct PromptDetails {
    #[serde(default)]
    cached_tokens: Option<u64>,
    #[serde(default)]
    cache_write_tokens: Option<u64>,
}

impl Decoder {
    pub(super) fn new(history: Vec<Arc<Message>>, event_bytes: usize) -> Self {
        Self {
            calls: Calls::new(history, event_bytes.saturating_mul(4)),
            has_text: false,
            usage: None,
            finish: None,
        }
    }

    fn chunk(&mut self, chunk: Chunk, out: &mut VecDeque<ProviderEvent>) {
        if let Some(error) = chunk.error.filter(|error| !error.is_null()) {
            self.report_usage(out);
            return out.push_back(ProviderEvent::Error(failure::in_stream(&error)));
        }
        if let Some(counters) = chunk.usage {
            self.usage = Some(counters.into());
        }
        for choice in chunk.choices.into_iter().flatten() {
            if choice.index.unwrap_or(0) != 0 {
                continue;
            }
            if let Some(delta) = choice.delta
                && let Err(too_large) = self.delta(delta, out)
            {
                return out.push_back(ProviderEvent::Error(failure::protocol(too_large)));
            }
            if let Some(reason) = choice.finish_reason.filter(|reason| !reason.is_empty())
                && self.finish.is_none()
            {
                self.finish = Some(self.finished(&reason, out));
            }
        }
    }

    fn delta(&mut self, delta: Delta, out: &mut VecDeque<ProviderEvent>) -> Result<(), String> {
        let reasoning = delta.reasoning_content.filter(|text| !text.is_empty()).or(delta.reasoning);
        if let Some(text) = reasoning {
            say_reasoning(text, out);
        }
        match delta.content {
            Some(Content::Text(text)) => self.say(text, out),
            Some(Content::Parts(parts)) => {
                for part in parts {
                    if let Some(thinking) = part.thinking {
                        say_reasoning(thinking.into_text(), out);
                    } else if let Some(text) = part.text {
                        self.say(text, out);
                    }
                }
            }
            None => {}
        }
        if let Some(text) = delta.refusal {
            self.say(text, out);
        }
        for call in delta.tool_calls.into_iter().flatten() {
            self.calls.add(call)?;
        }
        match delta.function_call {
            Some(function) => {
                self.calls.add(CallDelta { index: Some(0), id: None, function: Some(function) })
            }
            None => Ok(()),
        }
    }

    fn say(&mut self, text: String, out: &mut VecDeque<ProviderEvent>) {
        if !text.is_empty() {
            self.has_text = true;
            out.push_back(ProviderEvent::TextDelta(text));
        }
    }

    fn finished(&mut self, reason: &str, out: &mut VecDeque<ProviderEvent>) -> FinishReason {
        let reason = match reason {
            "tool_calls" | "function_call" => FinishReason::ToolCalls,
            "length" | "max_tokens" => FinishReason::Length,
            "content_filter" => FinishReason::ContentFilter,
            _ => FinishReason::Stop,
        };
        let cut_off = matches!(reason, FinishReason::Length | FinishReason::ContentFilter);
        match (self.calls.emit(cut_off, out), reason) {
            // There are servers that say "stop" and mean this.
            (true, FinishReason::Stop) => FinishReason::ToolCalls,
            (false, FinishReason::ToolCalls) => FinishReason::Stop,
            (_, reason) => reason,
        }
    }

    /// The end mark of a stream that gave no reason for its end: whole only if there is something whole in it.
    fn done(&mut self, out: &mut VecDeque<ProviderEvent>) {
        if self.finish.is_none() {
            self.finish = if self.calls.are_complete() {
                self.calls.emit(false, out).then_some(FinishReason::ToolCalls)
            } else {
                None
            };
            if self.finish.is_none() && self.calls.is_empty() && self.has_text {
                self.finish = Some(FinishReason::Stop);
            }
        }
        self.close(out);
    }

    fn close(&mut self, out: &mut VecDeque<ProviderEvent>) {
        self.report_usage(out);
        out.push_back(match self.finish {
            Some(reason) => ProviderEvent::Finish(reason),
            None => ProviderEvent::Error(failure::ended()),
        });
    }

    fn report_usage(&mut self, out: &mut VecDeque<ProviderEvent>) {
        out.extend(self.usage.take().map(ProviderEvent::Usage));
    }
}

impl stream::Decoder for Decoder {
    fn event(&mut self, event: &sse::Event, out: &mut VecDeque<ProviderEvent>) {
        let data = event.data.trim();
        if data.is_empty() {
            return;
        }
        if data == "[DONE]" {
            return self.done(out);
        }
        let chunk = match event.name.as_str() {
            // Some send the error itself as the data, some inside an object.
            "error" => serde_json::from_str(data).map(|error: Value| Chunk {
                choices: None,
                usage: None,
                error: Some(error.get("error").unwrap_or(&error).clone()),
            }),
            _ => serde_json::from_str(data),
        };
        match chunk {
            Ok(chunk) => self.chunk(chunk, out),
            Err(error) => {
                let message = format!("the provider sent an event that is no chat completion chunk: {error}");
                out.push_back(ProviderEvent::Error(failure::protocol(message)));
            }
        }
    }

    fn end(&mut self, out: &mut VecDeque<ProviderEvent>) {
        self.close(out);
    }

    fn is_whole(&self) -> bool {
        self.finish.is_some()
    }

    fn advise(&self, _: StatusCode, _: &str) -> Option<String> {
        None
    }
}

impl Content {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Parts(parts) => parts.into_iter().filter_map(|part| part.text).collect(),
        }
    }
}

impl From<Counters> for Usage {
    fn from(counters: Counters) -> Self {
        let details = counters.prompt_tokens_details;
        let (cached, written) =
            details.map_or((None, None), |details| (details.cached_tokens, details.cache_write_tokens));
        Self {
            input_tokens: counters.prompt_tokens.unwrap_or_default(),
            output_tokens: counters.completion_tokens.unwrap_or_default(),
            cache_read_tokens: cached.or(counters.cache_read_tokens).or(counters.prompt_cache_hit_tokens),
            cache_write_tokens: counters.cache_write_tokens.or(written),
        }
    }
}

/// Counters that nobody can read are no reason to give up an answer.
fn if_readable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Counters>, D::Error> {
    let value = Option::<Value>::deserialize(deserializer)?;
    Ok(value.and_then(|value| serde_json::from_value(value).ok()))
}

fn say_reasoning(text: String, out: &mut VecDeque<ProviderEvent>) {
    if !text.is_empty() {
        out.push_back(ProviderEvent::ReasoningDelta(text));
    }
}
