//! Everything that the compiler cannot check: calls into libvpx (through `vpx_shim.c`) and one into openh264.
//!
//! What leaves this module is safe to use in any order: handles are owned, pictures borrow from the handle that made
//! them, and lengths are those that the libraries wrote.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::slice;

use openh264_sys2::{ENCODER_OPTION_BITRATE, ENCODER_OPTION_MAX_BITRATE, SBitrateInfo, SPATIAL_LAYER_ALL};

use crate::frame::{Frame, Size};

/// As `dispatch_picture` in the shim.
#[repr(C)]
struct RawPicture {
    planes: [*const u8; 3],
    strides: [i32; 3],
    width: u32,
    height: u32,
}

/// What a VP8 encoder is made for. As `dispatch_vp8_settings` in the shim.
#[repr(C)]
pub(crate) struct Vp8Settings {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) bits_per_second: u32,
    pub(crate) frames_per_second: u32,
    pub(crate) threads: u32,
}

/// A decoder or encoder of the shim, known only by its address.
#[repr(C)]
struct Opaque {
    _data: [u8; 0],
    _not_send_by_itself: PhantomData<*mut u8>,
}

unsafe extern "C" {
    fn dispatch_vp8_error(code: i32) -> *const c_char;
    fn dispatch_vp8_decoder_new(out: *mut *mut Opaque) -> i32;
    fn dispatch_vp8_decoder_free(decoder: *mut Opaque);
    fn dispatch_vp8_decode(
        decoder: *mut Opaque,
        data: *const u8,
        length: usize,
        picture: *mut RawPicture,
        shown: *mut i32,
    ) -> i32;
    fn dispatch_vp8_encoder_new(settings: *const Vp8Settings, out: *mut *mut Opaque) -> i32;
    fn dispatch_vp8_encoder_free(encoder: *mut Opaque);
    fn dispatch_vp8_set_bitrate(encoder: *mut Opaque, bits_per_second: u32) -> i32;
    fn dispatch_vp8_encode(
        encoder: *mut Opaque,
        picture: *const RawPicture,
        time: i64,
        duration: u32,
        force_keyframe: i32,
        data: *mut *const u8,
        length: *mut usize,
        keyframe: *mut i32,
    ) -> i32;
}

/// `Err` with the library's words unless the code is 0.
fn check(code: i32) -> Result<(), String> {
    if code == 0 {
        return Ok(());
    }
    // SAFETY: the function takes any number, and returns a string constant of the library.
    let text = unsafe { CStr::from_ptr(dispatch_vp8_error(code)) };
    Err(text.to_string_lossy().into_owned())
}

/// A decoded picture in memory of its decoder.
pub(crate) struct Picture<'a> {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Y, U, V: the bytes, and how many there are from one row to the next.
    pub(crate) planes: [(&'a [u8], usize); 3],
}

/// A VP8 decoder.
pub(crate) struct Vp8Decoder(NonNull<Opaque>);

// SAFETY: libvpx keeps all state of a decoder in its context and none of it belongs to the thread that made it. The
// handle is not `Sync`, so that no two threads use it at once.
unsafe impl Send for Vp8Decoder {}

impl Vp8Decoder {
    pub(crate) fn new() -> Result<Self, String> {
        let mut decoder = ptr::null_mut();
        // SAFETY: the shim writes a pointer to `decoder` and nothing else.
        check(unsafe { dispatch_vp8_decoder_new(&raw mut decoder) })?;
        NonNull::new(decoder).map(Self).ok_or_else(|| "the decoder is null".to_owned())
    }

    /// `None` when the packet was right but shows nothing.
    pub(crate) fn decode(&mut self, packet: &[u8]) -> Result<Option<Picture<'_>>, String> {
        let mut raw = RawPicture { planes: [ptr::null(); 3], strides: [0; 3], width: 0, height: 0 };
        let mut shown = 0;
        // SAFETY: the handle is alive and used by nobody else, the packet is as long as said, and both results are
        // places to write to. libvpx does not keep the packet.
        check(unsafe {
            dispatch_vp8_decode(self.0.as_ptr(), packet.as_ptr(), packet.len(), &raw mut raw, &raw mut shown)
        })?;
        if shown == 0 {
            return Ok(None);
        }
        let size = Size::new(raw.width, raw.height).map_err(|error| error.to_string())?;
        let mut planes: [(&[u8], usize); 3] = [(&[], 0); 3];
        for (index, (width, height)) in size.planes().into_iter().enumerate() {
            let stride = usize::try_from(raw.strides[index]).unwrap_or(0);
            if raw.planes[index].is_null() || stride < width {
                return Err("the picture has no such plane".to_owned());
            }
            let length = stride * (height - 1) + width;
            // SAFETY: libvpx says that `height` rows of `width` bytes lie `stride` apart from this address on; they
            // stay until the next call on this handle, which the borrow of `self` excludes.
            planes[index] = (unsafe { slice::from_raw_parts(raw.planes[index], length) }, stride);
        }
        Ok(Some(Picture { width: raw.width, height: raw.height, planes }))
    }
}

impl Drop for Vp8Decoder {
    fn drop(&mut self) {
        // SAFETY: made by the shim, freed once, used no more.
        unsafe { dispatch_vp8_decoder_free(self.0.as_ptr()) }
    }
}

/// A VP8 encoder for pictures of one size.
pub(crate) struct Vp8Encoder {
    handle: NonNull<Opaque>,
    size: Size,
}

// SAFETY: as for the decoder.
unsafe impl Send for Vp8Encoder {}

impl Vp8Encoder {
    pub(crate) fn new(size: Size, settings: &Vp8Settings) -> Result<Self, String> {
        let settings = Vp8Settings { width: size.width(), height: size.height(), ..*settings };
        let mut encoder = ptr::null_mut();
        // SAFETY: the shim reads the settings and writes a pointer to `encoder`.
        check(unsafe { dispatch_vp8_encoder_new(&raw const settings, &raw mut encoder) })?;
        let handle = NonNull::new(encoder).ok_or_else(|| "the encoder is null".to_owned())?;
        Ok(Self { handle, size })
    }

    pub(crate) fn size(&self) -> Size {
        self.size
    }

    pub(crate) fn set_bitrate(&mut self, bits_per_second: u32) -> Result<(), String> {
        // SAFETY: the handle is alive and used by nobody else.
        check(unsafe { dispatch_vp8_set_bitrate(self.handle.as_ptr(), bits_per_second) })
    }

    /// The packet and whether it is a keyframe; `None` when the frame was dropped. `time` rises with every call.
    pub(crate) fn encode(
        &mut self,
        frame: &Frame,
        time: i64,
        duration: u32,
        force_keyframe: bool,
    ) -> Result<Option<(&[u8], bool)>, String> {
        if frame.size() != self.size {
            return Err(format!("an encoder for {} got a frame of {}", self.size, frame.size()));
        }
        let planes = frame.planes();
        let raw = RawPicture {
            planes: planes.map(|plane| plane.data().as_ptr()),
            strides: planes.map(|plane| plane.stride() as i32),
            width: self.size.width(),
            height: self.size.height(),
        };
        let (mut data, mut length, mut keyframe) = (ptr::null(), 0, 0);
        // SAFETY: the handle is alive and used by nobody else; the planes have the size that the encoder was made for
        // and are only read, during the call; the results are places to write to.
        check(unsafe {
            dispatch_vp8_encode(
                self.handle.as_ptr(),
                &raw const raw,
                time,
                duration,
                i32::from(force_keyframe),
                &raw mut data,
                &raw mut length,
                &raw mut keyframe,
            )
        })?;
        if length == 0 || data.is_null() {
            return Ok(None);
        }
        // SAFETY: the packet stays until the next call on this handle, which the borrow of `self` excludes.
        Ok(Some((unsafe { slice::from_raw_parts(data, length) }, keyframe != 0)))
    }
}

impl Drop for Vp8Encoder {
    fn drop(&mut self) {
        // SAFETY: made by the shim, freed once, used no more.
        unsafe { dispatch_vp8_encoder_free(self.handle.as_ptr()) }
    }
}

/// Changes the bitrate of a running H.264 encoder, which its crate has no function for.
pub(crate) fn h264_set_bitrate(
    encoder: &mut openh264::encoder::Encoder,
    bits_per_second: u32,
    rising: bool,
) -> Result<(), String> {
    let mut info = SBitrateInfo {
        iLayer: SPATIAL_LAYER_ALL,
        iBitrate: c_int::try_from(bits_per_second).unwrap_or(c_int::MAX),
    };
    // The target never lies above the maximum, not even between two calls.
    let mut options = [ENCODER_OPTION_BITRATE, ENCODER_OPTION_MAX_BITRATE];
    if rising {
        options.reverse();
    }
    for option in options {
        // SAFETY: both options take an `SBitrateInfo`, which is copied during the call. The encoder's wrapper does
        // not remember the bitrate but for a change of size, for which we make a new one.
        let code = unsafe { encoder.raw_api().set_option(option, (&raw mut info).cast()) };
        if code != 0 {
            return Err(format!("openh264 refused a bitrate of {bits_per_second} (code {code})"));
        }
    }
    Ok(())
}
