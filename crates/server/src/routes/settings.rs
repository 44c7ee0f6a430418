//! What a conversation goes by: title, model, directory, effort, when it is compacted.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use serde_json::{Value, json};
use store::{Conversation, Setting};
use wire::extension::{ConversationModelResponse, SetConversationModelRequest};
use wire::transport::{
    CompactPercentResponse, CwdResponse, ReasoningEffortResponse, SetCompactPercentRequest, SetCwdRequest,
    SetReasoningEffortRequest, SetTitleRequest, TitleResponse,
};
use wire::{ConversationId, ErrorCode};

use crate::answer::Refusal;
use crate::extract::Id;
use crate::input::Fields;
use crate::openapi::{Group, delete, get, put};
use crate::{App, input};

/// The title of a conversation that has none yet.
const UNTITLED: &str = "Untitled";

pub(super) fn group() -> Group {
    let log = &[ErrorCode::StoreFailed];
    Group {
        name: "Settings",
        about: "What a conversation goes by. Writing one creates a conversation that does not exist, and does not count as \
                activity.",
        operations: vec![
            get("/conversations/{id}/title", title, "title")
                .says("Read the title", "That of the first message, shortened, where none was set; else `Untitled`.")
                .answers::<TitleResponse>("The title.")
                .fails(log),
            put("/conversations/{id}/title", set_title, "setTitle")
                .says("Set the title", "")
                .takes::<SetTitleRequest>(json!({ "title": "A tour" }))
                .answers::<TitleResponse>("The title, trimmed.")
                .fails(log),
            get("/conversations/{id}/model", model, "model")
                .says("Read the model", "That of the last turn, or the one that was set; `null` if neither was.")
                .answers::<ConversationModelResponse>("The model.")
                .fails(log),
            put("/conversations/{id}/model", set_model, "setModel")
                .says("Choose the model of later turns", "`null` goes back to the server's default.")
                .takes::<SetConversationModelRequest>(json!({ "model": null }))
                .answers::<ConversationModelResponse>("The model; the name that an alias stands for.")
                .fails(&[ErrorCode::UnknownModel, ErrorCode::StoreFailed]),
            get("/conversations/{id}/cwd", cwd, "cwd")
                .says("Read the directory", "`null` if none was ever set: then the server's own holds.")
                .answers::<CwdResponse>("The directory in which tools work.")
                .fails(log),
            put("/conversations/{id}/cwd", set_cwd, "setCwd")
                .says(
                    "Set the directory in which tools work",
                    "Kept as it is and not looked at; a relative one begins at the server's own.",
                )
                .takes::<SetCwdRequest>(json!({ "cwd": "/srv/project" }))
                .answers::<CwdResponse>("The directory.")
                .fails(log),
            delete("/conversations/{id}/cwd", clear_cwd, "clearCwd")
                .says("Go back to the server's directory", "")
                .answers::<CwdResponse>("`null`.")
                .fails(log),
            get("/conversations/{id}/reasoning-effort", effort, "reasoningEffort")
                .says("Read the effort", "`null` if none was ever set: then `high` holds.")
                .answers::<ReasoningEffortResponse>("The effort.")
                .fails(log),
            put("/conversations/{id}/reasoning-effort", set_effort, "setReasoningEffort")
                .says("Set how much the model thinks", "")
                .takes::<SetReasoningEffortRequest>(json!({ "reasoningEffort": "medium" }))
                .answers::<ReasoningEffortResponse>("The effort.")
                .fails(log),
            get("/conversations/{id}/compact-percent", compact_percent, "compactPercent")
                .says(
                    "Read when it is compacted by itself",
                    "Percent of the model's context window; 0 means never. The server's default where none was set.",
                )
                .answers::<CompactPercentResponse>("The same number under both of its names.")
                .fails(log),
            put("/conversations/{id}/compact-percent", set_compact_percent, "setCompactPercent")
                .says("Set when it is compacted by itself", "`percent` or `threshold`; if both are given, `percent`.")
                .takes::<SetCompactPercentRequest>(json!({ "percent": 80 }))
                .answers::<CompactPercentResponse>("The same number under both of its names.")
                .fails(log),
        ],
    }
}

async fn known(app: &App, id: &ConversationId) -> Result<Option<Conversation>, Refusal> {
    Ok(app.engine.store().conversation(id).await?)
}

async fn fields(app: &App, body: Body) -> Result<Fields, Refusal> {
    input::object(body, app.body_limit).await
}

async fn title(State(app): State<App>, Id(id): Id) -> Result<Json<TitleResponse>, Refusal> {
    let title = known(&app, &id).await?.map_or_else(|| UNTITLED.to_owned(), |known| known.meta.title);
    Ok(Json(TitleResponse { conversation_id: id, title }))
}

async fn set_title(State(app): State<App>, Id(id): Id, body: Body) -> Result<Json<TitleResponse>, Refusal> {
    let title = input::text(&fields(&app, body).await?, "title")?;
    app.engine.set(&id, Setting::Title(title.clone())).await?;
    Ok(Json(TitleResponse { conversation_id: id, title }))
}

async fn model(State(app): State<App>, Id(id): Id) -> Result<Json<ConversationModelResponse>, Refusal> {
    let model = known(&app, &id).await?.and_then(|known| known.model);
    Ok(Json(ConversationModelResponse { conversation_id: id, model }))
}

async fn set_model(
    State(app): State<App>,
    Id(id): Id,
    body: Body,
) -> Result<Json<ConversationModelResponse>, Refusal> {
    let model = match fields(&app, body).await?.remove("model") {
        Some(Value::Null) => None,
        Some(Value::String(model)) if app.engine.serves(&model) => Some(model),
        Some(Value::String(model)) => {
            let message = format!("no credential serves `{model}`; GET /models has the names");
            return Err(Refusal::of(ErrorCode::UnknownModel, message));
        }
        Some(_) | None => {
            return Err(Refusal::invalid("`model` is required: `credential/model`, or null for the default"));
        }
    };
    app.engine.set(&id, Setting::Model(model)).await?;
    // Read back: an alias is kept as the name that it stands for.
    self::model(State(app), Id(id)).await
}

async fn cwd(State(app): State<App>, Id(id): Id) -> Result<Json<CwdResponse>, Refusal> {
    let cwd = known(&app, &id).await?.and_then(|known| known.cwd);
    Ok(Json(CwdResponse { conversation_id: id, cwd }))
}

async fn set_cwd(State(app): State<App>, Id(id): Id, body: Body) -> Result<Json<CwdResponse>, Refusal> {
    let fields = fields(&app, body).await?;
    // A directory's name may begin or end with a blank: kept as it is, not trimmed.
    input::text(&fields, "cwd")?;
    let cwd = input::string(&fields, "cwd")?;
    app.engine.set(&id, Setting::Cwd(cwd.clone())).await?;
    Ok(Json(CwdResponse { conversation_id: id, cwd }))
}

async fn clear_cwd(State(app): State<App>, Id(id): Id) -> Result<Json<CwdResponse>, Refusal> {
    // What does not exist has none to clear, and is not created for that.
    if known(&app, &id).await?.is_some() {
        app.engine.set(&id, Setting::Cwd(None)).await?;
    }
    Ok(Json(CwdResponse { conversation_id: id, cwd: None }))
}

async fn effort(State(app): State<App>, Id(id): Id) -> Result<Json<ReasoningEffortResponse>, Refusal> {
    let reasoning_effort = known(&app, &id).await?.and_then(|known| known.effort);
    Ok(Json(ReasoningEffortResponse { conversation_id: id, reasoning_effort }))
}

async fn set_effort(
    State(app): State<App>,
    Id(id): Id,
    body: Body,
) -> Result<Json<ReasoningEffortResponse>, Refusal> {
    let fields = fields(&app, body).await?;
    let effort = input::effort(fields.get("reasoningEffort").unwrap_or(&Value::Null))?;
    app.engine.set(&id, Setting::Effort(effort)).await?;
    Ok(Json(ReasoningEffortResponse { conversation_id: id, reasoning_effort: Some(effort) }))
}

async fn compact_percent(
    State(app): State<App>,
    Id(id): Id,
) -> Result<Json<CompactPercentResponse>, Refusal> {
    let percent = app.engine.compact_percent(&id).await?;
    Ok(Json(CompactPercentResponse { conversation_id: id, percent, threshold: percent }))
}

async fn set_compact_percent(
    State(app): State<App>,
    Id(id): Id,
    body: Body,
) -> Result<Json<CompactPercentResponse>, Refusal> {
    let percent = percent(&fields(&app, body).await?)?;
    app.engine.set_compact_percent(&id, percent).await?;
    Ok(Json(CompactPercentResponse { conversation_id: id, percent, threshold: percent }))
}

fn percent(fields: &Fields) -> Result<u64, Refusal> {
    let name = if fields.contains_key("percent") { "percent" } else { "threshold" };
    match fields.get(name).and_then(Value::as_f64) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Some(number) if number >= 0.0 => Ok(number.floor() as u64),
        Some(_) => Err(Refusal::invalid(format!("`{name}` must not be negative"))),
        None if fields.contains_key(name) => Err(Refusal::invalid(format!("`{name}` must be a number"))),
        None => Err(Refusal::invalid("a number `percent` (or `threshold`, its other name) is required")),
    }
}
