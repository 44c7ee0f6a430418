//! The helpers of a conversation's directory: MCP servers and language servers.

use axum::Json;
use axum::extract::State;
use wire::ErrorCode;
use wire::extension::McpStatusResponse;
use wire::transport::LspStatusResponse;

use crate::App;
use crate::answer::Refusal;
use crate::extract::Id;
use crate::openapi::{Group, get};

pub(super) fn group() -> Group {
    Group {
        name: "Servers",
        about: "The helpers of the directory in which a conversation's tools work.",
        operations: vec![
            get("/conversations/{id}/mcp", mcp, "mcp")
                .says(
                    "Read how its MCP servers do",
                    "Those of the conversation's directory, and those that every conversation has. Asking starts servers that \
                     are not running yet, and does not wait for slow ones.",
                )
                .answers::<McpStatusResponse>("The servers; none where none is configured.")
                .fails(&[ErrorCode::StoreFailed]),
            get("/conversations/{id}/lsp", lsp, "lsp")
                .says(
                    "Read how its language servers do",
                    "This server runs no language servers: the list is always empty. Clients of the contract ask for it.",
                )
                .answers::<LspStatusResponse>("An empty list.")
                .fails(&[ErrorCode::StoreFailed]),
        ],
    }
}

async fn mcp(State(app): State<App>, Id(id): Id) -> Result<Json<McpStatusResponse>, Refusal> {
    let cwd = app.engine.store().conversation(&id).await?.and_then(|known| known.cwd);
    let servers = match &app.parts.mcp {
        Some(mcp) => mcp.servers(app.engine.cwd(&id).await?).await,
        None => Vec::new(),
    };
    Ok(Json(McpStatusResponse { conversation_id: id, cwd, servers }))
}

async fn lsp(State(app): State<App>, Id(id): Id) -> Result<Json<LspStatusResponse>, Refusal> {
    let cwd = app.engine.store().conversation(&id).await?.and_then(|known| known.cwd);
    Ok(Json(LspStatusResponse { conversation_id: id, cwd, servers: Vec::new() }))
}
