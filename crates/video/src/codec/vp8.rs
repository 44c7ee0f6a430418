//! VP8 by libvpx.

use super::{DecodeError, EncoderConfig, Kind};
use crate::frame::{CLOCK, Frame, Pool, Size};
use crate::sys::{Vp8Decoder, Vp8Encoder, Vp8Settings};

/// A pause longer than this (in ticks) looks to the rate control like this one.
const LONGEST_PAUSE: u64 = 2 * CLOCK;

/// Reads the header of a frame (RFC 6386, 9.1). The library would allocate whatever size a keyframe claims.
pub(super) fn kind(packet: &[u8]) -> Result<Kind, DecodeError> {
    match packet {
        [] => Err(DecodeError::Corrupt("it is empty".to_owned())),
        [tag, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..] if tag & 1 == 0 => {
            let side = |low: u8, high: u8| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
            let (width, height) = (side(*w0, *w1), side(*h0, *h1));
            if width == 0 || height == 0 {
                return Err(DecodeError::Corrupt("its picture has no pixels".to_owned()));
            }
            Ok(Kind::Key(Some((width, height))))
        }
        [tag, ..] if tag & 1 == 0 => Err(DecodeError::Corrupt("the header of a keyframe is cut".to_owned())),
        [..] => Ok(Kind::Delta),
    }
}

pub(super) struct Decoder(Vp8Decoder);

impl Decoder {
    pub(super) fn new() -> Result<Self, DecodeError> {
        Vp8Decoder::new().map(Self).map_err(DecodeError::Unavailable)
    }

    pub(super) fn decode(
        &mut self,
        packet: &[u8],
        pool: &Pool,
        timestamp: u64,
    ) -> Result<Option<Frame>, DecodeError> {
        let Some(picture) = self.0.decode(packet).map_err(DecodeError::Corrupt)? else {
            return Ok(None);
        };
        let (width, height) = (picture.width, picture.height);
        let size = Size::new(width, height).map_err(|_| DecodeError::TooLarge { width, height })?;
        let mut frame = pool.frame(size, timestamp);
        frame.fill(picture.planes);
        Ok(Some(frame))
    }
}

pub(super) struct Encoder {
    inner: Vp8Encoder,
    bitrate: u32,
    duration: u32,
    /// Timestamp of the last frame, and its place on the encoder's own time line, which rises whatever timestamps do.
    last: Option<(u64, i64)>,
}

impl Encoder {
    pub(super) fn new(config: EncoderConfig, size: Size) -> Result<Self, String> {
        let settings = Vp8Settings {
            width: size.width(),
            height: size.height(),
            bits_per_second: config.bitrate,
            frames_per_second: config.fps,
            threads: u32::from(config.threads.max(1)),
        };
        let inner = Vp8Encoder::new(size, &settings)?;
        Ok(Self { inner, bitrate: config.bitrate, duration: config.duration(), last: None })
    }

    pub(super) fn size(&self) -> Size {
        self.inner.size()
    }

    pub(super) fn encode(
        &mut self,
        frame: &Frame,
        bitrate: u32,
        keyframe: bool,
        packet: &mut Vec<u8>,
    ) -> Result<Option<bool>, String> {
        if bitrate != self.bitrate {
            self.inner.set_bitrate(bitrate)?;
            self.bitrate = bitrate;
        }
        let time = match self.last {
            None => 0,
            Some((timestamp, time)) => {
                let passed = frame.timestamp().saturating_sub(timestamp).clamp(1, LONGEST_PAUSE);
                time.saturating_add(passed as i64)
            }
        };
        self.last = Some((frame.timestamp(), time));
        let Some((data, keyframe)) = self.inner.encode(frame, time, self.duration, keyframe)? else {
            return Ok(None);
        };
        packet.extend_from_slice(data);
        Ok(Some(keyframe))
    }
}
