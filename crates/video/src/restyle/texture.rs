//! Changes that look at a pixel's neighbours, or move it.
//!
//! Loops run over slices of equal length, in 8 or 16 bits, so that the compiler turns them into vector code.

use crate::colour::{BLACK, WHITE};
use crate::frame::{Frame, Plane, PlaneMut};

/// Levels of luma that a cartoon is painted in.
const CARTOON_LEVELS: u16 = 7;

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Texture {
    /// Dark lines on white paper, lightly shaded.
    Sketch {
        strength: f32,
    },
    /// Flat areas with dark outlines and rich colours.
    Cartoon {
        strength: f32,
    },
    /// White outlines on black.
    Edges {
        strength: f32,
    },
    /// So many levels of luma, and as many or one more of each colour difference.
    Posterise {
        levels: u16,
    },
    /// Squares of one colour.
    Pixelate {
        block: Length,
    },
    Blur {
        radius: Length,
    },
    /// Left and right exchanged.
    Mirror,
    /// Above and below exchanged.
    Flip,
}

/// A length in the picture.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Length {
    Pixels(u16),
    /// So that it looks the same in every size.
    OfHeight(f32),
}

impl Length {
    fn pixels(self, frame: &Frame) -> usize {
        match self {
            Self::Pixels(pixels) => usize::from(pixels),
            Self::OfHeight(part) => (frame.size().height() as f32 * part).round() as usize,
        }
    }
}

/// Memory that is used again for each frame.
#[derive(Default)]
pub(super) struct Scratch {
    plane: Vec<u8>,
    rows: [Vec<u8>; 2],
    sums: Vec<u32>,
}

impl Texture {
    pub(super) fn draw(self, frame: &mut Frame, scratch: &mut Scratch) {
        match self {
            Self::Sketch { strength } => {
                let mix = mix(strength);
                outlines(frame, scratch, |row, edges| {
                    for (pixel, &edge) in row.iter_mut().zip(edges) {
                        let line = gain(edge, 8, 3, strength);
                        let shade = u16::from(WHITE.saturating_sub(*pixel)) >> 2;
                        let drawn = u16::from(WHITE).saturating_sub(line + shade).max(u16::from(BLACK));
                        *pixel = mix(*pixel, drawn);
                    }
                });
                saturate(frame, 1.0 - strength.min(1.0));
            }
            Self::Cartoon { strength } => {
                let mix = mix(strength);
                outlines(frame, scratch, |row, edges| {
                    for (pixel, &edge) in row.iter_mut().zip(edges) {
                        let flat = level(*pixel, CARTOON_LEVELS, 32768 / CARTOON_LEVELS);
                        let line = gain(edge, 24, 3, strength);
                        *pixel = mix(*pixel, flat.saturating_sub(line).max(u16::from(BLACK)));
                    }
                });
                saturate(frame, 1.0 + 0.4 * strength);
            }
            Self::Edges { strength } => {
                let mix = mix(strength);
                outlines(frame, scratch, |row, edges| {
                    for (pixel, &edge) in row.iter_mut().zip(edges) {
                        let line = gain(edge, 12, 3, strength);
                        *pixel = mix(*pixel, (u16::from(BLACK) + line).min(u16::from(WHITE)));
                    }
                });
                saturate(frame, 1.0 - strength.min(1.0));
            }
            Self::Posterise { levels } => {
                let [y, u, v] = frame.planes_mut();
                // An odd number of levels has one in the middle: grey stays grey.
                for (plane, levels) in [(y, levels), (u, levels | 1), (v, levels | 1)] {
                    let half = 32768 / levels;
                    for row in plane.into_rows() {
                        for pixel in row {
                            *pixel = level(*pixel, levels, half) as u8;
                        }
                    }
                }
            }
            Self::Pixelate { block } => {
                // Even, so that blocks of colour lie below those of luma.
                let block = block.pixels(frame).next_multiple_of(2).max(2);
                for (index, plane) in frame.planes_mut().into_iter().enumerate() {
                    squares(plane, if index == 0 { block } else { block / 2 }, &mut scratch.sums);
                }
            }
            Self::Blur { radius } => {
                let radius = radius.pixels(frame).max(1);
                for (index, plane) in frame.planes_mut().into_iter().enumerate() {
                    blur(plane, if index == 0 { radius } else { radius.div_ceil(2) }, scratch);
                }
            }
            Self::Mirror => {
                for plane in frame.planes_mut() {
                    plane.into_rows().for_each(<[u8]>::reverse);
                }
            }
            Self::Flip => {
                for mut plane in frame.planes_mut() {
                    let (stride, height) = (plane.stride(), plane.height());
                    let (above, below) = plane.data_mut().split_at_mut(height / 2 * stride);
                    let below = below.chunks_exact_mut(stride).rev();
                    above.chunks_exact_mut(stride).zip(below).for_each(|(a, b)| a.swap_with_slice(b));
                }
            }
        }
    }
}

/// A pixel of before and one of after as one: all of the latter from strength 1 on.
fn mix(strength: f32) -> impl Fn(u8, u16) -> u8 + Copy {
    let new = (strength * 128.0).round().clamp(0.0, 128.0) as u16;
    move |before, after| ((u16::from(before) * (128 - new) + after * new + 64) >> 7) as u8
}

/// An edge beyond noise, made stronger.
fn gain(edge: u8, noise: u8, factor: u16, strength: f32) -> u16 {
    // In quarters; lines grow with the strength only beyond 1, below they fade with the mix.
    let quarters = (strength.max(1.0) * 4.0) as u16 * factor;
    ((u16::from(edge.saturating_sub(noise)) * quarters) >> 2).min(255)
}

/// The middle of the level that a pixel is in. `half` is 32768 divided by the number of levels, which is from 2 to 65.
fn level(pixel: u8, levels: u16, half: u16) -> u16 {
    let at = (u16::from(pixel) * levels) >> 8;
    ((at * 2 + 1) * half + 128) >> 8
}

fn saturate(frame: &mut Frame, factor: f32) {
    super::Grade::NONE.saturation(factor).draw(frame);
}

/// Calls `draw` with each row of luma and how strong the edges are there (Sobel, 0 to 255).
fn outlines(frame: &mut Frame, scratch: &mut Scratch, draw: impl Fn(&mut [u8], &[u8])) {
    let [y, ..] = frame.planes_mut();
    let width = y.width();
    let stride = width + 2;
    bordered(y.as_plane(), &mut scratch.plane);
    let edges = &mut scratch.rows[0];
    edges.resize(width, 0);
    for (row, above) in y.into_rows().zip(0..) {
        let line = |index: usize| &scratch.plane[(above + index) * stride..(above + index + 1) * stride];
        sobel(line(0), line(1), line(2), edges);
        draw(row, edges);
    }
}

/// A copy with one more pixel on each side, equal to the one at the edge.
fn bordered(plane: Plane<'_>, copy: &mut Vec<u8>) {
    let (width, height) = (plane.width(), plane.height());
    copy.resize((width + 2) * (height + 2), 0);
    for (index, row) in copy.chunks_exact_mut(width + 2).enumerate() {
        let from = plane.row(index.saturating_sub(1));
        row[1..=width].copy_from_slice(from);
        row[0] = from[0];
        row[width + 1] = from[width - 1];
    }
}

fn sobel(above: &[u8], line: &[u8], below: &[u8], edges: &mut [u8]) {
    let width = edges.len();
    let (a0, a1, a2) = (&above[..width], &above[1..=width], &above[2..width + 2]);
    let (l0, l2) = (&line[..width], &line[2..width + 2]);
    let (b0, b1, b2) = (&below[..width], &below[1..=width], &below[2..width + 2]);
    for x in 0..width {
        let at = |row: &[u8]| i16::from(row[x]);
        let across = at(a2) + 2 * at(l2) + at(b2) - at(a0) - 2 * at(l0) - at(b0);
        let down = at(b0) + 2 * at(b1) + at(b2) - at(a0) - 2 * at(a1) - at(a2);
        edges[x] = ((across.abs() + down.abs()) >> 2).min(255) as u8;
    }
}

fn squares(mut plane: PlaneMut<'_>, block: usize, sums: &mut Vec<u32>) {
    let (width, stride) = (plane.width(), plane.stride());
    for band in plane.data_mut().chunks_mut(block * stride) {
        sums.clear();
        sums.resize(width.div_ceil(block), 0);
        for row in band.chunks_exact(stride) {
            for (sum, pixels) in sums.iter_mut().zip(row[..width].chunks(block)) {
                *sum += pixels.iter().map(|&pixel| u32::from(pixel)).sum::<u32>();
            }
        }
        let rows = (band.len() / stride) as u32;
        let mut lines = band.chunks_exact_mut(stride);
        let Some(first) = lines.next() else { return };
        for (&sum, pixels) in sums.iter().zip(first[..width].chunks_mut(block)) {
            let count = rows * pixels.len() as u32;
            pixels.fill(((sum + count / 2) / count) as u8);
        }
        for line in lines {
            line.copy_from_slice(first);
        }
    }
}

/// Each pixel becomes a mean of those around it. Means of two pixels that lie 1, 2, 3 … apart, one pass after another,
/// add up to a bell that reaches `radius` far; such a mean is one instruction for sixteen pixels.
fn blur(mut plane: PlaneMut<'_>, radius: usize, scratch: &mut Scratch) {
    let passes = (1..).find(|n| n * (n + 1) >= 4 * radius).unwrap_or(1);
    let reach = passes * (passes + 1) / 2;
    let [from, to] = &mut scratch.rows;
    for row in plane.rows_mut() {
        from.clear();
        from.resize(reach / 2, row[0]);
        from.extend_from_slice(row);
        from.resize(row.len() + reach, row[row.len() - 1]);
        for distance in 1..=passes {
            to.resize(from.len() - distance, 0);
            for ((mean, &a), &b) in to.iter_mut().zip(&from[..]).zip(&from[distance..]) {
                *mean = mean_up(a, b);
            }
            std::mem::swap(from, to);
        }
        row.copy_from_slice(&from[..row.len()]);
    }

    let (stride, height) = (plane.stride(), plane.height());
    let other = &mut scratch.plane;
    other.resize(stride * height, 0);
    for distance in 1..=passes {
        // The odd row goes above or below by turns, so that the picture stays where it is.
        let above = if distance % 4 == 1 { distance / 2 } else { distance.div_ceil(2) };
        let below = distance - above;
        let source = plane.as_plane().data();
        let row = |index: usize| &source[index * stride..(index + 1) * stride];
        for (index, target) in other.chunks_exact_mut(stride).enumerate() {
            let (a, b) = (row(index.saturating_sub(above)), row((index + below).min(height - 1)));
            for ((mean, &a), &b) in target.iter_mut().zip(a).zip(b) {
                *mean = mean_down(a, b);
            }
        }
        plane.data_mut().copy_from_slice(other);
    }
}

/// Rounded up: along rows. The other way it is rounded down, so that pictures get neither brighter nor darker.
fn mean_up(a: u8, b: u8) -> u8 {
    ((u16::from(a) + u16::from(b) + 1) >> 1) as u8
}

fn mean_down(a: u8, b: u8) -> u8 {
    !mean_up(!a, !b)
}
