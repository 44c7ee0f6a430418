//! A stream of the Messages API.

use std::collections::{HashSet, VecDeque};

use kernel::{FinishReason, ProviderEvent, Request};
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use wire::{Chunk, Usage};

use crate::{arguments, failure, sse, stream};

pub(super) struct Decoder {
    model: String,
    /// Ids of calls that the conversation has already.
    taken: HashSet<String>,
    /// Blocks that began and did not end, by their index.
    open: Vec<(u64, Block)>,
    /// A call without arguments, held back until it is known that it was not cut off.
    held: Option<(String, String)>,
    /// How many bytes of blocks are still taken.
    room: usize,
    has_calls: bool,
    has_text: bool,
    counters: Counters,
    stop: Option<FinishReason>,
}

enum Block {
    Text,
    Thinking { signature: String },
    Redacted { data: String },
    Call { id: String, name: String, input: Option<Value>, json: String },
    Other,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    MessageStart {
        message: Start,
    },
    ContentBlockStart {
        index: u64,
        content_block: Content,
    },
    ContentBlockDelta {
        index: u64,
        delta: Delta,
    },
    ContentBlockStop {
        index: u64,
    },
    MessageDelta {
        delta: Stop,
        #[serde(default)]
        usage: Option<Counters>,
    },
    MessageStop,
    Error {
        error: Value,
    },
    /// `ping`, and whatever the API gets later.
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Start {
    #[serde(default)]
    usage: Option<Counters>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Content {
    Text {
        #[serde(default)]
        text: String,
    },
    Thinking {
        #[serde(default)]
        thinking: String,
        #[serde(default)]
        signature: String,
    },
    RedactedThinking {
        data: String,
    },
    ToolUse {
        #[serde(default)]
        id: String,
        name: String,
        #[serde(default)]
        input: Option<Value>,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Delta {
    #[serde(rename = "text_delta")]
    Text { text: String },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: String },
    #[serde(rename = "signature_delta")]
    Signature { signature: String },
    #[serde(rename = "input_json_delta")]
    InputJson { partial_json: String },
    #[serde(other)]
    Unknown,
}

#[derive(Deserialize)]
struct Stop {
    #[serde(default)]
    stop_reason: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct Counters {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    cache_creation_input_tokens: Option<u64>,
    #[serde(default)]
    cache_read_input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
}

impl Counters {
    /// Each counter is cumulative; a later one is never smaller, except where a server leaves it at nought.
    fn update(&mut self, later: Option<Self>) {
        let Some(later) = later else { return };
        self.input_tokens = self.input_tokens.max(later.input_tokens);
        self.cache_creation_input_tokens =
            self.cache_creation_input_tokens.max(later.cache_creation_input_tokens);
        self.cache_read_input_tokens = self.cache_read_input_tokens.max(later.cache_read_input_tokens);
        self.output_tokens = self.output_tokens.max(later.output_tokens);
    }

    /// None if nothing was reported. The API counts the cached part of the prompt apart; we count the whole.
    fn usage(self) -> Option<Usage> {
        let (read, written) = (self.cache_read_input_tokens, self.cache_creation_input_tokens);
        if self.input_tokens.is_none() && self.output_tokens.is_none() {
            return None;
        }
        let parts = [self.input_tokens, read, written];
        Some(Usage {
            input_tokens: parts.into_iter().flatten().fold(0, u64::saturating_add),
            output_tokens: self.output_tokens.unwrap_or_default(),
            cache_read_tokens: read,
            cache_write_tokens: written,
        })
    }
}

impl Decoder {
    pub(super) fn new(request: &Request, event_bytes: usize) -> Self {
        let parts = request.messages.iter().flat_map(|message| &message.parts);
        let taken = parts.filter_map(|part| match &part.chunk {
            Chunk::ToolCall { tool_call_id, .. } => Some(tool_call_id.clone()),
            _ => None,
        });
        Self {
            model: request.model.clone(),
            taken: taken.collect(),
            open: Vec::new(),
            held: None,
            room: event_bytes.saturating_mul(4),
            has_calls: false,
            has_text: false,
            counters: Counters::default(),
            stop: None,
        }
    }

    fn on(&mut self, event: Event, out: &mut VecDeque<ProviderEvent>) -> Result<(), String> {
        match event {
            Event::MessageStart { message } => {
                self.counters.update(message.usage);
                self.report_usage(out);
            }
            Event::ContentBlockStart { index, content_block } => {
                self.release(false, out);
                self.charge(size_of::<Block>())?;
                let block = self.begin(content_block, out)?;
                self.open.push((index, block));
            }
            Event::ContentBlockDelta { index, delta } => self.delta(index, delta, out)?,
            Event::ContentBlockStop { index } => {
                if let Some(place) = self.open.iter().position(|(open, _)| *open == index) {
                    let (_, block) = self.open.remove(place);
                    self.close(block, out);
                }
            }
            Event::MessageDelta { delta, usage } => {
                self.counters.update(usage);
                self.report_usage(out);
                if let Some(reason) = delta.stop_reason {
                    let reason = stop(&reason);
                    self.finish_blocks(reason, out);
                    self.stop = Some(reason);
                }
            }
            Event::MessageStop => self.finish(out),
            Event::Error { error } => {
                self.report_usage(out);
                out.push_back(ProviderEvent::Error(failure::in_stream(&error)));
            }
            Event::Other => {}
        }
        Ok(())
    }

    fn begin(&mut self, content: Content, out: &mut VecDeque<ProviderEvent>) -> Result<Block, String> {
        Ok(match content {
            Content::Text { text } => {
                self.say(text, out);
                Block::Text
            }
            Content::Thinking { thinking, signature } => {
                self.charge(signature.len())?;
                say_reasoning(thinking, out);
                Block::Thinking { signature }
            }
            Content::RedactedThinking { data } => {
                self.charge(data.len())?;
                Block::Redacted { data }
            }
            Content::ToolUse { id, name, input } => {
                self.charge(id.len() + name.len())?;
                Block::Call { id, name, input, json: String::new() }
            }
            Content::Other => Block::Other,
        })
    }

    fn delta(&mut self, index: u64, delta: Delta, out: &mut VecDeque<ProviderEvent>) -> Result<(), String> {
        match delta {
            Delta::Text { text } => self.say(text, out),
            Delta::Thinking { thinking } => say_reasoning(thinking, out),
            Delta::Signature { signature: new } => {
                self.charge(new.len())?;
                if let Some(Block::Thinking { signature }) = self.block(index) {
                    *signature = new;
                }
            }
            Delta::InputJson { partial_json } => {
                self.charge(partial_json.len())?;
                match self.block(index) {
                    Some(Block::Call { json, .. }) => json.push_str(&partial_json),
                    // Tools that the provider runs itself have arguments too.
                    Some(_) => {}
                    None => {
                        return Err("the provider sent arguments of a tool call that never began".to_owned());
                    }
                }
            }
            Delta::Unknown => {}
        }
        Ok(())
    }

    fn block(&mut self, index: u64) -> Option<&mut Block> {
        self.open.iter_mut().find(|(open, _)| *open == index).map(|(_, block)| block)
    }

    fn close(&mut self, block: Block, out: &mut VecDeque<ProviderEvent>) {
        match block {
            Block::Text | Block::Other => {}
            Block::Thinking { signature } => {
                let replay =
                    (!signature.is_empty()).then(|| json!({"signature": signature, "model": self.model}));
                out.push_back(ProviderEvent::ReasoningEnd { replay });
            }
            Block::Redacted { data } => {
                let replay = Some(json!({"redacted": data, "model": self.model}));
                out.push_back(ProviderEvent::ReasoningEnd { replay });
            }
            Block::Call { id, name, input, json } => {
                let id = self.unique(id);
                self.has_calls = true;
                let whole = input.filter(|input| input.as_object().is_some_and(|object| !object.is_empty()));
                match whole {
                    Some(input) if json.is_empty() => {
                        out.push_back(ProviderEvent::ToolCall { id, name, input });
                    }
                    _ if json.trim().is_empty() => {
                        self.release(false, out);
                        self.held = Some((id, name));
                    }
                    _ => {
                        let input = arguments::parse(&json, false);
                        out.push_back(ProviderEvent::ToolCall { id, name, input });
                    }
                }
            }
        }
    }

    /// Lets go of the call that was held back.
    fn release(&mut self, cut_off: bool, out: &mut VecDeque<ProviderEvent>) {
        if let Some((id, name)) = self.held.take() {
            out.push_back(ProviderEvent::ToolCall { id, name, input: arguments::parse("", cut_off) });
        }
    }

    fn finish_blocks(&mut self, reason: FinishReason, out: &mut VecDeque<ProviderEvent>) {
        for (_, block) in std::mem::take(&mut self.open) {
            self.close(block, out);
        }
        let cut_off = matches!(reason, FinishReason::Length | FinishReason::ContentFilter);
        self.release(cut_off, out);
    }

    fn finish(&mut self, out: &mut VecDeque<ProviderEvent>) {
        let whole = self.open.is_empty();
        let reason = match (self.stop, self.has_calls) {
            (Some(FinishReason::Stop), true) => Some(FinishReason::ToolCalls),
            (Some(FinishReason::ToolCalls), false) => Some(FinishReason::Stop),
            (Some(reason), _) => Some(reason),
            // No reason was given, but that was the end: whole if there is something whole.
            (None, true) if whole => Some(FinishReason::ToolCalls),
            (None, false) if whole && self.has_text => Some(FinishReason::Stop),
            (None, _) => None,
        };
        match reason {
            Some(reason) => {
                self.finish_blocks(reason, out);
                out.push_back(ProviderEvent::Finish(reason));
            }
            None => out.push_back(ProviderEvent::Error(failure::ended())),
        }
    }

    fn say(&mut self, text: String, out: &mut VecDeque<ProviderEvent>) {
        if !text.is_empty() {
            self.has_text = true;
            out.push_back(ProviderEvent::TextDelta(text));
        }
    }

    fn report_usage(&self, out: &mut VecDeque<ProviderEvent>) {
        out.extend(self.counters.usage().map(ProviderEvent::Usage));
    }

    fn charge(&mut self, bytes: usize) -> Result<(), String> {
        self.room = self
            .room
            .checked_sub(bytes)
            .ok_or("the provider sent more tool calls than fit into the memory allowed for them")?;
        Ok(())
    }

    fn unique(&mut self, id: String) -> String {
        let mut unique = id.clone();
        while unique.is_empty() || !self.taken.insert(unique.clone()) {
            let base = if id.is_empty() { "toolu" } else { id.as_str() };
            unique = format!("{base}_{:08x}", fastrand::u32(..));
        }
        unique
    }
}

impl stream::Decoder for Decoder {
    fn event(&mut self, event: &sse::Event, out: &mut VecDeque<ProviderEvent>) {
        let data = event.data.trim();
        if data.is_empty() || data == "[DONE]" {
            return;
        }
        let done = serde_json::from_str(data)
            .map_err(|error| format!("the provider sent an event that is none of the Messages API: {error}"))
            .and_then(|event| self.on(event, out));
        if let Err(message) = done {
            out.push_back(ProviderEvent::Error(failure::protocol(message)));
        }
    }

    fn end(&mut self, out: &mut VecDeque<ProviderEvent>) {
        out.push_back(ProviderEvent::Error(failure::ended()));
    }

    fn is_whole(&self) -> bool {
        false
    }

    fn advise(&self, status: StatusCode, words: &str) -> Option<String> {
        let about_thinking = status == StatusCode::BAD_REQUEST && words.to_lowercase().contains("thinking");
        about_thinking.then(|| {
            format!(
                "if {} does not think that way, set the credential's thinking to \"budget\", \"adaptive\" or \"off\"",
                self.model
            )
        })
    }
}

fn stop(reason: &str) -> FinishReason {
    match reason {
        "tool_use" => FinishReason::ToolCalls,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "refusal" => FinishReason::ContentFilter,
        _ => FinishReason::Stop,
    }
}

fn say_reasoning(text: String, out: &mut VecDeque<ProviderEvent>) {
    if !text.is_empty() {
        out.push_back(ProviderEvent::ReasoningDelta(text));
    }
}
