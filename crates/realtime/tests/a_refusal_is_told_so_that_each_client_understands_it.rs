use std::time::Duration;

use realtime::admit::{Key, Producer, Purpose, Room};
use realtime::{Close, Refusal, Request, Verdict, admit, text};
use serde_json::json;

const PRODUCE: Purpose<'static> =
    Purpose::Produce { model: "m", is_known: true, has_credits: true, room: Room::Free };

fn request(user_agent: &'static str) -> Request<'static> {
    Request { user_agent, origin: None, key: Key::Permanent, purpose: PRODUCE }
}

const BROWSER: &str = "decart-js-sdk/0.0.0-dev lang/js runtime/browser";
const PYTHON: &str = "decart-python-sdk/0.0.21 lang/py";

/// All that can be refused, in the order in which it is looked at.
fn cases() -> Vec<(Request<'static>, Refusal)> {
    let produce = |purpose| Request { purpose, ..request(BROWSER) };
    let with = |key| Request { key, ..request(BROWSER) };
    let models: &[String] = Vec::leak(vec!["other".to_owned()]);
    let origins: &[String] = Vec::leak(vec!["https://a.example".to_owned()]);
    let token = |models, origins, max_duration| with(Key::Token { models, origins, max_duration });
    let some =
        |is_known, has_credits, room| produce(Purpose::Produce { model: "m", is_known, has_credits, room });
    vec![
        (with(Key::Missing), Refusal::MissingKey),
        (with(Key::Unknown), Refusal::InvalidKey),
        (with(Key::Expired), Refusal::TokenExpired),
        (token(None, Some(origins), Some(Duration::ZERO)), Refusal::OriginNotAllowed),
        (
            Request { origin: Some("https://a.example.evil.example"), ..token(None, Some(origins), None) },
            Refusal::OriginNotAllowed,
        ),
        (token(Some(models), None, Some(Duration::ZERO)), Refusal::TokenUsedUp),
        (some(false, false, Room::ServerFull), Refusal::UnknownModel),
        (token(Some(models), None, None), Refusal::ModelNotAllowed),
        (token(Some(&[]), None, None), Refusal::ModelNotAllowed),
        (some(true, false, Room::ServerFull), Refusal::InsufficientCredits),
        (some(true, true, Room::KeyFull), Refusal::SessionLimit),
        (some(true, true, Room::ServerFull), Refusal::AtCapacity),
        (produce(Purpose::View { producer: Producer::Unknown }), Refusal::UnknownSession),
        (produce(Purpose::View { producer: Producer::Full }), Refusal::ViewerLimit),
        (produce(Purpose::View { producer: Producer::Ended }), Refusal::ProducerEnded),
    ]
}

#[test]
fn a_browser_gets_a_message_and_a_close() {
    for user_agent in [BROWSER, "", "Mozilla/5.0", "x decart-python-sdk/1"] {
        for (request, refusal) in cases() {
            assert_eq!(admit(&Request { user_agent, ..request }), Verdict::Socket { refusal });
        }
    }
}

#[test]
fn python_gets_a_status_before_the_upgrade() {
    for (request, refusal) in cases() {
        let status = match refusal {
            Refusal::SessionLimit | Refusal::AtCapacity | Refusal::ViewerLimit => 503,
            _ => 401,
        };
        assert_eq!(admit(&Request { user_agent: PYTHON, ..request }), Verdict::Http { status, refusal });
    }
}

#[test]
fn every_refusal_has_a_case() {
    for refusal in Refusal::ALL {
        assert!(cases().iter().any(|(_, expected)| expected == refusal), "{refusal:?}");
    }
}

#[test]
fn what_is_final_contains_what_the_clients_look_for_and_nothing_else_does() {
    for refusal in Refusal::ALL {
        assert_eq!(text::is_final(refusal.text()), refusal.is_final(), "{refusal:?}");
        let message = serde_json::to_value(refusal.message()).unwrap();
        assert_eq!(
            message,
            json!({"type": "error", "error": refusal.text(), "error_type": refusal.error_type().as_str()})
        );
        let close = refusal.close();
        assert_eq!(close.code, if refusal.is_final() { Close::POLICY } else { Close::OVERLOADED });
        assert!(close.reason.len() <= 123, "{refusal:?}: a close frame has no room for that");
    }
    // Ends after which a client may try again.
    for text in [
        text::CREDITS_GONE,
        text::NO_OFFER,
        text::NO_MEDIA,
        text::DURATION_REACHED,
        text::DELETED,
        text::SHUTDOWN,
        text::LEDGER_SILENT,
        &text::ledger_failed("why"),
        &text::generation_failed("why"),
    ] {
        assert!(!text::is_final(text), "{text}");
    }
    // And after which it must not.
    for text in
        [text::LIVEKIT, text::PRODUCER_ENDED, text::KEY_REVOKED, text::IDLE, &text::offer_refused("why")]
    {
        assert!(text::is_final(text), "{text}");
    }
}

#[test]
fn the_texts_that_are_known_are_said_as_they_are_known() {
    for (refusal, text) in [
        (Refusal::InvalidKey, "Invalid API key"),
        (Refusal::OriginNotAllowed, "Origin not allowed"),
        (Refusal::InsufficientCredits, "Insufficient credits: session not allowed"),
        (Refusal::AtCapacity, "Server at capacity. Please try again later."),
        (Refusal::ViewerLimit, "This session has as many viewers as it may have. Please try again later."),
        (Refusal::SessionLimit, "Concurrent session limit reached."),
        (Refusal::UnknownSession, "Invalid session"),
        (Refusal::ProducerEnded, "invalid session: producer ended"),
    ] {
        assert_eq!(refusal.text(), text);
    }
    assert_eq!(Refusal::SessionLimit.close(), Close { code: 1013, reason: "Session Limit Reached" });
}

#[test]
fn who_may_come_in_comes_in() {
    let models = vec!["n".to_owned(), "m".to_owned()];
    let origins = vec!["https://a.example".to_owned()];
    let ten = Some(Duration::from_secs(10));
    for user_agent in [BROWSER, PYTHON] {
        assert_eq!(admit(&request(user_agent)), Verdict::Admit { max_duration: None });
        let with_token = Request {
            origin: Some("https://a.example"),
            key: Key::Token { models: Some(&models), origins: Some(&origins), max_duration: ten },
            ..request(user_agent)
        };
        assert_eq!(admit(&with_token), Verdict::Admit { max_duration: ten });
        let to_watch = Request { purpose: Purpose::View { producer: Producer::Live }, ..with_token };
        assert_eq!(admit(&to_watch), Verdict::Admit { max_duration: None });
    }
}
