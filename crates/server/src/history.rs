//! The history and its metrics as a client gets them.

use serde_json::value::RawValue;
use store::{SealedTurn, StoredRow};
use wire::Chunk;
use wire::extension::{ImageChunk, StoredChunkExtras, TurnMetricsExtras};

/// How the JSON of an image begins. Everything else passes through unparsed.
const IMAGE: &str = r#"{"type":"image""#;

/// A part of the history. Images are beyond the contract: clients that did not ask for extensions get words instead,
/// under the same seq. What rides on chunks they do not get at all.
pub(crate) fn shown(mut rows: Vec<StoredRow>, extensions: bool) -> Vec<StoredRow> {
    if !extensions {
        for row in &mut rows {
            row.extras = StoredChunkExtras::default();
            if row.chunk.get().starts_with(IMAGE)
                && let Some(words) = in_words(row.chunk.get())
            {
                row.chunk = words;
            }
        }
    }
    rows
}

/// The figures of turns; for clients that did not ask for extensions, those of the contract alone.
pub(crate) fn measured(mut turns: Vec<SealedTurn>, extensions: bool) -> Vec<SealedTurn> {
    if !extensions {
        turns.iter_mut().for_each(|turn| turn.extras = TurnMetricsExtras::default());
    }
    turns
}

fn in_words(chunk: &str) -> Option<Box<RawValue>> {
    let ImageChunk { url, mime_type } = serde_json::from_str(chunk).ok()?;
    let mime_type = mime_type.as_deref().unwrap_or("unknown type");
    let words = Chunk::Text { text: format!("[image: {mime_type}, {url}]") };
    serde_json::value::to_raw_value(&words).ok()
}
