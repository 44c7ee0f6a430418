//! Between RGB and what video carries: BT.601 in limited range.

use yuv::{
    BufferStoreMut, YuvConversionMode, YuvPlanarImage, YuvPlanarImageMut, YuvRange, YuvStandardMatrix,
    rgb_to_yuv420, yuv420_to_rgb,
};

use crate::frame::{Frame, Pool, Size};

const RANGE: YuvRange = YuvRange::Limited;
const MATRIX: YuvStandardMatrix = YuvStandardMatrix::Bt601;

/// Grey in the planes of colour.
pub(crate) const NEUTRAL: u8 = 128;
/// Black in the plane of luma.
pub(crate) const BLACK: u8 = 16;
/// White in the plane of luma.
pub(crate) const WHITE: u8 = 235;

impl Frame {
    /// Draws RGB: three bytes a pixel, row by row without gaps. `None` when there are not exactly as many bytes as the
    /// size needs.
    pub fn from_rgb(pool: &Pool, size: Size, timestamp: u64, rgb: &[u8]) -> Option<Self> {
        let row = size.width() as usize * 3;
        if rgb.len() != row * size.height() as usize {
            return None;
        }
        let mut frame = pool.frame(size, timestamp);
        let [mut y, mut u, mut v] = frame.planes_mut();
        let strides = [y.stride() as u32, u.stride() as u32, v.stride() as u32];
        let mut image = YuvPlanarImageMut {
            y_plane: BufferStoreMut::Borrowed(y.data_mut()),
            y_stride: strides[0],
            u_plane: BufferStoreMut::Borrowed(u.data_mut()),
            u_stride: strides[1],
            v_plane: BufferStoreMut::Borrowed(v.data_mut()),
            v_stride: strides[2],
            width: size.width(),
            height: size.height(),
        };
        rgb_to_yuv420(&mut image, rgb, row as u32, RANGE, MATRIX, YuvConversionMode::Balanced).ok()?;
        Some(frame)
    }

    /// Replaces what is in `rgb` by this picture: three bytes a pixel, row by row without gaps.
    pub fn to_rgb(&self, rgb: &mut Vec<u8>) {
        let [y, u, v] = self.planes();
        let image = YuvPlanarImage {
            y_plane: y.data(),
            y_stride: y.stride() as u32,
            u_plane: u.data(),
            u_stride: u.stride() as u32,
            v_plane: v.data(),
            v_stride: v.stride() as u32,
            width: self.size().width(),
            height: self.size().height(),
        };
        let row = self.size().width() as usize * 3;
        rgb.resize(row * self.size().height() as usize, 0);
        let converted = yuv420_to_rgb(&image, rgb, row as u32, RANGE, MATRIX);
        debug_assert!(
            converted.is_ok(),
            "a frame's planes have the sizes that its own size says: {converted:?}"
        );
    }
}

/// One colour as Y, U, V, unrounded, each about as far from 0 as a byte of its plane.
pub(crate) fn yuv_of([r, g, b]: [u8; 3]) -> [f32; 3] {
    let [r, g, b] = [f32::from(r), f32::from(g), f32::from(b)].map(|value| value / 255.0);
    [
        16.0 + 65.481 * r + 128.553 * g + 24.966 * b,
        128.0 - 37.797 * r - 74.203 * g + 112.0 * b,
        128.0 + 112.0 * r - 93.786 * g - 18.214 * b,
    ]
}
