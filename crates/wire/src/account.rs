//! Keys, client tokens, sessions and usage over HTTP.
//!
//! Amounts of credits are decimals of at most six digits after the point, as strings, since a reader may take a number
//! for floating point. Bodies for client tokens are those of the contract of realtime sessions.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Body of `POST /v1/client/tokens`. Everything may be left out, and so may the body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientTokenRequest {
    /// Whatever the caller likes. It is taken, so that its clients work, and is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, Value>>,
    /// How long the token opens connections, in seconds: from 1 to 3600, and 60 if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
    /// The models that it opens, at most 20. Absent, it opens all; empty, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_models: Option<Vec<String>>,
    /// The origins of pages that may use it, each `scheme://host` or `scheme://host:port`, at most 20. Absent, all may,
    /// and so may clients that are no page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_origins: Option<Vec<String>>,
    /// Bounds on what it opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraints: Option<ClientTokenConstraints>,
}

/// Bounds on what a client token opens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClientTokenConstraints {
    /// Of realtime sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realtime: Option<RealtimeConstraints>,
}

/// Bounds on the realtime sessions of a client token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RealtimeConstraints {
    /// How long a connection may last, in seconds: at least 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_session_duration: Option<u64>,
}

/// Answer of `POST /v1/client/tokens`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientTokenResponse {
    /// The token: `ek_…`. It is shown this once.
    pub api_key: String,
    /// When it opens nothing any more: ISO 8601, in UTC. What is open by then goes on.
    pub expires_at: String,
    /// What it is limited to, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<ClientTokenPermissions>,
    /// The bounds that were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraints: Option<ClientTokenConstraints>,
}

/// What a client token is limited to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClientTokenPermissions {
    /// The models that it opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// The origins of pages that may use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origins: Option<Vec<String>>,
}

/// Answer of status 422, as clients of the contract read it, and with the error as everywhere else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InvalidFieldsBody {
    /// What is wrong, in a sentence.
    pub error: String,
    /// `invalid-request` or `invalid-json`.
    pub code: String,
    /// Each field that is wrong.
    pub detail: Vec<InvalidField>,
}

/// A field of a request that cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InvalidField {
    /// What kind of mistake it is: `json_invalid`, `type_error` or `value_error`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it is: `body`, and the names of fields.
    pub loc: Vec<String>,
    /// What it has to be.
    pub msg: String,
}

/// Answer of `GET /v1/sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionListResponse {
    /// The newest first.
    pub sessions: Vec<SessionReceipt>,
}

/// What a session cost: all its connections, whether or not anybody was listening when they ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionReceipt {
    /// The session.
    pub session: String,
    /// The id of the key that pays.
    pub key: String,
    /// In the order in which they were opened. A client that comes back opens another one.
    pub connections: Vec<ConnectionReceipt>,
    /// The billed seconds of all connections.
    pub seconds: u64,
    /// What they cost.
    pub credits: String,
    /// Whether no connection is open: then nothing more is charged, unless the client comes back.
    pub settled: bool,
    /// Why the last connection ended. Absent while one is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a connection of a session cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionReceipt {
    /// The connection: the `session_id` that its client was told.
    pub connection: String,
    /// The model.
    pub model: String,
    /// Milliseconds since the Unix epoch.
    pub opened_at: u64,
    /// Milliseconds since the Unix epoch. Absent while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<u64>,
    /// Why it ended. Absent while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many seconds are billed.
    pub seconds: u64,
    /// What they cost.
    pub credits: String,
}

/// Answer of `GET /v1/realtime/models`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RealtimeModelsResponse {
    /// By name. Empty where the server has no realtime sessions.
    pub models: Vec<RealtimeModel>,
}

/// Answer of `GET /metrics/realtime`: what realtime sessions hold at this moment. When everybody has left, all but the
/// tasks is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RealtimeMetricsResponse {
    /// Sessions, from their admission until they are settled.
    pub sessions: u64,
    /// Media connections, to those who produce and those who watch, up or not yet.
    pub connections: u64,
    /// Entries of the tables by which packets find their connection.
    pub routes: u64,
    /// Tasks of the whole server: a few for itself, and some for each socket, media connection and turn.
    pub tasks: u64,
}

/// A model of realtime sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RealtimeModel {
    /// As sessions ask for it.
    pub name: String,
    /// Of its pictures, in pixels.
    pub width: u32,
    /// Of its pictures, in pixels.
    pub height: u32,
    /// The most pictures of it a second.
    pub fps: u32,
    /// What a second of generation costs.
    pub credits_per_second: String,
}

/// Whether a key can run out of credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeyFunds {
    /// It uses what was added to its balance.
    Prepaid,
    /// It never runs out: its balance says what it owes.
    Unlimited,
}

/// A key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// Names it, and opens nothing. `local` is what is used by the keys of the configuration, or without any.
    pub id: String,
    /// For people.
    pub name: String,
    /// Milliseconds since the Unix epoch.
    pub created_at: u64,
    /// Milliseconds since the Unix epoch, if it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<u64>,
    /// Whether it can run out.
    pub funds: KeyFunds,
    /// What was added, less what was charged.
    pub balance: String,
    /// How much of the balance is held for seconds in flight.
    pub held: String,
}

/// Answer of `GET /v1/keys/:id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyResponse {
    /// The key.
    #[serde(flatten)]
    pub key: ApiKey,
    /// What was ever charged to it.
    pub spent: String,
}

/// Answer of `GET /v1/keys`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyListResponse {
    /// In the order in which they were made; revoked ones too.
    pub keys: Vec<ApiKey>,
}

/// Body of `POST /v1/keys`. Everything may be left out, and so may the body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreateKeyRequest {
    /// For people, at most 256 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What its balance begins with; nothing if nothing is said. A number is taken as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credits: Option<String>,
    /// Whether it never runs out. Not together with `credits`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlimited: Option<bool>,
}

/// Answer of `POST /v1/keys`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreateKeyResponse {
    /// The key.
    pub key: ApiKey,
    /// What its holder presents: `dsp_…`. It is shown this once, and the server keeps no copy.
    pub secret: String,
}

/// Body of `POST /v1/keys/:id/credit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreditKeyRequest {
    /// How much to add; below zero, how much to take off. A number is taken as well.
    pub credits: String,
    /// Names the deposit, in at most 256 bytes: sent again, it adds nothing. Without it, every call adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deposit_id: Option<String>,
    /// For people, at most 256 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Answer of `GET /v1/usage`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UsageResponse {
    /// The first day, in UTC: `YYYY-MM-DD`.
    pub from: String,
    /// The last day.
    pub to: String,
    /// By day, key and model.
    pub usage: Vec<UsageRow>,
}

/// What a key used of a model on a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageRow {
    /// In UTC: `YYYY-MM-DD`.
    pub day: String,
    /// The id of the key that paid.
    pub key: String,
    /// The model; empty if nobody chose one.
    pub model: String,
    /// Billed seconds of generation.
    pub seconds: u64,
    /// Steps of turns.
    pub steps: u64,
    /// Tokens of prompts, those from a cache included.
    pub input_tokens: u64,
    /// Tokens of prompts that were read from a cache.
    pub cached_tokens: u64,
    /// Tokens that the model produced.
    pub output_tokens: u64,
    /// What all that cost.
    pub credits: String,
}
