//! Odd, tiny and changing sizes; where pictures go when proportions differ.

use std::task::Waker;

use proptest::prelude::*;
use video::{Aspect, Effect, Frame, Generator, Output, Pool, Restyle, Scaler, Size, SizeError, Style};

use crate::common::{distance, flat, mean, means, psnr, restyled, scene, size};

fn scaled(aspect: Aspect, frame: &Frame, to: Size) -> Frame {
    Scaler::new(aspect, Pool::new()).scale(frame.copy(), to)
}

#[test]
fn sizes_have_bounds() {
    for (width, height) in [(0, 1), (1, 0), (4097, 1), (1, 4097), (4096, 4096), (u32::MAX, u32::MAX)] {
        assert_eq!(Size::new(width, height), Err(SizeError { width, height }));
    }
    for (width, height) in [(1, 1), (4096, 2025), (3840, 2160), (2160, 3840)] {
        let size = size(width, height);
        assert_eq!((size.width(), size.height()), (width, height));
    }
    assert_eq!(
        Size::new(0, 5).unwrap_err().to_string(),
        "a picture of 0x5 pixels: sides go from 1 to 4096, and there are at most 8294400 pixels"
    );
}

#[test]
fn every_effect_draws_every_small_size() {
    let pool = Pool::new();
    for width in 1..=9 {
        for height in [1, 2, 3, 5, 8] {
            let before = scene(&pool, size(width, height), 1);
            for &effect in Effect::ALL {
                assert_eq!(restyled(effect.name(), None, &before).size(), before.size());
            }
            assert_eq!(restyled("blur 64, pixelate 256", None, &before).size(), before.size());
        }
    }
}

#[test]
fn a_generator_follows_changes_of_size() {
    let pool = Pool::new();
    let mut restyle = Restyle::new();
    let prompt = "cartoon, blur, pixelate 6, edges";
    restyle.set(Style { prompt: prompt.to_owned(), image: None });
    for (width, height) in [(320, 180), (101, 77), (640, 360), (33, 35), (320, 180)] {
        let frame = scene(&pool, size(width, height), 4);
        let expected = restyled(prompt, None, &frame);
        restyle.submit(frame).unwrap();
        assert_eq!(restyle.poll(Waker::noop()), Some(Output::Frame(expected)));
    }
}

#[test]
fn the_right_size_stays_as_it_is() {
    let frame = scene(&Pool::new(), size(101, 55), 1);
    for aspect in [Aspect::Cover, Aspect::Contain, Aspect::Stretch] {
        assert_eq!(scaled(aspect, &frame, frame.size()), frame);
    }
}

#[test]
fn up_and_down_again_is_nearly_the_same() {
    let frame = restyled("blur 3", None, &scene(&Pool::new(), size(320, 180), 1));
    for (width, height) in [(640, 360), (480, 270), (1280, 720)] {
        let back = scaled(Aspect::Cover, &scaled(Aspect::Cover, &frame, size(width, height)), frame.size());
        assert!(psnr(&frame, &back) > 38.0, "{width}: {}", psnr(&frame, &back));
        assert_eq!(back.timestamp(), frame.timestamp());
    }
}

/// Left half dark, right half bright; top half blue, bottom half red.
fn quarters(size: Size) -> Frame {
    let mut frame = flat(&Pool::new(), size, [50, 128, 128]);
    let [y, u, v] = frame.planes_mut();
    for row in y.into_rows() {
        let half = row.len() / 2;
        row[half..].fill(200);
    }
    for (plane, values) in [(u, [200, 100]), (v, [110, 200])] {
        let half = plane.height() / 2;
        for (index, row) in plane.into_rows().enumerate() {
            row.fill(values[usize::from(index >= half)]);
        }
    }
    frame
}

#[test]
fn the_middle_stays_in_the_middle() {
    for (from, to) in [((640, 480), (1280, 720)), ((1280, 720), (640, 480)), ((90, 160), (320, 180))] {
        let frame = quarters(size(from.0, from.1));
        for aspect in [Aspect::Cover, Aspect::Contain, Aspect::Stretch] {
            let after = scaled(aspect, &frame, size(to.0, to.1));
            let [y, u, v] = after.planes();
            let (x, row) = (to.0 as usize / 2, to.1 as usize / 2);
            assert!(y.row(row)[x - 5] < 60 && y.row(row)[x + 5] > 190, "{aspect:?} {from:?} {to:?}");
            assert!(u.row(row / 2 - 4)[x / 2] > 190 && u.row(row / 2 + 4)[x / 2] < 110, "{aspect:?}");
            assert!(v.row(row / 2 - 4)[x / 2] < 120 && v.row(row / 2 + 4)[x / 2] > 190, "{aspect:?}");
        }
    }
}

#[test]
fn cover_cuts_contain_has_bars_and_stretch_distorts() {
    // A bright frame of 8 pixels around a dark picture.
    let mut frame = flat(&Pool::new(), size(160, 160), [60, 128, 128]);
    let [y, ..] = frame.planes_mut();
    for (index, row) in y.into_rows().enumerate() {
        if !(8..152).contains(&index) {
            row.fill(220);
        }
        row[..8].fill(220);
        row[152..].fill(220);
    }
    let to = size(320, 180);
    let lit = |after: &Frame, x: usize, y: usize| after.planes()[0].row(y)[x] > 190;
    let cover = scaled(Aspect::Cover, &frame, to);
    assert!(lit(&cover, 4, 90) && lit(&cover, 315, 90) && !lit(&cover, 160, 2) && !lit(&cover, 160, 177));
    let contain = scaled(Aspect::Contain, &frame, to);
    let row = contain.planes()[0].row(90);
    assert_eq!((row[0], row[69], row[250], row[319]), (16, 16, 16, 16));
    assert!(
        lit(&contain, 73, 90) && lit(&contain, 245, 90) && lit(&contain, 160, 2) && lit(&contain, 160, 177)
    );
    let stretch = scaled(Aspect::Stretch, &frame, to);
    assert!(
        lit(&stretch, 4, 90) && lit(&stretch, 315, 90) && lit(&stretch, 160, 2) && lit(&stretch, 160, 177)
    );
}

#[test]
fn every_pixel_counts_when_a_picture_gets_smaller() {
    // Lines of one pixel would vanish or thicken if pixels were left out.
    let mut frame = flat(&Pool::new(), size(400, 400), [50, 128, 128]);
    let [y, ..] = frame.planes_mut();
    y.into_rows().step_by(2).for_each(|row| row.fill(150));
    for to in [size(100, 100), size(130, 130), size(57, 57)] {
        let after = scaled(Aspect::Stretch, &frame, to);
        assert!(after.planes()[0].rows().flatten().all(|pixel| (90..=110).contains(pixel)), "{to}");
        assert!((mean(after.planes()[0]) - 100.0).abs() < 1.5, "{to}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_size_becomes_any_size(
        from in (1_u32..70, 1_u32..70),
        to in (1_u32..70, 1_u32..70),
        aspect in proptest::sample::select(vec![Aspect::Cover, Aspect::Contain, Aspect::Stretch]),
    ) {
        let frame = flat(&Pool::new(), size(from.0, from.1), [90, 40, 210]);
        let after = scaled(aspect, &frame, size(to.0, to.1));
        prop_assert_eq!(after.size(), size(to.0, to.1));
        // One colour stays that colour, but for the bars.
        if aspect == Aspect::Contain {
            prop_assert!(means(&after)[0] <= 90.0);
        } else {
            prop_assert_eq!(distance(&after, &flat(&Pool::new(), after.size(), [90, 40, 210])), 0);
        }
    }

    #[test]
    fn any_recipe_draws_any_size(
        from in (1_u32..80, 1_u32..80),
        effects in proptest::collection::vec((proptest::sample::select(Effect::ALL), 0_u16..250), 0..6),
    ) {
        let prompt: Vec<String> =
            effects.iter().map(|(effect, amount)| format!("{} {amount}%", effect.name())).collect();
        let frame = scene(&Pool::new(), size(from.0, from.1), 7);
        let after = restyled(&prompt.join(", "), None, &frame);
        prop_assert_eq!(after.size(), frame.size());
        prop_assert_eq!(&after, &restyled(&prompt.join(", "), None, &frame));
    }
}
