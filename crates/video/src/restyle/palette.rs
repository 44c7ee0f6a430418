//! The colours of a reference image, put on other pictures.

use std::fmt;
use std::sync::Arc;

use crate::colour::yuv_of;
use crate::frame::Frame;

/// Levels of brightness that an image's colours are counted in.
const LEVELS: usize = 16;

/// Which colour an image has where it is dark, where it is bright and everywhere between.
#[derive(Clone)]
pub(crate) struct Palette(Arc<Colours>);

struct Colours {
    u: [u8; 256],
    v: [u8; 256],
}

impl Palette {
    /// The palette of these pixels (RGBA). What is transparent does not count; an image of nothing else is grey.
    pub(crate) fn of(pixels: impl Iterator<Item = [u8; 4]>) -> Self {
        // Sums of U and V, and how many pixels.
        let mut levels = [[0.0_f32; 3]; LEVELS];
        for [r, g, b, alpha] in pixels {
            if alpha < 128 {
                continue;
            }
            let [y, u, v] = yuv_of([r, g, b]);
            let level = &mut levels[(y as usize * LEVELS / 256).min(LEVELS - 1)];
            *level = [level[0] + u, level[1] + v, level[2] + 1.0];
        }
        // Each level takes from all others too, the less the farther away they are: no level is empty, and colours
        // change smoothly with the light.
        let blended: [[f32; 2]; LEVELS] = std::array::from_fn(|at| {
            let mut sum = [0.0; 3];
            for (level, counted) in levels.iter().enumerate() {
                let weight = 0.2_f32.powi(at.abs_diff(level) as i32);
                sum = std::array::from_fn(|index| sum[index] + weight * counted[index]);
            }
            if sum[2] > 0.0 { [sum[0] / sum[2], sum[1] / sum[2]] } else { [128.0, 128.0] }
        });
        let of = |index: usize| -> [u8; 256] {
            std::array::from_fn(|y| {
                let position = (y as f32 / 256.0 * LEVELS as f32 - 0.5).clamp(0.0, (LEVELS - 1) as f32);
                let (low, part) = (position as usize, position.fract());
                let high = (low + 1).min(LEVELS - 1);
                (blended[low][index] * (1.0 - part) + blended[high][index] * part).round() as u8
            })
        };
        Self(Arc::new(Colours { u: of(0), v: of(1) }))
    }

    /// Gives each pixel the colour that the image has at its brightness, mixed with its own: 0 keeps the own one, 1
    /// replaces it.
    pub(super) fn draw(&self, frame: &mut Frame, strength: f32) {
        let new = (strength * 128.0).round().clamp(0.0, 128.0) as u16;
        let mix =
            |old: u8, colour: u8| ((u16::from(old) * (128 - new) + u16::from(colour) * new + 64) >> 7) as u8;
        let [y, u, v] = frame.planes_mut();
        let (y, colours) = (y.as_plane(), &*self.0);
        for (index, (u, v)) in u.into_rows().zip(v.into_rows()).enumerate() {
            let light = y.row(2 * index).iter().step_by(2);
            for ((u, v), &light) in u.iter_mut().zip(v).zip(light) {
                *u = mix(*u, colours.u[usize::from(light)]);
                *v = mix(*v, colours.v[usize::from(light)]);
            }
        }
    }
}

impl fmt::Debug for Palette {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Palette")
    }
}
