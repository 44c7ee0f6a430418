//! Keys of the ledger, for the operator, and each for itself: `/v1/keys`.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use meter::{Credits, Day, DepositId, Funds, Key, KeyId, Kind};
use serde_json::json;
use store::{Deposit, Error, NewKey};
use wire::ErrorCode;
use wire::account::{
    ApiKey, CreateKeyRequest, CreateKeyResponse, CreditKeyRequest, KeyFunds, KeyListResponse, KeyResponse,
};

use super::usage;
use crate::access::Caller;
use crate::answer::Refusal;
use crate::extract::Named;
use crate::input::{self, Fields};
use crate::openapi::{Group, delete, get, post};
use crate::{App, secret};

/// In the place of an id: the key that asks.
const SELF: &str = "self";

/// The longest name, note or id of a deposit, in bytes.
const TEXT_BYTES: usize = 256;

pub(super) fn group() -> Group {
    let operator = &[ErrorCode::OperatorOnly, ErrorCode::StoreFailed];
    Group {
        name: "Keys and usage",
        about: "Keys with a balance of their own, for people and programs that are not the operator; and what was used. \
                Amounts are decimals as strings, exact to a millionth of a credit.",
        operations: vec![
            get("/v1/keys", list, "listKeys")
                .says("List the keys", "In the order in which they were made, revoked ones too. For the operator.")
                .answers::<KeyListResponse>("The keys, without their secrets.")
                .fails(operator),
            get("/v1/keys/{key}", read, "key")
                .says(
                    "Read a key",
                    "By its id, or as `self` the one that asks. What is left is its balance less what is held. The operator \
                     sees all keys, a key itself.",
                )
                .answers::<KeyResponse>("The key, and what was ever charged to it.")
                .fails(&[ErrorCode::NotFound])
                .fails(operator),
            post("/v1/keys", create, "createKey")
                .says(
                    "Make a key",
                    "The answer has its secret, this once: the server keeps only a hash of it. With `credits` that is what \
                     its balance begins with; without, it begins with nothing and can be used once something was added. \
                     For the operator.",
                )
                .may_take::<CreateKeyRequest>(json!({ "name": "the shop's website", "credits": "100" }))
                .answers::<CreateKeyResponse>("The key and its secret.")
                .fails(&[ErrorCode::InvalidJson, ErrorCode::InvalidRequest])
                .fails(operator),
            delete("/v1/keys/{key}", revoke, "revokeKey")
                .says(
                    "Revoke a key",
                    "And with it its client tokens. It begins nothing from then on; a session that runs ends with its \
                     second, a turn with its step. What it used stays. Doing it again changes nothing. For the operator.",
                )
                .answers::<ApiKey>("The key as it is now.")
                .fails(&[ErrorCode::NotFound])
                .fails(operator),
            post("/v1/keys/{key}/credit", credit, "creditKey")
                .says(
                    "Add to a key's balance",
                    "With a `depositId`, the same deposit sent again adds nothing, whoever sends it and whenever; another \
                     deposit under the same id is refused. Also for keys that were revoked. For the operator.",
                )
                .takes::<CreditKeyRequest>(
                    json!({ "credits": "25.5", "depositId": "invoice-2026-0042", "note": "June" }),
                )
                .answers::<ApiKey>("The key with its balance.")
                .fails(&[ErrorCode::NotFound])
                .fails(operator),
            usage::operation(),
        ],
    }
}

async fn list(State(app): State<App>, caller: Caller) -> Result<Json<KeyListResponse>, Refusal> {
    caller.require_operator()?;
    let keys = app.engine.store().keys().await?;
    Ok(Json(KeyListResponse { keys: keys.into_iter().map(shown).collect() }))
}

async fn read(
    State(app): State<App>,
    caller: Caller,
    Named(id): Named,
) -> Result<Json<KeyResponse>, Refusal> {
    let asked = if id == SELF { caller.key() } else { KeyId::new(id) };
    // Whoever is not allowed to know of a key is not told whether there is one.
    caller.about(Some(asked.clone()))?;
    let store = app.engine.store();
    let key = store.key(&asked).await?.ok_or_else(no_such_key)?;
    let ever = Day::from_number(0)..=Day::from_number(u32::MAX);
    let used = store.usage(ever, Some(asked)).await?;
    let spent = Credits::checked_sum(used.into_iter().map(|day| day.credits));
    let spent =
        spent.ok_or_else(|| Refusal::of(ErrorCode::Internal, "the sum is beyond what can be counted"))?;
    Ok(Json(KeyResponse { key: shown(key), spent: spent.to_string() }))
}

async fn create(State(app): State<App>, caller: Caller, body: Body) -> Result<Response, Refusal> {
    caller.require_operator()?;
    let fields = input::optional_object(body, app.body_limit).await?;
    let name = short(input::string(&fields, "name")?, "name")?.unwrap_or_default();
    let credits = amount(&fields)?;
    let funds = match (input::flag(&fields, "unlimited")?, credits) {
        (true, Some(_)) => {
            return Err(Refusal::invalid("a key is `unlimited` or has `credits`, and not both"));
        }
        (false, Some(credits)) if credits < Credits::ZERO => {
            return Err(Refusal::invalid("`credits` must not be negative"));
        }
        (true, None) => Funds::Unlimited,
        (false, Some(_) | None) => Funds::Prepaid,
    };
    let (store, at) = (app.engine.store(), super::now_ms());
    let id = KeyId::new(format!("key_{}", uuid::Uuid::new_v4().simple()));
    let secret = secret::new(Kind::Key)?;
    let mut key = store.create_key(NewKey { id: id.clone(), name, hash: secret.hash(), funds, at }).await?;
    if let Some(amount) = credits.filter(|credits| *credits > Credits::ZERO) {
        let deposit = DepositId::new(format!("{id}:first"));
        key = store.credit_key(Deposit { id: deposit, key: id, amount, note: String::new(), at }).await?;
    }
    let answer = CreateKeyResponse { key: shown(key), secret: secret.expose().to_owned() };
    Ok(([(CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

async fn revoke(State(app): State<App>, caller: Caller, Named(id): Named) -> Result<Json<ApiKey>, Refusal> {
    caller.require_operator()?;
    let (store, id) = (app.engine.store(), KeyId::new(id));
    if id == KeyId::local() {
        return Err(Refusal::invalid(
            "`local` is what the keys of the configuration use: take them out of [auth] api_keys",
        ));
    }
    store.revoke_key(&id, super::now_ms()).await?;
    let key = store.key(&id).await?.ok_or_else(no_such_key)?;
    Ok(Json(shown(key)))
}

async fn credit(
    State(app): State<App>,
    caller: Caller,
    Named(key): Named,
    body: Body,
) -> Result<Json<ApiKey>, Refusal> {
    caller.require_operator()?;
    let fields = input::object(body, app.body_limit).await?;
    let amount = amount(&fields)?.ok_or_else(|| Refusal::invalid("an amount `credits` is required"))?;
    let id = short(input::named(&fields, "depositId")?, "depositId")?
        .unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    let note = short(input::string(&fields, "note")?, "note")?.unwrap_or_default();
    let deposit = Deposit { id: DepositId::new(id), key: KeyId::new(key), amount, note, at: super::now_ms() };
    match app.engine.store().credit_key(deposit).await {
        Ok(key) => Ok(Json(shown(key))),
        Err(Error::NoSuchKey) => Err(no_such_key()),
        // Another deposit under that id, or a balance that cannot be counted: what was asked for cannot be.
        Err(Error::Misfit(why)) => Err(Refusal::invalid(why)),
        Err(error) => Err(error.into()),
    }
}

fn no_such_key() -> Refusal {
    Refusal::of(ErrorCode::NotFound, "there is no key of that id")
}

/// The field `credits`.
fn amount(fields: &Fields) -> Result<Option<Credits>, Refusal> {
    let amount = fields.get("credits").map(|value| serde_json::from_value(value.clone()));
    amount.transpose().map_err(|error| Refusal::invalid(format!("`credits`: {error}")))
}

fn short(text: Option<String>, name: &str) -> Result<Option<String>, Refusal> {
    match text {
        Some(text) if text.len() > TEXT_BYTES => {
            Err(Refusal::invalid(format!("`{name}` is longer than {TEXT_BYTES} bytes")))
        }
        text => Ok(text),
    }
}

fn shown(key: Key) -> ApiKey {
    let Key { id, name, created_at, revoked_at, funds, balance, held } = key;
    ApiKey {
        id: id.into(),
        name,
        created_at,
        revoked_at,
        funds: match funds {
            Funds::Prepaid => KeyFunds::Prepaid,
            Funds::Unlimited => KeyFunds::Unlimited,
        },
        balance: balance.to_string(),
        held: held.to_string(),
    }
}
