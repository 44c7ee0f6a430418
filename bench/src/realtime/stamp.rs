//! A number drawn into a picture that can be read after codecs and effects went over it.
//!
//! Two rows of black and white blocks in the middle of the picture: the number, and under it its complement, so that a
//! picture that was damaged is not read as another number. Two blocks at each end say what was done to the picture.

use video::{Frame, Size};

/// Bits of a number.
const BITS: usize = 20;
const COLUMNS: usize = BITS + 4;
/// The blocks at the ends of the upper row; each [`Look`] leaves another four.
const ENDS: ([bool; 2], [bool; 2]) = ([true, true], [false, true]);
const WHITE: u8 = 235;
const BLACK: u8 = 16;
const GREY: u8 = 128;

/// What is written on a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// The number.
    pub number: u32,
    /// What was done to the picture since.
    pub look: Look,
}

/// What was done to a picture, as far as a stamp tells. Colours may have gone besides, as with `grey`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Look {
    /// Light and dark, left and right are where they were.
    Plain,
    /// Light and dark are exchanged.
    Inverted,
    /// Left and right are exchanged.
    Mirrored,
    /// Both are.
    InvertedAndMirrored,
}

impl Stamp {
    /// Numbers begin anew after so many.
    pub const COUNT: u32 = 1 << BITS;

    /// Writes a number on a picture. It needs at least 96 × 16 pixels; a cut that keeps the middle and the width does
    /// not harm it, nor does scaling.
    pub fn draw(frame: &mut Frame, number: u32) {
        let area = Area::of(frame.size());
        let upper: [bool; COLUMNS] = std::array::from_fn(|column| match column {
            0 | 1 => ENDS.0[column],
            22 | 23 => ENDS.1[column - 22],
            _ => number >> (BITS + 1 - column) & 1 == 1,
        });
        let width = area.block * COLUMNS;
        let [luma, first, second] = frame.planes_mut();
        let rows = luma.into_rows().skip(area.top).take(2 * area.block);
        for (line, row) in rows.enumerate() {
            let blocks = row[area.left..area.left + width].chunks_exact_mut(area.block.max(1));
            for (block, is_white) in blocks.zip(upper) {
                block.fill(if is_white == (line < area.block) { WHITE } else { BLACK });
            }
        }
        for plane in [first, second] {
            for row in plane.into_rows().skip(area.top / 2).take(area.block + 1) {
                row[area.left / 2..(area.left + width).div_ceil(2)].fill(GREY);
            }
        }
    }

    /// What is written on a picture; none if it is not legible.
    pub fn read(frame: &Frame) -> Option<Self> {
        let Area { block, left, top } = Area::of(frame.size());
        if block < 4 {
            return None;
        }
        // The edges of blocks are where codecs do worst.
        let inner = block / 4;
        let luma = frame.planes()[0];
        let is_light = |line: usize, column: usize| {
            let rows = (inner..block - inner).map(|y| luma.row(top + line * block + y));
            let from = left + column * block;
            let sum: usize = rows
                .flat_map(|row| &row[from + inner..from + block - inner])
                .map(|&pixel| usize::from(pixel))
                .sum();
            sum > 127 * (block - 2 * inner).pow(2)
        };
        let [upper, lower]: [[bool; COLUMNS]; 2] =
            [0, 1].map(|line| std::array::from_fn(|column| is_light(line, column)));
        let inverted = upper.map(|bit| !bit);
        if lower != inverted {
            return None;
        }
        let backwards = |mut bits: [bool; COLUMNS]| {
            bits.reverse();
            bits
        };
        [
            (Look::Plain, upper),
            (Look::Inverted, inverted),
            (Look::Mirrored, backwards(upper)),
            (Look::InvertedAndMirrored, backwards(inverted)),
        ]
        .into_iter()
        .find(|(_, bits)| bits[..2] == ENDS.0 && bits[COLUMNS - 2..] == ENDS.1)
        .map(|(look, bits)| {
            let digits = bits[2..COLUMNS - 2].iter();
            Self { number: digits.fold(0, |number, bit| number << 1 | u32::from(*bit)), look }
        })
    }
}

/// Where the blocks lie.
struct Area {
    /// The side of a block.
    block: usize,
    left: usize,
    top: usize,
}

impl Area {
    fn of(size: Size) -> Self {
        let (width, height) = (size.width() as usize, size.height() as usize);
        let block = (width / COLUMNS).min(height / 4);
        Self { block, left: (width - block * COLUMNS) / 2, top: height / 2 - block }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use video::{Codec, Decoder, Encoder, EncoderConfig, Generator, Output, Pool, Restyle, Style};

    use super::*;

    fn restyled(frame: Frame, prompt: &str) -> Frame {
        let mut restyle = Restyle::new();
        restyle.set(Style { prompt: prompt.to_owned(), image: None });
        restyle.submit(frame).unwrap();
        match restyle.poll(Waker::noop()) {
            Some(Output::Frame(frame)) => frame,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_stamp_outlives_effects_and_codecs() {
        let size = Size::new(320, 180).unwrap();
        for (prompt, look) in [
            ("", Look::Plain),
            ("grey", Look::Plain),
            ("invert", Look::Inverted),
            ("mirror", Look::Mirrored),
            ("invert, mirror", Look::InvertedAndMirrored),
        ] {
            for number in [0, 1, 0b1010_0101_1100_0011_1001, Stamp::COUNT - 1] {
                let mut frame = Pool::new().frame(size, 0);
                frame.planes_mut().into_iter().for_each(|mut plane| plane.clear(90));
                Stamp::draw(&mut frame, number);
                let frame = restyled(frame, prompt);
                let (mut encoder, mut packet) = (Encoder::new(EncoderConfig::new(Codec::Vp8)), Vec::new());
                encoder.encode(&frame, &mut packet).unwrap();
                let seen = Decoder::new(Codec::Vp8, Pool::new()).decode(&packet, 0).unwrap().unwrap();
                assert_eq!(Stamp::read(&seen), Some(Stamp { number, look }), "{prompt} {number}");
            }
        }
    }

    #[test]
    fn what_is_damaged_is_not_read() {
        let mut frame = Pool::new().frame(Size::new(320, 180).unwrap(), 0);
        frame.planes_mut().into_iter().for_each(|mut plane| plane.clear(90));
        assert_eq!(Stamp::read(&frame), None, "there is none");
        Stamp::draw(&mut frame, 5);
        for row in frame.planes_mut()[0].rows_mut() {
            row[160..200].fill(0);
        }
        assert_eq!(Stamp::read(&frame), None);
    }
}
