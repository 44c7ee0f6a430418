//! A template: what its tags are, and the text that comes of it.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use memchr::{memchr, memchr3};

use crate::Scope;
use crate::values::{Bounds, Values};
use crate::variable::Variable;

/// A text with tags, ready to be resolved.
///
/// - `[type:name]` is replaced by the value of a variable; one that is not known is empty.
/// - `[if type:name]` … `[else]` … `[endif]` keeps the first part if the variable has a value that is more than blanks,
///   else the second one, which may be left out. `[if !type:name]` is the other way round. They nest.
/// - A tag is on one line and has no brackets in it. What has no partner stays as it is, and so does everything else in
///   brackets.
#[derive(Clone, Debug)]
pub struct Template {
    text: String,
    /// What to do, in order. Flat, so that no depth of nesting is too deep.
    steps: Vec<Step>,
    /// Each once, in the order in which the text names them.
    variables: Vec<Variable>,
    bounds: Bounds,
}

#[derive(Clone, Debug)]
enum Step {
    /// Say this part of the text.
    Say(Range<usize>),
    /// Say the value of that variable.
    Put(usize),
    /// Go to that step unless the variable has a value; when negated, unless it has none.
    Unless { variable: usize, negated: bool, to: usize },
    /// Go to that step.
    Go(usize),
}

impl Template {
    /// Reads any text.
    pub fn parse(text: &str) -> Self {
        Parser::new(text).parse()
    }

    /// The same template, which has nothing of these files and directories: those of the server itself, absolute.
    pub fn protecting(mut self, paths: impl IntoIterator<Item = PathBuf>) -> Self {
        self.bounds.protected.extend(paths);
        self
    }

    /// The same template, which waits so long for git, and for each file. Unless it is told, two seconds.
    pub fn waiting(mut self, patience: Duration) -> Self {
        self.bounds.patience = patience;
        self
    }

    /// What the text names, each once, in the order in which they come. Not what is only text because a tag has no
    /// partner.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.variables.iter()
    }

    /// The text with its tags replaced. Looks up what it needs, each variable once, beside the async runtime's threads.
    /// Needs a tokio runtime.
    ///
    /// What the tags put in is 256 KiB at most; what is more is cut, and the text says so.
    pub async fn resolve(&self, scope: &Scope) -> String {
        let mut values = Values::new(scope, &self.bounds);
        let mut said = String::with_capacity(self.text.len());
        let mut at = 0;
        while let Some(step) = self.steps.get(at) {
            at += 1;
            match step {
                Step::Say(range) => said.push_str(&self.text[range.clone()]),
                Step::Put(variable) => values.put(&self.variables[*variable], &mut said).await,
                Step::Unless { variable, negated, to } => {
                    if values.is_set(&self.variables[*variable]).await == *negated {
                        at = *to;
                    }
                }
                Step::Go(to) => at = *to,
            }
        }
        said
    }
}

/// What stands between two brackets, if it is a tag.
enum Tag {
    Variable(Variable),
    If { variable: Variable, negated: bool },
    Else,
    EndIf,
}

impl Tag {
    fn parse(inner: &str) -> Option<Self> {
        match inner {
            "else" => return Some(Self::Else),
            "endif" => return Some(Self::EndIf),
            _ => {}
        }
        if let Some(condition) = inner.strip_prefix("if ") {
            let condition = condition.trim();
            let (negated, name) = match condition.strip_prefix('!') {
                Some(name) => (true, name.trim_start()),
                None => (false, condition),
            };
            return Variable::parse(name).map(|variable| Self::If { variable, negated });
        }
        Variable::parse(inner).map(Self::Variable)
    }
}

/// A piece of the text. A tag that finds no partner is a piece of text like another.
struct Piece {
    range: Range<usize>,
    tag: Option<Tag>,
}

struct Parser<'a> {
    text: &'a str,
    pieces: Vec<Piece>,
}

/// A condition that has been opened.
struct Open {
    /// Its piece.
    at: usize,
    /// The piece of its `[else]`.
    otherwise: Option<usize>,
}

/// What a piece with a tag has to do with others.
#[derive(Clone, Copy)]
enum Role {
    Alone,
    If { otherwise: Option<usize>, end: usize },
    Else { end: usize },
    EndIf,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        let mut parser = Self { text, pieces: Vec::new() };
        let mut said = 0;
        let mut from = 0;
        while let Some(offset) = memchr(b'[', &text.as_bytes()[from..]) {
            let open = from + offset;
            from = open + 1;
            let Some(length) = memchr3(b'[', b']', b'\n', &text.as_bytes()[from..]) else { break };
            let close = from + length;
            from = close;
            if text.as_bytes()[close] != b']' {
                continue;
            }
            if let Some(tag) = Tag::parse(&text[open + 1..close]) {
                parser.say(said..open);
                parser.pieces.push(Piece { range: open..close + 1, tag: Some(tag) });
                said = close + 1;
            }
        }
        parser.say(said..text.len());
        parser
    }

    fn say(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            self.pieces.push(Piece { range, tag: None });
        }
    }

    /// Which tags belong together: an `[endif]` ends the last condition that is open.
    fn roles(&self) -> Vec<Option<Role>> {
        let mut roles: Vec<Option<Role>> = self.pieces.iter().map(|_| None).collect();
        let mut open: Vec<Open> = Vec::new();
        for (at, piece) in self.pieces.iter().enumerate() {
            match piece.tag {
                None => {}
                Some(Tag::Variable(_)) => roles[at] = Some(Role::Alone),
                Some(Tag::If { .. }) => open.push(Open { at, otherwise: None }),
                Some(Tag::Else) => {
                    if let Some(condition) = open.last_mut() {
                        condition.otherwise.get_or_insert(at);
                    }
                }
                Some(Tag::EndIf) => {
                    let Some(condition) = open.pop() else { continue };
                    roles[condition.at] = Some(Role::If { otherwise: condition.otherwise, end: at });
                    if let Some(otherwise) = condition.otherwise {
                        roles[otherwise] = Some(Role::Else { end: at });
                    }
                    roles[at] = Some(Role::EndIf);
                }
            }
        }
        roles
    }

    /// Each piece becomes one step, so that the number of a piece is that of its step.
    fn parse(self) -> Template {
        let roles = self.roles();
        let mut names = Names::default();
        let steps = self.pieces.into_iter().zip(roles).enumerate().map(|(at, (piece, role))| {
            match (piece.tag, role) {
                (Some(Tag::Variable(variable)), Some(_)) => Step::Put(names.number(variable)),
                (Some(Tag::If { variable, negated }), Some(Role::If { otherwise, end })) => {
                    let to = otherwise.unwrap_or(end) + 1;
                    Step::Unless { variable: names.number(variable), negated, to }
                }
                (Some(_), Some(Role::Else { end })) => Step::Go(end + 1),
                (Some(_), Some(Role::EndIf)) => Step::Go(at + 1),
                (_, _) => Step::Say(piece.range),
            }
        });
        let steps = steps.collect();
        Template { text: self.text.to_owned(), steps, variables: names.variables, bounds: Bounds::default() }
    }
}

/// Numbers variables in the order in which they come.
#[derive(Default)]
struct Names {
    variables: Vec<Variable>,
    numbers: HashMap<Variable, usize>,
}

impl Names {
    fn number(&mut self, variable: Variable) -> usize {
        *self.numbers.entry(variable).or_insert_with_key(|variable| {
            self.variables.push(variable.clone());
            self.variables.len() - 1
        })
    }
}
