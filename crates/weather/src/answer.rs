//! Replies in the words of the two provider protocols.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::Reply;

/// Which protocol a reply speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// OpenAI-compatible chat completions.
    OpenAi,
    /// The Anthropic Messages API.
    Anthropic,
}

/// Builds the stream of one answer. Content is cut into pieces of a few characters, as models send it.
#[derive(Clone, Debug)]
pub struct Answer {
    flavour: Flavour,
    interval: Duration,
    events: Vec<(Value, bool)>,
    blocks: usize,
    calls: usize,
    usage: Option<(u64, u64)>,
}

impl Answer {
    /// An empty answer.
    pub fn new(flavour: Flavour) -> Self {
        Self { flavour, interval: Duration::ZERO, events: Vec::new(), blocks: 0, calls: 0, usage: None }
    }

    /// A whole answer of that many tokens of text at a fixed interval, for benchmarks.
    pub fn tokens(flavour: Flavour, count: usize, interval: Duration) -> Reply {
        let mut answer = Self::new(flavour);
        let (head, tail) = (answer.open(flavour, "text"), answer.close(flavour));
        let frames: Vec<Bytes> =
            (0..count).map(|n| frame(flavour, &text(flavour, 0, &format!("token{n} ")))).collect();
        let mut reply = Reply::events();
        for event in answer.start().iter().chain(&head) {
            reply = reply.send(frame(flavour, event));
        }
        reply = reply.send_paced(frames, interval);
        answer.usage = Some((count as u64, count as u64));
        let mut end = Vec::new();
        for event in tail.iter().chain(&answer.finish_events()) {
            end.extend_from_slice(&frame(flavour, event));
        }
        if flavour == Flavour::OpenAi {
            end.extend_from_slice(b"data: [DONE]\n\n");
        }
        reply.send(end)
    }

    /// Waits that long after each piece of content.
    pub fn every(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Says text.
    pub fn text(self, text: &str) -> Self {
        self.block("text", text, self::text)
    }

    /// Reasons, in Anthropic's case without a signature.
    pub fn reasoning(self, text: &str) -> Self {
        self.block("thinking", text, reasoning)
    }

    /// Asks for a tool, with the arguments cut into pieces.
    pub fn call(mut self, id: &str, name: &str, arguments: &Value) -> Self {
        let whole = arguments.to_string();
        let index = self.calls;
        self.calls += 1;
        match self.flavour {
            Flavour::OpenAi => {
                let call = json!({"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""}});
                self.push(openai(json!({"tool_calls": [call]})), true);
                for piece in pieces(&whole) {
                    let call = json!({"index": index, "function": {"arguments": piece}});
                    self.push(openai(json!({"tool_calls": [call]})), false);
                }
            }
            Flavour::Anthropic => {
                let block = self.blocks;
                self.blocks += 1;
                let content = json!({"type": "tool_use", "id": id, "name": name, "input": {}});
                self.push(
                    json!({"type": "content_block_start", "index": block, "content_block": content}),
                    true,
                );
                for piece in pieces(&whole) {
                    let delta = json!({"type": "input_json_delta", "partial_json": piece});
                    self.push(json!({"type": "content_block_delta", "index": block, "delta": delta}), false);
                }
                self.push(json!({"type": "content_block_stop", "index": block}), false);
            }
        }
        self
    }

    /// Reports the tokens of prompt and answer.
    pub fn usage(mut self, input: u64, output: u64) -> Self {
        self.usage = Some((input, output));
        self
    }

    /// The whole answer: it ends because the model was done, or because it wants its tools to be run.
    pub fn finish(self) -> Reply {
        let done = (self.flavour == Flavour::OpenAi).then_some("data: [DONE]\n\n");
        let end = self.finish_events();
        let flavour = self.flavour;
        let mut reply = self.cut();
        for event in end {
            reply = reply.send(frame(flavour, &event));
        }
        match done {
            Some(done) => reply.send(done),
            None => reply,
        }
    }

    /// The answer up to here: no finish reason, no end. What follows is up to the caller: [`Reply::stall`],
    /// [`Reply::hang_up`], half a frame, or nothing.
    pub fn cut(self) -> Reply {
        let mut reply = Reply::events();
        for event in self.start() {
            reply = reply.send(frame(self.flavour, &event));
        }
        for (event, content) in &self.events {
            let bytes = frame(self.flavour, event);
            reply = if *content { reply.send_token(bytes) } else { reply.send(bytes) };
            if *content && !self.interval.is_zero() {
                reply = reply.wait(self.interval);
            }
        }
        reply
    }

    fn block(mut self, kind: &str, whole: &str, delta: fn(Flavour, usize, &str) -> Value) -> Self {
        let flavour = self.flavour;
        for event in self.open(flavour, kind) {
            self.push(event, false);
        }
        for piece in pieces(whole) {
            self.push(delta(flavour, self.blocks, piece), true);
        }
        for event in self.close(flavour) {
            self.push(event, false);
        }
        self.blocks += 1;
        self
    }

    fn push(&mut self, event: Value, content: bool) {
        self.events.push((event, content));
    }

    fn start(&self) -> Vec<Value> {
        match self.flavour {
            Flavour::OpenAi => vec![openai(json!({"role": "assistant", "content": ""}))],
            Flavour::Anthropic => {
                let input = self.usage.map_or(0, |(input, _)| input);
                vec![json!({"type": "message_start", "message": {
                    "id": "msg_weather", "type": "message", "role": "assistant", "model": "weather",
                    "content": [], "stop_reason": null, "stop_sequence": null,
                    "usage": {"input_tokens": input, "output_tokens": 1},
                }})]
            }
        }
    }

    fn open(&self, flavour: Flavour, kind: &str) -> Vec<Value> {
        match (flavour, kind) {
            (Flavour::OpenAi, _) => Vec::new(),
            (Flavour::Anthropic, kind) => vec![json!({
                "type": "content_block_start", "index": self.blocks, "content_block": {"type": kind, kind: ""},
            })],
        }
    }

    fn close(&self, flavour: Flavour) -> Vec<Value> {
        match flavour {
            Flavour::OpenAi => Vec::new(),
            Flavour::Anthropic => vec![json!({"type": "content_block_stop", "index": self.blocks})],
        }
    }

    fn finish_events(&self) -> Vec<Value> {
        let (input, output) = self.usage.unwrap_or_default();
        match self.flavour {
            Flavour::OpenAi => {
                let reason = if self.calls > 0 { "tool_calls" } else { "stop" };
                let mut last = openai(json!({}));
                last["choices"][0]["finish_reason"] = json!(reason);
                let mut events = vec![last];
                if self.usage.is_some() {
                    events.push(json!({
                        "id": "chatcmpl-weather", "object": "chat.completion.chunk", "created": 0,
                        "model": "weather", "choices": [],
                        "usage": {"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output},
                    }));
                }
                events
            }
            Flavour::Anthropic => {
                let reason = if self.calls > 0 { "tool_use" } else { "end_turn" };
                vec![
                    json!({
                        "type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null},
                        "usage": {"output_tokens": output},
                    }),
                    json!({"type": "message_stop"}),
                ]
            }
        }
    }
}

fn text(flavour: Flavour, block: usize, text: &str) -> Value {
    match flavour {
        Flavour::OpenAi => openai(json!({"content": text})),
        Flavour::Anthropic => {
            let delta = json!({"type": "text_delta", "text": text});
            json!({"type": "content_block_delta", "index": block, "delta": delta})
        }
    }
}

fn reasoning(flavour: Flavour, block: usize, text: &str) -> Value {
    match flavour {
        Flavour::OpenAi => openai(json!({"reasoning_content": text})),
        Flavour::Anthropic => {
            let delta = json!({"type": "thinking_delta", "thinking": text});
            json!({"type": "content_block_delta", "index": block, "delta": delta})
        }
    }
}

fn openai(delta: Value) -> Value {
    json!({
        "id": "chatcmpl-weather", "object": "chat.completion.chunk", "created": 0, "model": "weather",
        "choices": [{"index": 0, "delta": delta, "finish_reason": null}],
    })
}

fn frame(flavour: Flavour, event: &Value) -> Bytes {
    match flavour {
        Flavour::OpenAi => format!("data: {event}\n\n").into(),
        Flavour::Anthropic => {
            let kind = event["type"].as_str().unwrap_or_default();
            format!("event: {kind}\ndata: {event}\n\n").into()
        }
    }
}

/// Pieces of about four characters, never inside one.
fn pieces(whole: &str) -> impl Iterator<Item = &str> {
    let mut rest = whole;
    std::iter::from_fn(move || {
        let end = rest.char_indices().nth(4).map_or(rest.len(), |(at, _)| at);
        let (piece, after) = rest.split_at(end);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}
