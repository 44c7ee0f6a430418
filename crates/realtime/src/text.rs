//! Every text that a client can be told.
//!
//! The public clients reconnect by themselves after any close, unless the text of the error contains one of
//! [`FINAL`]. So a text that must stop them contains one, and a text after which trying again makes sense does not.

/// What makes an error final for the public clients, in lower case. They look for it anywhere in the text.
pub const FINAL: &[&str] =
    &["permission denied", "not allowed", "invalid session", "401", "invalid api key", "unauthorized"];

/// Whether the public clients give up when they are told this.
pub fn is_final(text: &str) -> bool {
    let text = text.to_lowercase();
    FINAL.iter().any(|part| text.contains(part))
}

// Refusals that are final.

/// There is no such key.
pub const INVALID_KEY: &str = "Invalid API key";
/// The query has no key, or an empty one, as from pages that keep their key on a server.
pub const MISSING_KEY: &str =
    "Invalid API key: none was given; put a key or a client token into the query parameter `api_key`";
/// The client token is too old to connect with.
pub const TOKEN_EXPIRED: &str = "Unauthorized: this client token has expired";
/// The client token was used for as long as it may.
pub const TOKEN_USED_UP: &str = "Session duration limit reached: session not allowed";
/// The client token is for other pages.
pub const ORIGIN_NOT_ALLOWED: &str = "Origin not allowed";
/// There is no such model.
pub const UNKNOWN_MODEL: &str = "Model not allowed: this server has no realtime model of that name";
/// The client token is for other models.
pub const MODEL_NOT_ALLOWED: &str = "Model not allowed: this client token is for other models";
/// There are no credits for a first second.
pub const NO_CREDITS: &str = "Insufficient credits: session not allowed";
/// No session has that id.
pub const INVALID_SESSION: &str = "Invalid session";
/// What was watched is over.
pub const PRODUCER_ENDED: &str = "invalid session: producer ended";
/// The client is of the generation that speaks LiveKit.
pub const LIVEKIT: &str =
    "LiveKit transport is not allowed on this server; use @decartai/sdk ≤0.0.68 / decart ≤0.0.40";

// Refusals after which trying again makes sense.

/// The server has as many sessions as it may.
pub const AT_CAPACITY: &str = "Server at capacity. Please try again later.";
/// The key has as many sessions as it may.
pub const SESSION_LIMIT: &str = "Concurrent session limit reached.";
/// The session has as many viewers as it may.
pub const VIEWER_LIMIT: &str = "This session has as many viewers as it may have. Please try again later.";

// Ends of a session.

/// The next second could not be paid.
pub const CREDITS_GONE: &str = "Insufficient credits";
/// The key was revoked while the session ran.
pub const KEY_REVOKED: &str = "Invalid API key: it was revoked";
/// The client never made an offer.
pub const NO_OFFER: &str = "No offer came in time";
/// No frame went out in time after an offer.
pub const NO_MEDIA: &str = "No media connection came up in time";
/// The session was live, and then no video came for too long. Final: a client that came back by itself would have none to
/// send either, and hold a place with it.
pub const IDLE: &str = "No video came for too long: an idle session is not allowed";
/// The session lasted as long as its client token permits.
pub const DURATION_REACHED: &str = "Session duration limit reached";
/// Content was not permitted.
pub const MODERATION: &str = "moderation_violation";
/// The operator ended the session.
pub const DELETED: &str = "This session was ended by the operator of the server";
/// The server stops.
pub const SHUTDOWN: &str = "The server is shutting down. Please try again later.";
/// The ledger did not say whether another second can be paid.
pub const LEDGER_SILENT: &str = "Credits could not be checked in time";

/// The ledger failed.
pub fn ledger_failed(why: &str) -> String {
    format!("Credits could not be checked: {why}")
}

/// The generator, or the media on the server's side, failed.
pub fn generation_failed(why: &str) -> String {
    format!("The generation failed: {why}")
}

/// The offer can never be answered.
pub fn offer_refused(why: &str) -> String {
    format!("This offer is not allowed: {why}")
}

// Answers to messages; the session goes on.

/// A prompt has at least one character.
pub const EMPTY_PROMPT: &str = "The prompt is empty";
/// A prompt has at most [`crate::look::PROMPT_LIMIT`] bytes.
pub const PROMPT_TOO_LONG: &str = "Prompt too long";
/// An image has at most [`crate::look::IMAGE_LIMIT`] bytes.
pub const IMAGE_TOO_LARGE: &str = "Image too large";
/// An image is base64 and nothing else.
pub const IMAGE_NOT_BASE64: &str = "The image is not base64";
/// An image is one of three kinds of files.
pub const IMAGE_FORMAT: &str = "The image is not a JPEG, PNG or WebP file";
/// Whoever watches cannot change what is seen.
pub const VIEWER_CANNOT: &str = "Only the producer of a session can change it";
