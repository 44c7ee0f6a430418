//! One picture, and where its memory comes from.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use thiserror::Error;

/// Ticks of a [timestamp](Frame::timestamp) in one second: the clock of video in RTP.
pub const CLOCK: u64 = 90_000;

/// Rows begin at multiples of this many bytes, so that loops over them run in whole vectors.
const ALIGN: usize = 32;

/// Buffers that a pool keeps for later. More frames than this at rest means that somebody has stopped using them.
const IDLE: usize = 8;

/// Width and height of a picture in pixels. Neither is zero, neither is above [`Size::MAX_SIDE`], and their product is
/// not above [`Size::MAX_PIXELS`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Size {
    width: u32,
    height: u32,
}

impl Size {
    /// The longest side, in pixels.
    pub const MAX_SIDE: u32 = 4096;
    /// The most pixels of a picture: 4K video. A peer says the size of its own video, and memory follows from it.
    pub const MAX_PIXELS: u32 = 3840 * 2160;

    /// Checks a size.
    pub fn new(width: u32, height: u32) -> Result<Self, SizeError> {
        let sides = 1..=Self::MAX_SIDE;
        if sides.contains(&width) && sides.contains(&height) && width * height <= Self::MAX_PIXELS {
            Ok(Self { width, height })
        } else {
            Err(SizeError { width, height })
        }
    }

    /// Pixels in a row.
    pub fn width(self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(self) -> u32 {
        self.height
    }

    /// Width and height of the three planes Y, U, V. Those of colour are half as large, rounded up.
    pub(crate) fn planes(self) -> [(usize, usize); 3] {
        let (width, height) = (self.width as usize, self.height as usize);
        let colour = (width.div_ceil(2), height.div_ceil(2));
        [(width, height), colour, colour]
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// A size that no picture may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error(
    "a picture of {width}x{height} pixels: sides go from 1 to {}, and there are at most {} pixels",
    Size::MAX_SIDE,
    Size::MAX_PIXELS
)]
pub struct SizeError {
    /// The width that was asked for.
    pub width: u32,
    /// The height that was asked for.
    pub height: u32,
}

/// Where frames get their memory, and where it goes when they are dropped. Cloning shares it.
///
/// A new frame holds what was last drawn into its memory. Use one pool for each session, so that no session can ever see
/// a picture of another.
#[derive(Clone, Default)]
pub struct Pool(Arc<Mutex<Vec<Vec<u8>>>>);

impl Pool {
    /// An empty pool.
    pub fn new() -> Self {
        Self::default()
    }

    /// A frame of this size, whose picture is undefined until it is drawn.
    pub fn frame(&self, size: Size, timestamp: u64) -> Frame {
        let layout = Layout::new(size);
        let mut buffer = self.idle().pop().unwrap_or_default();
        buffer.resize(layout.len(), 0);
        Frame { size, timestamp, layout, buffer, pool: self.clone() }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        // The list is right after each statement, whoever panicked while holding it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("idle", &self.idle().len()).finish()
    }
}

/// Where the planes lie in the buffer.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Layout {
    /// Bytes from one row to the next, of Y and of U and V.
    strides: [usize; 2],
    /// Where U and V begin, and where V ends.
    ends: [usize; 3],
}

impl Layout {
    fn new(size: Size) -> Self {
        let [luma, chroma, _] = size.planes();
        let strides = [luma.0.next_multiple_of(ALIGN), chroma.0.next_multiple_of(ALIGN)];
        let (luma, chroma) = (strides[0] * luma.1, strides[1] * chroma.1);
        Self { strides, ends: [luma, luma + chroma, luma + 2 * chroma] }
    }

    fn len(self) -> usize {
        self.ends[2]
    }

    fn range(self, plane: usize) -> Range<usize> {
        let start = if plane == 0 { 0 } else { self.ends[plane - 1] };
        start..self.ends[plane]
    }

    fn stride(self, plane: usize) -> usize {
        self.strides[usize::from(plane > 0)]
    }
}

/// One picture in I420: a plane of luma, and two of colour at half the width and height, rounded up.
///
/// It owns its memory and lends it out: whoever has the frame may draw on it. Dropping it gives the memory back to its
/// pool.
pub struct Frame {
    size: Size,
    timestamp: u64,
    layout: Layout,
    buffer: Vec<u8>,
    pool: Pool,
}

impl Frame {
    /// Its width and height.
    pub fn size(&self) -> Size {
        self.size
    }

    /// When it was taken, in ticks of [`CLOCK`] from a point that the sender chose. A frame that was made from another
    /// one has the timestamp of that one.
    pub fn timestamp(&self) -> u64 {
        self.timestamp
    }

    /// Changes the timestamp.
    pub fn set_timestamp(&mut self, timestamp: u64) {
        self.timestamp = timestamp;
    }

    /// The pool that the memory came from.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The planes Y, U, V.
    pub fn planes(&self) -> [Plane<'_>; 3] {
        let sizes = self.size.planes();
        std::array::from_fn(|plane| Plane {
            data: &self.buffer[self.layout.range(plane)],
            stride: self.layout.stride(plane),
            width: sizes[plane].0,
        })
    }

    /// The planes Y, U, V, to be drawn on.
    pub fn planes_mut(&mut self) -> [PlaneMut<'_>; 3] {
        let [luma, chroma, _] = self.size.planes();
        let layout = self.layout;
        let (y, colour) = self.buffer.split_at_mut(layout.ends[0]);
        let (u, v) = colour.split_at_mut(layout.ends[1] - layout.ends[0]);
        let [luma_stride, chroma_stride] = layout.strides;
        [
            PlaneMut { data: y, stride: luma_stride, width: luma.0 },
            PlaneMut { data: u, stride: chroma_stride, width: chroma.0 },
            PlaneMut { data: v, stride: chroma_stride, width: chroma.0 },
        ]
    }

    /// A second frame with the same picture and timestamp.
    pub fn copy(&self) -> Self {
        let mut copy = self.pool.frame(self.size, self.timestamp);
        copy.buffer.copy_from_slice(&self.buffer);
        copy
    }

    /// Draws a picture of the same size whose rows may lie otherwise: for each plane its bytes, and how many of them
    /// there are from one row to the next. What is missing at the end of a plane stays as it was.
    pub fn fill(&mut self, planes: [(&[u8], usize); 3]) {
        for (plane, (data, stride)) in self.planes_mut().into_iter().zip(planes) {
            let width = plane.width;
            for (row, from) in plane.into_rows().zip(data.chunks(stride.max(width))) {
                let length = width.min(from.len());
                row[..length].copy_from_slice(&from[..length]);
            }
        }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        let mut idle = self.pool.idle();
        if idle.len() < IDLE {
            idle.push(std::mem::take(&mut self.buffer));
        }
    }
}

impl PartialEq for Frame {
    /// Whether size, timestamp and every pixel are the same. What lies between the rows does not count.
    fn eq(&self, other: &Self) -> bool {
        self.size == other.size
            && self.timestamp == other.timestamp
            && self.planes().iter().zip(other.planes()).all(|(a, b)| a.rows().eq(b.rows()))
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} at {})", self.size, self.timestamp)
    }
}

/// One plane of a frame.
#[derive(Clone, Copy)]
pub struct Plane<'a> {
    data: &'a [u8],
    stride: usize,
    width: usize,
}

impl<'a> Plane<'a> {
    /// All bytes: rows of [`stride`](Self::stride) bytes, of which [`width`](Self::width) are pixels.
    pub fn data(self) -> &'a [u8] {
        self.data
    }

    /// Bytes from one row to the next.
    pub fn stride(self) -> usize {
        self.stride
    }

    /// Pixels in a row.
    pub fn width(self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(self) -> usize {
        self.data.len() / self.stride
    }

    /// The pixels, row by row.
    pub fn rows(self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone {
        self.data.chunks_exact(self.stride).map(move |row| &row[..self.width])
    }

    /// The pixels of one row; the last one for whatever lies beyond it.
    pub fn row(self, index: usize) -> &'a [u8] {
        let start = index.min(self.height() - 1) * self.stride;
        &self.data[start..start + self.width]
    }
}

/// One plane of a frame, to be drawn on.
pub struct PlaneMut<'a> {
    data: &'a mut [u8],
    stride: usize,
    width: usize,
}

impl<'a> PlaneMut<'a> {
    /// Bytes from one row to the next.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.data.len() / self.stride
    }

    /// The same plane, to be read.
    pub fn as_plane(&self) -> Plane<'_> {
        Plane { data: self.data, stride: self.stride, width: self.width }
    }

    /// All bytes, as in [`Plane::data`].
    pub fn data_mut(&mut self) -> &mut [u8] {
        self.data
    }

    /// The pixels, row by row.
    pub fn rows_mut(&mut self) -> impl ExactSizeIterator<Item = &mut [u8]> {
        let width = self.width;
        self.data.chunks_exact_mut(self.stride).map(move |row| &mut row[..width])
    }

    /// The pixels, row by row, for as long as the frame is lent.
    pub fn into_rows(self) -> impl ExactSizeIterator<Item = &'a mut [u8]> {
        let width = self.width;
        self.data.chunks_exact_mut(self.stride).map(move |row| &mut row[..width])
    }

    /// Makes every pixel the same.
    pub fn clear(&mut self, value: u8) {
        self.data.fill(value);
    }
}
