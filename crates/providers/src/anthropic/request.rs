//! A request in the words of the Messages API.
//!
//! The API takes roles in turn, the user first, a tool's results at the beginning of the message after its call, and
//! no empty texts. It advises to put images before the text that is about them.
//!
//! The fields come in the order in which the API's prompt cache depends on them: tools, system, how to think, messages.
//! A change of one loses the cache of all after it. The bytes of a step's request, but for the cache marks, up to the end
//! of its messages, begin the request of the next. What the cache does not depend on comes after the messages.

use std::borrow::Cow;

use kernel::{Message, Part, Request};
use serde::Serialize;
use serde_json::{Map, Value};
use wire::{Chunk, ReasoningEffort, Role};

use super::{Options, Thinking};
use crate::arguments;
use crate::image::{Image, Takes};

#[derive(Serialize)]
pub(super) struct Body<'r> {
    model: &'r str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<ThinkingParam>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig>,
    messages: Vec<Said<'r>>,
    max_tokens: u64,
    stream: bool,
}

#[derive(Clone, Copy, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum ThinkingParam {
    Enabled { budget_tokens: u64 },
    Adaptive { display: &'static str },
}

#[derive(Serialize)]
struct OutputConfig {
    effort: &'static str,
}

#[derive(Serialize)]
struct Tool<'r> {
    name: &'r str,
    description: &'r str,
    input_schema: &'r Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl>,
}

#[derive(Serialize)]
struct Said<'r> {
    role: Speaker,
    content: Vec<Block<'r>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Speaker {
    User,
    Assistant,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'r> {
    Text {
        text: Cow<'r, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    Image {
        source: Source<'r>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    Thinking {
        thinking: &'r str,
        signature: &'r str,
    },
    RedactedThinking {
        data: &'r str,
    },
    ToolUse {
        id: Cow<'r, str>,
        name: Cow<'r, str>,
        input: Cow<'r, Map<String, Value>>,
    },
    ToolResult {
        tool_use_id: Cow<'r, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        content: Option<&'r str>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Source<'r> {
    Base64 { media_type: &'static str, data: &'r str },
    Url { url: String },
}

/// The API counts the base64 of an image, not its bytes.
const IMAGES: Takes = Takes { data: 5 << 20, plain_http: false };

#[derive(Clone, Copy, Serialize)]
struct CacheControl {
    r#type: &'static str,
}

const EPHEMERAL: Option<CacheControl> = Some(CacheControl { r#type: "ephemeral" });

/// The most tokens of an answer, beside those for thinking, when the request does not say. Together with the default
/// effort it stays below 32,000, the least that a model of the fourth generation can produce.
const ANSWER_TOKENS: u64 = 15_000;

/// The API takes no smaller budget.
const LEAST_BUDGET: u64 = 1024;

/// Nobody asks for so few tokens to read them: such a request is made for what it does to the prompt cache.
const PROBE_TOKENS: u64 = 16;

impl<'r> Body<'r> {
    pub(super) fn new(request: &'r Request, options: &Options) -> Self {
        let (instructions, rest) = leading_instructions(&request.messages);
        let texts = request.system.iter().map(|system| &**system).chain(instructions);
        let mut system: Vec<Block<'r>> = texts.filter_map(Block::text).collect();
        let mut tools: Vec<Tool<'r>> = request
            .tools
            .iter()
            .map(|spec| Tool {
                name: &spec.name,
                description: &spec.description,
                input_schema: &spec.input_schema,
                cache_control: None,
            })
            .collect();
        let mut thinking = options.thinking_of(&request.model);
        let mut messages = alternate(rest, (thinking != Thinking::Off).then_some(request.model.as_str()));
        if thinking == Thinking::Budget && !began_with_a_thought(&messages) {
            thinking = Thinking::Off;
            messages = alternate(rest, None);
        }
        let (thinking, max_tokens) = sized(thinking, request, options);

        if let Some(tool) = tools.last_mut() {
            tool.cache_control = EPHEMERAL;
        }
        if let Some(block) = system.last_mut() {
            block.mark();
        }
        let users = messages.iter_mut().rev().filter(|said| said.role == Speaker::User);
        users.take(2).filter_map(|said| said.content.last_mut()).for_each(Block::mark);

        let adaptive = matches!(thinking, Some(ThinkingParam::Adaptive { .. }));
        Self {
            model: &request.model,
            tools,
            system,
            thinking,
            output_config: adaptive.then(|| OutputConfig { effort: request.effort.as_str() }),
            messages,
            max_tokens,
            stream: true,
        }
    }
}

impl<'r> Block<'r> {
    /// None for a text that the API would refuse.
    fn text(text: &'r str) -> Option<Self> {
        (!text.trim().is_empty()).then(|| Self::Text { text: text.into(), cache_control: None })
    }

    fn mark(&mut self) {
        match self {
            Self::Text { cache_control, .. }
            | Self::Image { cache_control, .. }
            | Self::ToolResult { cache_control, .. } => {
                *cache_control = EPHEMERAL;
            }
            Self::Thinking { .. } | Self::RedactedThinking { .. } | Self::ToolUse { .. } => {}
        }
    }

    fn is_thinking(&self) -> bool {
        matches!(self, Self::Thinking { .. } | Self::RedactedThinking { .. })
    }

    fn is_result(&self) -> bool {
        matches!(self, Self::ToolResult { .. })
    }
}

/// How to think, and how many tokens that and the answer may have together.
///
/// How to think does not depend on how long the answer may be: another budget, or none, would lose the cached messages,
/// while the limit is no part of what is cached. So a request for a single token, which is made to keep them cached, has
/// the budget of a turn, and a limit of one token more, because the API refuses a budget that is not below the limit.
fn sized(thinking: Thinking, request: &Request, options: &Options) -> (Option<ThinkingParam>, u64) {
    let most = options.max_output_tokens.unwrap_or(u64::MAX).max(1);
    let answer = request.max_tokens.unwrap_or(ANSWER_TOKENS).clamp(1, most);
    let budget = match request.effort {
        ReasoningEffort::Low => 4096,
        ReasoningEffort::Medium => 10_240,
        ReasoningEffort::High => 16_384,
        ReasoningEffort::Xhigh => 32_768,
        ReasoningEffort::Max => 65_536,
    };
    // A model that can produce less than both loses thinking first, but never so much that no answer fits.
    let budget = budget.min(most.saturating_sub(ANSWER_TOKENS.min(most / 2)));
    let both = answer.saturating_add(budget).min(most);
    match thinking {
        Thinking::Budget if budget >= LEAST_BUDGET && budget < both => {
            (Some(ThinkingParam::Enabled { budget_tokens: budget }), both)
        }
        Thinking::Off | Thinking::Budget => (None, answer),
        Thinking::Adaptive => {
            // Not every model shows its thinking unless it is asked to.
            let adaptive = ThinkingParam::Adaptive { display: "summarized" };
            // Without a budget there is nothing to make room for, and what is not read need not be thought.
            (Some(adaptive), if answer <= PROBE_TOKENS { answer } else { both })
        }
    }
}

/// Instructions at the beginning go where the API wants them; later ones stay at their place.
fn leading_instructions(
    messages: &[std::sync::Arc<Message>],
) -> (impl Iterator<Item = &str>, &[std::sync::Arc<Message>]) {
    let leading = messages.iter().take_while(|message| message.role == Role::System).count();
    let (instructions, rest) = messages.split_at(leading);
    (instructions.iter().flat_map(|message| texts(&message.parts)), rest)
}

fn texts(parts: &[Part]) -> impl Iterator<Item = &str> {
    parts.iter().filter_map(|part| match &part.chunk {
        Chunk::Text { text } | Chunk::System { text } => Some(text.as_str()),
        _ => None,
    })
}

/// User and assistant in turn. Thinking goes along only if that model made it.
fn alternate<'r>(messages: &'r [std::sync::Arc<Message>], thinker: Option<&str>) -> Vec<Said<'r>> {
    let mut all: Vec<Said<'r>> = Vec::with_capacity(messages.len());
    for message in messages {
        let (role, content) = match message.role {
            Role::Assistant => (Speaker::Assistant, assistant(message, thinker)),
            Role::System | Role::User => (Speaker::User, user(&message.parts)),
            Role::Tool => (Speaker::User, message.parts.iter().filter_map(result).collect()),
        };
        if content.is_empty() {
            continue;
        }
        match all.last_mut().filter(|last| last.role == role) {
            Some(last) => last.content.extend(content),
            None => all.push(Said { role, content }),
        }
    }
    for said in &mut all {
        // Stable: results keep their order, and all else its own behind them.
        said.content.sort_by_key(|block| said.role == Speaker::User && !block.is_result());
    }
    if all.first().is_some_and(|first| first.role == Speaker::Assistant) {
        let opening = Block::Text { text: "Continue.".into(), cache_control: None };
        all.insert(0, Said { role: Speaker::User, content: vec![opening] });
    }
    all
}

/// Images, then what is said about them.
fn user(parts: &[Part]) -> Vec<Block<'_>> {
    let images = parts.iter().filter_map(|part| match &part.chunk {
        Chunk::Image(image) => Some(image),
        _ => None,
    });
    let images = images.map(|image| {
        let source = match Image::of(image, IMAGES) {
            Image::Data { media_type, data } => Source::Base64 { media_type, data },
            Image::Address(url) => Source::Url { url: url.into() },
            Image::Words(words) => return Block::Text { text: words.into(), cache_control: None },
        };
        Block::Image { source, cache_control: None }
    });
    images.chain(texts(parts).filter_map(Block::text)).collect()
}

fn assistant<'r>(message: &'r Message, thinker: Option<&str>) -> Vec<Block<'r>> {
    let mut blocks: Vec<Block<'r>> = message
        .parts
        .iter()
        .filter_map(|part| match &part.chunk {
            Chunk::Text { text } | Chunk::System { text } => Block::text(text),
            Chunk::Thinking { text } => {
                thinker.and_then(|thinker| thought(text, part.replay.as_ref()?, thinker))
            }
            Chunk::ToolCall { tool_call_id, tool_name, input, .. } => Some(Block::ToolUse {
                id: id(tool_call_id),
                name: arguments::tool_name(tool_name),
                input: arguments::object(input),
            }),
            Chunk::ToolResult { .. } | Chunk::Error { .. } | Chunk::Image(_) => None,
        })
        .collect();
    // The API refuses a message that ends in thinking.
    while blocks.last().is_some_and(Block::is_thinking) {
        blocks.pop();
    }
    blocks
}

/// A thought as it came, which only the model that had it may get back.
fn thought<'r>(text: &'r str, replay: &'r Value, thinker: &str) -> Option<Block<'r>> {
    let field = |name| replay.get(name).and_then(Value::as_str);
    if field("model") != Some(thinker) {
        return None;
    }
    match (field("signature"), field("redacted")) {
        (Some(signature), _) => Some(Block::Thinking { thinking: text, signature }),
        (None, Some(data)) => Some(Block::RedactedThinking { data }),
        (None, None) => None,
    }
}

fn result(part: &Part) -> Option<Block<'_>> {
    let Chunk::ToolResult { tool_call_id, content, is_error, .. } = &part.chunk else { return None };
    let said = (!content.trim().is_empty()).then_some(content.as_str());
    Some(Block::ToolResult {
        tool_use_id: id(tool_call_id),
        // An error has to say something.
        content: said.or(is_error.then_some("The tool failed and said nothing.")),
        is_error: *is_error,
        cache_control: None,
    })
}

/// The API takes letters, digits, `_` and `-`; ids of other providers may have more in them.
fn id(id: &str) -> Cow<'_, str> {
    if !id.is_empty() && id.chars().all(arguments::is_plain) {
        return id.into();
    }
    // FNV-1a keeps ids apart that differ only in what is replaced, and is the same in every process.
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let plain: String = id.chars().map(|c| if arguments::is_plain(c) { c } else { '_' }).collect();
    format!("{plain}_{hash:016x}").into()
}

/// With a budget, the API wants an answer that called tools to have begun with a thought until the tools are through.
/// It did not if another model gave it, or if its thought was interrupted; then the rest is done without thinking.
fn began_with_a_thought(messages: &[Said<'_>]) -> bool {
    let is_prompt =
        |said: &Said<'_>| said.role == Speaker::User && !said.content.first().is_some_and(Block::is_result);
    let answer = messages.iter().rposition(is_prompt).and_then(|prompt| messages.get(prompt + 1));
    answer.is_none_or(|answer| answer.content.first().is_some_and(Block::is_thinking))
}
