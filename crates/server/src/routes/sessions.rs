//! Realtime sessions and what they cost: `/v1/sessions`.

use axum::Json;
use axum::extract::State;
use meter::{KeyId, Receipt};
use serde::Deserialize;
use wire::ErrorCode;
use wire::account::{ConnectionReceipt, SessionListResponse, SessionReceipt};

use crate::access::{Caller, Reader};
use crate::answer::Refusal;
use crate::extract::{Named, Query};
use crate::openapi::{Kind, Operation, delete, get};
use crate::{App, input};

/// How many are listed when nobody says.
const SOME: u64 = 100;

/// The most that are listed at a time.
const MOST: u64 = 1000;

pub(super) fn operations() -> [Operation; 3] {
    [
        get("/v1/sessions", list, "listSessions")
            .says("List sessions", "The newest first. The operator sees all, a key its own.")
            .query("limit", Kind::Integer(1), "At most so many: 100 if nothing is said, and never more than 1000.")
            .query("key", Kind::Text, "Only those that this key pays for, by its id.")
            .answers::<SessionListResponse>("Their receipts.")
            .fails(&[ErrorCode::InvalidRequest, ErrorCode::OperatorOnly, ErrorCode::StoreFailed]),
        get("/v1/sessions/{session}", read, "session")
            .says(
                "Read what a session cost",
                "By the id of the session or of any of its connections. When it is `settled`, the figures are final, whether \
                 or not anybody was listening when it ended: they are the sum of the rows that were charged. For the \
                 operator, the key that pays, and the client token that opened it, also when that has expired; to others \
                 the session is not there.",
            )
            .answers::<SessionReceipt>("The receipt.")
            .fails(&[ErrorCode::NotFound, ErrorCode::StoreFailed]),
        delete("/v1/sessions/{session}", end, "endSession")
            .says(
                "End a session",
                "Its connections are told and closed, nobody goes on with it, and its prompt and image are forgotten. The \
                 receipt stays; it may take a moment until it is settled. Doing it again changes nothing.",
            )
            .answers::<SessionReceipt>("The receipt as it is now.")
            .fails(&[ErrorCode::NotFound, ErrorCode::StoreFailed]),
    ]
}

#[derive(Deserialize)]
struct SessionsQuery {
    limit: Option<String>,
    key: Option<String>,
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<SessionsQuery>,
) -> Result<Json<SessionListResponse>, Refusal> {
    let limit = input::integer(query.limit.as_deref(), "limit", 1)?.unwrap_or(SOME).min(MOST);
    let asked = query.key.filter(|key| !key.is_empty()).map(KeyId::new);
    let sessions = app.engine.store().sessions(caller.about(asked)?, limit).await?;
    Ok(Json(SessionListResponse { sessions: sessions.into_iter().map(shown).collect() }))
}

async fn read(
    State(app): State<App>,
    reader: Reader,
    Named(id): Named,
) -> Result<Json<SessionReceipt>, Refusal> {
    Ok(Json(shown(receipt(&app, &reader, &id).await?)))
}

async fn end(
    State(app): State<App>,
    caller: Caller,
    Named(id): Named,
) -> Result<Json<SessionReceipt>, Refusal> {
    let reader = Reader::Caller(caller);
    let session = receipt(&app, &reader, &id).await?.session;
    // First so that nobody comes back to it, then those who are there.
    app.engine.store().end_session(&session, super::now_ms()).await?;
    if let Some(realtime) = &app.parts.realtime {
        realtime.end(session.as_str());
    }
    read(State(app), reader, Named(id)).await
}

/// The receipt of a session that the reader may see.
async fn receipt(app: &App, reader: &Reader, id: &str) -> Result<Receipt, Refusal> {
    let store = app.engine.store();
    let missing =
        || Refusal::of(ErrorCode::NotFound, "there is no session of that id, or it is another key's");
    let receipt = store.receipt(id).await?.ok_or_else(missing)?;
    let is_seen = match reader {
        Reader::Caller(Caller::Operator) => true,
        Reader::Caller(Caller::Key(key)) => receipt.key == *key,
        Reader::Token(token) => store.is_opened_by(&receipt.session, *token).await?,
    };
    is_seen.then_some(receipt).ok_or_else(missing)
}

fn shown(receipt: Receipt) -> SessionReceipt {
    let Receipt { session, key, connections, seconds, credits, settled, reason } = receipt;
    SessionReceipt {
        session: session.into(),
        key: key.into(),
        connections: connections.into_iter().map(shown_connection).collect(),
        seconds,
        credits: credits.to_string(),
        settled,
        reason,
    }
}

fn shown_connection(receipt: meter::ConnectionReceipt) -> ConnectionReceipt {
    let meter::ConnectionReceipt { connection, model, opened_at, ended_at, reason, seconds, credits } =
        receipt;
    ConnectionReceipt {
        connection: connection.into(),
        model,
        opened_at,
        ended_at,
        reason,
        seconds,
        credits: credits.to_string(),
    }
}
