//! Markdown for a terminal: headings, bold and italic, code, fences, lists, quotes.
//!
//! It is styled while it streams. A mark is held back until it is known what it means; everything else is shown at
//! once. That holds because the style of the beginning of a line never depends on its end: see [`line()`].

/// Styles Markdown that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Markdown {
    /// The line that is not complete yet.
    line: String,
    /// How much of it was shown, in bytes of what came out.
    shown: usize,
    /// The fence that the line is in.
    fence: Option<Fence>,
}

/// What opened a block of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fence {
    mark: char,
    length: usize,
}

impl Markdown {
    /// What can be shown now that this has come.
    pub(super) fn push(&mut self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((end, after)) = rest.split_once('\n') {
            self.line.push_str(end);
            out.push_str(&self.finish());
            out.push('\n');
            rest = after;
        }
        self.line.push_str(rest);
        let styled = line(&self.line, self.fence, false);
        out.push_str(styled.get(self.shown..).unwrap_or_default());
        self.shown = styled.len();
        out
    }

    /// What was held back, now that nothing more comes on this line.
    pub(super) fn finish(&mut self) -> String {
        let styled = line(&self.line, self.fence, true);
        let rest = styled.get(self.shown..).unwrap_or_default().to_owned();
        self.fence = match (self.fence, fence(self.line.trim())) {
            (Some(open), Some((close, ""))) if close.mark == open.mark && close.length >= open.length => None,
            (Some(open), _) => Some(open),
            (None, opened) => opened.map(|(fence, _)| fence),
        };
        self.line.clear();
        self.shown = 0;
        rest
    }
}

const RESET: &str = "\x1b[0m";
const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const ITALIC: &str = "\x1b[3m";
const UNDERLINE: &str = "\x1b[1;4m";
const CODE: &str = "\x1b[36m";

/// A line, or its beginning, with styles. What is shown of a beginning is how every longer line begins too; what could
/// still turn out otherwise is left out.
fn line(raw: &str, within: Option<Fence>, complete: bool) -> String {
    let content = raw.trim_start_matches(' ');
    let indent = &raw[..raw.len() - content.len()];
    let close = if complete { RESET } else { "" };
    if let Some(open) = within {
        let may_close = content.trim_end().chars().all(|c| c == open.mark);
        return match (may_close, complete) {
            (true, false) => String::new(),
            (true, true) if content.trim_end().len() >= open.length => {
                format!("{indent}{DIM}{content}{close}")
            }
            _ if content.is_empty() => indent.to_owned(),
            _ => format!("{indent}{CODE}{content}{close}"),
        };
    }
    if !complete && is_undecided(content) {
        return String::new();
    }
    if fence(content).is_some() {
        return format!("{indent}{DIM}{content}{close}");
    }
    if is_rule(content) {
        return format!("{DIM}{}{close}", "─".repeat(24));
    }
    let hashes = content.bytes().take_while(|byte| *byte == b'#').count();
    if (1..=6).contains(&hashes)
        && let Some(title) = content[hashes..].strip_prefix(' ')
    {
        let style = if hashes == 1 { UNDERLINE } else { BOLD };
        return format!("{style}{}{close}", spans(title.trim_start(), style, complete));
    }
    if let Some(quoted) = content.strip_prefix("> ") {
        return format!("{indent}{DIM}│ {}{close}", spans(quoted, DIM, complete));
    }
    for bullet in ["- ", "* ", "+ "] {
        if let Some(item) = content.strip_prefix(bullet) {
            return format!("{indent}• {}", spans(item, "", complete));
        }
    }
    format!("{indent}{}", spans(content, "", complete))
}

/// Whether the next character decides what kind of line this is.
fn is_undecided(content: &str) -> bool {
    let mut characters = content.chars();
    let Some(first) = characters.next() else { return true };
    let only = |mark: char, most: usize| content.len() <= most && content.chars().all(|c| c == mark);
    match first {
        '#' => only('#', 6),
        '>' | '+' => content.len() == 1,
        '`' | '~' => only(first, 2) || content.starts_with("```") || content.starts_with("~~~"),
        '-' | '*' | '_' => content.chars().all(|c| c == first || c == ' '),
        _ => false,
    }
}

fn is_rule(content: &str) -> bool {
    let marks: Vec<char> = content.chars().filter(|c| !c.is_whitespace()).collect();
    marks.len() >= 3 && matches!(marks[0], '-' | '*' | '_') && marks.iter().all(|c| *c == marks[0])
}

/// The fence that a line opens, and what stands after it.
fn fence(content: &str) -> Option<(Fence, &str)> {
    let mark = content.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let length = content.chars().take_while(|c| *c == mark).count();
    let rest = &content[length..];
    (length >= 3 && !(mark == '`' && rest.contains('`'))).then_some((Fence { mark, length }, rest))
}

/// Text with bold, italic and code in it, and a way back to the style around it.
fn spans(text: &str, around: &str, complete: bool) -> String {
    let mut out = String::new();
    let mut before = None;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let span = match c {
            '`' => code(rest, complete),
            '*' => emphasis(rest, before, complete),
            '\\' => escaped(rest, complete),
            c => Span::Text(c.len_utf8()),
        };
        let length = match span {
            Span::Undecided => break,
            Span::Text(length) => {
                out.push_str(&rest[..length]);
                length
            }
            Span::Escaped(length) => {
                out.push_str(&rest[1..length]);
                length
            }
            Span::Code { inner, length } => {
                out.push_str(&format!("{CODE}{inner}{RESET}{around}"));
                length
            }
            Span::Styled { inner, style, length } => {
                let inner = spans(inner, &format!("{around}{style}"), true);
                out.push_str(&format!("{style}{inner}{RESET}{around}"));
                length
            }
        };
        before = rest[..length].chars().next_back();
        rest = &rest[length..];
    }
    out
}

/// What stands at the beginning of a text, and how many bytes of it.
enum Span<'t> {
    Text(usize),
    Escaped(usize),
    Code {
        inner: &'t str,
        length: usize,
    },
    Styled {
        inner: &'t str,
        style: &'static str,
        length: usize,
    },
    /// More must come first.
    Undecided,
}

fn code(text: &str, complete: bool) -> Span<'_> {
    let ticks = text.bytes().take_while(|byte| *byte == b'`').count();
    let mut at = ticks;
    while let Some(found) = text[at..].find('`') {
        let start = at + found;
        let run = text[start..].bytes().take_while(|byte| *byte == b'`').count();
        if run == ticks && (complete || start + run < text.len()) {
            return Span::Code { inner: &text[ticks..start], length: start + run };
        }
        at = start + run;
    }
    if complete { Span::Text(ticks) } else { Span::Undecided }
}

fn emphasis(text: &str, before: Option<char>, complete: bool) -> Span<'_> {
    let stars = text.bytes().take_while(|byte| *byte == b'*').count();
    let Some(next) = text[stars..].chars().next() else {
        return if complete { Span::Text(stars) } else { Span::Undecided };
    };
    let inside_a_word = stars == 1 && before.is_some_and(char::is_alphanumeric);
    if stars > 2 || next.is_whitespace() || inside_a_word {
        return Span::Text(stars);
    }
    let mut at = stars;
    while let Some(found) = text[at..].find('*') {
        let start = at + found;
        let run = text[start..].bytes().take_while(|byte| *byte == b'*').count();
        let end = start + run;
        let decided = complete || end < text.len();
        let after_space = text[..start].ends_with(char::is_whitespace);
        let joined = run == 1 && text[end..].chars().next().is_some_and(char::is_alphanumeric);
        if run == stars && decided && !after_space && !joined {
            let style = if stars == 1 { ITALIC } else { BOLD };
            return Span::Styled { inner: &text[stars..start], style, length: end };
        }
        at = end;
    }
    if complete { Span::Text(stars) } else { Span::Undecided }
}

fn escaped(text: &str, complete: bool) -> Span<'_> {
    match text[1..].chars().next() {
        Some(next) if next.is_ascii_punctuation() => Span::Escaped(2),
        Some(_) => Span::Text(1),
        None if complete => Span::Text(1),
        None => Span::Undecided,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The styles as tags.
    fn tagged(text: &str) -> String {
        [
            (RESET, "</>"),
            (BOLD, "<b>"),
            (DIM, "<dim>"),
            (ITALIC, "<i>"),
            (UNDERLINE, "<h1>"),
            (CODE, "<code>"),
        ]
        .into_iter()
        .fold(text.to_owned(), |text, (code, tag)| text.replace(code, tag))
    }

    fn styled(text: &str) -> String {
        let mut markdown = Markdown::default();
        let out = markdown.push(text);
        tagged(&(out + &markdown.finish()))
    }

    #[test]
    fn a_document() {
        let document = "\
# The *Title*
## Section

Some **bold** and *italic* text with `code *here*` and ``a ` tick``.
A **bold `code` word**, 2 * 3 * 4, snake_case_name, a*b*c, **open, `open
- item one
  * item **two**
1. first
> quoted `text`
---
```rust
let x = \"**not bold**\";
    - not a list
```
After \\*the\\* fence.";
        let expected = "\
<h1>The <i>Title</><h1></>
<b>Section</>

Some <b>bold</> and <i>italic</> text with <code>code *here*</> and <code>a ` tick</>.
A <b>bold <code>code</><b> word</>, 2 * 3 * 4, snake_case_name, a*b*c, **open, `open
• item one
  • item <b>two</>
1. first
<dim>│ quoted <code>text</><dim></>
<dim>────────────────────────</>
<dim>```rust</>
<code>let x = \"**not bold**\";</>
    <code>- not a list</>
<dim>```</>
After *the* fence.";
        assert_eq!(styled(document), expected);
    }

    #[test]
    fn what_is_not_markdown_stays_as_it_is() {
        for text in
            ["", "a", "#hash", "####### seven", "--flag", "-1", "*", "**", "a ** b", "`", "\\", "> ", "a\\b"]
        {
            let expected = if text == "> " { "<dim>│ </>".to_owned() } else { text.to_owned() };
            assert_eq!(styled(text), expected);
        }
    }

    #[test]
    fn a_longer_fence_holds_a_shorter_one() {
        let text = "````\n```\ncode\n````\ntext";
        assert_eq!(styled(text), "<dim>````</>\n<code>```</>\n<code>code</>\n<dim>````</>\ntext");
    }

    #[test]
    fn it_does_not_matter_how_the_text_is_cut() {
        let mut random = fastrand::Rng::with_seed(7);
        let alphabet: Vec<char> = "  ab1é\n\n``***##--_>~+\\.".chars().collect();
        for _ in 0..20_000 {
            let text: String =
                (0..random.usize(0..24)).map(|_| alphabet[random.usize(..alphabet.len())]).collect();
            let mut markdown = Markdown::default();
            let mut out = String::new();
            for c in text.chars() {
                out.push_str(&markdown.push(&c.to_string()));
            }
            out.push_str(&markdown.finish());
            assert_eq!(tagged(&out), styled(&text), "{text:?}");
        }
    }

    #[test]
    fn plain_text_is_shown_as_it_comes() {
        let mut markdown = Markdown::default();
        let shown: Vec<String> =
            ["Hel", "lo **wo", "rld** and", " on"].iter().map(|piece| markdown.push(piece)).collect();
        assert_eq!(
            shown.iter().map(|text| tagged(text)).collect::<Vec<_>>(),
            ["Hel", "lo ", "<b>world</> and", " on"]
        );
    }
}
