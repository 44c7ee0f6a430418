//! A conversation as it was.

use std::io;

use wire::{Chunk, Role, StoredChunk};

use super::Screen;

/// Shows chunks of the history.
pub(crate) fn transcript<'c>(
    screen: &mut Screen,
    chunks: impl IntoIterator<Item = &'c StoredChunk>,
) -> io::Result<()> {
    for StoredChunk { role, chunk, .. } in chunks {
        match chunk {
            Chunk::Text { text } => match role {
                Role::User => screen.user(text),
                // The summary that a compaction put in the place of older messages.
                Role::System => screen.say(text),
                Role::Assistant | Role::Tool => screen.text(text),
            },
            Chunk::Thinking { text } => screen.thinking(text),
            Chunk::ToolCall { tool_call_id, tool_name, input, .. } => {
                screen.call(tool_call_id, tool_name, input)
            }
            Chunk::ToolResult { tool_call_id, tool_name, content, is_error, .. } => {
                screen.output(tool_call_id, content)?;
                screen.result(tool_call_id, tool_name, content, *is_error, None)
            }
            Chunk::Error { message, code } => screen.error(message, code.as_deref()),
            Chunk::System { text } => screen.say(text),
            Chunk::Image(image) => screen.say(&format!("[image: {}]", image.url)),
        }?;
        // Texts of two messages may follow each other.
        screen.pause()?;
    }
    screen.finish()
}
