//! The few words that the demo understands.

use kernel::FinishReason;
use serde_json::{Map, Value};

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Help,
    /// Names the tools that it was given.
    Tools,
    /// Says the system prompt that it was given.
    Prompt,
    /// Calls any tool, whether it was given that one or not.
    Call {
        tool: String,
        /// Absent if what was written is no JSON object.
        input: Option<Map<String, Value>>,
    },
    Read(String),
    List(String),
    Run(String),
    Write {
        path: String,
        text: String,
    },
    Think(String),
    Count {
        to: u32,
        slowly: bool,
    },
    Say(String),
    Fail(Failing),
    Stall,
    /// Ends the answer with that reason, or without any.
    End(Option<FinishReason>),
    Summarise,
}

/// How to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failing {
    Now,
    Once,
    AfterWords(usize),
}

/// What a message asks for: groups of commands that belong together, and what was not understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    /// Commands of one group are called in one step.
    pub(super) groups: Vec<Vec<Command>>,
    /// Sentences that are no command.
    pub(super) unknown: Vec<String>,
}

/// The commands, as `help` shows them.
pub(super) const HELP: &str = "\
- read <path>
- list <path>
- run <command>
- write <path>: <text>
- read <path> and run <command> (two tools in one step)
- think about <something>
- count to <number>, or: count to <number> slowly
- say <text>
- summarise
- call <tool> <json>
- tools, prompt (what the demo was given of each)
- fail, fail once, fail after <number> words, stall
- end with length, end with content_filter, end with nothing
- help

Commands stand on lines of their own, or with \"then\" between them; call has a line to itself. What stands between \
backticks is taken as it is.";

/// The largest number to count to.
const HIGHEST: u32 = 10_000;

pub(super) fn parse(message: &str) -> Wish {
    let mut wish = Wish::default();
    for line in message.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(call) = call(plain(line)) {
            wish.groups.push(vec![call]);
            continue;
        }
        for sentence in sentences(plain(line)) {
            let commands: Option<Vec<Command>> = together(sentence).into_iter().map(command).collect();
            match commands {
                Some(commands) => wish.groups.push(commands),
                None => wish.unknown.push(sentence.to_owned()),
            }
        }
    }
    // Whoever asks for a summary does it in words of their own.
    let nothing_else = wish.groups.iter().flatten().all(|command| *command == Command::Summarise);
    if nothing_else && message.to_lowercase().contains("summar") {
        wish = Wish { groups: vec![vec![Command::Summarise]], unknown: Vec::new() };
    }
    wish
}

/// The parts of a line that come one after the other.
fn sentences(line: &str) -> Vec<&str> {
    const BREAKS: [&str; 7] = [", and then ", " and then ", ", then ", "; then ", ". then ", " then ", "; "];
    let takes_rest = matches!(first_word(line).as_str(), "say" | "write");
    split(line, |rest| {
        BREAKS
            .iter()
            .chain((!takes_rest).then_some(&". "))
            .filter(|separator| starts_with(rest, separator))
            .find(|separator| is_command(&rest[separator.len()..]))
            .map(|separator| separator.len())
    })
}

/// The parts of a sentence that happen at once.
fn together(sentence: &str) -> Vec<&str> {
    let bare = without_prefix(sentence, &["both: ", "all: ", "at once: "]);
    if !names_a_tool(bare) {
        return vec![bare];
    }
    split(bare, |rest| {
        [", and ", " and ", ", "]
            .iter()
            .filter(|separator| starts_with(rest, separator))
            .find(|separator| names_a_tool(&rest[separator.len()..]))
            .map(|separator| separator.len())
    })
}

/// Cuts a text wherever `separator` finds one, but never between backticks.
fn split(text: &str, separator: impl Fn(&str) -> Option<usize>) -> Vec<&str> {
    let (mut parts, mut start, mut skip, mut quoted) = (Vec::new(), 0, 0, false);
    for (at, c) in text.char_indices() {
        if c == '`' {
            quoted = !quoted;
        }
        if at < skip || quoted {
            continue;
        }
        if let Some(length) = separator(&text[at..]) {
            parts.push(&text[start..at]);
            start = at + length;
            skip = start;
        }
    }
    parts.push(&text[start..]);
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn command(text: &str) -> Option<Command> {
    let text = plain(text);
    let word = first_word(text);
    let rest = text[word.len()..].trim();
    let path = || path(rest);
    match word.as_str() {
        "help" | "help?" | "help." | "help!" => Some(Command::Help),
        "read" | "show" | "cat" => path().map(Command::Read),
        "list" | "ls" => Some(Command::List(path().unwrap_or_else(|| ".".to_owned()))),
        "run" => (!rest.is_empty()).then(|| Command::Run(shell(rest))),
        "write" => {
            let (path, text) = rest.split_once(':')?;
            let path = self::path(path)?;
            Some(Command::Write { path, text: unquoted(text.trim()).to_owned() })
        }
        "think" | "think." => {
            let subject = without_prefix(rest, &["about ", "of ", "on "]);
            Some(Command::Think(end_trimmed(subject).to_owned()))
        }
        "count" => {
            let mut words = without_prefix(rest, &["up to ", "to "]).split_whitespace();
            let to: u32 = end_trimmed(words.next()?).parse().ok()?;
            let slowly = words.any(|word| end_trimmed(word).eq_ignore_ascii_case("slowly"));
            Some(Command::Count { to: to.min(HIGHEST), slowly })
        }
        "say" => (!rest.is_empty()).then(|| Command::Say(unquoted(rest).to_owned())),
        "fail" | "fail." => failing(rest).map(Command::Fail),
        "stall" | "stall." => Some(Command::Stall),
        "end" => ending(rest).map(Command::End),
        "tools" | "tools?" if rest.is_empty() => Some(Command::Tools),
        "prompt" | "prompt?" if rest.is_empty() => Some(Command::Prompt),
        "summarise" | "summarize" | "summarise." | "summarize." => Some(Command::Summarise),
        _ => None,
    }
}

/// `call <tool> <json>`, which nothing can stand beside: anything can be in the JSON.
fn call(line: &str) -> Option<Command> {
    let rest = line.get("call".len()..).filter(|_| first_word(line) == "call")?.trim_start();
    let (tool, input) = rest.split_once(char::is_whitespace)?;
    Some(Command::Call { tool: tool.to_owned(), input: serde_json::from_str(input.trim()).ok() })
}

fn ending(rest: &str) -> Option<Option<FinishReason>> {
    match end_trimmed(without_prefix(rest, &["with "])) {
        "length" => Some(Some(FinishReason::Length)),
        "content_filter" => Some(Some(FinishReason::ContentFilter)),
        "nothing" => Some(None),
        _ => None,
    }
}

fn failing(rest: &str) -> Option<Failing> {
    let rest = end_trimmed(rest).to_lowercase();
    let words: Vec<&str> = rest.split_whitespace().collect();
    match words.as_slice() {
        [] | ["now"] => Some(Failing::Now),
        ["once"] => Some(Failing::Once),
        ["after", count, ..] => count.parse().ok().map(Failing::AfterWords),
        _ => None,
    }
}

fn is_command(text: &str) -> bool {
    command(together(text).first().copied().unwrap_or_default()).is_some()
}

/// Whether a text begins like a call that can stand beside others. What is written to a file goes on to its line's end.
fn names_a_tool(text: &str) -> bool {
    matches!(first_word(plain(text)).as_str(), "read" | "show" | "cat" | "list" | "ls" | "run")
}

/// The text without what people put before a command.
fn plain(text: &str) -> &str {
    const PREFIXES: [&str; 14] = [
        "please ",
        "now ",
        "then ",
        "first ",
        "first, ",
        "next ",
        "next, ",
        "finally ",
        "finally, ",
        "and ",
        "can you ",
        "could you ",
        "- ",
        "* ",
    ];
    let mut plain = text.trim();
    loop {
        let numbered = plain.trim_start_matches(|c: char| c.is_ascii_digit());
        let rest = match numbered.strip_prefix(". ").filter(|_| numbered.len() < plain.len()) {
            Some(rest) => rest,
            None => without_prefix(plain, &PREFIXES),
        };
        if rest.len() == plain.len() {
            return plain;
        }
        plain = rest.trim_start();
    }
}

fn path(text: &str) -> Option<String> {
    let text = without_prefix(end_trimmed(text), &["the "]);
    let text = without_prefix(text, &["contents of ", "content of ", "file ", "directory ", "folder "]);
    let text = without_prefix(text, &["the "]);
    let path = unquoted(text);
    // Several words are most likely a sentence that is meant for someone who understands it.
    let is_one = path.len() < text.len() || !path.contains(char::is_whitespace);
    (is_one && !path.is_empty()).then(|| path.to_owned())
}

/// A command without the full stop of its sentence, which belongs to the command only if a space comes before it.
fn shell(text: &str) -> String {
    let unquoted = unquoted(text);
    let bare = match unquoted.strip_suffix('.') {
        Some(bare) if unquoted.len() == text.len() && bare.ends_with(|c: char| c.is_alphanumeric()) => bare,
        _ => unquoted,
    };
    without_prefix(bare, &["the command "]).to_owned()
}

fn unquoted(text: &str) -> &str {
    ['`', '"', '\'']
        .into_iter()
        .find_map(|quote| {
            let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
            (!inner.contains(quote)).then_some(inner)
        })
        .unwrap_or(text)
}

fn end_trimmed(text: &str) -> &str {
    let trimmed = text.trim().trim_end_matches(['!', '?', ',', ';']);
    // `.` and `..` are directories.
    if trimmed.trim_end_matches('.').ends_with(|c: char| c.is_alphanumeric() || c == '`' || c == '"') {
        trimmed.trim_end_matches('.')
    } else {
        trimmed
    }
}

fn first_word(text: &str) -> String {
    text.split_whitespace().next().unwrap_or_default().to_ascii_lowercase()
}

fn without_prefix<'t>(text: &'t str, prefixes: &[&str]) -> &'t str {
    let found = prefixes.iter().find(|prefix| starts_with(text, prefix));
    found.map_or(text, |prefix| &text[prefix.len()..])
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.as_bytes().get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(message: &str) -> Vec<Vec<Command>> {
        let wish = parse(message);
        assert_eq!(wish.unknown, Vec::<String>::new(), "{message}");
        wish.groups
    }

    fn read(path: &str) -> Command {
        Command::Read(path.to_owned())
    }

    fn run(command: &str) -> Command {
        Command::Run(command.to_owned())
    }

    #[test]
    fn one_command() {
        let cases = [
            ("read notes.txt", read("notes.txt")),
            ("Please read the file `my notes.txt`.", read("my notes.txt")),
            ("READ src/main.rs!", read("src/main.rs")),
            ("list", Command::List(".".to_owned())),
            ("list ..", Command::List("..".to_owned())),
            ("run ls -la .", run("ls -la .")),
            ("run echo hello.", run("echo hello")),
            ("run `echo a and run b then c.`", run("echo a and run b then c.")),
            (
                "write a.txt: hello. Then some more; and more",
                Command::Write {
                    path: "a.txt".to_owned(),
                    text: "hello. Then some more; and more".to_owned(),
                },
            ),
            ("think", Command::Think(String::new())),
            ("think about the sea.", Command::Think("the sea".to_owned())),
            ("count to 12", Command::Count { to: 12, slowly: false }),
            ("Count to 5 slowly.", Command::Count { to: 5, slowly: true }),
            ("count to 99999999", Command::Count { to: 10_000, slowly: false }),
            ("say hello, world. Bye", Command::Say("hello, world. Bye".to_owned())),
            ("fail", Command::Fail(Failing::Now)),
            ("fail once.", Command::Fail(Failing::Once)),
            ("fail after 3 words", Command::Fail(Failing::AfterWords(3))),
            ("stall", Command::Stall),
            ("end with length", Command::End(Some(FinishReason::Length))),
            ("End with content_filter.", Command::End(Some(FinishReason::ContentFilter))),
            ("end with nothing", Command::End(None)),
            ("tools", Command::Tools),
            ("prompt?", Command::Prompt),
            (
                "call files__find {\"of\": \"a then run b, `c\", \"n\": 1}",
                Command::Call {
                    tool: "files__find".to_owned(),
                    input: Some(Map::from_iter([
                        ("of".to_owned(), "a then run b, `c".into()),
                        ("n".to_owned(), 1.into()),
                    ])),
                },
            ),
            ("call read_file [1]", Command::Call { tool: "read_file".to_owned(), input: None }),
            ("call read_file {\"path\": ", Command::Call { tool: "read_file".to_owned(), input: None }),
            ("help", Command::Help),
            ("Summarise", Command::Summarise),
            ("You are to write a short summary.\nSummarize what was said above.", Command::Summarise),
        ];
        for (message, command) in cases {
            assert_eq!(groups(message), [[command]], "{message}");
        }
    }

    #[test]
    fn several_commands_one_after_the_other() {
        for message in [
            "read a.txt then run ls",
            "read a.txt, then run ls",
            "Read a.txt. Then run ls.",
            "read a.txt. run ls",
            "read a.txt; run ls",
            "1. read a.txt\n2. run ls\n",
            "- read a.txt\n- and then run ls",
        ] {
            assert_eq!(groups(message), [[read("a.txt")], [run("ls")]], "{message}");
        }
        assert_eq!(
            groups("say it was then or never then count to 2"),
            [[Command::Say("it was then or never".to_owned())], [Command::Count { to: 2, slowly: false }]]
        );
    }

    #[test]
    fn several_commands_at_once() {
        for message in ["both: read a.txt and run ls", "read a.txt and run ls", "read a.txt, run ls"] {
            assert_eq!(groups(message), [[read("a.txt"), run("ls")]], "{message}");
        }
        assert_eq!(
            groups("read a and read b and run ls then read c"),
            [vec![read("a"), read("b"), run("ls")], vec![read("c")]]
        );
    }

    #[test]
    fn anything_else_is_not_understood() {
        let unknown = |message: &str| parse(message).unknown;
        assert_eq!(unknown("What is the meaning of life?"), ["What is the meaning of life?"]);
        assert_eq!(unknown("count the sheep"), ["count the sheep"]);
        assert_eq!(unknown("read"), ["read"]);
        assert_eq!(unknown("tools and more"), ["tools and more"]);
        assert_eq!(unknown("call me"), ["call me"]);
        assert_eq!(unknown("end with a bang"), ["end with a bang"]);
        assert_eq!(unknown("show me what you can do"), ["show me what you can do"]);
        assert_eq!(unknown("write a poem about this: roses"), ["write a poem about this: roses"]);
        assert_eq!(unknown("tôt\nread a.txt"), ["tôt"]);
        assert_eq!(parse(""), Wish::default());
    }
}
