//! H.264 by openh264: constrained baseline, which browsers decode everywhere.

use openh264::OpenH264API;
use openh264::decoder::{DecoderConfig, Flush};
use openh264::encoder::{
    BitRate, Complexity, EncoderConfig as Settings, FrameRate, FrameType, IntraFramePeriod, Profile,
    RateControlMode, UsageType,
};
use openh264::formats::YUVSource;

use super::{DecodeError, EncoderConfig, Kind};
use crate::frame::{CLOCK, Frame, Pool, Size};
use crate::sys;

/// Looks at the types of the NAL units (ITU-T H.264, table 7-1).
pub(super) fn kind(packet: &[u8]) -> Result<Kind, DecodeError> {
    let mut kind = None;
    for types in packet.windows(4).filter(|bytes| bytes[..3] == [0, 0, 1]).map(|bytes| bytes[3] & 0x1f) {
        match types {
            5 => return Ok(Kind::Key(None)),
            1..=4 => kind = Some(Kind::Delta),
            _ => kind = kind.or(Some(Kind::Parameters)),
        }
    }
    kind.ok_or_else(|| DecodeError::Corrupt("it has no NAL unit".to_owned()))
}

pub(super) struct Decoder(openh264::decoder::Decoder);

impl Decoder {
    pub(super) fn new() -> Result<Self, DecodeError> {
        // Baseline has no frames out of order: one packet in, one frame out, nothing to flush.
        let config = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
        openh264::decoder::Decoder::with_api_config(OpenH264API::from_source(), config)
            .map(Self)
            .map_err(|error| DecodeError::Unavailable(error.to_string()))
    }

    pub(super) fn decode(
        &mut self,
        packet: &[u8],
        pool: &Pool,
        timestamp: u64,
    ) -> Result<Option<Frame>, DecodeError> {
        let picture = self.0.decode(packet).map_err(|error| DecodeError::Corrupt(error.to_string()))?;
        let Some(picture) = picture else {
            return Ok(None);
        };
        let (width, height) = picture.dimensions();
        let (width, height) = (width as u32, height as u32);
        let size = Size::new(width, height).map_err(|_| DecodeError::TooLarge { width, height })?;
        let mut frame = pool.frame(size, timestamp);
        let (y, u, v) = picture.strides();
        frame.fill([(picture.y(), y), (picture.u(), u), (picture.v(), v)]);
        Ok(Some(frame))
    }
}

pub(super) struct Encoder {
    inner: openh264::encoder::Encoder,
    size: Size,
    bitrate: u32,
    started: bool,
}

impl Encoder {
    pub(super) fn new(config: EncoderConfig, size: Size) -> Result<Self, String> {
        if size.width() < 16 || size.height() < 16 {
            return Err("H.264 has no pictures below 16x16".to_owned());
        }
        let settings = Settings::new()
            .bitrate(BitRate::from_bps(config.bitrate))
            .max_frame_rate(FrameRate::from_hz(config.fps.clamp(1, 240) as f32))
            .rate_control_mode(RateControlMode::Bitrate)
            .skip_frames(true)
            .usage_type(UsageType::CameraVideoRealTime)
            .complexity(Complexity::Low)
            .profile(Profile::Baseline)
            .scene_change_detect(false)
            .adaptive_quantization(false)
            .background_detection(false)
            .intra_frame_period(IntraFramePeriod::from_num_frames(0))
            .num_threads(config.threads.max(1));
        let inner = openh264::encoder::Encoder::with_api_config(OpenH264API::from_source(), settings)
            .map_err(|error| error.to_string())?;
        Ok(Self { inner, size, bitrate: config.bitrate, started: false })
    }

    pub(super) fn size(&self) -> Size {
        self.size
    }

    pub(super) fn encode(
        &mut self,
        frame: &Frame,
        bitrate: u32,
        keyframe: bool,
        packet: &mut Vec<u8>,
    ) -> Result<Option<bool>, String> {
        // The library knows nothing of a bitrate or a keyframe before its first frame, which is one anyway.
        if self.started {
            if bitrate != self.bitrate {
                sys::h264_set_bitrate(&mut self.inner, bitrate, bitrate > self.bitrate)?;
                self.bitrate = bitrate;
            }
            if keyframe {
                self.inner.force_intra_frame();
            }
        }
        self.started = true;
        let milliseconds = frame.timestamp() / (CLOCK / 1000);
        let stream = self
            .inner
            .encode_at(&Even(frame), openh264::Timestamp::from_millis(milliseconds))
            .map_err(|error| error.to_string())?;
        let keyframe = match stream.frame_type() {
            FrameType::IDR => true,
            FrameType::I | FrameType::P | FrameType::IPMixed => false,
            FrameType::Skip => return Ok(None),
            FrameType::Invalid => return Err("openh264 made no frame".to_owned()),
        };
        stream.write_vec(packet);
        Ok((!packet.is_empty()).then_some(keyframe))
    }
}

/// A frame as the encoder sees it: without the last column or row of an odd side.
struct Even<'a>(&'a Frame);

impl YUVSource for Even<'_> {
    fn dimensions(&self) -> (usize, usize) {
        let size = self.0.size();
        (size.width() as usize & !1, size.height() as usize & !1)
    }

    fn strides(&self) -> (usize, usize, usize) {
        let [y, u, v] = self.0.planes();
        (y.stride(), u.stride(), v.stride())
    }

    fn y(&self) -> &[u8] {
        self.0.planes()[0].data()
    }

    fn u(&self) -> &[u8] {
        self.0.planes()[1].data()
    }

    fn v(&self) -> &[u8] {
        self.0.planes()[2].data()
    }
}
