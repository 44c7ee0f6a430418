//! Changes of colour and light that look at one pixel alone.

use crate::colour::yuv_of;
use crate::frame::Frame;

/// How far a multiplication goes: factors are in 64ths and fit a byte, so that products with a pixel fit 16 bits and
/// the loops over them run eight or sixteen pixels at a time.
const ONE: f32 = 64.0;

/// An affine change: of luma around its middle, and of colour as a vector around grey. Two after another are one again.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Grade {
    /// Contrast.
    gain: f32,
    /// Brightness, in steps of luma.
    lift: f32,
    /// What becomes of the two colour differences.
    colour: [[f32; 2]; 2],
    /// Tint: towards blue, and towards red.
    tint: [f32; 2],
}

impl Grade {
    pub(super) const NONE: Self =
        Self { gain: 1.0, lift: 0.0, colour: [[1.0, 0.0], [0.0, 1.0]], tint: [0.0, 0.0] };

    pub(super) const fn light(self, gain: f32, lift: f32) -> Self {
        Self { gain, lift, ..self }
    }

    pub(super) const fn saturation(self, factor: f32) -> Self {
        Self { colour: [[factor, 0.0], [0.0, factor]], ..self }
    }

    pub(super) const fn tint(self, blue: f32, red: f32) -> Self {
        Self { tint: [blue, red], ..self }
    }

    /// Everything in shades of one colour, with some of the old colours left.
    pub(super) fn wash(rgb: [u8; 3]) -> Self {
        let [_, blue, red] = yuv_of(rgb);
        Self::NONE.saturation(0.35).tint((blue - 128.0) * 0.5, (red - 128.0) * 0.5)
    }

    /// The negative, within the limited range of video.
    pub(super) const fn negative() -> Self {
        Self { gain: -1.0, lift: -5.0, colour: [[-1.0, 0.0], [0.0, -1.0]], tint: [0.0, 0.0] }
    }

    /// A look of its own for each number: colours turned by at least 40 degrees, and a tint that is seen on grey too.
    pub(super) fn own(hash: u64) -> Self {
        let part = |index: u32| ((hash >> (16 * index)) & 0xffff) as f32 / 65535.0;
        let turn = (40.0 + 280.0 * part(0)).to_radians();
        let hue = (360.0 * part(1)).to_radians();
        let depth = 18.0 + 18.0 * part(2);
        let saturation = 0.8 + 0.6 * part(3);
        let (sin, cos) = turn.sin_cos();
        Self {
            gain: 0.9 + 0.3 * part(2),
            lift: 0.0,
            colour: [[cos * saturation, -sin * saturation], [sin * saturation, cos * saturation]],
            tint: [depth * hue.cos(), depth * hue.sin()],
        }
    }

    /// This one at another strength: 0 is no change, 1 is this, 2 is twice as far.
    pub(super) fn at(self, strength: f32) -> Self {
        let between = |none: f32, full: f32| none + (full - none) * strength;
        let none = Self::NONE;
        let row = |index: usize| {
            [0, 1].map(|column| between(none.colour[index][column], self.colour[index][column]))
        };
        Self {
            gain: between(none.gain, self.gain),
            lift: between(none.lift, self.lift),
            colour: [row(0), row(1)],
            tint: self.tint.map(|value| between(0.0, value)),
        }
    }

    /// This one and then the other, as one.
    pub(super) fn then(self, next: Self) -> Self {
        let turned =
            |[blue, red]: [f32; 2]| [0, 1].map(|row| next.colour[row][0] * blue + next.colour[row][1] * red);
        let [first, second] = [0, 1].map(|column| turned([self.colour[0][column], self.colour[1][column]]));
        let tint = turned(self.tint);
        Self {
            gain: self.gain * next.gain,
            lift: self.lift * next.gain + next.lift,
            colour: [[first[0], second[0]], [first[1], second[1]]],
            tint: [tint[0] + next.tint[0], tint[1] + next.tint[1]],
        }
    }

    pub(super) fn draw(&self, frame: &mut Frame) {
        let [y, u, v] = frame.planes_mut();
        if self.gain != 1.0 || self.lift != 0.0 {
            let gain = factor(self.gain);
            let lift = offset(self.lift);
            for row in y.into_rows() {
                luma(row, gain, lift);
            }
        }
        if self.colour != Self::NONE.colour || self.tint != [0.0, 0.0] {
            let rows = self.colour.map(fitting);
            let tint = self.tint.map(offset);
            for (u, v) in u.into_rows().zip(v.into_rows()) {
                chroma(u, v, rows, tint);
            }
        }
    }
}

fn factor(value: f32) -> i16 {
    (value * ONE).round().clamp(-255.0, 255.0) as i16
}

/// The middle is added again, with what is to be added anyway.
fn offset(value: f32) -> i16 {
    (value.round() + 128.0).clamp(-1024.0, 1024.0) as i16
}

/// Two factors whose sum of products fits 16 bits: both are made smaller where they would not.
fn fitting(row: [f32; 2]) -> [i16; 2] {
    let sum = (row[0].abs() + row[1].abs()) * ONE;
    let shrink = (254.0 / sum.max(1.0)).min(1.0);
    row.map(|value| factor(value * shrink))
}

fn luma(row: &mut [u8], gain: i16, lift: i16) {
    for pixel in row {
        let scaled = (i16::from(*pixel) - 128).wrapping_mul(gain).wrapping_add(32) >> 6;
        *pixel = (scaled + lift).clamp(0, 255) as u8;
    }
}

fn chroma(u: &mut [u8], v: &mut [u8], [blue, red]: [[i16; 2]; 2], tint: [i16; 2]) {
    for (u, v) in u.iter_mut().zip(v) {
        let (a, b) = (i16::from(*u) - 128, i16::from(*v) - 128);
        let turned = |[first, second]: [i16; 2]| {
            a.wrapping_mul(first).wrapping_add(b.wrapping_mul(second)).wrapping_add(32) >> 6
        };
        *u = (turned(blue) + tint[0]).clamp(0, 255) as u8;
        *v = (turned(red) + tint[1]).clamp(0, 255) as u8;
    }
}
