//! What a skill says of itself in its first lines.

/// The most characters of a summary.
const SUMMARY_CHARS: usize = 400;

/// The beginning of a skill's file, and the rest.
#[derive(Debug, PartialEq)]
pub(super) struct Header<'a> {
    pub(super) name: Option<String>,
    /// One line.
    pub(super) summary: Option<String>,
    /// What is to be read.
    pub(super) body: &'a str,
}

impl<'a> Header<'a> {
    /// One of three: YAML front matter, which is fields between two lines `---`; a first line that is the summary, with
    /// `---` as the second; or none.
    pub(super) fn of(text: &'a str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if let Some((matter, body)) = front_matter(text) {
            return Self {
                name: field(matter, "name").filter(|name| !name.is_empty()),
                summary: field(matter, "description").and_then(|text| summary(&text)),
                body,
            };
        }
        match text.split_once('\n') {
            Some((first, rest)) if line(rest) == "---" => {
                Self { name: None, summary: summary(first), body: after_line(rest) }
            }
            Some(_) | None => Self { name: None, summary: None, body: text },
        }
    }
}

/// The first line.
fn line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn after_line(text: &str) -> &str {
    text.split_once('\n').map_or("", |(_, rest)| rest)
}

fn front_matter(text: &str) -> Option<(&str, &str)> {
    if line(text).trim_end() != "---" {
        return None;
    }
    let matter = after_line(text);
    let mut rest = matter;
    while !rest.is_empty() {
        if line(rest).trim_end() == "---" {
            return Some((&matter[..matter.len() - rest.len()], after_line(rest)));
        }
        rest = after_line(rest);
    }
    None
}

/// A text of that name on the outermost level of YAML, on one line. What else YAML can have there is taken as it is
/// written.
fn field(matter: &str, name: &str) -> Option<String> {
    let mut lines = matter.lines();
    let first = lines.find_map(|line| {
        let value = line.strip_prefix(name)?.trim_start().strip_prefix(':')?;
        (value.is_empty() || value.starts_with([' ', '\t'])).then(|| value.trim())
    })?;
    let below: Vec<&str> = lines
        .take_while(|line| line.trim().is_empty() || line.starts_with([' ', '\t']))
        .map(str::trim)
        .collect();
    let below = below.join(" ");
    let value = match first.chars().next() {
        Some('|' | '>') => below,
        Some('"') => double_quoted(&format!("{} {below}", &first[1..])),
        Some('\'') => single_quoted(&format!("{} {below}", &first[1..])),
        Some(_) | None => format!("{} {below}", without_comment(first)),
    };
    Some(one_line(&value))
}

fn double_quoted(text: &str) -> String {
    let mut value = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => match characters.next() {
                Some('n' | 't' | 'r') => value.push(' '),
                Some(escaped) => value.push(escaped),
                None => break,
            },
            character => value.push(character),
        }
    }
    value
}

fn single_quoted(text: &str) -> String {
    let mut value = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\'' && characters.next_if_eq(&'\'').is_none() {
            break;
        }
        value.push(character);
    }
    value
}

fn without_comment(text: &str) -> &str {
    if text.starts_with('#') { "" } else { text.split(" #").next().unwrap_or(text) }
}

/// Words with one space between them, and nothing that moves a cursor.
fn one_line(text: &str) -> String {
    let text: String = text.chars().map(|each| if each.is_control() { ' ' } else { each }).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn summary(text: &str) -> Option<String> {
    let text = one_line(text);
    let end = text.char_indices().nth(SUMMARY_CHARS).map(|(at, _)| at);
    match end {
        Some(end) => Some(format!("{}…", &text[..end])),
        None => (!text.is_empty()).then_some(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<String>, Option<String>, &str) {
        let header = Header::of(text);
        (header.name, header.summary, header.body)
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn a_first_line_is_the_summary_if_the_second_one_says_so() {
        assert_eq!(read("Sum \tit\n---\nbody\n---\nmore"), (None, some("Sum it"), "body\n---\nmore"));
        assert_eq!(read("\u{feff}Sum\r\n---\r\nbody\r\n"), (None, some("Sum"), "body\r\n"));
        assert_eq!(read("Sum\n---"), (None, some("Sum"), ""));
        assert_eq!(read(" \n---\nbody"), (None, None, "body"));
        for text in [
            "",
            "x",
            "Sum\n--- \nbody",
            "Sum\n----\nbody",
            "Sum\n\n---\nbody",
            "Sum\n ---\n",
            "---",
            "---\nx: y",
        ] {
            assert_eq!(read(text), (None, None, text), "{text:?}");
        }
    }

    #[test]
    fn front_matter_names_and_describes() {
        assert_eq!(
            read(
                "---\nname: pdf\ndescription: Reads PDF files: all of them # really\nlicense: MIT\n---\n\n# PDF\n"
            ),
            (some("pdf"), some("Reads PDF files: all of them"), "\n# PDF\n")
        );
        assert_eq!(read("---\r\nname: a\r\n---\r\nb"), (some("a"), None, "b"));
        assert_eq!(read("---\n---\nb"), (None, None, "b"));
        assert_eq!(read("---\nname:\ndescription: ''\nnames: x\n---"), (None, None, ""));
        assert_eq!(read("---\nmeta:\n  name: inner\nname : outer\n---"), (some("outer"), None, ""));
    }

    #[test]
    fn texts_are_read_in_all_the_ways_that_yaml_writes_them() {
        let described =
            |value: &str| Header::of(&format!("---\ndescription: {value}\nname: n\n---\n")).summary;
        assert_eq!(described("plain: and\n  on\n\n  it goes"), some("plain: and on it goes"));
        assert_eq!(described("\"a \\\"b\\\" \\\\ c\\n d\" # no"), some("a \"b\" \\ c d"));
        assert_eq!(described("\"not\n  closed"), some("not closed"));
        assert_eq!(described("'it''s' # no"), some("it's"));
        assert_eq!(described(">-\n  folded\n  text"), some("folded text"));
        assert_eq!(described("|\n  kept\n\n  lines"), some("kept lines"));
        assert_eq!(described("\n  below"), some("below"));
        assert_eq!(described("#none"), None);
        assert_eq!(described("a#b"), some("a#b"));
    }

    #[test]
    fn a_summary_is_one_line_of_so_many_characters() {
        assert_eq!(summary("a\u{1b}[31m\tb\u{7}"), some("a [31m b"));
        let long = "é".repeat(SUMMARY_CHARS);
        assert_eq!(summary(&long), Some(long.clone()));
        assert_eq!(summary(&format!("{long}x")), Some(format!("{long}…")));
    }
}
