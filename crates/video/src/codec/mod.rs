//! Packets to frames and back.
//!
//! A [`Decoder`] and an [`Encoder`] are the same for every codec. Both expect trouble: a decoder says that it needs a
//! keyframe and goes on when it gets one, an encoder that failed begins anew with a keyframe.

mod h264;
mod vp8;

use thiserror::Error;

use crate::frame::{CLOCK, Frame, Pool, Size};

/// How video is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Codec {
    /// VP8 (RFC 6386). Every WebRTC endpoint has it.
    Vp8,
    /// H.264, constrained baseline. A packet is an access unit in Annex B format: NAL units with start codes.
    H264,
}

/// What a packet says of itself before anything is decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// Can be decoded without anything that came before.
    Key(Option<(u32, u32)>),
    /// Changes the picture before it.
    Delta,
    /// Shows nothing, but tells the decoder something.
    Parameters,
}

/// Why there is no frame. Whatever it was, the decoder now [needs a keyframe](Decoder::needs_keyframe): ask the sender
/// for one (PLI), and keep showing the last frame.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum DecodeError {
    /// The packet builds on one that was lost or broken, or is the middle of a stream. It was not decoded.
    #[error("the packet builds on one that is missing: a keyframe is needed")]
    NeedsKeyframe,
    /// The packet is broken, in the words of the codec.
    #[error("the packet is broken ({0}): a keyframe is needed")]
    Corrupt(String),
    /// The packet is of a picture larger than [`Size`] allows. It was not decoded.
    #[error("the video has {width}x{height} pixels, which is too large: smaller video is needed")]
    TooLarge {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
    },
    /// The codec cannot start, in its own words: there is no memory left.
    #[error("the decoder cannot start: {0}")]
    Unavailable(String),
}

/// Makes frames of packets.
pub struct Decoder {
    codec: Codec,
    pool: Pool,
    /// `None` before the first packet and after an error.
    state: Option<DecoderState>,
    needs_keyframe: bool,
}

enum DecoderState {
    Vp8(vp8::Decoder),
    H264(h264::Decoder),
}

impl Decoder {
    /// A decoder at the beginning of a stream. Its frames come from `pool`.
    pub fn new(codec: Codec, pool: Pool) -> Self {
        Self { codec, pool, state: None, needs_keyframe: true }
    }

    /// Which codec it is for.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Whether packets that are no keyframes will be refused: at the beginning, after an error and after a loss.
    pub fn needs_keyframe(&self) -> bool {
        self.needs_keyframe
    }

    /// Says that a packet did not arrive. What builds on it would decode to a wrong picture, so that the decoder now
    /// waits for a keyframe.
    pub fn lost(&mut self) {
        self.reset();
    }

    /// Decodes one packet, which is one whole frame as the sender encoded it. The frame has this timestamp (in ticks of
    /// [`CLOCK`]); its size is what the packet says and may change with every keyframe. `None` when the packet shows
    /// nothing. Any bytes are allowed: what is no video is an error.
    pub fn decode(&mut self, packet: &[u8], timestamp: u64) -> Result<Option<Frame>, DecodeError> {
        let result = self.decode_or_fail(packet, timestamp);
        match &result {
            Ok(Some(_)) => self.needs_keyframe = false,
            Ok(None) => {}
            Err(_) => self.reset(),
        }
        result
    }

    fn decode_or_fail(&mut self, packet: &[u8], timestamp: u64) -> Result<Option<Frame>, DecodeError> {
        let kind = match self.codec {
            Codec::Vp8 => vp8::kind(packet),
            Codec::H264 => h264::kind(packet),
        }?;
        match kind {
            Kind::Key(Some((width, height))) => {
                Size::new(width, height).map_err(|_| DecodeError::TooLarge { width, height })?;
            }
            Kind::Delta if self.needs_keyframe => return Err(DecodeError::NeedsKeyframe),
            Kind::Key(None) | Kind::Delta | Kind::Parameters => {}
        }
        let state = match &mut self.state {
            Some(state) => state,
            empty => empty.insert(match self.codec {
                Codec::Vp8 => DecoderState::Vp8(vp8::Decoder::new()?),
                Codec::H264 => DecoderState::H264(h264::Decoder::new()?),
            }),
        };
        match state {
            DecoderState::Vp8(decoder) => decoder.decode(packet, &self.pool, timestamp),
            DecoderState::H264(decoder) => decoder.decode(packet, &self.pool, timestamp),
        }
    }

    /// Begins anew: a library that met a broken packet is not trusted to have forgotten it.
    fn reset(&mut self) {
        self.state = None;
        self.needs_keyframe = true;
    }
}

/// What an encoder is made for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EncoderConfig {
    /// How to compress.
    pub codec: Codec,
    /// Bits per second to begin with.
    pub bitrate: u32,
    /// Frames per second that are expected. The rate control starts from it; the timestamps decide.
    pub fps: u32,
    /// Threads that one encoder may use.
    pub threads: u16,
}

impl EncoderConfig {
    /// The lowest bitrate, in bits per second. What is below is raised to it.
    pub const MIN_BITRATE: u32 = 30_000;
    /// The highest bitrate, in bits per second. What is above is lowered to it.
    pub const MAX_BITRATE: u32 = 50_000_000;

    /// One thread, 25 frames a second and 2 Mbit/s.
    pub fn new(codec: Codec) -> Self {
        Self { codec, bitrate: 2_000_000, fps: 25, threads: 1 }
    }

    /// Ticks of [`CLOCK`] from one frame to the next.
    fn duration(self) -> u32 {
        (CLOCK / u64::from(self.fps.clamp(1, 240))) as u32
    }
}

/// What was written for a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Encoded {
    /// Whether it can be decoded without anything before it.
    pub keyframe: bool,
    /// That of the frame.
    pub timestamp: u64,
}

/// Why a frame was not encoded. The next one begins the stream anew, with a keyframe.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("the {codec:?} encoder failed on a frame of {size}: {detail}")]
pub struct EncodeError {
    /// Which encoder.
    pub codec: Codec,
    /// The size of the frame.
    pub size: Size,
    /// In the words of the codec.
    pub detail: String,
}

/// Makes packets of frames, within a bitrate.
///
/// It keeps up with the bitrate by lowering quality and, when that does not suffice, by dropping frames. Errors do not
/// spread further than they must: the streams are made for loss, and keyframes come on request rather than by the clock.
pub struct Encoder {
    config: EncoderConfig,
    /// `None` before the first frame, after an error and after a change of size.
    state: Option<EncoderState>,
    keyframe_wanted: bool,
}

enum EncoderState {
    Vp8(vp8::Encoder),
    H264(Box<h264::Encoder>),
}

impl Encoder {
    /// An encoder at the beginning of a stream.
    pub fn new(config: EncoderConfig) -> Self {
        let mut encoder = Self { config, state: None, keyframe_wanted: true };
        encoder.set_bitrate(config.bitrate);
        encoder
    }

    /// Which codec it is for.
    pub fn codec(&self) -> Codec {
        self.config.codec
    }

    /// How many bits a second may take, from the next frame on. Values outside of [`EncoderConfig::MIN_BITRATE`] and
    /// [`EncoderConfig::MAX_BITRATE`] are moved there.
    pub fn set_bitrate(&mut self, bits_per_second: u32) {
        self.config.bitrate = bits_per_second.clamp(EncoderConfig::MIN_BITRATE, EncoderConfig::MAX_BITRATE);
    }

    /// The bitrate that was set last, in bits per second.
    pub fn bitrate(&self) -> u32 {
        self.config.bitrate
    }

    /// Makes the next packet a keyframe, for a receiver that lost one or has just come.
    pub fn request_keyframe(&mut self) {
        self.keyframe_wanted = true;
    }

    /// Encodes one frame. What was in `packet` is replaced by the result, for as long as the same vector is used without
    /// a new allocation. `None` when the frame was dropped to keep within the bitrate; a wish for a keyframe is kept
    /// then. A frame of another size than the last one begins a new picture with a keyframe.
    ///
    /// VP8 takes every size. H.264 takes even ones from 16x16 on; from a frame with an odd side it leaves away the last
    /// column or row.
    pub fn encode(&mut self, frame: &Frame, packet: &mut Vec<u8>) -> Result<Option<Encoded>, EncodeError> {
        packet.clear();
        match self.encode_or_fail(frame, packet) {
            Ok(None) => Ok(None),
            Ok(Some(keyframe)) => {
                self.keyframe_wanted &= !keyframe;
                Ok(Some(Encoded { keyframe, timestamp: frame.timestamp() }))
            }
            Err(detail) => {
                packet.clear();
                self.state = None;
                self.keyframe_wanted = true;
                Err(EncodeError { codec: self.config.codec, size: frame.size(), detail })
            }
        }
    }

    /// Whether the packet is a keyframe, `None` when there is none.
    fn encode_or_fail(&mut self, frame: &Frame, packet: &mut Vec<u8>) -> Result<Option<bool>, String> {
        let made_for = match &self.state {
            Some(EncoderState::Vp8(encoder)) => Some(encoder.size()),
            Some(EncoderState::H264(encoder)) => Some(encoder.size()),
            None => None,
        };
        if made_for != Some(frame.size()) {
            self.state = None;
        }
        let state = match &mut self.state {
            Some(state) => state,
            empty => empty.insert(match self.config.codec {
                Codec::Vp8 => EncoderState::Vp8(vp8::Encoder::new(self.config, frame.size())?),
                Codec::H264 => EncoderState::H264(Box::new(h264::Encoder::new(self.config, frame.size())?)),
            }),
        };
        match state {
            EncoderState::Vp8(encoder) => {
                encoder.encode(frame, self.config.bitrate, self.keyframe_wanted, packet)
            }
            EncoderState::H264(encoder) => {
                encoder.encode(frame, self.config.bitrate, self.keyframe_wanted, packet)
            }
        }
    }
}
