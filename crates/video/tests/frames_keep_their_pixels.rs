//! Frames, their memory, and the way to RGB and back.

use video::{Frame, Pool};

use crate::common::{distance, flat, psnr, restyled, scene, size};

#[test]
fn planes_are_half_as_large_rounded_up() {
    let frame = Pool::new().frame(size(101, 55), 42);
    let sizes = frame.planes().map(|plane| (plane.width(), plane.height(), plane.rows().len()));
    assert_eq!(sizes, [(101, 55, 55), (51, 28, 28), (51, 28, 28)]);
    assert_eq!(frame.timestamp(), 42);
    assert!(
        frame.planes().iter().all(|plane| plane.stride() % 32 == 0 && plane.row(0).len() == plane.width())
    );
    assert_eq!(format!("{frame:?}"), "Frame(101x55 at 42)");
}

#[test]
fn a_copy_is_equal_and_apart() {
    let frame = scene(&Pool::new(), size(31, 17), 3);
    let mut copy = frame.copy();
    assert_eq!(copy, frame);
    copy.planes_mut()[2].clear(1);
    assert_ne!(copy, frame);
    let mut later = frame.copy();
    later.set_timestamp(1);
    assert_ne!(later, frame);
}

#[test]
fn a_picture_with_other_rows_is_copied_without_what_lies_between_them() {
    let source = scene(&Pool::new(), size(33, 21), 3);
    let wide: Vec<Vec<u8>> = source
        .planes()
        .iter()
        .map(|plane| plane.rows().flat_map(|row| row.iter().copied().chain([7; 5])).collect())
        .collect();
    let mut frame = flat(source.pool(), source.size(), [0, 0, 0]);
    frame.set_timestamp(source.timestamp());
    frame.fill([(&wide[0], 38), (&wide[1], 22), (&wide[2], 22)]);
    assert_eq!(frame, source);
    // Too little is no reason to fail.
    frame.fill([(&wide[0][..50], 38), (&[], 22), (&wide[2][..3], 22)]);
    assert_eq!(frame, source);
}

#[test]
fn memory_is_used_again() {
    let pool = Pool::new();
    let first = pool.frame(size(64, 64), 0);
    let address = first.planes()[0].data().as_ptr();
    drop(first);
    assert_eq!(format!("{pool:?}"), "Pool { idle: 1 }");
    let again = pool.frame(size(64, 64), 1);
    assert_eq!(again.planes()[0].data().as_ptr(), address);
    assert_eq!(format!("{pool:?}"), "Pool { idle: 0 }");
    // A burst is given back to the system.
    let many: Vec<Frame> = (0..20).map(|time| pool.frame(size(64, 64), time)).collect();
    drop((many, again));
    assert_eq!(format!("{pool:?}"), "Pool { idle: 8 }");
}

#[test]
fn rgb_and_back_is_the_same_picture() {
    let pool = Pool::new();
    for (width, height) in [(320, 180), (101, 55), (1, 1), (2, 3)] {
        // Smooth, because RGB goes to colour planes of half the size.
        let frame = restyled("blur 4, grey", None, &scene(&pool, size(width, height), 0));
        let mut rgb = Vec::new();
        frame.to_rgb(&mut rgb);
        assert_eq!(rgb.len() as u32, width * height * 3);
        let back = Frame::from_rgb(&pool, frame.size(), frame.timestamp(), &rgb).unwrap();
        assert!(psnr(&frame, &back) > 45.0 && distance(&frame, &back) <= 3, "{width}x{height}");
        assert_eq!(Frame::from_rgb(&pool, frame.size(), 0, &rgb[1..]), None);
    }
    let mut rgb = Vec::new();
    for (colour, expected) in
        [([235, 128, 128], [255, 255, 255]), ([16, 128, 128], [0, 0, 0]), ([81, 90, 240], [254, 0, 0])]
    {
        flat(&pool, size(2, 2), colour).to_rgb(&mut rgb);
        let near = rgb[..3].iter().zip(expected).all(|(&is, expected): (&u8, u8)| is.abs_diff(expected) <= 2);
        assert!(near, "{colour:?} is {:?}", &rgb[..3]);
    }
}
