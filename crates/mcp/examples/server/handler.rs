//! The good server.
#![allow(deprecated, unreachable_pub, reason = "servers log, and two programs share this file")]

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ListToolsResult, LoggingLevel,
    LoggingMessageNotificationParam, PaginatedRequestParams, ProgressNotificationParam, ServerCapabilities,
    ServerConfig, Tool, ToolAnnotations,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};

/// Tools in no good order; `grow` adds more.
#[derive(Clone, Default)]
pub struct Handler {
    pub grown: Arc<AtomicUsize>,
    /// Where it writes what happened to it.
    pub notes: PathBuf,
}

const NAMES: [&str; 12] =
    ["where", "echo", "add", "picture", "fail", "refuse", "report", "wait", "die", "env", "grow", "pid"];

fn tool(name: String) -> Tool {
    let schema = json!({"type": "object", "properties": {"text": {"type": "string"}}});
    let Value::Object(schema) = schema else { unreachable!() };
    let annotations = ToolAnnotations::new().read_only(name == "echo");
    Tool::new(name.clone(), format!("The tool {name}."), schema).with_annotations(annotations)
}

impl Handler {
    fn note(&self, file: &str, line: &str) {
        let path = self.notes.join(file);
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(file, "{line}").unwrap();
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(
            ServerCapabilities::builder().enable_tools().enable_tool_list_changed().enable_logging().build(),
        )
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        // In two pages.
        if request.and_then(|request| request.cursor).is_none() {
            let mut first = ListToolsResult::with_all_items(
                NAMES[..5].iter().map(|name| tool((*name).to_owned())).collect(),
            );
            first.next_cursor = Some("rest".to_owned());
            return Ok(first);
        }
        let grown = (0..self.grown.load(Ordering::SeqCst)).map(|n| tool(format!("grown{n}")));
        let rest = NAMES[5..].iter().map(|name| tool((*name).to_owned())).chain(grown);
        Ok(ListToolsResult::with_all_items(rest.collect()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let text = arguments.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
        let said = |text: String| CallToolResult::success(vec![ContentBlock::text(text)]);
        let result = match &*request.name {
            "echo" => said(text),
            "add" => {
                let mut result = CallToolResult::success(Vec::new());
                result.structured_content = Some(json!({"sum": 3}));
                result
            }
            "picture" => CallToolResult::success(vec![ContentBlock::image("AAAA", "image/png")]),
            "fail" => CallToolResult::error(vec![ContentBlock::text("no such row")]),
            "refuse" => return Err(ErrorData::invalid_params(format!("not with {text}"), None)),
            "where" => said(std::env::current_dir().unwrap().display().to_string()),
            "pid" => said(std::process::id().to_string()),
            "env" => said(std::env::var(&text).unwrap_or_else(|_| "(not set)".to_owned())),
            "report" => {
                let token = context.meta.get_progress_token().unwrap();
                for step in 1..=3 {
                    let progress = ProgressNotificationParam::new(token.clone(), f64::from(step))
                        .with_total(3.0)
                        .with_message(format!("step {step}"));
                    context.peer.notify_progress(progress).await.unwrap();
                }
                let log = LoggingMessageNotificationParam::new(LoggingLevel::Warning, json!("nearly done"));
                context.peer.notify_logging_message(log).await.unwrap();
                said("done".to_owned())
            }
            "wait" => {
                self.note("waiting", "yes");
                context.ct.cancelled().await;
                self.note("cancelled", "yes");
                said("cancelled".to_owned())
            }
            "die" => {
                eprintln!("these are my last words");
                std::process::exit(3);
            }
            "grow" => {
                self.grown.fetch_add(1, Ordering::SeqCst);
                context.peer.notify_tool_list_changed().await.unwrap();
                said("grown".to_owned())
            }
            other => return Err(ErrorData::invalid_params(format!("no tool {other}"), None)),
        };
        Ok(result.into())
    }
}
