//! Every word of the vocabulary changes a picture in the way that its name promises.

use video::{Effect, Frame, Pool, Recipe};

use crate::common::{distance, flat, levels, mean, means, restyled, roughness, scene, size, variance};

/// What is true of the picture after an effect, given the one before.
fn holds(effect: Effect, before: &Frame, after: &Frame) -> bool {
    let ([y0, u0, v0], [y1, u1, v1]) = (means(before), means(after));
    let [luma0, cb0, cr0] = before.planes();
    let [luma, cb, cr] = after.planes();
    let colour = |frame: &Frame| variance(frame.planes()[1]) + variance(frame.planes()[2]);
    let grey = levels(cb) == 1 && levels(cr) == 1 && (u1, v1) == (128.0, 128.0);
    let calmer = colour(after) < colour(before) * 0.6;
    match effect {
        Effect::Grey => grey && luma.rows().eq(luma0.rows()),
        Effect::Noir => grey && variance(luma) > variance(luma0) * 1.2,
        Effect::Sepia => levels(cb) == 1 && levels(cr) == 1 && u1 < 115.0 && v1 > 135.0,
        Effect::Warm => u1 < u0 - 5.0 && v1 > v0 + 5.0,
        Effect::Cool => u1 > u0 + 5.0 && v1 < v0 - 5.0,
        Effect::Vivid => colour(after) > colour(before) * 1.3,
        Effect::Muted => calmer,
        Effect::Pastel => calmer && y1 > y0 + 10.0,
        Effect::Vintage => calmer && u1 < u0 - 5.0 && variance(luma) < variance(luma0),
        Effect::Sunset => u1 < u0 - 10.0 && v1 > v0 + 10.0,
        Effect::Night => u1 > u0 + 8.0 && y1 < y0 - 20.0,
        Effect::Neon => colour(after) > colour(before) * 2.0 && variance(luma) > variance(luma0),
        Effect::Cyberpunk => u1 > u0 + 10.0 && v1 > v0 && variance(luma) > variance(luma0),
        Effect::Bright => y1 > y0 + 15.0,
        Effect::Dark => y1 < y0 - 15.0,
        Effect::Contrast => variance(luma) > variance(luma0) * 1.2,
        Effect::Red => calmer && v1 > v0 + 20.0 && u1 < u0,
        Effect::Orange => calmer && v1 > v0 && u1 < u0 - 20.0,
        Effect::Yellow => calmer && u1 < u0 - 30.0,
        Effect::Green => calmer && v1 < v0 - 10.0 && u1 < u0,
        Effect::Cyan => calmer && v1 < v0 - 20.0 && u1 > u0,
        Effect::Blue => calmer && u1 > u0 + 20.0 && v1 < v0,
        Effect::Purple => calmer && u1 > u0 + 10.0 && v1 > v0,
        Effect::Pink => calmer && v1 > v0 + 20.0 && u1 > u0 - 10.0,
        Effect::Invert => {
            let mut rows = luma0.rows().flatten().zip(luma.rows().flatten());
            rows.all(|(&a, &b)| (i16::from(a) + i16::from(b) - 251).abs() <= 1)
                && (u0 + u1 - 256.0).abs() < 1.0
                && (v0 + v1 - 256.0).abs() < 1.0
        }
        // Mostly paper.
        Effect::Sketch => grey && y1 > 150.0 && luma.rows().flatten().any(|&pixel| pixel < 100),
        Effect::Cartoon => levels(luma) < levels(luma0) && colour(after) > colour(before) * 1.5,
        // Mostly black, with lines.
        Effect::Edges => grey && y1 < 60.0 && luma.rows().flatten().any(|&pixel| pixel > 200),
        Effect::Posterise => levels(luma) <= 6 && levels(cb) <= 7 && levels(cr) <= 7 && levels(luma0) > 20,
        Effect::Pixelate => {
            // 4 pixels of 180 rows, rounded to even.
            let block = |plane: video::Plane<'_>, side: usize| {
                (0..plane.height()).all(|y| {
                    plane.row(y).chunks(side).all(|pixels| pixels.iter().all(|p| *p == pixels[0]))
                        && plane.row(y) == plane.row(y / side * side)
                })
            };
            block(luma, 4) && block(cb, 2) && block(cr, 2) && (y0 - y1).abs() < 0.5 && !block(luma0, 4)
        }
        Effect::Blur => {
            roughness(luma) < roughness(luma0) * 0.5
                && variance(luma) < variance(luma0)
                && (y0 - y1).abs() < 0.75
                && roughness(cb) <= roughness(cb0)
                && roughness(cr) <= roughness(cr0)
        }
        Effect::Mirror => {
            before.planes().iter().zip(after.planes()).all(|(before, after)| {
                before.rows().zip(after.rows()).all(|(a, b)| a.iter().rev().eq(b.iter()))
            })
        }
        Effect::Flip => before.planes().iter().zip(after.planes()).all(|(before, after)| {
            (0..before.height()).all(|y| before.row(y) == after.row(before.height() - 1 - y))
        }),
        // Only with an image; see the tests of images.
        Effect::Palette => before == after,
    }
}

#[test]
fn each_name_does_what_it_says() {
    let before = scene(&Pool::new(), size(320, 180), 5);
    for &effect in Effect::ALL {
        let after = restyled(effect.name(), None, &before);
        assert_eq!(after.size(), before.size());
        assert_eq!(after.timestamp(), before.timestamp());
        assert!(
            holds(effect, &before, &after),
            "{effect:?}: {:?} became {:?}",
            means(&before),
            means(&after)
        );
        if effect != Effect::Palette {
            assert!(distance(&before, &after) > 8, "{effect:?} is not seen");
        }
    }
}

#[test]
fn no_two_effects_look_the_same() {
    let before = scene(&Pool::new(), size(160, 90), 5);
    let looks: Vec<Frame> = Effect::ALL.iter().map(|effect| restyled(effect.name(), None, &before)).collect();
    for (index, look) in looks.iter().enumerate() {
        assert!(!looks[..index].contains(look), "{:?} looks like another", Effect::ALL[index]);
    }
}

#[test]
fn all_words_of_an_effect_mean_it_and_no_other() {
    for &effect in Effect::ALL {
        for &word in effect.words() {
            assert_eq!(Recipe::read(word), Recipe::read(effect.name()), "{word}");
            assert_eq!(
                Effect::ALL.iter().filter(|effect| effect.words().contains(&word)).count(),
                1,
                "{word} means two things"
            );
        }
    }
}

#[test]
fn what_is_done_twice_comes_back() {
    let before = scene(&Pool::new(), size(201, 99), 3);
    for prompt in ["invert", "mirror", "upside down"] {
        let twice = restyled(prompt, None, &restyled(prompt, None, &before));
        assert!(distance(&before, &twice) <= 1, "{prompt}");
    }
}

#[test]
fn more_strength_does_more() {
    let before = scene(&Pool::new(), size(320, 180), 5);
    for prompt in ["warm", "bright", "blur", "pixelate", "sketch", "night", "pink"] {
        let changes = ["very slightly", "slightly", "half", ""].map(|strength| {
            let after = restyled(&format!("{strength} {prompt}"), None, &before);
            let sum: u64 = before
                .planes()
                .iter()
                .zip(after.planes())
                .flat_map(|(a, b)| a.rows().flatten().zip(b.rows().flatten()))
                .map(|(a, b)| u64::from(a.abs_diff(*b)))
                .sum();
            sum
        });
        assert!(changes.is_sorted() && changes[0] > 0 && changes[0] < changes[3], "{prompt}: {changes:?}");
    }
    let smoothness = |prompt| roughness(restyled(prompt, None, &before).planes()[0]);
    assert!(smoothness("extremely blurred") < smoothness("blurred"));
    let lines = |prompt| mean(restyled(prompt, None, &before).planes()[0]);
    assert!(lines("very strong edges") > lines("edges"));
    assert!(lines("extreme sketch") < lines("sketch"));
}

#[test]
fn exact_numbers_are_kept_exactly() {
    let before = scene(&Pool::new(), size(320, 180), 5);
    assert!(levels(restyled("posterise 3", None, &before).planes()[0]) <= 3);
    let after = restyled("pixelate 32", None, &before);
    let luma = after.planes()[0];
    assert!((0..180).all(|y| luma.row(y) == luma.row(y / 32 * 32)));
    assert!(luma.row(0).chunks(32).all(|pixels| pixels.iter().all(|pixel| *pixel == pixels[0])));
    assert!(levels(luma) > 3);
}

#[test]
fn grey_stays_grey_under_a_posterised_look() {
    let after = restyled("posterise", None, &flat(&Pool::new(), size(64, 36), [120, 128, 128]));
    assert_eq!(means(&after)[1..], [128.0, 128.0]);
}

#[test]
fn effects_are_done_in_the_order_of_the_prompt() {
    let before = scene(&Pool::new(), size(160, 90), 5);
    let first = restyled("edges, invert", None, &before);
    let other = restyled("invert, edges", None, &before);
    // Lines on white against lines on black.
    assert!(means(&first)[0] > 150.0 && means(&other)[0] < 100.0);
    let after = restyled("edges", None, &before);
    assert!(distance(&first, &restyled("invert", None, &after)) <= 1);
}
