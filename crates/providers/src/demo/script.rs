//! What the demo says and calls, worked out from the request alone.

use std::collections::HashSet;

use kernel::{ABORTED, FinishReason, INTERRUPTED, Message, Request};
use serde_json::{Value, json};
use wire::extension::ImageChunk;
use wire::{Chunk, ErrorCode, Role};

use super::command::{self, Command, Failing, HELP};
use super::image;

/// One answer, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Script {
    pub(super) beats: Vec<Beat>,
    pub(super) finish: Option<FinishReason>,
}

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Beat {
    Text(String),
    /// Text with that many times the usual delay.
    Slow(String, u32),
    Reasoning(String),
    Call {
        id: String,
        name: String,
        input: Value,
    },
    /// Says nothing more.
    Stall,
    Fail {
        message: String,
        retryable: bool,
    },
}

const INTRODUCTION: &str = "I am the demo model that is built into Dispatch: a small program, not an AI. I do not \
                            understand language; I know these commands:\n\n";

/// The code of the failures that the demo was asked for.
pub(super) const FAILED: ErrorCode = ErrorCode::ProviderFailed;

/// Writes the answer to a request. `is_first` says whether the request was not failed before.
pub(super) fn write(request: &Request, is_first: impl FnOnce() -> bool) -> Script {
    let exchange = Exchange::of(&request.messages);
    let mut writer = Writer { request, script: Script::default(), is_first: Some(is_first) };
    if let Some(summary) = summary_of_text(request) {
        writer.say(summary);
        writer.script.finish = Some(FinishReason::Stop);
        return writer.script;
    }
    let reports = exchange.results.iter().map(|result| result.report()).collect::<Vec<_>>();
    writer.say(reports.join(" "));
    if let Some(said) = &exchange.just_steered {
        writer.say(format!("You added: “{}”. I take that into account.", excerpt(said, 200)));
    }
    writer.say(image::described(&exchange.images));
    writer.carry_out(&exchange);
    writer.script
}

/// The end of the conversation that the answer is about.
struct Exchange<'r> {
    /// The prompt, and what was added while its tools ran.
    asked: Vec<String>,
    /// How many groups of tools were called since the prompt.
    called: usize,
    /// The results that came in since the last answer.
    results: Vec<Answered<'r>>,
    /// What was added together with those.
    just_steered: Option<String>,
    /// What came with what the user said since the last answer.
    images: Vec<&'r ImageChunk>,
}

struct Answered<'r> {
    name: &'r str,
    input: Option<&'r Value>,
    content: &'r str,
    is_error: bool,
}

impl<'r> Exchange<'r> {
    fn of(messages: &'r [std::sync::Arc<Message>]) -> Self {
        let start = (0..messages.len()).rev().find(|&at| is_prompt(messages, at)).unwrap_or(messages.len());
        let since = &messages[start..];
        let last_answer = since.iter().rposition(|message| message.role == Role::Assistant);
        let new = last_answer.map_or(&[][..], |at| &since[at + 1..]);
        let calls = last_answer.map_or(&[][..], |at| &since[at].parts[..]);
        let results = new.iter().flat_map(|message| &message.parts).filter_map(|part| match &part.chunk {
            Chunk::ToolResult { tool_call_id, tool_name, content, is_error, .. } => {
                let call = calls.iter().find_map(|part| match &part.chunk {
                    Chunk::ToolCall { tool_call_id: id, tool_name, input, .. } if id == tool_call_id => {
                        Some((tool_name, input))
                    }
                    _ => None,
                });
                let name = call.map_or(tool_name, |(name, _)| name);
                Some(Answered { name, input: call.map(|(_, input)| input), content, is_error: *is_error })
            }
            _ => None,
        });
        let said = |messages: &[std::sync::Arc<Message>]| -> Vec<String> {
            messages
                .iter()
                .filter(|message| message.role == Role::User)
                .map(|message| text(message))
                .collect()
        };
        let just_said = said(new).join("\n");
        Self {
            asked: said(since),
            called: since.iter().filter(|message| has_calls(message)).count(),
            results: results.collect(),
            just_steered: (!just_said.is_empty()).then_some(just_said),
            images: images(last_answer.map_or(since, |_| new)),
        }
    }
}

/// A user message opens an exchange, unless it came together with the results of tools; but what follows a call that
/// was interrupted is a new start.
fn is_prompt(messages: &[std::sync::Arc<Message>], at: usize) -> bool {
    if messages[at].role != Role::User {
        return false;
    }
    let Some(before) = at.checked_sub(1).map(|before| &messages[before]) else { return true };
    before.role != Role::Tool
        || before.parts.iter().any(|part| {
            matches!(&part.chunk, Chunk::ToolResult { content, .. } if content == INTERRUPTED || content == ABORTED)
        })
}

/// Something to do for the whole exchange, over all of its steps.
enum Act {
    Do(Vec<Command>),
    Wonder(String),
}

/// Empty if nothing of the prompt was understood and nothing was added that is.
fn plan(asked: &[String]) -> Vec<Act> {
    let mut plan = Vec::new();
    for (place, asked) in asked.iter().enumerate() {
        let wish = command::parse(asked);
        // What was added while tools ran is acknowledged, whether it is understood or not.
        if place == 0 && !wish.groups.is_empty() {
            plan.extend(wish.unknown.into_iter().map(Act::Wonder));
        }
        plan.extend(wish.groups.into_iter().map(Act::Do));
    }
    plan
}

struct Writer<'r, F> {
    request: &'r Request,
    script: Script,
    is_first: Option<F>,
}

impl<F: FnOnce() -> bool> Writer<'_, F> {
    fn carry_out(&mut self, exchange: &Exchange<'_>) {
        let plan = plan(&exchange.asked);
        if plan.is_empty() && exchange.called == 0 && exchange.images.is_empty() {
            self.say(format!("{INTRODUCTION}{HELP}"));
        }
        let calls = plan.iter().enumerate().filter(|(_, act)| self.calls_of(act).is_some());
        let next = match exchange.called.checked_sub(1) {
            None => 0,
            // Fewer than were called means that another model called them, for whatever reason.
            Some(before) => calls.map(|(at, _)| at + 1).nth(before).unwrap_or(plan.len()),
        };
        for act in &plan[next..] {
            if let Some(calls) = self.calls_of(act) {
                return self.call(calls);
            }
            let goes_on = match act {
                Act::Do(group) => group.iter().all(|command| self.speak(command)),
                Act::Wonder(sentence) => {
                    self.say(format!("I do not know what to do about “{}”.", excerpt(sentence, 80)));
                    true
                }
            };
            if !goes_on {
                return;
            }
        }
        if self.script.beats.is_empty() {
            self.say("That was all.".to_owned());
        }
        self.script.finish = Some(FinishReason::Stop);
    }

    /// The calls of a group, if it is about tools that the request has.
    fn calls_of(&self, act: &Act) -> Option<Vec<(String, Value)>> {
        let Act::Do(group) = act else { return None };
        if let [Command::Call { tool, input: Some(input) }] = &group[..] {
            return Some(vec![(tool.clone(), Value::Object(input.clone()))]);
        }
        let calls: Vec<_> =
            group.iter().filter_map(tool_of).map(|(name, input)| (name.to_owned(), input)).collect();
        let usable = calls.iter().all(|(name, _)| self.has_tool(name));
        (!calls.is_empty() && usable).then_some(calls)
    }

    fn has_tool(&self, name: &str) -> bool {
        self.request.tools.iter().any(|tool| tool.name == name)
    }

    fn call(&mut self, calls: Vec<(String, Value)>) {
        let doing: Vec<String> = calls.iter().map(|(name, input)| doing(name, input)).collect();
        self.say(format!("I {}.", doing.join(" and ")));
        let mut taken = ids(&self.request.messages);
        let mut number = taken.len();
        for (name, input) in calls {
            let id = loop {
                number += 1;
                let id = format!("demo-{number}");
                if taken.insert(id.clone()) {
                    break id;
                }
            };
            self.script.beats.push(Beat::Call { id, name, input });
        }
        self.script.finish = Some(FinishReason::ToolCalls);
    }

    /// Does what needs no tool. False if that was the end of the answer.
    fn speak(&mut self, command: &Command) -> bool {
        match command {
            Command::Help => self.say(format!("{INTRODUCTION}{HELP}")),
            Command::Tools => {
                let names: Vec<&str> = self.request.tools.iter().map(|tool| &*tool.name).collect();
                self.say(match &names[..] {
                    [] => "I was given no tools.".to_owned(),
                    names => format!("I was given these tools: {}.", names.join(", ")),
                });
            }
            Command::Prompt => match &self.request.system {
                Some(system) => self.say(format!("I was given this system prompt:\n\n{system}")),
                None => self.say("I was given no system prompt.".to_owned()),
            },
            Command::End(reason) => {
                self.script.finish = *reason;
                return false;
            }
            Command::Call { tool, .. } => {
                self.say(format!("I cannot call {tool} with that: what it gets must be one JSON object."));
            }
            Command::Read(_) | Command::List(_) | Command::Run(_) | Command::Write { .. } => {
                if let Some((name, _)) = tool_of(command) {
                    self.say(format!(
                        "I would need the tool {name} for that, and this conversation does not have it."
                    ));
                }
            }
            Command::Think(subject) => {
                let subject = if subject.is_empty() { "nothing in particular" } else { subject };
                self.script.beats.push(Beat::Reasoning(format!(
                    "The user wants me to think about {subject}. I am a program with a fixed text, so this is what \
                     reasoning looks like rather than reasoning: first I restate the question, then I turn it over \
                     once or twice, and then I stop."
                )));
                self.say(format!("I have thought about {subject}, as well as a script can."));
            }
            Command::Count { to, slowly } => {
                let numbers: Vec<String> = (1..=*to).map(|number| number.to_string()).collect();
                let numbers = self.after_what_was_said(numbers.join(" "));
                self.script.beats.push(if *slowly { Beat::Slow(numbers, 10) } else { Beat::Text(numbers) });
            }
            Command::Say(text) => self.say(text.clone()),
            Command::Summarise => self.say(summary(&self.request.messages)),
            Command::Stall => {
                self.script.beats.push(Beat::Stall);
                return false;
            }
            Command::Fail(failing) => return self.fail(*failing),
        }
        true
    }

    fn fail(&mut self, failing: Failing) -> bool {
        let (message, retryable) = match failing {
            Failing::Now => ("the demo model was asked to fail".to_owned(), false),
            Failing::Once => {
                if !self.is_first.take().is_some_and(|is_first| is_first()) {
                    self.say("The first attempt failed, as you asked; this is the second.".to_owned());
                    return true;
                }
                ("the demo model was asked to fail once; the next attempt will succeed".to_owned(), true)
            }
            Failing::AfterWords(count) => {
                let words: Vec<String> = (1..=count.min(10_000)).map(|word| format!("word{word}")).collect();
                self.say(words.join(" "));
                (format!("the demo model was asked to fail after {count} words"), false)
            }
        };
        self.script.beats.push(Beat::Fail { message, retryable });
        false
    }

    fn say(&mut self, text: String) {
        if !text.is_empty() {
            let text = self.after_what_was_said(text);
            self.script.beats.push(Beat::Text(text));
        }
    }

    fn after_what_was_said(&self, text: String) -> String {
        match self.script.beats.last() {
            Some(Beat::Text(_) | Beat::Slow(..)) => format!("\n\n{text}"),
            _ => text,
        }
    }
}

impl Answered<'_> {
    /// A sentence or two.
    fn report(&self) -> String {
        let of = |field: &str| self.input.and_then(|input| input.get(field)).and_then(Value::as_str);
        let what = match (self.name, of("path"), of("command")) {
            ("read_file", Some(path), _) => format!("Reading {path}"),
            ("write_file", Some(path), _) => format!("Writing {path}"),
            ("run_shell", _, Some(command)) => format!("Running `{}`", excerpt(command, 60)),
            (name, _, _) => format!("The tool {name}"),
        };
        let content = self.content.trim();
        let first = content.lines().next().unwrap_or_default();
        if self.is_error {
            return format!("{what} failed: {}.", excerpt(first, 120).trim_end_matches('.'));
        }
        match content.lines().count() {
            0 => format!("{what} worked and gave nothing back."),
            1 => format!("{what} gave one line: “{}”.", excerpt(first, 120)),
            lines => format!(
                "{what} gave {lines} lines, {} characters; the first is “{}”.",
                content.chars().count(),
                excerpt(first, 80)
            ),
        }
    }
}

fn tool_of(command: &Command) -> Option<(&'static str, Value)> {
    match command {
        Command::Read(path) => Some(("read_file", json!({"path": path}))),
        Command::List(path) => {
            let quoted = format!("'{}'", path.replace('\'', r"'\''"));
            Some(("run_shell", json!({"command": format!("ls -la -- {quoted}")})))
        }
        Command::Run(command) => Some(("run_shell", json!({"command": command}))),
        Command::Write { path, text } => Some(("write_file", json!({"path": path, "content": text}))),
        Command::Help
        | Command::Tools
        | Command::Prompt
        | Command::Call { .. }
        | Command::End(_)
        | Command::Think(_)
        | Command::Count { .. }
        | Command::Say(_)
        | Command::Fail(_)
        | Command::Stall
        | Command::Summarise => None,
    }
}

fn doing(name: &str, input: &Value) -> String {
    let of = |field: &str| input.get(field).and_then(Value::as_str).unwrap_or_default();
    match name {
        "read_file" => format!("read {}", of("path")),
        "write_file" => format!("write {}", of("path")),
        "run_shell" => format!("run `{}`", excerpt(of("command"), 60)),
        name => format!("call {name}"),
    }
}

/// What was asked so far: all that a program without understanding can say about a conversation.
fn summary(messages: &[std::sync::Arc<Message>]) -> String {
    let asked: Vec<String> =
        messages.iter().filter(|message| message.role == Role::User).map(|m| text(m)).collect();
    let earlier = asked.split_last().map_or(&[][..], |(_, earlier)| earlier);
    let calls = messages.iter().flat_map(|message| &message.parts).filter(|part| is_call(part)).count();
    if earlier.is_empty() {
        return "Nothing was said before this.".to_owned();
    }
    let mut summary =
        format!("So far, messages of the user: {}; calls of tools: {calls}. The user wrote:", earlier.len());
    for (number, said) in earlier.iter().enumerate() {
        summary.push_str(&format!("\n{}. {}", number + 1, excerpt(said, 120)));
    }
    summary
}

/// How much of what each message said is in the summary of a text.
const SUMMARY_EXCERPT: usize = 40;

/// The answer to whoever wants a text summarised, which the system prompt says: a conversation, with who speaks at the
/// start of each line. It is shorter than the text, if that is not very short.
fn summary_of_text(request: &Request) -> Option<String> {
    let system = request.system.as_deref()?.to_lowercase();
    if !request.tools.is_empty() || !system.starts_with("you summarise") {
        return None;
    }
    let given = text(request.messages.last()?);
    let said: Vec<&str> = given.lines().filter_map(|line| line.strip_prefix("user: ")).collect();
    let calls = given.matches(": [calls ").count();
    let mut summary = format!("Messages of the user: {}; calls of tools: {calls}.", said.len());
    for (number, said) in said.iter().enumerate() {
        let line = format!("\n{}. {}", number + 1, excerpt(said, SUMMARY_EXCERPT));
        if summary.len() + line.len() > given.len() / 2 {
            summary.push_str("\n…");
            break;
        }
        summary.push_str(&line);
    }
    Some(summary)
}

fn images(messages: &[std::sync::Arc<Message>]) -> Vec<&ImageChunk> {
    let parts =
        messages.iter().filter(|message| message.role == Role::User).flat_map(|message| &message.parts);
    parts
        .filter_map(|part| match &part.chunk {
            Chunk::Image(image) => Some(image),
            _ => None,
        })
        .collect()
}

fn ids(messages: &[std::sync::Arc<Message>]) -> HashSet<String> {
    let parts = messages.iter().flat_map(|message| &message.parts);
    parts
        .filter_map(|part| match &part.chunk {
            Chunk::ToolCall { tool_call_id, .. } => Some(tool_call_id.clone()),
            _ => None,
        })
        .collect()
}

fn has_calls(message: &Message) -> bool {
    message.parts.iter().any(is_call)
}

fn is_call(part: &kernel::Part) -> bool {
    matches!(part.chunk, Chunk::ToolCall { .. })
}

fn text(message: &Message) -> String {
    let texts: Vec<&str> = message
        .parts
        .iter()
        .filter_map(|part| match &part.chunk {
            Chunk::Text { text } | Chunk::System { text } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    texts.join("\n")
}

/// The beginning of a text, on one line.
fn excerpt(text: &str, chars: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
