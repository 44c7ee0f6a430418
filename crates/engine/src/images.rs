//! Images that come with messages: kept as files beside the log, shown to models as data.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel::{Message, Part};
use wire::extension::{ImageChunk, ImageInput};
use wire::{Chunk, ConversationId};

use crate::Error;

/// What is taken, and how its files end.
const TYPES: [(&str, &str); 4] =
    [("image/png", "png"), ("image/jpeg", "jpg"), ("image/gif", "gif"), ("image/webp", "webp")];

/// The most images of one message.
const MOST: usize = 20;

/// The images of all conversations.
#[derive(Clone, Debug)]
pub(crate) struct Images {
    directory: Option<PathBuf>,
}

/// An image, ready to be kept.
pub(crate) enum Checked {
    /// It is elsewhere, and stays there.
    Address(ImageChunk),
    /// Its bytes.
    Data { bytes: Vec<u8>, mime_type: &'static str, ending: &'static str },
}

impl Images {
    pub(crate) fn new(directory: Option<PathBuf>) -> Self {
        Self { directory }
    }

    /// Checks what a client sent; keeps nothing.
    pub(crate) fn check(&self, images: &[ImageInput]) -> Result<Vec<Checked>, Error> {
        if images.len() > MOST {
            return Err(Error::Invalid(format!(
                "`images` has {} items; at most {MOST} are taken",
                images.len()
            )));
        }
        images.iter().enumerate().map(|(index, image)| self.check_one(index, image)).collect()
    }

    fn check_one(&self, index: usize, image: &ImageInput) -> Result<Checked, Error> {
        let wrong = |what: String| Error::Invalid(format!("images[{index}]: {what}"));
        let url = image.url.trim();
        if url.starts_with("https://") || url.starts_with("http://") {
            let chunk = ImageChunk { url: url.to_owned(), mime_type: image.mime_type.clone() };
            return Ok(Checked::Address(chunk));
        }
        let Some(rest) = url.strip_prefix("data:") else {
            return Err(wrong("`url` must be a data: URL, or an http(s) address".to_owned()));
        };
        let (head, data) = rest
            .split_once(',')
            .ok_or_else(|| wrong("the data: URL has no comma before its data".to_owned()))?;
        let Some(declared) = head.strip_suffix(";base64") else {
            return Err(wrong("the data: URL must be in base64".to_owned()));
        };
        let declared = image.mime_type.as_deref().unwrap_or(declared);
        let known = TYPES.iter().find(|(mime_type, _)| mime_type.eq_ignore_ascii_case(declared));
        let Some(&(mime_type, ending)) = known else {
            let types = TYPES.map(|(mime_type, _)| mime_type).join(", ");
            return Err(wrong(format!("`{declared}` is not taken; taken are {types}")));
        };
        let bytes =
            STANDARD.decode(data).map_err(|error| wrong(format!("the data is not base64: {error}")))?;
        if bytes.is_empty() {
            return Err(wrong("the image is empty".to_owned()));
        }
        if self.directory.is_none() {
            return Err(wrong("this server keeps no images; send an address instead".to_owned()));
        }
        Ok(Checked::Data { bytes, mime_type, ending })
    }

    /// Writes the images of a message to the disk. What was written is undone by [`Images::forget`].
    pub(crate) async fn keep(
        &self,
        conversation: &ConversationId,
        images: Vec<Checked>,
    ) -> Result<Vec<ImageChunk>, Error> {
        let mut kept = Vec::with_capacity(images.len());
        for image in images {
            match image {
                Checked::Address(chunk) => kept.push(chunk),
                Checked::Data { bytes, mime_type, ending } => {
                    let file = format!("{}.{ending}", uuid::Uuid::new_v4());
                    if let Err(error) = self.write(conversation, &file, bytes).await {
                        self.forget(conversation, &kept).await;
                        return Err(store::Error::Io(format!("an image could not be kept: {error}")).into());
                    }
                    let url = format!("/images/{}/{file}", encoded(conversation));
                    kept.push(ImageChunk { url, mime_type: Some(mime_type.to_owned()) });
                }
            }
        }
        Ok(kept)
    }

    async fn write(&self, conversation: &ConversationId, file: &str, bytes: Vec<u8>) -> std::io::Result<()> {
        let Some(directory) = self.directory_of(conversation) else { return Ok(()) };
        let path = directory.join(file);
        let written = tokio::task::spawn_blocking(move || {
            use std::io::Write;
            std::fs::create_dir_all(&directory)?;
            let mut file = std::fs::File::create_new(path)?;
            file.write_all(&bytes)?;
            // On the disk before the log speaks of it.
            file.sync_all()?;
            std::fs::File::open(&directory)?.sync_all()
        });
        written.await?
    }

    /// Removes images that no chunk speaks of.
    pub(crate) async fn forget(&self, conversation: &ConversationId, images: &[ImageChunk]) {
        for image in images {
            if let Some(path) = self.path_of(conversation, &image.url)
                && let Err(error) = tokio::fs::remove_file(&path).await
            {
                tracing::warn!(%conversation, "an image that is not needed stays: {error}");
            }
        }
    }

    /// Removes all images of a conversation.
    pub(crate) async fn delete(&self, conversation: &ConversationId) {
        let Some(directory) = self.directory_of(conversation) else { return };
        match tokio::fs::remove_dir_all(&directory).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(%conversation, "the images of a deleted conversation stay: {error}");
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// A kept image: its bytes and its type. None where there is none of that name.
    pub(crate) async fn read(
        &self,
        conversation: &ConversationId,
        file: &str,
    ) -> Option<(Vec<u8>, &'static str)> {
        let (name, ending) = file.rsplit_once('.')?;
        let (mime_type, _) = TYPES.iter().find(|(_, known)| *known == ending)?;
        // Names are ours: nothing else can be asked for.
        uuid::Uuid::try_parse(name).ok()?;
        let path = self.directory_of(conversation)?.join(file);
        Some((tokio::fs::read(path).await.ok()?, mime_type))
    }

    /// The history as a provider gets it: images as data, or as words for a model that does not see.
    pub(crate) async fn shown(&self, messages: Vec<Arc<Message>>, sees: bool) -> Vec<Arc<Message>> {
        let mut shown = Vec::with_capacity(messages.len());
        for message in messages {
            let has_images = message.parts.iter().any(|part| matches!(part.chunk, Chunk::Image(_)));
            shown.push(if has_images { Arc::new(self.show(&message, sees).await) } else { message });
        }
        shown
    }

    async fn show(&self, message: &Message, sees: bool) -> Message {
        let mut parts = Vec::with_capacity(message.parts.len());
        for part in &message.parts {
            let chunk = match &part.chunk {
                Chunk::Image(image) => self.show_image(image, sees).await,
                other => other.clone(),
            };
            parts.push(Part { chunk, replay: part.replay.clone() });
        }
        Message { role: message.role, parts }
    }

    async fn show_image(&self, image: &ImageChunk, sees: bool) -> Chunk {
        let mime_type = image.mime_type.as_deref().unwrap_or("an unknown type");
        if !sees {
            return Chunk::Text { text: format!("[an image ({mime_type}) that this model cannot see]") };
        }
        let Some(rest) = image.url.strip_prefix("/images/") else { return Chunk::Image(image.clone()) };
        let bytes = match (&self.directory, rest.split_once('/')) {
            (Some(directory), Some((conversation, file))) => {
                tokio::fs::read(directory.join(folder(conversation)).join(file)).await.ok()
            }
            _ => None,
        };
        match bytes {
            Some(bytes) => {
                let url = format!("data:{mime_type};base64,{}", STANDARD.encode(bytes));
                Chunk::Image(ImageChunk { url, mime_type: image.mime_type.clone() })
            }
            None => Chunk::Text { text: format!("[an image ({mime_type}) that is lost]") },
        }
    }

    fn directory_of(&self, conversation: &ConversationId) -> Option<PathBuf> {
        Some(self.directory.as_ref()?.join(folder(&encoded(conversation))))
    }

    fn path_of(&self, conversation: &ConversationId, url: &str) -> Option<PathBuf> {
        let file = Path::new(url).file_name()?;
        url.starts_with("/images/").then(|| Some(self.directory_of(conversation)?.join(file)))?
    }
}

/// A conversation's id as one segment of a URL's path.
fn encoded(conversation: &ConversationId) -> String {
    let mut segment = String::new();
    for byte in conversation.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            segment.push(char::from(byte));
        } else {
            segment.push_str(&format!("%{byte:02X}"));
        }
    }
    segment
}

/// That segment as the name of a directory: file systems take at most 255 bytes.
fn folder(encoded: &str) -> String {
    const MOST: usize = 200;
    if encoded.len() <= MOST {
        return encoded.to_owned();
    }
    let hash = encoded.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{}-{hash:016x}", encoded.get(..MOST).unwrap_or_default())
}
