//! Tool calls: what a model writes, and what a provider accepts back.
//!
//! A history with anything else in it would be refused with every request, for ever.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// The input that a model's arguments stand for: the parsed JSON, or the raw string when there is no parsing it.
///
/// No arguments are an empty object, unless the answer was cut off before there could be any.
pub(crate) fn parse(text: &str, cut_off: bool) -> Value {
    if text.trim().is_empty() {
        return if cut_off { Value::String(String::new()) } else { Value::Object(Map::new()) };
    }
    match serde_json::from_str(text) {
        Ok(Value::Null) => Value::Object(Map::new()),
        // Some models quote the whole object once more.
        Ok(Value::String(quoted)) => match serde_json::from_str(&quoted) {
            Ok(object @ Value::Object(_)) => object,
            _ => Value::String(text.to_owned()),
        },
        Ok(value) => value,
        Err(_) => Value::String(text.to_owned()),
    }
}

/// Whether the arguments are JSON from beginning to end.
pub(crate) fn complete(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// The input as an object, which is all that a provider accepts.
pub(crate) fn object(input: &Value) -> Cow<'_, Map<String, Value>> {
    match input {
        Value::Object(object) => Cow::Borrowed(object),
        Value::Null => Cow::Owned(Map::new()),
        Value::String(raw) => Cow::Owned(wrapped(raw)),
        other => Cow::Owned(wrapped(&other.to_string())),
    }
}

/// The name of a tool with nothing in it but letters, digits, `_` and `-`. Models call tools that do not exist, too.
pub(crate) fn tool_name(name: &str) -> Cow<'_, str> {
    if name.is_empty() {
        return Cow::Borrowed("unknown");
    }
    if name.len() <= NAME_CHARS && name.chars().all(is_plain) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.chars().take(NAME_CHARS).map(|c| if is_plain(c) { c } else { '_' }).collect())
}

/// What providers allow in names and ids.
pub(crate) fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

const NAME_CHARS: usize = 64;

/// As many characters of broken arguments as a model needs to see what it did.
const RAW_CHARS: usize = 200;

fn wrapped(raw: &str) -> Map<String, Value> {
    let start = raw.chars().take(RAW_CHARS).collect::<String>();
    Map::from_iter([("_raw".to_owned(), Value::String(start))])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_parsed_or_kept_as_they_came() {
        let cases = [
            (r#"{"path":"a"}"#, json!({"path": "a"})),
            ("", json!({})),
            ("  \n", json!({})),
            ("null", json!({})),
            (r#""{\"path\":\"a\"}""#, json!({"path": "a"})),
            (r#""a""#, json!(r#""a""#)),
            (r#"{"path":"#, json!(r#"{"path":"#)),
            ("[1]", json!([1])),
        ];
        for (text, input) in cases {
            assert_eq!(parse(text, false), input, "{text}");
        }
        assert_eq!(parse("", true), json!(""));
    }

    #[test]
    fn a_name_is_plain_and_short() {
        assert_eq!(tool_name("read_file"), "read_file");
        assert_eq!(tool_name("functions.read file"), "functions_read_file");
        assert_eq!(tool_name(""), "unknown");
        assert_eq!(tool_name(&"ä".repeat(100)), "_".repeat(64));
    }

    #[test]
    fn a_provider_gets_an_object_whatever_the_input_was() {
        assert_eq!(*object(&json!({"path": "a"})), *json!({"path": "a"}).as_object().unwrap());
        assert_eq!(*object(&json!(null)), Map::new());
        assert_eq!(*object(&json!([1])), *json!({"_raw": "[1]"}).as_object().unwrap());
        let long = "ä".repeat(500);
        assert_eq!(*object(&json!(long)), *json!({"_raw": "ä".repeat(200)}).as_object().unwrap());
    }
}
