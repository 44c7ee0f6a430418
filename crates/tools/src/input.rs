//! What a model wrote as the input of a call, read field by field.

use serde_json::{Map, Value};

use crate::call::Refusal;

/// As many characters of broken input as a model needs to see what it did.
const QUOTED_CHARS: usize = 120;

/// The fields of an input. Fields that nobody asks for are ignored; `null` is the same as absent.
pub(crate) struct Fields<'a> {
    fields: &'a Map<String, Value>,
    /// What the tool takes, as a sentence: the end of every refusal.
    usage: &'static str,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(input: &'a Value, usage: &'static str) -> Result<Self, Refusal> {
        match input {
            Value::Object(fields) => Ok(Self { fields, usage }),
            Value::String(text) => {
                let start: String = text.chars().take(QUOTED_CHARS).collect();
                let more = if start.len() < text.len() { "…" } else { "" };
                Err(Refusal::new(format!(
                    "the input is not a JSON object. It begins: {start}{more}\n{usage}"
                )))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                Err(Refusal::new(format!("the input must be a JSON object, not {}. {usage}", kind(input))))
            }
        }
    }

    /// A string that must be there. It may be empty.
    pub(crate) fn text(&self, name: &str) -> Result<&'a str, Refusal> {
        match self.field(name) {
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(self.wrong(name, "a string", other)),
            None => Err(Refusal::new(format!("\"{name}\" is missing. {}", self.usage))),
        }
    }

    /// Yes or no; no when it is absent.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.field(name) {
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.wrong(name, "true or false", other)),
            None => Ok(false),
        }
    }

    /// A whole number from 1 on, if it is there.
    pub(crate) fn count(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let Some(value) = self.field(name) else { return Ok(None) };
        // Some models write whole numbers as 10.0.
        let whole = value.as_u64().or_else(|| {
            value.as_f64().filter(|n| n.fract() == 0.0 && (1.0..=9e15).contains(n)).map(|n| n as u64)
        });
        match whole {
            Some(count) if count > 0 => Ok(Some(count)),
            Some(_) | None => Err(self.wrong(name, "a whole number from 1 on", value)),
        }
    }

    fn field(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    fn wrong(&self, name: &str, expected: &str, found: &Value) -> Refusal {
        let found = match found {
            Value::Number(number) => number.to_string(),
            other => kind(other).to_owned(),
        };
        Refusal::new(format!("\"{name}\" must be {expected}, not {found}. {}", self.usage))
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal<T>(result: Result<T, Refusal>) -> String {
        result.err().expect("a refusal").to_string()
    }

    #[test]
    fn what_is_no_object_is_refused_with_what_was_expected() {
        let refused = |input: Value| refusal(Fields::of(&input, "Usage."));
        assert_eq!(
            refused(json!("{\"path\": ")),
            "the input is not a JSON object. It begins: {\"path\": \nUsage."
        );
        assert_eq!(
            refused(json!("é".repeat(500))),
            format!("the input is not a JSON object. It begins: {}…\nUsage.", "é".repeat(120))
        );
        assert_eq!(refused(json!(null)), "the input must be a JSON object, not null. Usage.");
        assert_eq!(refused(json!([1])), "the input must be a JSON object, not an array. Usage.");
        assert_eq!(refused(json!(1)), "the input must be a JSON object, not a number. Usage.");
        assert_eq!(refused(json!(true)), "the input must be a JSON object, not a boolean. Usage.");
    }

    #[test]
    fn fields_are_taken_as_they_are_meant_and_extra_ones_ignored() {
        let input = json!({"s": "", "yes": true, "n": 7, "whole": 10.0, "none": null, "extra": [1]});
        let fields = Fields::of(&input, "Usage.").unwrap();
        assert_eq!(fields.text("s").unwrap(), "");
        assert!(fields.flag("yes").unwrap());
        assert!(!fields.flag("none").unwrap());
        assert!(!fields.flag("absent").unwrap());
        assert_eq!(fields.count("n").unwrap(), Some(7));
        assert_eq!(fields.count("whole").unwrap(), Some(10));
        assert_eq!(fields.count("none").unwrap(), None);
        assert_eq!(fields.count("absent").unwrap(), None);
    }

    #[test]
    fn a_wrong_field_is_refused_with_what_was_expected() {
        let input = json!({"n": 3, "zero": 0, "minus": -1, "half": 1.5, "huge": 1e300, "s": "7", "o": {}, "none": null});
        let fields = Fields::of(&input, "Usage.").unwrap();
        assert_eq!(refusal(fields.text("absent")), "\"absent\" is missing. Usage.");
        assert_eq!(refusal(fields.text("none")), "\"none\" is missing. Usage.");
        assert_eq!(refusal(fields.text("n")), "\"n\" must be a string, not 3. Usage.");
        assert_eq!(refusal(fields.text("o")), "\"o\" must be a string, not an object. Usage.");
        assert_eq!(refusal(fields.flag("s")), "\"s\" must be true or false, not a string. Usage.");
        for (name, found) in
            [("zero", "0"), ("minus", "-1"), ("half", "1.5"), ("huge", "1e+300"), ("s", "a string")]
        {
            assert_eq!(
                refusal(fields.count(name)),
                format!("\"{name}\" must be a whole number from 1 on, not {found}. Usage.")
            );
        }
    }
}
