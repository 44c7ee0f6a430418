//! Reference images: what is taken, what is refused and why, and what they do to pictures.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use proptest::prelude::*;
use video::{ImageError, Pool, Reference};

use crate::common::{distance, flat, levels, means, restyled, scene, size};

fn file(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    picture.into().write_to(&mut file, format).unwrap();
    file.into_inner()
}

fn of_colour(colour: [u8; 3], format: ImageFormat) -> Vec<u8> {
    file(RgbImage::from_pixel(80, 60, Rgb(colour)), format)
}

#[test]
fn each_format_gives_its_colours() {
    let before = scene(&Pool::new(), size(160, 90), 1);
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
        let image = Reference::read(of_colour([220, 30, 30], format)).unwrap();
        assert_eq!((image.width(), image.height()), (80, 60));
        let [y, u, v] = means(&restyled("", Some(image), &before));
        let [y0, ..] = means(&before);
        assert!(u < 115.0 && v > 180.0 && (y - y0).abs() < 0.01, "{format:?}: {u} {v}");
    }
}

#[test]
fn dark_and_bright_parts_take_the_colours_of_dark_and_bright_parts() {
    // Blue shadows, yellow lights.
    let picture = RgbImage::from_fn(64, 64, |x, _| Rgb(if x < 32 { [0, 0, 120] } else { [250, 240, 120] }));
    let image = Reference::read(file(picture, ImageFormat::Png)).unwrap();
    let pool = Pool::new();
    let [_, dark_u, _] =
        means(&restyled("", Some(image.clone()), &flat(&pool, size(32, 32), [30, 128, 128])));
    let [_, bright_u, _] = means(&restyled("", Some(image), &flat(&pool, size(32, 32), [220, 128, 128])));
    assert!(dark_u > 145.0 && bright_u < 105.0, "{dark_u} {bright_u}");
}

#[test]
fn a_prompt_says_how_much_and_is_done_before() {
    let before = scene(&Pool::new(), size(160, 90), 1);
    let image = Reference::read(of_colour([220, 30, 30], ImageFormat::Png)).unwrap();
    assert_eq!(restyled("no palette", Some(image.clone()), &before), before);
    let reds = ["palette 20%", "palette 50%", "", "palette 100%"]
        .map(|prompt| means(&restyled(prompt, Some(image.clone()), &before))[2]);
    assert!(reds.is_sorted_by(|a, b| a < b), "{reds:?}");
    // A grey sketch is coloured; all of it, because it has no colours of its own.
    let sketch = restyled("sketch, palette 100%", Some(image), &before);
    assert!(means(&sketch)[2] > 180.0 && levels(sketch.planes()[2]) == 1);
}

#[test]
fn what_is_transparent_has_no_colour() {
    let picture =
        RgbaImage::from_fn(64, 64, |x, _| Rgba(if x < 48 { [0, 255, 0, 0] } else { [200, 0, 0, 255] }));
    let image = Reference::read(file(picture, ImageFormat::Png)).unwrap();
    let after = restyled("", Some(image), &flat(&Pool::new(), size(32, 32), [100, 128, 128]));
    assert!(means(&after)[2] > 170.0);
    let nothing = Reference::read(file(RgbaImage::new(8, 8), ImageFormat::Png)).unwrap();
    let grey = flat(&Pool::new(), size(32, 32), [100, 128, 128]);
    assert!(distance(&restyled("", Some(nothing), &grey), &grey) <= 1);
}

#[test]
fn what_is_no_image_is_refused_with_a_reason() {
    let read = |file: &[u8]| Reference::read(file).unwrap_err();
    assert_eq!(read(b""), ImageError::Empty);
    assert_eq!(read(b"GIF89a with more bytes after it"), ImageError::UnknownFormat);
    assert_eq!(read(b"hello"), ImageError::UnknownFormat);
    assert_eq!(read(&vec![0xff; Reference::MAX_BYTES + 1]), ImageError::TooManyBytes(10_000_001));
    let png = of_colour([1, 2, 3], ImageFormat::Png);
    for length in [9, 20, png.len() / 2] {
        assert!(matches!(read(&png[..length]), ImageError::Broken(_)), "{length}");
    }
    assert_eq!(
        ImageError::TooManyPixels { width: 5000, height: 5000 }.to_string(),
        "the image has 5000x5000 pixels; at most 16777216 pixels are allowed"
    );
}

#[test]
fn a_small_file_of_a_huge_picture_is_refused_before_it_takes_memory() {
    // Width and height of a PNG lie at bytes 16 to 24 and are covered by a checksum; those of a lossless WebP less one
    // are the 28 bits after its signature.
    let mut png = of_colour([1, 2, 3], ImageFormat::Png);
    png[16..24].copy_from_slice(&[0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
    let sum = crc(&png[12..29]);
    png[29..33].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(Reference::read(png).unwrap_err(), ImageError::TooManyPixels { width: 30000, height: 30000 });
    let webp = b"RIFF\x16\0\0\0WEBPVP8L\x0a\0\0\0\x2f\xfe\xbf\xff\x0f\0\0\0\0\0";
    assert_eq!(
        Reference::read(&webp[..]).unwrap_err(),
        ImageError::TooManyPixels { width: 16383, height: 16383 }
    );
}

/// CRC-32 as PNG has it.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[test]
fn the_file_stays_as_it_came() {
    let file = of_colour([9, 200, 9], ImageFormat::WebP);
    let image = Reference::read(file.clone()).unwrap();
    assert_eq!(image.file()[..], file[..]);
    assert_eq!(image, image.clone());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_damaged_file_never_panics(format in 0..3, at in 0.0..1.0_f64, value: u8, cut in 0.0..1.0_f64) {
        let picture = RgbImage::from_fn(24, 16, |x, y| Rgb([x as u8 * 9, y as u8 * 11, 77]));
        let formats = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP];
        let mut file = file(picture, formats[format as usize]);
        let at = (file.len() as f64 * at) as usize;
        file[at] = value;
        file.truncate((file.len() as f64 * (0.5 + cut)) as usize);
        let _ = Reference::read(file);
    }
}
