//! Synthetic pictures, and measures of them.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, unreachable_pub)]

use std::task::Waker;

use video::{Frame, Generator, Output, Plane, Pool, Reference, Restyle, Size, Style};

pub fn size(width: u32, height: u32) -> Size {
    Size::new(width, height).unwrap()
}

/// A picture with a gradient, coloured areas, a bright disc that moves with `time`, and fine texture.
pub fn scene(pool: &Pool, size: Size, time: u32) -> Frame {
    let (width, height) = (size.width() as i32, size.height() as i32);
    let mut frame = pool.frame(size, u64::from(time) * 3600);
    let time = time as i32;
    let [y, u, v] = frame.planes_mut();
    for (j, row) in y.into_rows().enumerate() {
        for (i, pixel) in row.iter_mut().enumerate() {
            let (i, j) = (i as i32, j as i32);
            let (dx, dy) = (i - (width / 4 + time * 3) % width.max(1), j - height / 3);
            let disc = if dx * dx + dy * dy < height * height / 36 { 70 } else { 0 };
            let texture = ((i * 7 + j * 13 + (i * j) % 11) % 9) * 2;
            *pixel = (40 + i * 90 / width + disc + texture).clamp(16, 235) as u8;
        }
    }
    for (plane, colours) in [(u, [100, 150, 128, 90]), (v, [160, 110, 128, 140])] {
        let (columns, rows) = (plane.width(), plane.height());
        for (j, row) in plane.into_rows().enumerate() {
            for (i, pixel) in row.iter_mut().enumerate() {
                *pixel = colours[usize::from(i * 2 >= columns) + 2 * usize::from(j * 2 >= rows)];
            }
        }
    }
    frame
}

/// The scene as a poor camera sees it: with grain that is another one in each frame, so that it takes many bits.
pub fn grainy(pool: &Pool, size: Size, time: u32) -> Frame {
    let mut frame = scene(pool, size, time);
    let mut noise = time.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let [y, ..] = frame.planes_mut();
    for pixel in y.into_rows().flatten() {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *pixel = pixel.saturating_add((noise >> 27) as u8);
    }
    frame
}

/// A picture of one colour.
pub fn flat(pool: &Pool, size: Size, colour: [u8; 3]) -> Frame {
    let mut frame = pool.frame(size, 0);
    for (mut plane, value) in frame.planes_mut().into_iter().zip(colour) {
        plane.clear(value);
    }
    frame
}

/// What [`Restyle`] makes of a frame.
pub fn restyled(prompt: &str, image: Option<Reference>, frame: &Frame) -> Frame {
    let mut restyle = Restyle::new();
    restyle.set(Style { prompt: prompt.to_owned(), image });
    restyle.submit(frame.copy()).unwrap();
    match restyle.poll(Waker::noop()).unwrap() {
        Output::Frame(frame) => frame,
        Output::Dropped { .. } => panic!("dropped"),
    }
}

pub fn mean(plane: Plane<'_>) -> f64 {
    let sum: u64 = plane.rows().flatten().map(|&pixel| u64::from(pixel)).sum();
    sum as f64 / (plane.width() * plane.height()) as f64
}

pub fn means(frame: &Frame) -> [f64; 3] {
    frame.planes().map(mean)
}

/// Mean of the squared distance from the mean.
pub fn variance(plane: Plane<'_>) -> f64 {
    let mean = mean(plane);
    let sum: f64 = plane.rows().flatten().map(|&pixel| (f64::from(pixel) - mean).powi(2)).sum();
    sum / (plane.width() * plane.height()) as f64
}

/// How much neighbours in a row differ, on the mean.
pub fn roughness(plane: Plane<'_>) -> f64 {
    let sum: u64 =
        plane.rows().flat_map(|row| row.windows(2)).map(|two| u64::from(two[0].abs_diff(two[1]))).sum();
    sum as f64 / (plane.width() * plane.height()) as f64
}

/// How many different values there are.
pub fn levels(plane: Plane<'_>) -> usize {
    let mut seen = [false; 256];
    plane.rows().flatten().for_each(|&pixel| seen[usize::from(pixel)] = true);
    seen.iter().filter(|seen| **seen).count()
}

/// The largest difference of two pixels at the same place.
pub fn distance(a: &Frame, b: &Frame) -> u8 {
    assert_eq!(a.size(), b.size());
    let pixels = |frame: &Frame| -> Vec<u8> {
        frame.planes().iter().flat_map(|plane| plane.rows().flatten().copied()).collect()
    };
    pixels(a).iter().zip(pixels(b)).map(|(a, b)| a.abs_diff(b)).max().unwrap()
}

/// How alike two pictures are, in dB of luma.
pub fn psnr(a: &Frame, b: &Frame) -> f64 {
    assert_eq!(a.size(), b.size());
    let ([a, ..], [b, ..]) = (a.planes(), b.planes());
    let sum: u64 =
        a.rows().flatten().zip(b.rows().flatten()).map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum();
    let error = sum as f64 / (a.width() * a.height()) as f64;
    10.0 * (255.0 * 255.0 / error.max(1e-9)).log10()
}
