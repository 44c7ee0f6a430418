//! `/conversations` and what belongs to one of them.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use store::{Filter, StoredRow, Window};
use wire::ConversationStatus;
use wire::transport::{ConversationListResponse, ConversationMetricsResponse, QueueResponse, StopResponse};

use crate::answer::Refusal;
use crate::{App, input};

#[derive(Deserialize)]
pub(super) struct ListQuery {
    status: Option<String>,
    q: Option<String>,
}

/// `GET /conversations?status=active,idle&q=prefix`. Statuses that are not known are left out.
pub(super) async fn list(
    State(app): State<App>,
    Query(query): Query<ListQuery>,
) -> Result<Json<ConversationListResponse>, Refusal> {
    let statuses = query.status.unwrap_or_default();
    let filter = Filter {
        statuses: statuses.split(',').filter_map(|status| ConversationStatus::parse(status.trim())).collect(),
        id_prefix: query.q.map(|prefix| prefix.trim().to_owned()).filter(|prefix| !prefix.is_empty()),
    };
    Ok(Json(ConversationListResponse { conversations: app.engine.store().conversations(filter).await? }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HistoryQuery {
    since_seq: Option<String>,
    before_seq: Option<String>,
    limit: Option<String>,
}

/// The shape of [`wire::transport::ConversationHistoryResponse`], with chunks that pass through unparsed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct History {
    chunks: Vec<StoredRow>,
    latest_seq: u64,
}

/// `GET /conversations/:id?sinceSeq=&beforeSeq=&limit=`.
pub(super) async fn history(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<History>, Refusal> {
    let id = input::conversation_id(&id)?;
    let since = input::integer(query.since_seq.as_deref(), "sinceSeq", 0)?.unwrap_or(0);
    let window = Window {
        since,
        before: input::integer(query.before_seq.as_deref(), "beforeSeq", 1)?,
        limit: input::integer(query.limit.as_deref(), "limit", 1)?,
    };
    let chunks = app.engine.history(&id, window).await?;
    let latest_seq = chunks.last().map_or(since, |row| row.seq);
    Ok(Json(History { chunks, latest_seq }))
}

/// `GET /conversations/:id/metrics`.
pub(super) async fn metrics(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<ConversationMetricsResponse>, Refusal> {
    let id = input::conversation_id(&id)?;
    Ok(Json(ConversationMetricsResponse { turns: app.engine.store().metrics(&id).await? }))
}

/// `POST /conversations/:id/stop`.
pub(super) async fn stop(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<StopResponse>, Refusal> {
    let id = input::conversation_id(&id)?;
    let aborted_turn = app.engine.stop(&id).await?;
    Ok(Json(StopResponse { conversation_id: id, aborted_turn }))
}

/// `POST /conversations/:id/close`.
pub(super) async fn close(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<StopResponse>, Refusal> {
    let id = input::conversation_id(&id)?;
    let aborted_turn = app.engine.close(&id).await?;
    Ok(Json(StopResponse { conversation_id: id, aborted_turn }))
}

/// `POST /conversations/:id/queue`.
pub(super) async fn queue(
    State(app): State<App>,
    Path(id): Path<String>,
    body: Body,
) -> Result<Json<QueueResponse>, Refusal> {
    let id = input::conversation_id(&id)?;
    let fields = input::object(body, app.body_limit).await?;
    let queued = app.engine.queue(&id, input::text(&fields, "text")?).await?;
    Ok(Json(QueueResponse {
        conversation_id: id,
        started_turn: queued.started.is_some(),
        queue: queued.queue,
    }))
}
