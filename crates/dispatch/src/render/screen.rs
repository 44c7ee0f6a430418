//! A turn as it happens.

use std::io;

use serde_json::Value;
use wire::extension::ExtensionEvent;
use wire::{AgentEvent, Usage};

use super::clean::{Cleaner, clean};
use super::markdown::Markdown;
use super::number::{duration, grouped};
use super::{Palette, Target};
use crate::failure::sentence;

/// The most characters of a call's input in its heading.
const HEADING: usize = 100;

/// Shows turns: what the model says in one place, what it does in another or in the same.
pub(crate) struct Screen {
    answer: Channel,
    /// None: in the same place as the answer.
    activity: Option<Channel>,
    shows_thinking: bool,
    part: Part,
    cleaner: Cleaner,
    markdown: Markdown,
    calls: Vec<Call>,
}

/// What is being written.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Nothing,
    Text,
    Thinking,
    /// A call, or its output.
    Call(String),
    /// A line by itself.
    Note,
}

/// A tool call whose result is not there yet.
struct Call {
    id: String,
    heading: String,
    /// Whether it has shown something while it ran.
    spoke: bool,
}

struct Channel {
    target: Target,
    /// Something was written before.
    used: bool,
    mid_line: bool,
}

impl Screen {
    /// All in one place, as in a terminal.
    pub(crate) fn whole(target: Target) -> Self {
        Self::new(target, None, true)
    }

    /// The answer alone in one place, so that it can be used; the rest in another.
    pub(crate) fn apart(answer: Target, activity: Target, shows_thinking: bool) -> Self {
        let one_terminal = answer.terminal && activity.terminal;
        Self::new(answer, (!one_terminal).then_some(activity), shows_thinking)
    }

    fn new(answer: Target, activity: Option<Target>, shows_thinking: bool) -> Self {
        Self {
            answer: Channel::new(answer),
            activity: activity.map(Channel::new),
            shows_thinking,
            part: Part::Nothing,
            cleaner: Cleaner::default(),
            markdown: Markdown::default(),
            calls: Vec::new(),
        }
    }

    /// Shows an event.
    pub(crate) fn event(&mut self, event: &AgentEvent) -> io::Result<()> {
        match event {
            AgentEvent::Status { .. }
            | AgentEvent::UserMessage { .. }
            | AgentEvent::TurnStart { .. }
            | AgentEvent::Usage { .. }
            | AgentEvent::StepComplete { .. }
            | AgentEvent::TurnSealed { .. } => Ok(()),
            AgentEvent::TextDelta { delta, .. } => self.text(delta),
            AgentEvent::ReasoningDelta { delta, .. } => self.thinking(delta),
            AgentEvent::ToolCall { tool_call_id, tool_name, input, .. } => {
                self.call(tool_call_id, tool_name, input)
            }
            AgentEvent::ToolOutput { tool_call_id, data, .. } => self.output(tool_call_id, data),
            AgentEvent::ToolResult { tool_call_id, tool_name, content, is_error, duration_ms, .. } => {
                self.result(tool_call_id, tool_name, content, *is_error, *duration_ms)
            }
            AgentEvent::Steering { text, .. } => self.user(text),
            AgentEvent::Error { message, code, .. } => self.error(message, code.as_deref()),
            AgentEvent::Done { reason, duration_ms, usage, context_size, .. } => {
                self.done(reason, *duration_ms, usage.as_ref(), *context_size)
            }
        }?;
        self.flush()
    }

    /// Shows an event beyond the contract.
    pub(crate) fn extension(&mut self, event: &ExtensionEvent) -> io::Result<()> {
        match event {
            ExtensionEvent::ProviderRetry { attempt, delay_ms, message, code, .. } => {
                let failed = sentence(message, code.as_deref());
                self.say(&format!("{failed}; retry {attempt} in {}", duration(*delay_ms)))
            }
            // What it calls was shown with the call.
            ExtensionEvent::ToolStart { .. } => Ok(()),
        }
    }

    /// More of an answer.
    pub(crate) fn text(&mut self, text: &str) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        if self.part != Part::Text {
            self.begin(Part::Text)?;
            self.answer.gap()?;
        }
        let target = &self.answer.target;
        let text = if target.terminal { self.cleaner.clean(text) } else { text.to_owned() };
        let text = if target.palette.colours { self.markdown.push(&text) } else { text };
        self.answer.write(&text)
    }

    /// More of what the model thinks.
    pub(crate) fn thinking(&mut self, text: &str) -> io::Result<()> {
        if !self.shows_thinking || text.is_empty() {
            return Ok(());
        }
        if self.part != Part::Thinking {
            self.begin(Part::Thinking)?;
            self.activity().gap()?;
        }
        let text = self.cleaned(text);
        let activity = self.activity();
        let text = activity.target.palette.dim(&text);
        activity.write(&text)
    }

    /// A tool is called.
    pub(crate) fn call(&mut self, id: &str, tool: &str, input: &Value) -> io::Result<()> {
        let heading = heading(self.activity().target.palette, tool, input);
        let after_call = matches!(self.part, Part::Call(_));
        self.begin(Part::Call(id.to_owned()))?;
        let gap = self.activity.is_none() && !after_call;
        let activity = self.activity();
        if gap {
            activity.gap()?;
        }
        let mark = activity.target.palette.cyan("●");
        activity.write(&format!("{mark} {heading}\n"))?;
        self.calls.push(Call { id: id.to_owned(), heading, spoke: false });
        Ok(())
    }

    /// A running tool says something.
    pub(crate) fn output(&mut self, id: &str, text: &str) -> io::Result<()> {
        self.turn_to(id)?;
        if let Some(call) = self.calls.iter_mut().find(|call| call.id == id) {
            call.spoke = true;
        }
        let text = self.cleaned(text);
        let activity = self.activity();
        let palette = activity.target.palette;
        for line in text.split_inclusive('\n') {
            let indent = if activity.mid_line { "" } else { "    " };
            let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
            let indent = if line.is_empty() { "" } else { indent };
            activity.write(&format!("{indent}{}{end}", palette.dim(line)))?;
        }
        Ok(())
    }

    /// A tool is done.
    pub(crate) fn result(
        &mut self,
        id: &str,
        tool: &str,
        content: &str,
        is_error: bool,
        ms: Option<u64>,
    ) -> io::Result<()> {
        let at = self.calls.iter().position(|call| call.id == id);
        let call = at.map(|at| self.calls.remove(at));
        let is_current = self.part == Part::Call(id.to_owned());
        self.begin(Part::Call(String::new()))?;
        let activity = self.activity();
        let palette = activity.target.palette;
        let mut facts = Vec::new();
        if !is_current {
            facts.push(call.as_ref().map_or_else(|| palette.bold(tool), |call| call.heading.clone()));
        }
        match (is_error, call.is_some_and(|call| call.spoke)) {
            (true, spoke) => facts.push(palette.red(&reason(content, spoke))),
            (false, true) => {}
            (false, false) => facts.push(palette.dim(&extent(content))),
        }
        facts.extend(ms.map(|ms| palette.dim(&duration(ms))));
        let mark = if is_error { palette.red("✗") } else { palette.green("✓") };
        activity.write(&format!("  {}\n", format!("{mark} {}", facts.join("  ")).trim_end()))
    }

    /// Somebody says something to the model.
    pub(crate) fn user(&mut self, text: &str) -> io::Result<()> {
        self.note(|palette, text| format!("{} {}", palette.bold("›"), palette.bold(&text)), text)
    }

    /// Something failed.
    pub(crate) fn error(&mut self, message: &str, code: Option<&str>) -> io::Result<()> {
        self.note(|palette, text| palette.red(&text), &sentence(message, code))
    }

    /// The turn is over.
    fn done(
        &mut self,
        reason: &str,
        ms: Option<u64>,
        usage: Option<&Usage>,
        context: Option<u64>,
    ) -> io::Result<()> {
        let mut facts: Vec<String> = match reason {
            // An error has been told already.
            "stop" | "error" => None,
            "aborted" => Some("stopped"),
            "length" => Some("cut off: the model hit its limit of tokens"),
            "content_filter" => Some("cut off by the provider's filter"),
            "max-steps" => Some("ended: the turn had as many steps as it may have"),
            other => Some(other),
        }
        .map(clean)
        .into_iter()
        .collect();
        if let Some(usage) = usage {
            let cached = usage.cache_read_tokens.filter(|cached| *cached > 0);
            let cached = cached.map(|cached| format!(" ({} cached)", grouped(cached))).unwrap_or_default();
            facts.push(format!("{} tokens in{cached}", grouped(usage.input_tokens)));
            facts.push(format!("{} out", grouped(usage.output_tokens)));
        }
        facts.extend(context.map(|context| format!("context {}", grouped(context))));
        facts.extend(ms.map(duration));
        self.note(|palette, text| palette.dim(&text), &facts.join(" · "))
    }

    /// A line by itself about what goes on.
    pub(crate) fn say(&mut self, text: &str) -> io::Result<()> {
        self.note(|palette, text| palette.dim(&text), text)?;
        self.flush()
    }

    /// Ends a text or a thought: what comes next is another one.
    pub(crate) fn pause(&mut self) -> io::Result<()> {
        match self.part {
            Part::Text | Part::Thinking => self.begin(Part::Nothing),
            Part::Nothing | Part::Call(_) | Part::Note => Ok(()),
        }
    }

    /// Ends the line that is being written, and shows everything.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.begin(Part::Nothing)?;
        self.flush()
    }

    fn note(&mut self, style: impl FnOnce(Palette, String) -> String, text: &str) -> io::Result<()> {
        let after_note = self.part == Part::Note;
        self.begin(Part::Note)?;
        let text = self.cleaned(text);
        let gap = self.activity.is_none() && !after_note;
        let activity = self.activity();
        if gap {
            activity.gap()?;
        }
        let line = style(activity.target.palette, text);
        activity.write(&format!("{line}\n"))
    }

    /// Names the call again if something else was written since.
    fn turn_to(&mut self, id: &str) -> io::Result<()> {
        if self.part == Part::Call(id.to_owned()) {
            return Ok(());
        }
        self.begin(Part::Call(id.to_owned()))?;
        let heading = self.calls.iter().find(|call| call.id == id).map(|call| call.heading.clone());
        let activity = self.activity();
        let mark = activity.target.palette.dim("…");
        activity.write(&format!("{mark} {}\n", heading.unwrap_or_default()))
    }

    /// Ends what was being written.
    fn begin(&mut self, part: Part) -> io::Result<()> {
        if self.part == Part::Text {
            let rest = self.markdown.finish();
            self.answer.write(&rest)?;
            self.answer.end_line()?;
        } else {
            self.activity().end_line()?;
        }
        self.cleaner = Cleaner::default();
        self.part = part;
        Ok(())
    }

    fn activity(&mut self) -> &mut Channel {
        self.activity.as_mut().unwrap_or(&mut self.answer)
    }

    fn cleaned(&mut self, text: &str) -> String {
        if self.activity().target.terminal { self.cleaner.clean(text) } else { text.to_owned() }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.answer.target.out.flush()?;
        self.activity().target.out.flush()
    }
}

impl Channel {
    fn new(target: Target) -> Self {
        Self { target, used: false, mid_line: false }
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        self.used = true;
        self.mid_line = !text.ends_with('\n');
        self.target.out.write_all(text.as_bytes())
    }

    fn end_line(&mut self) -> io::Result<()> {
        if self.mid_line { self.write("\n") } else { Ok(()) }
    }

    /// An empty line, unless this is the first one.
    fn gap(&mut self) -> io::Result<()> {
        if self.used { self.write("\n") } else { Ok(()) }
    }
}

/// The tool, and what it is to do.
fn heading(palette: Palette, tool: &str, input: &Value) -> String {
    let said = ["command", "path"].iter().find_map(|key| input.get(key)).and_then(Value::as_str);
    let input = match (said, input) {
        (Some(said), _) => clean(said),
        (None, Value::Null) => String::new(),
        (None, Value::Object(fields)) if fields.is_empty() => String::new(),
        (None, other) => clean(&other.to_string()),
    };
    let heading = format!("{}  {}", palette.bold(&clean(tool)), cut(&input, HEADING));
    heading.trim_end().to_owned()
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The line of a failure that says what is wrong: the first one; the last one after what was shown already.
fn reason(content: &str, spoke: bool) -> String {
    let mut lines = content.lines().map(clean).filter(|line| !line.is_empty());
    let line = if spoke { lines.next_back() } else { lines.next() };
    line.map_or_else(|| "failed".to_owned(), |line| cut(&line, HEADING))
}

/// How much a result is.
fn extent(content: &str) -> String {
    match content.lines().count() {
        0 => "nothing".to_owned(),
        1 => "1 line".to_owned(),
        lines => format!("{} lines", grouped(u64::try_from(lines).unwrap_or(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use serde_json::json;
    use wire::{ConversationId, OutputStream, StepId, TurnId};

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Rc<RefCell<Vec<u8>>>);

    impl io::Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Paper {
        fn target(&self, terminal: bool, palette: Palette) -> Target {
            Target { out: Box::new(self.clone()), terminal, palette }
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.borrow().clone()).unwrap()
        }
    }

    fn turn() -> Vec<AgentEvent> {
        let conversation_id = ConversationId::new("c");
        let turn_id = TurnId::new("t");
        let (c, t) = (&conversation_id, &turn_id);
        let text = |delta: &str| AgentEvent::TextDelta {
            conversation_id: c.clone(),
            turn_id: t.clone(),
            delta: delta.to_owned(),
        };
        let call = |id: &str, tool: &str, input: Value| AgentEvent::ToolCall {
            conversation_id: c.clone(),
            turn_id: t.clone(),
            step_id: StepId::of(t, 0),
            tool_call_id: id.to_owned(),
            tool_name: tool.to_owned(),
            input,
        };
        let output = |id: &str, data: &str| AgentEvent::ToolOutput {
            conversation_id: c.clone(),
            turn_id: t.clone(),
            tool_call_id: id.to_owned(),
            data: data.to_owned(),
            stream: OutputStream::Stdout,
        };
        let result = |id: &str, tool: &str, content: &str, is_error| AgentEvent::ToolResult {
            conversation_id: c.clone(),
            turn_id: t.clone(),
            step_id: StepId::of(t, 0),
            tool_call_id: id.to_owned(),
            tool_name: tool.to_owned(),
            content: content.to_owned(),
            is_error,
            duration_ms: Some(12),
        };
        vec![
            AgentEvent::UserMessage {
                conversation_id: c.clone(),
                turn_id: t.clone(),
                text: "go".to_owned(),
                client_message_id: None,
                client_message_ids: None,
                images: None,
            },
            AgentEvent::TurnStart { conversation_id: c.clone(), turn_id: t.clone() },
            AgentEvent::ReasoningDelta {
                conversation_id: c.clone(),
                turn_id: t.clone(),
                delta: "Hm.".to_owned(),
            },
            text("I will **lo"),
            text("ok**."),
            call("1", "run_shell", json!({"command": "ls\n-la"})),
            call("2", "read_file", json!({"path": "a.txt"})),
            call("3", "other", json!({"x": [1]})),
            call("4", "run_shell", json!({"command": "exit 3"})),
            output("1", "one\ntw"),
            output("1", "o\n\nend"),
            output("4", "well"),
            result("1", "run_shell", "one\ntwo\nend", false),
            result("2", "read_file", "a\nb\n", false),
            result("3", "other", "\nno such thing\nreally", true),
            result("4", "run_shell", "well\n[exit code 3]", true),
            AgentEvent::Steering {
                conversation_id: c.clone(),
                turn_id: t.clone(),
                text: "also b".to_owned(),
                client_message_id: None,
                client_message_ids: None,
            },
            text("Done:\n"),
            text("- all\n"),
            AgentEvent::Error {
                conversation_id: c.clone(),
                turn_id: t.clone(),
                message: "it broke".to_owned(),
                code: Some("500".to_owned()),
            },
            AgentEvent::Done {
                conversation_id: c.clone(),
                turn_id: t.clone(),
                reason: "length".to_owned(),
                duration_ms: Some(2100),
                usage: Some(Usage {
                    input_tokens: 1234,
                    output_tokens: 56,
                    cache_read_tokens: Some(1000),
                    cache_write_tokens: None,
                }),
                context_size: Some(1290),
            },
            AgentEvent::TurnSealed { conversation_id: c.clone(), turn_id: t.clone() },
        ]
    }

    fn show(screen: &mut Screen) {
        for event in turn() {
            screen.event(&event).unwrap();
        }
        screen.finish().unwrap();
    }

    #[test]
    fn a_turn_in_one_place() {
        let paper = Paper::default();
        show(&mut Screen::whole(paper.target(true, Palette::PLAIN)));
        let expected = "\
Hm.

I will **look**.

● run_shell  ls -la
● read_file  a.txt
● other  {\"x\":[1]}
● run_shell  exit 3
… run_shell  ls -la
    one
    two

    end
… run_shell  exit 3
    well
  ✓ run_shell  ls -la  12 ms
  ✓ read_file  a.txt  2 lines  12 ms
  ✗ other  {\"x\":[1]}  no such thing  12 ms
  ✗ run_shell  exit 3  [exit code 3]  12 ms

› also b

Done:
- all

error: it broke (500)
cut off: the model hit its limit of tokens · 1,234 tokens in (1,000 cached) · 56 out · context 1,290 · 2.1 s
";
        assert_eq!(paper.text(), expected);
    }

    #[test]
    fn the_answer_alone() {
        let (answer, activity) = (Paper::default(), Paper::default());
        let mut screen =
            Screen::apart(answer.target(false, Palette::PLAIN), activity.target(true, Palette::PLAIN), false);
        show(&mut screen);
        assert_eq!(answer.text(), "I will **look**.\n\nDone:\n- all\n");
        let expected = "\
● run_shell  ls -la
● read_file  a.txt
● other  {\"x\":[1]}
● run_shell  exit 3
… run_shell  ls -la
    one
    two

    end
… run_shell  exit 3
    well
  ✓ run_shell  ls -la  12 ms
  ✓ read_file  a.txt  2 lines  12 ms
  ✗ other  {\"x\":[1]}  no such thing  12 ms
  ✗ run_shell  exit 3  [exit code 3]  12 ms
› also b
error: it broke (500)
cut off: the model hit its limit of tokens · 1,234 tokens in (1,000 cached) · 56 out · context 1,290 · 2.1 s
";
        assert_eq!(activity.text(), expected);
    }

    #[test]
    fn a_retry_is_announced() {
        let paper = Paper::default();
        let mut screen = Screen::whole(paper.target(true, Palette::PLAIN));
        let retry = ExtensionEvent::ProviderRetry {
            conversation_id: ConversationId::new("c"),
            turn_id: TurnId::new("t"),
            attempt: 2,
            delay_ms: 1500,
            message: "too many requests".to_owned(),
            code: Some("429".to_owned()),
        };
        screen.extension(&retry).unwrap();
        assert_eq!(paper.text(), "error: too many requests (429); retry 2 in 1.5 s\n");
    }

    #[test]
    fn summaries_and_images_of_a_history_are_notes() {
        let paper = Paper::default();
        let mut screen = Screen::whole(paper.target(true, Palette::PLAIN));
        let stored = |seq, role, chunk| wire::StoredChunk { seq, role, chunk };
        let text = |text: &str| wire::Chunk::Text { text: text.to_owned() };
        let image = wire::extension::ImageChunk {
            url: "/images/c/a.png".to_owned(),
            mime_type: Some("image/png".to_owned()),
        };
        let history = [
            stored(1, wire::Role::System, text("What was said before.")),
            stored(2, wire::Role::User, text("look")),
            stored(3, wire::Role::User, wire::Chunk::Image(image)),
            stored(4, wire::Role::Assistant, text("I see.")),
        ];
        crate::render::transcript(&mut screen, &history).unwrap();
        let expected = "What was said before.\n› look\n[image: /images/c/a.png]\n\nI see.\n";
        assert_eq!(paper.text(), expected);
    }

    #[test]
    fn with_colours() {
        let paper = Paper::default();
        let mut screen = Screen::whole(paper.target(true, Palette { colours: true }));
        screen.text("I will **lo").unwrap();
        screen.text("ok**").unwrap();
        screen.call("1", "run_shell", &json!({"command": "ls \x1b[2J"})).unwrap();
        screen.output("1", "\x1b[31mred\x1b[0m\n").unwrap();
        screen.result("1", "run_shell", "red", false, None).unwrap();
        screen.finish().unwrap();
        let expected = "\
I will \x1b[1mlook\x1b[0m

\x1b[36m●\x1b[0m \x1b[1mrun_shell\x1b[0m  ls
    \x1b[2mred\x1b[0m
  \x1b[32m✓\x1b[0m
";
        assert_eq!(paper.text(), expected);
    }
}
