//! What a generator is to do: the prompt and the reference image of a session.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use wire::realtime::{self, Field, SetImage};

use crate::text;

/// The largest prompt, in bytes.
pub const PROMPT_LIMIT: usize = 64 << 10;
/// The largest image file, in bytes, before base64.
pub const IMAGE_LIMIT: usize = 10_000_000;

/// Some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The prompt and the reference image as they hold now. Without either, the video goes back as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// What the video shall become.
    pub prompt: Option<Prompt>,
    /// What somebody or something in it shall look like.
    pub image: Option<Image>,
}

/// A prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// Never empty.
    pub text: String,
    /// Whether the server may rewrite it for the model.
    pub enhance: bool,
}

/// An image file. Its first bytes are of the format; whether the rest is was not looked at.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    /// The file.
    pub file: Bytes,
    /// Its format.
    pub format: ImageFormat,
}

/// The formats that a reference image can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ImageFormat {
    /// `image/jpeg`.
    Jpeg,
    /// `image/png`.
    Png,
    /// `image/webp`.
    WebP,
}

impl Look {
    /// Takes a prompt and leaves the image. The error is for the client; then nothing has changed.
    pub(crate) fn set_prompt(&mut self, prompt: &realtime::Prompt) -> Result<(), &'static str> {
        self.prompt = Some(Prompt::new(&prompt.prompt, prompt.enhance_prompt)?);
        Ok(())
    }

    /// Takes an image, or takes it away, and the prompt if there is one. The error is for the client; then nothing
    /// has changed.
    pub(crate) fn set_image(&mut self, message: SetImage) -> Result<(), &'static str> {
        let enhance = message.enhances();
        let prompt = match message.prompt {
            Field::Absent => self.prompt.clone(),
            Field::Null => None,
            Field::Value(text) => Some(Prompt::new(&text, enhance)?),
        };
        let image = message.image_data.value().map(|data| Image::from_base64(&data)).transpose()?;
        *self = Self { prompt, image };
        Ok(())
    }
}

impl Prompt {
    fn new(text: &str, enhance: bool) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err(text::EMPTY_PROMPT);
        }
        if text.len() > PROMPT_LIMIT {
            return Err(text::PROMPT_TOO_LONG);
        }
        Ok(Self { text: text.to_owned(), enhance })
    }
}

impl Image {
    /// What was kept of an earlier session. None if it is not an image any more.
    pub(crate) fn from_file(file: Vec<u8>) -> Option<Self> {
        let format = ImageFormat::of(&file)?;
        Some(Self { file: file.into(), format })
    }

    fn from_base64(data: &str) -> Result<Self, &'static str> {
        // Before it is decoded, so that a huge one costs nothing.
        if data.trim_end_matches('=').len() / 4 * 3 > IMAGE_LIMIT {
            return Err(text::IMAGE_TOO_LARGE);
        }
        let file = BASE64.decode(data).map_err(|_| text::IMAGE_NOT_BASE64)?;
        if file.len() > IMAGE_LIMIT {
            return Err(text::IMAGE_TOO_LARGE);
        }
        let format = ImageFormat::of(&file).ok_or(text::IMAGE_FORMAT)?;
        Ok(Self { file: file.into(), format })
    }
}

/// Without the file: it may be ten megabytes.
impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Image").field("format", &self.format).field("bytes", &self.file.len()).finish()
    }
}

impl ImageFormat {
    /// The format by the first bytes of a file.
    fn of(file: &[u8]) -> Option<Self> {
        if file.starts_with(b"\xff\xd8\xff") {
            Some(Self::Jpeg)
        } else if file.starts_with(b"\x89PNG\r\n\x1a\n") {
            Some(Self::Png)
        } else if file.starts_with(b"RIFF") && file.get(8..12) == Some(b"WEBP") {
            Some(Self::WebP)
        } else {
            None
        }
    }
}
