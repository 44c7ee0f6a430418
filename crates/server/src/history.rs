//! The history as a client gets it.

use serde_json::value::RawValue;
use store::StoredRow;
use wire::Chunk;
use wire::extension::ImageChunk;

/// How the JSON of an image begins. Everything else passes through unparsed.
const IMAGE: &str = r#"{"type":"image""#;

/// A part of the history. Images are beyond the contract: clients that did not ask for extensions get words instead,
/// under the same seq.
pub(crate) fn shown(mut rows: Vec<StoredRow>, extensions: bool) -> Vec<StoredRow> {
    if !extensions {
        for row in rows.iter_mut().filter(|row| row.chunk.get().starts_with(IMAGE)) {
            if let Some(words) = in_words(row.chunk.get()) {
                row.chunk = words;
            }
        }
    }
    rows
}

fn in_words(chunk: &str) -> Option<Box<RawValue>> {
    let ImageChunk { url, mime_type } = serde_json::from_str(chunk).ok()?;
    let mime_type = mime_type.as_deref().unwrap_or("unknown type");
    let words = Chunk::Text { text: format!("[image: {mime_type}, {url}]") };
    serde_json::value::to_raw_value(&words).ok()
}
