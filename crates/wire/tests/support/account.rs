//! Keys, client tokens, sessions and usage.

use serde_json::{Value, json};
use wire::account::{
    ApiKey, ClientTokenConstraints, ClientTokenPermissions, ClientTokenRequest, ClientTokenResponse,
    ConnectionReceipt, CreateKeyRequest, CreateKeyResponse, CreditKeyRequest, InvalidField,
    InvalidFieldsBody, KeyFunds, KeyListResponse, KeyResponse, RealtimeConstraints, RealtimeMetricsResponse,
    RealtimeModel, RealtimeModelsResponse, SessionListResponse, SessionReceipt, UsageResponse, UsageRow,
};

use super::Sample;
use super::extensions::sample;

pub fn all() -> Vec<Sample> {
    let mut samples = tokens();
    samples.extend(sessions());
    samples.extend(keys());
    samples
}

fn tokens() -> Vec<Sample> {
    let bounds = json!({ "realtime": { "maxSessionDuration": 600 } });
    let bare = json!({ "apiKey": "ek_x", "expiresAt": "2026-06-22T08:00:00.000Z" });
    let mut limited = bare.clone();
    limited["permissions"] = json!({ "models": ["restyle"], "origins": ["https://shop.example"] });
    limited["constraints"] = bounds.clone();
    let field = json!({ "type": "value_error", "loc": ["body", "expiresIn"], "msg": "too long" });
    vec![
        Sample::new("ClientTokenRequest", ClientTokenRequest::default(), json!({})),
        sample::<ClientTokenRequest>(
            "ClientTokenRequest",
            json!({
                "metadata": { "user": 7 },
                "expiresIn": 120,
                "allowedModels": ["restyle"],
                "allowedOrigins": ["https://shop.example"],
                "constraints": bounds,
            }),
        ),
        sample::<ClientTokenConstraints>("ClientTokenConstraints", json!({})),
        sample::<ClientTokenConstraints>("ClientTokenConstraints", bounds),
        sample::<RealtimeConstraints>("RealtimeConstraints", json!({})),
        sample::<RealtimeConstraints>("RealtimeConstraints", json!({ "maxSessionDuration": 600 })),
        sample::<ClientTokenPermissions>("ClientTokenPermissions", json!({})),
        sample::<ClientTokenPermissions>("ClientTokenPermissions", limited["permissions"].clone()),
        sample::<ClientTokenResponse>("ClientTokenResponse", bare),
        sample::<ClientTokenResponse>("ClientTokenResponse", limited),
        sample::<InvalidField>("InvalidField", field.clone()),
        sample::<InvalidFieldsBody>(
            "InvalidFieldsBody",
            json!({ "error": "too long", "code": "invalid-request", "detail": [field] }),
        ),
    ]
}

fn sessions() -> Vec<Sample> {
    let open =
        json!({ "connection": "c", "model": "restyle", "openedAt": 1, "seconds": 2, "credits": "0.02" });
    let mut ended = open.clone();
    ended["endedAt"] = json!(3);
    ended["reason"] = json!("disconnect");
    let receipt = |connection: &Value, settled: bool| {
        json!({
            "session": "s",
            "key": "local",
            "connections": [connection],
            "seconds": 2,
            "credits": "0.02",
            "settled": settled,
        })
    };
    let mut settled = receipt(&ended, true);
    settled["reason"] = json!("disconnect");
    let model =
        json!({ "name": "restyle", "width": 1280, "height": 704, "fps": 25, "creditsPerSecond": "0.01" });
    vec![
        sample::<ConnectionReceipt>("ConnectionReceipt", open.clone()),
        sample::<ConnectionReceipt>("ConnectionReceipt", ended),
        sample::<SessionReceipt>("SessionReceipt", receipt(&open, false)),
        sample::<SessionReceipt>("SessionReceipt", settled.clone()),
        sample::<SessionListResponse>("SessionListResponse", json!({ "sessions": [settled] })),
        sample::<RealtimeModel>("RealtimeModel", model.clone()),
        sample::<RealtimeModelsResponse>("RealtimeModelsResponse", json!({ "models": [model] })),
        sample::<RealtimeMetricsResponse>(
            "RealtimeMetricsResponse",
            json!({ "sessions": 2, "connections": 5, "routes": 10, "tasks": 31 }),
        ),
    ]
}

fn keys() -> Vec<Sample> {
    let key = json!({
        "id": "key_1",
        "name": "the shop",
        "createdAt": 1,
        "funds": "prepaid",
        "balance": "99.5",
        "held": "0.01",
    });
    let mut revoked = key.clone();
    revoked["revokedAt"] = json!(2);
    let mut read = key.clone();
    read["spent"] = json!("0.5");
    let row = json!({
        "day": "2026-06-22",
        "key": "key_1",
        "model": "restyle",
        "seconds": 5,
        "steps": 1,
        "inputTokens": 10,
        "cachedTokens": 4,
        "outputTokens": 3,
        "credits": "0.5",
    });
    vec![
        Sample::new("KeyFunds", KeyFunds::Prepaid, json!("prepaid")),
        Sample::new("KeyFunds", KeyFunds::Unlimited, json!("unlimited")),
        sample::<ApiKey>("ApiKey", key.clone()),
        sample::<ApiKey>("ApiKey", revoked.clone()),
        sample::<KeyResponse>("KeyResponse", read),
        sample::<KeyListResponse>("KeyListResponse", json!({ "keys": [key, revoked] })),
        Sample::new("CreateKeyRequest", CreateKeyRequest::default(), json!({})),
        sample::<CreateKeyRequest>(
            "CreateKeyRequest",
            json!({ "name": "the shop", "credits": "100", "unlimited": false }),
        ),
        sample::<CreateKeyResponse>("CreateKeyResponse", json!({ "key": key, "secret": "dsp_x" })),
        sample::<CreditKeyRequest>("CreditKeyRequest", json!({ "credits": "25.5" })),
        sample::<CreditKeyRequest>(
            "CreditKeyRequest",
            json!({ "credits": "25.5", "depositId": "invoice-42", "note": "June" }),
        ),
        sample::<UsageRow>("UsageRow", row.clone()),
        sample::<UsageResponse>(
            "UsageResponse",
            json!({ "from": "2026-06-01", "to": "2026-06-30", "usage": [row] }),
        ),
    ]
}
