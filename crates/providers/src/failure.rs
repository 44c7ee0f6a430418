//! What went wrong, in words for people and a code for programs.

use std::time::{Duration, SystemTime};

use kernel::Failure;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::Value;
use wire::ErrorCode;

/// The most characters of a provider's own words in a message.
const WORDS: usize = 600;

/// The longest wait that a provider is believed to ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

/// A refusal over HTTP. The advice goes to the end of the message.
pub(crate) fn refused(
    status: StatusCode,
    headers: &HeaderMap,
    body: &str,
    advice: Option<String>,
) -> Failure {
    let json = serde_json::from_str::<Value>(body).ok();
    let words = match &json {
        Some(json) => words_of(json).unwrap_or_else(|| body.to_owned()),
        None if body.trim_start().starts_with('<') => String::new(),
        None => body.to_owned(),
    };
    let mut message = match short(&words) {
        words if words.is_empty() => {
            format!("HTTP {}: {}", status.as_u16(), status.canonical_reason().unwrap_or("no reason given"))
        }
        words => format!("HTTP {}: {words}", status.as_u16()),
    };
    if let Some(advice) = advice {
        message.push_str("; ");
        message.push_str(&advice);
    }
    Failure {
        message,
        code: Some(status.as_str().to_owned()),
        retryable: retryable(status.as_u16()) && !json.as_ref().is_some_and(out_of_quota),
        retry_after: retry_after(headers),
    }
}

/// An error inside a stream that began well.
pub(crate) fn in_stream(error: &Value) -> Failure {
    let kind = error.get("type").and_then(Value::as_str);
    let code = error.get("code");
    let status = code.and_then(|code| code.as_u64().or_else(|| code.as_str()?.parse().ok()));
    let status =
        status.and_then(|status| u16::try_from(status).ok()).filter(|status| (400..600).contains(status));
    let label = kind.or_else(|| code.and_then(Value::as_str)).unwrap_or_default();
    let words = match error {
        Value::String(words) => Some(words.clone()),
        error => error.get("message").and_then(Value::as_str).map(str::to_owned),
    };
    let words = short(&words.unwrap_or_else(|| error.to_string()));
    let message = match (words.is_empty(), label) {
        (true, "") => "the provider failed and did not say why".to_owned(),
        (true, label) => format!("the provider failed: {label}"),
        (false, "") => format!("the provider failed: {words}"),
        (false, label) => format!("the provider failed: {words} ({label})"),
    };
    let (own, retry) = match label {
        "authentication_error" | "permission_error" | "invalid_api_key" => {
            (ErrorCode::ProviderUnauthorized, false)
        }
        "rate_limit_error" | "rate_limit_exceeded" => (ErrorCode::ProviderRateLimited, true),
        "overloaded_error"
        | "api_error"
        | "timeout_error"
        | "server_error"
        | "internal_server_error"
        | "service_unavailable" => (ErrorCode::ProviderFailed, true),
        _ => (ErrorCode::ProviderFailed, false),
    };
    Failure {
        message,
        code: Some(status.map_or_else(|| own.to_string(), |status| status.to_string())),
        retryable: status.map_or(retry, retryable),
        retry_after: None,
    }
}

/// No connection, or one that broke before there was an answer.
pub(crate) fn unreachable(place: &str, error: reqwest::Error) -> Failure {
    own(ErrorCode::ProviderUnreachable, true, format!("could not reach {place}: {}", cause(error)))
}

/// A connection that broke while the provider answered.
pub(crate) fn broken(place: &str, error: reqwest::Error) -> Failure {
    own(ErrorCode::ProviderUnreachable, true, format!("the connection to {place} broke: {}", cause(error)))
}

/// Something that is not what the protocol says. The same request would most likely get it again.
pub(crate) fn protocol(message: impl Into<String>) -> Failure {
    own(ErrorCode::ProviderProtocol, false, message.into())
}

/// A stream that ended too early.
pub(crate) fn ended() -> Failure {
    let message = "the provider's stream ended before it said that it was finished";
    own(ErrorCode::ProviderStreamEnded, true, message.to_owned())
}

/// No byte for too long.
pub(crate) fn stalled(patience: Duration) -> Failure {
    let message = format!("the provider sent nothing for {}", seconds(patience));
    own(ErrorCode::ProviderStalled, true, message)
}

/// A list of models that takes too long for whoever waits for it.
pub(crate) fn late(patience: Duration) -> Failure {
    let message = format!("the provider's list of models was not there after {}", seconds(patience));
    own(ErrorCode::ProviderStalled, true, message)
}

fn own(code: ErrorCode, retryable: bool, message: String) -> Failure {
    Failure { message, code: Some(code.to_string()), retryable, retry_after: None }
}

fn seconds(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{} ms", duration.as_millis())
    } else {
        format!("{} s", duration.as_secs())
    }
}

/// 408 and 409 are a request that came at a bad moment; 529 is Anthropic's "overloaded".
fn retryable(status: u16) -> bool {
    matches!(status, 408 | 409 | 429) || status >= 500
}

/// OpenAI says "too many requests" to an account without credit; waiting does not fill it.
fn out_of_quota(body: &Value) -> bool {
    let error = body.get("error").unwrap_or(body);
    ["code", "type"]
        .iter()
        .any(|field| error.get(field).and_then(Value::as_str) == Some("insufficient_quota"))
}

/// The sentence in an error body, wherever that provider puts it.
fn words_of(body: &Value) -> Option<String> {
    match body {
        Value::String(words) => Some(words.clone()),
        Value::Array(errors) => errors.first().and_then(words_of),
        Value::Object(object) => {
            ["error", "message", "detail"].iter().find_map(|field| object.get(*field).and_then(words_of))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// On one line, and not too long.
fn short(words: &str) -> String {
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(WORDS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// The innermost cause: the outer ones say no more than that a request failed.
fn cause(error: reqwest::Error) -> String {
    if error.is_timeout() && error.is_connect() {
        return "no connection within the time allowed".to_owned();
    }
    let error = error.without_url();
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    short(&innermost.to_string())
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let milliseconds = text("retry-after-ms").and_then(|ms| ms.parse::<f64>().ok()).map(|ms| ms / 1000.0);
    let wait = match milliseconds {
        Some(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        None => {
            let value = text(RETRY_AFTER.as_str())?;
            match value.parse::<f64>() {
                Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
                Err(_) => {
                    let date = httpdate::parse_http_date(value).ok()?;
                    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
                }
            }
        }
    };
    wait.map(|wait| wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())])
    }

    fn refusal(status: u16, body: &str) -> Failure {
        refused(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body, None)
    }

    #[test]
    fn the_providers_own_sentence_is_found() {
        let cases = [
            (r#"{"error":{"message":"no such model","type":"x"}}"#, "HTTP 404: no such model"),
            (
                r#"{"type":"error","error":{"type":"not_found_error","message":"model: x"}}"#,
                "HTTP 404: model: x",
            ),
            (r#"{"error":"model 'x' not found"}"#, "HTTP 404: model 'x' not found"),
            (r#"{"message":"nothing\n  here"}"#, "HTTP 404: nothing here"),
            (r#"{"detail":"Not Found"}"#, "HTTP 404: Not Found"),
            (r#"[{"error":{"code":404,"message":"gone"}}]"#, "HTTP 404: gone"),
            (r#"{"code":5}"#, r#"HTTP 404: {"code":5}"#),
            ("plain words", "HTTP 404: plain words"),
            ("<html><body>Oh no</body></html>", "HTTP 404: Not Found"),
            ("", "HTTP 404: Not Found"),
        ];
        for (body, message) in cases {
            assert_eq!(refusal(404, body).message, message);
        }
        assert_eq!(refusal(400, &"x".repeat(5000)).message, format!("HTTP 400: {}…", "x".repeat(600)));
    }

    #[test]
    fn only_what_may_pass_is_retryable() {
        let retryable: Vec<u16> = [400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529]
            .into_iter()
            .filter(|status| refusal(*status, "").retryable)
            .collect();
        assert_eq!(retryable, [408, 409, 429, 500, 502, 503, 504, 529]);
        assert!(!refusal(429, r#"{"error":{"message":"no credit","code":"insufficient_quota"}}"#).retryable);
    }

    #[test]
    fn a_wait_may_be_seconds_or_a_date() {
        let wait = |name, value: &str| retry_after(&headers(name, value));
        assert_eq!(wait("retry-after", "7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("retry-after", "0.5"), Some(Duration::from_millis(500)));
        assert_eq!(wait("retry-after-ms", "250"), Some(Duration::from_millis(250)));
        assert_eq!(wait("retry-after", "999999999"), Some(LONGEST_WAIT));
        assert_eq!(wait("retry-after", "-1"), None);
        assert_eq!(wait("retry-after", "NaN"), None);
        assert_eq!(wait("retry-after", "soon"), None);
        assert_eq!(wait("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        let later = SystemTime::now() + Duration::from_secs(3600);
        let asked = wait("retry-after", &httpdate::fmt_http_date(later)).unwrap();
        assert!(asked > Duration::from_secs(3500) && asked <= Duration::from_secs(3600), "{asked:?}");
    }

    #[test]
    fn an_error_inside_a_stream_has_a_code_too() {
        let cases = [
            (
                json!({"type": "overloaded_error", "message": "Overloaded"}),
                ("the provider failed: Overloaded (overloaded_error)", "provider-failed", true),
            ),
            (
                json!({"code": 502, "message": "Bad upstream"}),
                ("the provider failed: Bad upstream", "502", true),
            ),
            (
                json!({"code": "rate_limit_exceeded", "message": "Slow down"}),
                ("the provider failed: Slow down (rate_limit_exceeded)", "provider-rate-limited", true),
            ),
            (
                json!({"type": "invalid_request_error", "message": "Too long"}),
                ("the provider failed: Too long (invalid_request_error)", "provider-failed", false),
            ),
            (json!("model crashed"), ("the provider failed: model crashed", "provider-failed", false)),
        ];
        for (error, (message, code, retryable)) in cases {
            let failure = Failure {
                message: message.to_owned(),
                code: Some(code.to_owned()),
                retryable,
                retry_after: None,
            };
            assert_eq!(in_stream(&error), failure);
        }
    }
}
