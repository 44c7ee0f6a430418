//! A request in the words of chat completions.
//!
//! What the prompt consists of comes first, and its messages last of that: the bytes of a step's request, up to the end of
//! its messages, begin the request of the next. What an answer may be comes after them.

use std::borrow::Cow;

use kernel::{Message, Part, Request, ToolSpec};
use serde::Serialize;
use serde_json::Value;
use wire::{Chunk, ReasoningEffort, Role};

use super::Options;
use crate::arguments;
use crate::image::{Image, Takes};

#[derive(Serialize)]
pub(super) struct Body<'r> {
    model: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'r>>,
    messages: Vec<Said<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u64>,
    stream: bool,
    stream_options: StreamOptions,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct Tool<'r> {
    r#type: &'static str,
    function: Function<'r>,
}

#[derive(Serialize)]
struct Function<'r> {
    name: &'r str,
    description: &'r str,
    parameters: &'r Value,
}

#[derive(Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
enum Said<'r> {
    System {
        content: Cow<'r, str>,
    },
    User {
        content: Content<'r>,
    },
    Assistant {
        /// Null when there are only calls.
        content: Option<Cow<'r, str>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reasoning_content: Option<Cow<'r, str>>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<Call<'r>>,
    },
    Tool {
        tool_call_id: &'r str,
        content: &'r str,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'r> {
    Text(Cow<'r, str>),
    /// Only where there is an image: not every server takes a list.
    Parts(Vec<ContentPart<'r>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ContentPart<'r> {
    Text { text: Cow<'r, str> },
    ImageUrl { image_url: Address<'r> },
}

#[derive(Serialize)]
struct Address<'r> {
    url: Cow<'r, str>,
}

/// Servers differ in what they take. This is what OpenAI takes in all of a request: more would be refused by any.
const IMAGES: Takes = Takes { data: 50_000_000, plain_http: true };

#[derive(Serialize)]
struct Call<'r> {
    id: &'r str,
    r#type: &'static str,
    function: Called<'r>,
}

#[derive(Serialize)]
struct Called<'r> {
    name: Cow<'r, str>,
    arguments: String,
}

impl<'r> Body<'r> {
    pub(super) fn new(request: &'r Request, options: Options) -> Self {
        Self {
            model: &request.model,
            reasoning_effort: options.reasoning_effort.then(|| level(request.effort)),
            tools: request.tools.iter().map(Tool::new).collect(),
            messages: messages(request, options),
            max_tokens: request.max_tokens.filter(|_| !options.max_completion_tokens),
            max_completion_tokens: request.max_tokens.filter(|_| options.max_completion_tokens),
            stream: true,
            stream_options: StreamOptions { include_usage: true },
        }
    }
}

impl<'r> Tool<'r> {
    fn new(spec: &'r ToolSpec) -> Self {
        let function =
            Function { name: &spec.name, description: &spec.description, parameters: &spec.input_schema };
        Self { r#type: "function", function }
    }
}

fn level(effort: ReasoningEffort) -> &'static str {
    match effort {
        ReasoningEffort::Low => "low",
        ReasoningEffort::Medium => "medium",
        ReasoningEffort::High | ReasoningEffort::Xhigh | ReasoningEffort::Max => "high",
    }
}

fn messages(request: &Request, options: Options) -> Vec<Said<'_>> {
    // Many chat templates take one system message, and only at the beginning.
    let leading = request.messages.iter().take_while(|message| message.role == Role::System).count();
    let (instructions, rest) = request.messages.split_at(leading);
    let system = request
        .system
        .iter()
        .map(|system| Cow::Borrowed(&**system))
        .chain(instructions.iter().filter_map(|message| text(&message.parts)))
        .filter(|text| !text.is_empty());
    let mut said = Vec::with_capacity(rest.len() + 1);
    said.extend(joined(system).map(|content| Said::System { content }));
    for message in rest {
        match message.role {
            Role::System | Role::User => {
                said.extend(user(&message.parts).map(|content| Said::User { content }));
            }
            Role::Assistant => said.extend(assistant(message, options)),
            Role::Tool => said.extend(message.parts.iter().filter_map(|part| match &part.chunk {
                Chunk::ToolResult { tool_call_id, content, .. } => Some(Said::Tool { tool_call_id, content }),
                _ => None,
            })),
        }
    }
    said
}

/// None when there is nothing to see or read.
fn user(parts: &[Part]) -> Option<Content<'_>> {
    let parts: Vec<ContentPart<'_>> = parts
        .iter()
        .filter_map(|part| match &part.chunk {
            Chunk::Text { text } | Chunk::System { text } => {
                (!text.is_empty()).then(|| ContentPart::Text { text: text.into() })
            }
            Chunk::Image(image) => Some(match Image::of(image, IMAGES) {
                Image::Data { media_type, data } => {
                    // The whole URL, where it says what the data is.
                    let is_right =
                        image.url.strip_prefix("data:").and_then(|url| url.strip_prefix(media_type));
                    let url = match is_right.filter(|rest| rest.len() == ";base64,".len() + data.len()) {
                        Some(_) => image.url.as_str().into(),
                        None => format!("data:{media_type};base64,{data}").into(),
                    };
                    ContentPart::ImageUrl { image_url: Address { url } }
                }
                Image::Address(url) => {
                    ContentPart::ImageUrl { image_url: Address { url: String::from(url).into() } }
                }
                Image::Words(words) => ContentPart::Text { text: words.into() },
            }),
            Chunk::Thinking { .. }
            | Chunk::ToolCall { .. }
            | Chunk::ToolResult { .. }
            | Chunk::Error { .. } => None,
        })
        .collect();
    if parts.iter().any(|part| matches!(part, ContentPart::ImageUrl { .. })) {
        return Some(Content::Parts(parts));
    }
    let texts = parts.into_iter().filter_map(|part| match part {
        ContentPart::Text { text } => Some(text),
        ContentPart::ImageUrl { .. } => None,
    });
    joined(texts).map(Content::Text)
}

/// None when nothing is left that a provider may see.
fn assistant(message: &Message, options: Options) -> Option<Said<'_>> {
    let content = text(&message.parts);
    let tool_calls: Vec<Call<'_>> = message
        .parts
        .iter()
        .filter_map(|part| match &part.chunk {
            Chunk::ToolCall { tool_call_id, tool_name, input, .. } => Some(Call {
                id: tool_call_id,
                r#type: "function",
                function: Called { name: arguments::tool_name(tool_name), arguments: json(input) },
            }),
            _ => None,
        })
        .collect();
    if content.is_none() && tool_calls.is_empty() {
        return None;
    }
    let reasoning = message.parts.iter().filter_map(|part| match &part.chunk {
        Chunk::Thinking { text } if !text.is_empty() => Some(Cow::Borrowed(text.as_str())),
        _ => None,
    });
    let reasoning_content = options.reasoning_content.then(|| joined(reasoning)).flatten();
    Some(Said::Assistant { content, reasoning_content, tool_calls })
}

fn json(input: &Value) -> String {
    serde_json::to_string(&*arguments::object(input)).unwrap_or_else(|_| "{}".to_owned())
}

/// The visible text of a message, if it has any.
fn text(parts: &[Part]) -> Option<Cow<'_, str>> {
    joined(parts.iter().filter_map(|part| match &part.chunk {
        Chunk::Text { text } | Chunk::System { text } if !text.is_empty() => {
            Some(Cow::Borrowed(text.as_str()))
        }
        _ => None,
    }))
}

/// The texts with a blank line between; a single one is not copied.
fn joined<'t>(mut texts: impl Iterator<Item = Cow<'t, str>>) -> Option<Cow<'t, str>> {
    let first = texts.next()?;
    Some(texts.fold(first, |all, next| all + "\n\n" + next))
}
