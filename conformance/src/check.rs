//! What a check is, and how it says that a claim does not hold.

use std::fmt::Display;
use std::future::Future;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::world::World;

/// One claim about a server, and how to try it.
pub(crate) struct Check {
    /// The section of the contract, a hyphen, and the claim in a few words.
    pub(crate) id: &'static str,
    /// The claim in one line.
    pub(crate) claim: &'static str,
    /// Where the original did something that nobody wants.
    pub(crate) quirk: Option<Quirk>,
    /// Whether it changes or reads what all conversations share.
    pub(crate) alone: bool,
    run: Box<dyn Fn(World) -> BoxFuture<'static, Outcome> + Send + Sync>,
}

/// A quirk of the original.
pub(crate) struct Quirk {
    /// What the original did.
    pub(crate) was: &'static str,
    /// What this check expects instead.
    pub(crate) expected: &'static str,
}

pub(crate) type Outcome<T = ()> = Result<T, Otherwise>;

/// Why a check did not pass.
#[derive(Debug)]
pub(crate) enum Otherwise {
    Failed(Failed),
    /// It could not be tried on this server.
    Skipped(String),
}

#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) expected: String,
    pub(crate) came: String,
}

/// A check that may run beside any other.
pub(crate) fn check<F, Running>(id: &'static str, claim: &'static str, run: F) -> Check
where
    F: Fn(World) -> Running + Send + Sync + 'static,
    Running: Future<Output = Outcome> + Send + 'static,
{
    Check { id, claim, quirk: None, alone: false, run: Box::new(move |world| run(world).boxed()) }
}

impl Check {
    pub(crate) fn quirk(self, was: &'static str, expected: &'static str) -> Self {
        Self { quirk: Some(Quirk { was, expected }), ..self }
    }

    /// Runs it at the end, with nothing beside it.
    pub(crate) fn alone(self) -> Self {
        Self { alone: true, ..self }
    }

    pub(crate) fn section(&self) -> &'static str {
        self.id.split('-').next().unwrap_or(self.id)
    }

    pub(crate) fn run(&self, world: World) -> BoxFuture<'static, Outcome> {
        (self.run)(world)
    }
}

/// The claim does not hold.
pub(crate) fn failed<T>(expected: impl Display, came: impl Display) -> Outcome<T> {
    Err(Otherwise::Failed(Failed { expected: expected.to_string(), came: came.to_string() }))
}

/// The claim cannot be tried on this server.
pub(crate) fn skipped<T>(reason: impl Display) -> Outcome<T> {
    Err(Otherwise::Skipped(reason.to_string()))
}

pub(crate) fn ensure(holds: bool, expected: impl Display, came: impl Display) -> Outcome {
    if holds { Ok(()) } else { failed(expected, came) }
}

/// Two values are the same in all of their parts.
pub(crate) fn same(what: &str, came: impl Into<Value>, expected: impl Into<Value>) -> Outcome {
    let (came, expected) = (plain(came.into()), plain(expected.into()));
    ensure(came == expected, format!("{what}: {}", shown(&expected)), shown(&came))
}

/// A value with its whole numbers written as such: 1.0 and 1 are one number in JSON.
fn plain(value: Value) -> Value {
    /// Up to here every whole number is one of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Array(items) => items.into_iter().map(plain).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, plain(value))).collect(),
        Value::Number(number) => match number.as_f64() {
            #[allow(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < EXACT => {
                Value::from(float as i64)
            }
            Some(_) | None => Value::Number(number),
        },
        Value::Null | Value::Bool(_) | Value::String(_) => value,
    }
}

/// A value in a length that can be read.
pub(crate) fn shown(value: &Value) -> String {
    excerpt(&value.to_string())
}

pub(crate) fn excerpt(text: &str) -> String {
    const MOST: usize = 1200;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_compared_as_numbers() {
        assert!(same("", json!([1.0, {"a": 2}]), json!([1, {"a": 2.0}])).is_ok());
        assert!(same("", json!(1.5), json!(1)).is_err());
        assert!(same("", json!(null), json!(0)).is_err());
        assert!(same("", json!("1"), json!(1)).is_err());
    }
}
