//! `/conversations` and what is done with a whole one.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{Filter, SealedTurn, StoredRow, Window};
use wire::extension::{ConversationStatusResponse, DeleteConversationResponse};
use wire::transport::{
    CompactRequest, CompactResponse, ConversationHistoryResponse, ConversationListResponse,
    ConversationMetricsResponse, LastMessageResponse, OpenConversationResponse, StopResponse,
};
use wire::{ConversationMeta, ConversationStatus, ErrorCode};

use crate::answer::Refusal;
use crate::extract::{Id, Query};
use crate::openapi::{Group, Kind, delete, get, post};
use crate::{App, history, input};

/// The longest that `GET …/last` waits.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn group() -> Group {
    let log = &[ErrorCode::StoreFailed];
    Group {
        name: "Conversations",
        about: "Read what was said, and do something with a whole conversation.",
        operations: vec![
            get("/conversations", list, "listConversations")
                .says("List conversations", "The last active first. Closed ones and archives are among them.")
                .query(
                    "status",
                    Kind::Text,
                    "Only those with one of these, separated by commas: `active`, `idle`, `closed`. Others are left out; if \
                     none is left, all are listed.",
                )
                .query("q", Kind::Text, "Only those whose id begins with this.")
                .answers::<ConversationListResponse>("The list.")
                .fails(log),
            get("/conversations/{id}", read, "history")
                .says(
                    "Read the history",
                    "Chunks of sealed turns, ascending by seq. The cursor of incremental reads is `latestSeq`: give it as \
                     `sinceSeq` next time. To page back, give the oldest seq you have as `beforeSeq`, and a `limit`.",
                )
                .query("sinceSeq", Kind::Integer(0), "Only chunks with a greater seq.")
                .query("beforeSeq", Kind::Integer(1), "Only chunks with a smaller seq.")
                .query("limit", Kind::Integer(1), "Only the newest so many of those.")
                .query(
                    "extensions",
                    Kind::Flag,
                    "Whether images come as `image` chunks, and each chunk says `turnId`, and `steering` or `durationMs` \
                     where that is known. Without, a `text` chunk that names the image stands in the place of each.",
                )
                .answers::<ConversationHistoryResponse>("A part of the history.")
                .fails(log),
            delete("/conversations/{id}", remove, "deleteConversation")
                .says(
                    "Delete a conversation",
                    "With everything that is kept for it; it cannot be undone. While something runs in it that is refused, \
                     or with `force` done as soon as the turn is stopped. What its turns used stays in the throughput.",
                )
                .query("force", Kind::Flag, "Whether a running turn is stopped first.")
                .answers::<DeleteConversationResponse>("Whether there was one.")
                .fails(&[ErrorCode::ConversationActive, ErrorCode::StoreFailed]),
            get("/conversations/{id}/status", status, "status")
                .says("Read the status", "")
                .answers::<ConversationStatusResponse>("Where it stands.")
                .fails(log),
            get("/conversations/{id}/metrics", metrics, "metrics")
                .says("Read the metrics", "Tokens and times of sealed turns, oldest first.")
                .query("extensions", Kind::Flag, "Whether each turn says `startedAt`, `reason` and `model`.")
                .answers::<ConversationMetricsResponse>("The turns.")
                .fails(log),
            get("/conversations/{id}/last", last, "last")
                .says(
                    "Read the last answer",
                    "While a turn is running, waits for its end of any kind, for 60 seconds at most; then answers with what \
                     the history has. `turnId` is there only if a turn was sealed meanwhile.",
                )
                .answers::<LastMessageResponse>("The last text of the last assistant message.")
                .fails(log),
            post("/conversations/{id}/stop", stop, "stop")
                .says(
                    "Stop the running turn",
                    "What was said stays; the turn ends with reason `aborted`. What is queued stays queued, and nothing is \
                     started with it. Stopping where nothing runs is no error.",
                )
                .answers::<StopResponse>("Whether a turn was running.")
                .fails(log),
            post("/conversations/{id}/close", close, "close")
                .says(
                    "Close a conversation",
                    "Stops its turn and empties its queue; it is hidden from tab bars, not deleted. The next message brings \
                     it back, and so does `reopen`.",
                )
                .answers::<StopResponse>("Whether a turn was running.")
                .fails(log),
            post("/conversations/{id}/reopen", reopen, "reopen")
                .says(
                    "Reopen a conversation",
                    "Takes a close back: it is idle again. What was queued is gone. Reopening one that is not closed changes \
                     nothing.",
                )
                .answers::<ConversationStatusResponse>("Where it stands.")
                .fails(log),
            post("/conversations/{id}/open", open, "open")
                .says(
                    "Ask every client to show a conversation",
                    "Sends `conversation.open` to every WebSocket. Does not touch the conversation.",
                )
                .answers::<OpenConversationResponse>("Which."),
            post("/conversations/{id}/compact", compact, "compact")
                .says(
                    "Replace the older history by a summary",
                    "Waits for the model that writes the summary. The conversation keeps its id and its seqs begin anew at \
                     1; what was is in the archive, a closed conversation that the answer names. A body that is missing or \
                     cannot be read, and fields of other types, count as not given.",
                )
                .may_take::<CompactRequest>(json!({ "keepLastN": 4 }))
                .answers::<CompactResponse>("What was done.")
                .fails(&[ErrorCode::CompactionRefused, ErrorCode::StoreFailed, ErrorCode::ShuttingDown]),
        ],
    }
}

#[derive(Deserialize)]
struct ListQuery {
    status: Option<String>,
    q: Option<String>,
}

/// The shape of [`ConversationListResponse`], with the workspace that clients of the later contract look for.
#[derive(Serialize)]
struct List {
    conversations: Vec<Listed>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    #[serde(flatten)]
    meta: ConversationMeta,
    workspace_id: &'static str,
}

async fn list(State(app): State<App>, Query(query): Query<ListQuery>) -> Result<Json<List>, Refusal> {
    let statuses = query.status.unwrap_or_default();
    let filter = Filter {
        statuses: statuses.split(',').filter_map(|status| ConversationStatus::parse(status.trim())).collect(),
        id_prefix: query.q.map(|prefix| prefix.trim().to_owned()).filter(|prefix| !prefix.is_empty()),
    };
    let conversations = app.engine.store().conversations(filter).await?;
    let listed = |meta| Listed { meta, workspace_id: crate::WORKSPACE };
    Ok(Json(List { conversations: conversations.into_iter().map(listed).collect() }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HistoryQuery {
    since_seq: Option<String>,
    before_seq: Option<String>,
    limit: Option<String>,
    extensions: Option<String>,
}

/// The shape of [`ConversationHistoryResponse`], with chunks that pass through unparsed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct History {
    chunks: Vec<StoredRow>,
    latest_seq: u64,
}

async fn read(
    State(app): State<App>,
    Id(id): Id,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<History>, Refusal> {
    let since = input::integer(query.since_seq.as_deref(), "sinceSeq", 0)?.unwrap_or(0);
    let window = Window {
        since,
        before: input::integer(query.before_seq.as_deref(), "beforeSeq", 1)?,
        limit: input::integer(query.limit.as_deref(), "limit", 1)?,
    };
    let extensions = input::switch(query.extensions.as_deref(), "extensions")?;
    let chunks = history::shown(app.engine.history(&id, window).await?, extensions);
    let latest_seq = chunks.last().map_or(since, |row| row.seq);
    Ok(Json(History { chunks, latest_seq }))
}

#[derive(Deserialize)]
struct DeleteQuery {
    force: Option<String>,
}

async fn remove(
    State(app): State<App>,
    Id(id): Id,
    Query(query): Query<DeleteQuery>,
) -> Result<Json<DeleteConversationResponse>, Refusal> {
    let force = input::switch(query.force.as_deref(), "force")?;
    let deleted = app.engine.delete(&id, force).await?;
    Ok(Json(DeleteConversationResponse { conversation_id: id, deleted }))
}

async fn status(State(app): State<App>, Id(id): Id) -> Result<Json<ConversationStatusResponse>, Refusal> {
    let (is_active, status) = (app.engine.is_active(&id), app.engine.status(&id).await?);
    Ok(Json(ConversationStatusResponse { conversation_id: id, is_active, status }))
}

#[derive(Deserialize)]
struct MetricsQuery {
    extensions: Option<String>,
}

/// The shape of [`ConversationMetricsResponse`], with what goes beyond the contract.
#[derive(Serialize)]
struct Metrics {
    turns: Vec<SealedTurn>,
}

async fn metrics(
    State(app): State<App>,
    Id(id): Id,
    Query(query): Query<MetricsQuery>,
) -> Result<Json<Metrics>, Refusal> {
    let extensions = input::switch(query.extensions.as_deref(), "extensions")?;
    Ok(Json(Metrics { turns: history::measured(app.engine.store().metrics(&id).await?, extensions) }))
}

async fn last(State(app): State<App>, Id(id): Id) -> Result<Json<LastMessageResponse>, Refusal> {
    let engine::Last { text, turn_id } = app.engine.last(&id, PATIENCE).await?;
    Ok(Json(LastMessageResponse { conversation_id: id, content: text, turn_id }))
}

async fn stop(State(app): State<App>, Id(id): Id) -> Result<Json<StopResponse>, Refusal> {
    let aborted_turn = app.engine.stop(&id).await?;
    Ok(Json(StopResponse { conversation_id: id, aborted_turn }))
}

async fn close(State(app): State<App>, Id(id): Id) -> Result<Json<StopResponse>, Refusal> {
    let aborted_turn = app.engine.close(&id).await?;
    Ok(Json(StopResponse { conversation_id: id, aborted_turn }))
}

async fn reopen(State(app): State<App>, Id(id): Id) -> Result<Json<ConversationStatusResponse>, Refusal> {
    app.engine.reopen(&id).await?;
    status(State(app), Id(id)).await
}

async fn open(State(app): State<App>, Id(id): Id) -> Result<Json<OpenConversationResponse>, Refusal> {
    app.engine.open(&id);
    Ok(Json(OpenConversationResponse { conversation_id: id }))
}

async fn compact(State(app): State<App>, Id(id): Id, body: Body) -> Result<Json<CompactResponse>, Refusal> {
    let fields = input::lenient_object(body, app.body_limit).await?;
    let keep = fields.get("keepLastN").and_then(Value::as_f64).map(f64::floor).filter(|keep| *keep > 0.0);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let keep = keep.map(|keep| keep as usize);
    let model = fields.get("modelName").and_then(Value::as_str).map(str::to_owned);
    let result = app.engine.compact(&id, keep, model).await?;
    Ok(Json(CompactResponse {
        conversation_id: id,
        new_conversation_id: result.new_conversation_id,
        messages_summarized: result.messages_summarized,
        messages_kept: result.messages_kept,
    }))
}
