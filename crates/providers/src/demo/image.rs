//! What the demo says about images. It cannot see, but it can tell that they arrived.

use wire::extension::ImageChunk;

/// A sentence about all of them; nothing if there are none.
pub(super) fn described(images: &[&ImageChunk]) -> String {
    let each: Vec<String> = images.iter().map(|image| one(image)).collect();
    match &each[..] {
        [] => String::new(),
        [only] => format!("I was sent an image: {only}."),
        all => format!("I was sent {} images: {}.", all.len(), all.join("; ")),
    }
}

fn one(image: &ImageChunk) -> String {
    let kind = |declared: Option<&str>| {
        let kind = image.mime_type.as_deref().or(declared).filter(|kind| !kind.is_empty());
        kind.unwrap_or("of an unknown type").to_owned()
    };
    let Some((head, data)) = image.url.strip_prefix("data:").and_then(|rest| rest.split_once(',')) else {
        return format!("{} at {}", kind(None), image.url);
    };
    let declared = head.split(';').next();
    // Four characters are three bytes, but for the padding.
    let padding = data.bytes().rev().take_while(|byte| *byte == b'=').count();
    let bytes =
        if head.ends_with(";base64") { (data.len() * 3 / 4).saturating_sub(padding) } else { data.len() };
    format!("{}, {bytes} bytes", kind(declared))
}
