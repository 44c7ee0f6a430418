//! `GET /v1/usage`: what was used, by day, key and model.

use axum::Json;
use axum::extract::State;
use meter::{DailyUsage, Day, KeyId};
use serde::Deserialize;
use wire::ErrorCode;
use wire::account::{UsageResponse, UsageRow};

use crate::App;
use crate::access::Caller;
use crate::answer::Refusal;
use crate::extract::Query;
use crate::openapi::{Kind, Operation, get};

/// How many days are shown when nobody says which.
const DAYS: u32 = 30;

pub(super) fn operation() -> Operation {
    get("/v1/usage", usage, "usage")
        .says(
            "Read what was used",
            "A row for each day, key and model: seconds, tokens, credits. The operator sees all keys, a key itself. A row is \
             at any time the sum of what was charged, down to the last second and step.",
        )
        .query("from", Kind::Text, "The first day, in UTC: `YYYY-MM-DD`. Absent: 29 days before the last.")
        .query("to", Kind::Text, "The last day, in UTC: `YYYY-MM-DD`. Absent: today, or `from` if that is later.")
        .query("key", Kind::Text, "Only what this key used, by its id.")
        .answers::<UsageResponse>("The days that were meant, and the rows of those on which something was used.")
        .fails(&[ErrorCode::InvalidRequest, ErrorCode::OperatorOnly, ErrorCode::StoreFailed])
}

#[derive(Deserialize)]
struct UsageQuery {
    from: Option<String>,
    to: Option<String>,
    key: Option<String>,
}

async fn usage(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<UsageQuery>,
) -> Result<Json<UsageResponse>, Refusal> {
    let from = day(query.from, "from")?;
    let to = day(query.to, "to")?;
    let to = to.unwrap_or_else(|| Day::of(super::now_ms()).max(from.unwrap_or(Day::from_number(0))));
    let from = from.unwrap_or_else(|| Day::from_number(to.number().saturating_sub(DAYS - 1)));
    if from > to {
        return Err(Refusal::invalid("`from` must not be after `to`"));
    }
    let asked = query.key.filter(|key| !key.is_empty()).map(KeyId::new);
    let usage = app.engine.store().usage(from..=to, caller.about(asked)?).await?;
    let usage = usage.into_iter().map(shown).collect();
    Ok(Json(UsageResponse { from: from.to_string(), to: to.to_string(), usage }))
}

fn day(value: Option<String>, name: &str) -> Result<Option<Day>, Refusal> {
    let day = value.filter(|value| !value.is_empty()).map(|value| value.parse());
    day.transpose().map_err(|error: meter::InvalidDay| Refusal::invalid(format!("`{name}`: {error}")))
}

fn shown(row: DailyUsage) -> UsageRow {
    let DailyUsage { day, key, model, seconds, steps, input_tokens, cached_tokens, output_tokens, credits } =
        row;
    UsageRow {
        day: day.to_string(),
        key: key.into(),
        model,
        seconds,
        steps,
        input_tokens,
        cached_tokens,
        output_tokens,
        credits: credits.to_string(),
    }
}
