//! The list of tasks of a conversation, which the model keeps with `todo_write`.

use std::sync::{Arc, LazyLock};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kernel::{Tool, ToolContext, ToolResult, ToolSpec};
use serde_json::{Value, json};
use store::{Attribute, Store};
use wire::ConversationId;
use wire::extension::{Todo, TodoStatus};

use crate::notice::{Notices, Part};
use crate::{Error, now_ms};

/// The tool's name.
pub(crate) const NAME: &str = "todo_write";

/// A conversation's list; empty if it has none.
pub(crate) async fn read(store: &dyn Store, id: &ConversationId) -> Result<Vec<Todo>, Error> {
    let kept = store.attribute(id, Attribute::Todos).await?;
    // What cannot be read is no list: the model writes a new one.
    Ok(kept.and_then(|kept| serde_json::from_str(&kept).ok()).unwrap_or_default())
}

/// The tool that replaces a conversation's list. The list outlives the server.
pub(crate) struct TodoWrite {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) notices: Notices,
}

static SPEC: LazyLock<ToolSpec> = LazyLock::new(|| {
    ToolSpec {
    name: NAME.to_owned(),
    description: "Replaces this conversation's list of tasks, which people watch. Use it for work of several \
                  steps: write the list before you begin, keep one task `in_progress`, and mark each as `completed` \
                  as soon as it is done. Always send the whole list; an empty one clears it."
        .to_owned(),
    input_schema: json!({
        "type": "object",
        "properties": {
            "todos": {
                "type": "array",
                "description": "The whole list, in order.",
                "items": {
                    "type": "object",
                    "properties": {
                        "content": { "type": "string", "minLength": 1, "description": "What is to be done." },
                        "status": { "type": "string", "enum": ["pending", "in_progress", "completed", "cancelled"] },
                    },
                    "required": ["content", "status"],
                },
            },
        },
        "required": ["todos"],
    }),
    exclusive: true,
}
});

impl Tool for TodoWrite {
    fn spec(&self) -> &ToolSpec {
        &SPEC
    }

    fn run(self: Arc<Self>, input: Value, context: ToolContext) -> BoxFuture<'static, ToolResult> {
        async move {
            let todos = match parse(&input) {
                Ok(todos) => todos,
                Err(message) => return ToolResult::error(message),
            };
            let list = match serde_json::to_string_pretty(&todos) {
                Ok(list) => list,
                Err(error) => return ToolResult::error(format!("the list could not be written: {error}")),
            };
            let id = &context.conversation_id;
            match self.store.set_attribute(id, now_ms(), Attribute::Todos, Some(list.clone())).await {
                Ok(()) => {
                    self.notices.changed(id, Part::Todos);
                    ToolResult::ok(list)
                }
                Err(error) => ToolResult::error(format!("the list could not be kept: {error}")),
            }
        }
        .boxed()
    }
}

fn parse(input: &Value) -> Result<Vec<Todo>, String> {
    let items = input
        .get("todos")
        .and_then(Value::as_array)
        .ok_or("`todos` is required: an array of { content, status }; nothing was changed")?;
    let todo = |(index, item): (usize, &Value)| {
        let wrong = |what: &str| format!("todos[{index}]: {what}; nothing was changed");
        let content = item.get("content").and_then(Value::as_str).map(str::trim).unwrap_or_default();
        if content.is_empty() {
            return Err(wrong("`content` must be a string with something in it"));
        }
        let status = item.get("status").and_then(status_of);
        let status =
            status.ok_or_else(|| wrong("`status` must be pending, in_progress, completed or cancelled"))?;
        Ok(Todo { content: content.to_owned(), status })
    };
    items.iter().enumerate().map(todo).collect()
}

fn status_of(value: &Value) -> Option<TodoStatus> {
    // A status is a plain string; serde would take a map with one key as well.
    value.as_str().and_then(|_| serde_json::from_value(value.clone()).ok())
}
