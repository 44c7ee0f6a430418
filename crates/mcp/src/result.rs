//! What a server answers to a call, in words for the model.

use kernel::ToolResult;
use rmcp::model::{CallToolResult, ContentBlock, Resource, ResourceContents, ServerResult};
use serde_json::Value;

/// The result of a call.
pub(crate) fn of(answer: ServerResult) -> ToolResult {
    match answer {
        ServerResult::CallToolResult(result) => of_call(&result),
        ServerResult::EmptyResult(_) => ToolResult::ok("[no content]"),
        // A kind of content that is not known.
        ServerResult::CustomResult(result) => {
            let is_error = result.0.get("isError").and_then(Value::as_bool).unwrap_or_default();
            ToolResult { content: result.0.to_string(), is_error }
        }
        ServerResult::InputRequiredResult(_) => {
            ToolResult::error("The MCP server wants more input from a person, which is not supported.")
        }
        _ => ToolResult::error("The MCP server answered with something that is no result of a tool."),
    }
}

fn of_call(result: &CallToolResult) -> ToolResult {
    let has_text = result.content.iter().any(|block| match block {
        ContentBlock::Text(text) => !text.text.trim().is_empty(),
        ContentBlock::Resource(resource) => {
            matches!(resource.resource, ResourceContents::TextResourceContents { .. })
        }
        _ => false,
    });
    let mut parts: Vec<_> = result.content.iter().map(words).filter(|part| !part.is_empty()).collect();
    if let (false, Some(structured)) = (has_text, &result.structured_content) {
        parts.push(structured.to_string());
    }
    if parts.is_empty() {
        parts.push("[no content]".to_owned());
    }
    ToolResult { content: parts.join("\n"), is_error: result.is_error.unwrap_or_default() }
}

fn words(block: &ContentBlock) -> String {
    match block {
        ContentBlock::Text(text) => text.text.clone(),
        ContentBlock::Image(image) => described("image", &[&image.mime_type], decoded_bytes(&image.data)),
        ContentBlock::Audio(audio) => described("audio", &[&audio.mime_type], decoded_bytes(&audio.data)),
        ContentBlock::Resource(embedded) => contents(&embedded.resource),
        ContentBlock::ResourceLink(resource) => link(resource),
        _ => "[content of a kind that is not known]".to_owned(),
    }
}

fn contents(contents: &ResourceContents) -> String {
    match contents {
        ResourceContents::TextResourceContents { uri, mime_type, text, .. } => {
            let head = described("resource", &[uri, mime_type.as_deref().unwrap_or_default()], None);
            format!("{head}\n{text}")
        }
        ResourceContents::BlobResourceContents { uri, mime_type, blob, .. } => {
            let kind = mime_type.as_deref().unwrap_or_default();
            described("resource", &[uri, kind], decoded_bytes(blob))
        }
        _ => "[a resource of a kind that is not known]".to_owned(),
    }
}

fn link(resource: &Resource) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let facts = [&resource.name, &resource.uri, &text(&resource.mime_type), &text(&resource.description)];
    described("link to a resource", &facts.map(String::as_str), resource.size)
}

fn described(kind: &str, facts: &[&str], bytes: Option<u64>) -> String {
    let mut words = vec![kind.to_owned()];
    words.extend(facts.iter().filter(|fact| !fact.is_empty()).map(|fact| (*fact).to_owned()));
    words.extend(bytes.map(|bytes| format!("{bytes} bytes")));
    format!("[{}]", words.join(", "))
}

/// How many bytes base64 stands for.
fn decoded_bytes(base64: &str) -> Option<u64> {
    let digits = base64.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=').count();
    u64::try_from(digits * 3 / 4).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn result(answer: Value) -> ToolResult {
        of(serde_json::from_value(answer).unwrap())
    }

    #[test]
    fn text_is_joined_and_an_error_is_one() {
        let two = json!([{"type": "text", "text": "one"}, {"type": "text", "text": "two\n"}]);
        assert_eq!(result(json!({"content": two})), ToolResult::ok("one\ntwo\n"));
        assert_eq!(result(json!({"content": two, "isError": true})), ToolResult::error("one\ntwo\n"));
        assert_eq!(result(json!({"content": []})), ToolResult::ok("[no content]"));
        assert_eq!(result(json!({})), ToolResult::ok("[no content]"));
    }

    #[test]
    fn structured_content_stands_in_for_text() {
        let structured = json!({"a": [1, 2]});
        assert_eq!(result(json!({"structuredContent": structured})), ToolResult::ok("{\"a\":[1,2]}"));
        let text = json!([{"type": "text", "text": "as text"}]);
        assert_eq!(
            result(json!({"content": text, "structuredContent": structured})),
            ToolResult::ok("as text")
        );
        let image = json!([{"type": "image", "mimeType": "image/png", "data": "AAAA"}]);
        assert_eq!(
            result(json!({"content": image, "structuredContent": structured, "isError": true})),
            ToolResult::error("[image, image/png, 3 bytes]\n{\"a\":[1,2]}")
        );
    }

    #[test]
    fn what_is_no_text_is_said_in_words() {
        let answer = json!({"content": [
            {"type": "image", "mimeType": "image/png", "data": "AAAAAA=="},
            {"type": "audio", "mimeType": "audio/wav", "data": "AAAAAAA="},
            {"type": "resource", "resource": {"uri": "file:///a", "mimeType": "text/plain", "text": "its\ntext"}},
            {"type": "resource", "resource": {"uri": "file:///b", "blob": "AAAAAAAA"}},
            {"type": "resource_link", "uri": "file:///c", "name": "c", "description": "the third", "size": 12},
        ]});
        let expected = "[image, image/png, 4 bytes]\n[audio, audio/wav, 5 bytes]\n\
                        [resource, file:///a, text/plain]\nits\ntext\n[resource, file:///b, 6 bytes]\n\
                        [link to a resource, c, file:///c, the third, 12 bytes]";
        assert_eq!(result(answer), ToolResult::ok(expected));
    }

    #[test]
    fn a_kind_that_is_not_known_is_passed_on() {
        let answer = json!({"content": [{"type": "video", "data": "AAAA"}], "isError": true});
        assert_eq!(result(answer.clone()), ToolResult::error(answer.to_string()));
    }
}
