//! The image that a client sets as an example.

use std::fmt;
use std::io::Cursor;
use std::sync::Arc;

use image::{ImageDecoder, ImageFormat, ImageReader, Limits};
use thiserror::Error;

use crate::restyle::Palette;

/// A picture to go by: a checked JPEG, PNG or WebP file. Cloning shares it.
///
/// It keeps the file rather than its pixels, for generators in other processes, and the palette for
/// [`Restyle`](crate::Restyle).
#[derive(Clone)]
pub struct Reference {
    file: Arc<[u8]>,
    width: u32,
    height: u32,
    palette: Palette,
}

/// Why an image is not taken. The texts are for the client that sent it.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ImageError {
    /// There are no bytes.
    #[error("the image is empty")]
    Empty,
    /// The file is larger than [`Reference::MAX_BYTES`].
    #[error("the image has {0} bytes; at most {limit} are allowed", limit = Reference::MAX_BYTES)]
    TooManyBytes(usize),
    /// The file is something else.
    #[error("the image is neither JPEG nor PNG nor WebP")]
    UnknownFormat,
    /// The picture is larger than [`Reference::MAX_PIXELS`].
    #[error("the image has {width}x{height} pixels; at most {limit} pixels are allowed", limit = Reference::MAX_PIXELS)]
    TooManyPixels {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
    },
    /// The file is broken, in the words of its decoder.
    #[error("the image cannot be read: {0}")]
    Broken(String),
}

impl Reference {
    /// The largest file: 10 MB.
    pub const MAX_BYTES: usize = 10_000_000;
    /// The most pixels: 16 megapixels, which take up to 128 MB while they are being read.
    pub const MAX_PIXELS: u64 = 16 << 20;

    /// Reads and checks a file. A large one takes some tenths of a second, so do it away from the frames.
    pub fn read(file: impl Into<Arc<[u8]>>) -> Result<Self, ImageError> {
        let file = file.into();
        if file.is_empty() {
            return Err(ImageError::Empty);
        }
        if file.len() > Self::MAX_BYTES {
            return Err(ImageError::TooManyBytes(file.len()));
        }
        let format = match image::guess_format(&file) {
            Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP)) => format,
            Ok(_) | Err(_) => return Err(ImageError::UnknownFormat),
        };
        let broken = |error: image::ImageError| ImageError::Broken(error.to_string());
        let mut reader = ImageReader::with_format(Cursor::new(&file[..]), format);
        // Eight bytes a pixel (16-bit PNG with alpha), and as much again for the decoder's own needs.
        let mut limits = Limits::default();
        limits.max_alloc = Some(Self::MAX_PIXELS * 16);
        reader.limits(limits);
        let decoder = reader.into_decoder().map_err(broken)?;
        let (width, height) = decoder.dimensions();
        if u64::from(width) * u64::from(height) > Self::MAX_PIXELS {
            return Err(ImageError::TooManyPixels { width, height });
        }
        let picture = image::DynamicImage::from_decoder(decoder).map_err(broken)?;
        let small = picture.thumbnail_exact(width.min(64), height.min(64)).to_rgba8();
        let palette = Palette::of(small.pixels().map(|pixel| pixel.0));
        Ok(Self { file, width, height, palette })
    }

    /// The file as it came.
    pub fn file(&self) -> &Arc<[u8]> {
        &self.file
    }

    /// Its width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Its height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    pub(crate) fn palette(&self) -> &Palette {
        &self.palette
    }
}

impl PartialEq for Reference {
    fn eq(&self, other: &Self) -> bool {
        self.file == other.file
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reference({}x{}, {} bytes)", self.width, self.height, self.file.len())
    }
}
