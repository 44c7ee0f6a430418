//! Images that go with a message.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use wire::extension::ImageInput;

use crate::failure::Failure;

#[derive(Args, Debug)]
pub(crate) struct Images {
    /// An image to send with it (PNG, JPEG, GIF or WebP), can be given more than once
    #[arg(long = "image", value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Images {
    /// Whether any were given.
    pub(super) fn is_given(&self) -> bool {
        !self.files.is_empty()
    }

    /// The images, as a message carries them; none where none were given.
    pub(super) fn load(&self) -> Result<Option<Vec<ImageInput>>, Failure> {
        if !self.is_given() {
            return Ok(None);
        }
        self.files.iter().map(|path| load(path)).collect::<Result<_, _>>().map(Some)
    }
}

fn load(path: &Path) -> Result<ImageInput, Failure> {
    let shown = path.display();
    let bytes =
        std::fs::read(path).map_err(|error| Failure::new(format!("{shown} cannot be read: {error}")))?;
    let Some(mime_type) = mime_type(&bytes) else {
        return Err(Failure::new(format!(
            "{shown} is not an image that can be sent: PNG, JPEG, GIF or WebP"
        )));
    };
    let url = format!("data:{mime_type};base64,{}", STANDARD.encode(&bytes));
    Ok(ImageInput { url, mime_type: Some(mime_type.to_owned()) })
}

/// By what is in the file: names lie.
fn mime_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_known_by_its_first_bytes() {
        assert_eq!(mime_type(b"\x89PNG\r\n\x1a\n...."), Some("image/png"));
        assert_eq!(mime_type(b"\xff\xd8\xff\xe0...."), Some("image/jpeg"));
        assert_eq!(mime_type(b"GIF89a...."), Some("image/gif"));
        assert_eq!(mime_type(b"RIFF\x01\x02\x03\x04WEBPVP8 "), Some("image/webp"));
        assert_eq!(mime_type(b"RIFF\x01\x02\x03\x04WAVEfmt "), None);
        assert_eq!(mime_type(b"<svg>"), None);
        assert_eq!(mime_type(b""), None);
    }
}
