//! From a prompt to what is done.

use std::fmt;

use super::vocabulary::{BREAKS, Effect, STRENGTHS};

/// What a prompt was read as: effects in their order. Reading never fails; a prompt of unknown words alone gets a look of
/// its own. The rules are in `docs/restyle.md`.
///
/// As text it is the shortest prompt that is read the same, `nothing`, or the name of the prompt's own look.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recipe {
    steps: Vec<Step>,
    /// How much of its colours the reference image gives, where the prompt says so.
    palette: Option<u16>,
    own: Option<u64>,
}

/// One effect of a recipe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// What to do.
    pub effect: Effect,
    /// How much of it.
    pub amount: Amount,
}

/// How much of an effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Amount {
    /// Of its usual strength, from 1 to [`Effect::most`].
    Percent(u16),
    /// Pixels or levels, in the range of [`Effect::exact`].
    Exact(u16),
}

/// In percent, when the prompt says nothing of it.
const PALETTE: u16 = 80;

/// What is read of a phrase before it is known which effect it belongs to.
#[derive(Clone, Copy)]
struct Pending {
    factor: f32,
    exact: Option<u16>,
    /// Whether there is a number in it.
    numbered: bool,
}

impl Pending {
    const NOTHING: Self = Self { factor: 1.0, exact: None, numbered: false };

    fn is_nothing(self) -> bool {
        self.factor == 1.0 && !self.numbered
    }
}

#[derive(Clone, PartialEq, Debug)]
enum Token {
    Word(String),
    /// A factor: `40%` and `0.4` are 0.4.
    Factor(f32),
    /// A whole number without a unit.
    Number(u16),
    Break,
}

impl Recipe {
    /// Reads a prompt.
    pub fn read(prompt: &str) -> Self {
        let tokens = tokens(prompt);
        let mut reading = Reading::default();
        let mut rest = tokens.as_slice();
        while let Some(token) = rest.first() {
            let mut used = 1;
            if let Some((effect, words)) = phrase(rest, effects()) {
                reading.effect(effect);
                used = words;
            } else if let Some((factor, words)) = phrase(rest, STRENGTHS.iter().copied()) {
                reading.pending.factor *= factor;
                used = words;
            } else {
                match token {
                    Token::Factor(factor) => reading.number(*factor, None),
                    Token::Number(number) => reading.number(1.0, Some(*number)),
                    Token::Break => reading.end_of_phrase(),
                    Token::Word(word) if BREAKS.contains(&word.as_str()) => reading.end_of_phrase(),
                    Token::Word(_) => {}
                }
            }
            rest = &rest[used..];
        }
        reading.end_of_phrase();
        reading.recipe(&tokens)
    }

    /// The effects, in the order in which they are done. None of them is there twice, and none with nothing to do.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// How much of the colours a reference image gives, from 0 to 1.
    pub(super) fn palette(&self) -> f32 {
        f32::from(self.palette.unwrap_or(PALETTE)) / 100.0
    }

    /// What the look of unknown words is made of.
    pub(super) fn own(&self) -> Option<u64> {
        self.own
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(own) = self.own {
            return write!(f, "own look {own:016x}");
        }
        let mut parts: Vec<String> = self.steps.iter().map(ToString::to_string).collect();
        parts.extend(self.palette.map(|percent| format!("palette {percent}%")));
        f.write_str(if parts.is_empty() { "nothing" } else { "" })?;
        f.write_str(&parts.join(", "))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.effect.name())?;
        match self.amount {
            Amount::Percent(100) => Ok(()),
            Amount::Percent(percent) => write!(f, " {percent}%"),
            Amount::Exact(number) => write!(f, " {number}"),
        }
    }
}

/// The state of reading a prompt.
struct Reading {
    found: Vec<(Effect, Pending)>,
    pending: Pending,
    /// How many effects there were when the phrase began.
    phrase: usize,
}

impl Default for Reading {
    fn default() -> Self {
        Self { found: Vec::new(), pending: Pending::NOTHING, phrase: 0 }
    }
}

impl Reading {
    fn effect(&mut self, effect: Effect) {
        let pending = std::mem::replace(&mut self.pending, Pending::NOTHING);
        self.found.push((effect, pending));
    }

    /// A number belongs to the effect before it in the phrase, unless that has one.
    fn number(&mut self, factor: f32, exact: Option<u16>) {
        let takes_it = self.found.len() > self.phrase && self.pending.is_nothing();
        let to = match self.found.last_mut() {
            Some((_, last)) if takes_it && !last.numbered => last,
            _ => &mut self.pending,
        };
        to.factor *= factor;
        to.exact = exact.or(to.exact);
        to.numbered = true;
    }

    /// What is left over belongs to the last effect of the phrase, or of the phrases before. `warm, but not too much`
    /// does not mean not warm, so that a refusal goes no further than its phrase.
    fn end_of_phrase(&mut self) {
        let pending = std::mem::replace(&mut self.pending, Pending::NOTHING);
        let empty = self.found.len() == self.phrase;
        if let Some((_, last)) = self.found.last_mut()
            && !(empty && pending.factor == 0.0)
        {
            last.factor *= pending.factor;
            last.exact = last.exact.or(pending.exact);
        }
        self.phrase = self.found.len();
    }

    fn recipe(self, tokens: &[Token]) -> Recipe {
        let mut recipe = Recipe::default();
        if self.found.is_empty() {
            recipe.own = hash(tokens);
        }
        for (effect, pending) in self.found {
            let amount = amount(effect, pending);
            if effect == Effect::Palette {
                if let Amount::Percent(percent) = amount {
                    recipe.palette = recipe.palette.max(Some(percent));
                }
                continue;
            }
            match recipe.steps.iter_mut().find(|step| step.effect == effect) {
                Some(step) => step.amount = stronger(step.amount, amount),
                None => recipe.steps.push(Step { effect, amount }),
            }
        }
        recipe.steps.retain(|step| step.amount != Amount::Percent(0));
        recipe
    }
}

fn amount(effect: Effect, pending: Pending) -> Amount {
    let percent = |factor: f32| {
        let percent = (factor * 100.0).round().clamp(0.0, f32::from(effect.most())) as u16;
        Amount::Percent(match effect {
            // These are done or not done.
            Effect::Mirror | Effect::Flip if percent > 0 => 100,
            _ => percent,
        })
    };
    match (pending.exact, effect.exact()) {
        (Some(number), Some(range)) if pending.factor > 0.0 => {
            Amount::Exact(number.clamp(*range.start(), *range.end()))
        }
        (Some(number), None) => percent(f32::from(number) / 100.0 * pending.factor),
        _ => percent(pending.factor),
    }
}

/// Of two amounts of one effect. An exact number was meant most, and the later one of two.
fn stronger(first: Amount, second: Amount) -> Amount {
    match (first, second) {
        (_, Amount::Exact(_)) => second,
        (Amount::Exact(_), Amount::Percent(_)) => first,
        (Amount::Percent(a), Amount::Percent(b)) => Amount::Percent(a.max(b)),
    }
}

fn effects() -> impl Iterator<Item = (&'static str, Effect)> {
    Effect::ALL.iter().flat_map(|&effect| effect.words().iter().map(move |&words| (words, effect)))
}

/// The longest phrase that the tokens begin with, and how many tokens that are.
fn phrase<T>(tokens: &[Token], phrases: impl Iterator<Item = (&'static str, T)>) -> Option<(T, usize)> {
    phrases
        .filter_map(|(phrase, meaning)| {
            let words = phrase.split(' ').count();
            let matches = tokens.len() >= words
                && phrase
                    .split(' ')
                    .zip(tokens)
                    .all(|(word, token)| matches!(token, Token::Word(w) if w == word));
            matches.then_some((meaning, words))
        })
        .max_by_key(|(_, words)| *words)
}

/// Words in lower case, numbers, and where phrases end. Hyphens join words as spaces do.
fn tokens(prompt: &str) -> Vec<Token> {
    let prompt = prompt.to_lowercase();
    let mut tokens = Vec::new();
    let mut rest = prompt.as_str();
    while let Some(first) = rest.chars().next() {
        let length = if first.is_ascii_digit() {
            let (token, length) = number(rest);
            tokens.push(token);
            length
        } else if is_letter(first) {
            let length = rest.find(|c| !is_letter(c)).unwrap_or(rest.len());
            match &rest[..length] {
                // Of a number that had a space before it.
                "percent" => make_percent(&mut tokens),
                word => tokens.push(Token::Word(word.to_owned())),
            }
            length
        } else {
            match first {
                '%' => make_percent(&mut tokens),
                ',' | ';' | '.' | ':' | '+' | '&' | '!' | '?' | '/' | '|' | '(' | ')' | '\n' => {
                    tokens.push(Token::Break);
                }
                _ => {}
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

/// Letters of all scripts, and signs that are no punctuation, such as emoji. Digits are letters too, but for the first.
fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || !(c.is_ascii() || c.is_whitespace())
}

/// A number at the beginning of `text`, and its length.
fn number(text: &str) -> (Token, usize) {
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let whole = digits(text);
    let fraction = text[whole..].strip_prefix('.').map_or(0, digits);
    if fraction > 0 {
        let length = whole + 1 + fraction;
        let value: f32 = text[..length].parse().unwrap_or(1.0);
        // `12.5%` is a percentage, `0.5` a factor.
        return if text[length..].starts_with('%') {
            (Token::Factor(value / 100.0), length + 1)
        } else {
            (Token::Factor(value), length)
        };
    }
    // Too many digits mean very much.
    (Token::Number(text[..whole].parse().unwrap_or(u16::MAX)), whole)
}

fn make_percent(tokens: &mut [Token]) {
    if let Some(token) = tokens.last_mut()
        && let Token::Number(number) = token
    {
        *token = Token::Factor(f32::from(*number) / 100.0);
    }
}

/// FNV-1a over the words, stirred so that each bit counts for each. `None` when there are no words.
fn hash(tokens: &[Token]) -> Option<u64> {
    let mut words = tokens.iter().filter_map(|token| match token {
        Token::Word(word) => Some(word),
        Token::Factor(_) | Token::Number(_) | Token::Break => None,
    });
    let first = words.next()?;
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for word in std::iter::once(first).chain(words) {
        for byte in word.bytes().chain([b' ']) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    Some(hash ^ (hash >> 33))
}
