//! Once a stream runs, no frame costs an allocation: neither decoding nor scaling nor effects nor encoding.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, unsafe_code)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::task::Waker;

use common::{scene, size};
use video::{
    Aspect, Codec, Decoder, Encoder, EncoderConfig, Generator, Output, Pool, Restyle, Scaler, Style,
};

thread_local! {
    /// Of this test alone; other tests run beside it.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is passed on to the system's allocator, with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn decode_scale_restyle_encode() {
    for codec in [Codec::Vp8, Codec::H264] {
        let pool = Pool::new();
        let config = EncoderConfig { bitrate: 600_000, ..EncoderConfig::new(codec) };
        let mut camera = Encoder::new(config);
        let packets: Vec<Vec<u8>> = (0..40)
            .map(|time| {
                let mut packet = Vec::new();
                camera.encode(&scene(&pool, size(104, 59), time), &mut packet).unwrap();
                packet
            })
            .filter(|packet| !packet.is_empty())
            .collect();

        let mut decoder = Decoder::new(codec, pool.clone());
        let mut scaler = Scaler::new(Aspect::Cover, pool.clone());
        let mut restyle = Restyle::new();
        let prompt = "blur, cartoon, pixelate 30%, warm, mirror, posterise, edges, sketch, flip";
        restyle.set(Style { prompt: prompt.to_owned(), image: None });
        let mut encoder = Encoder::new(config);
        let mut packet = Vec::with_capacity(1 << 20);
        let mut after = Vec::with_capacity(packets.len());
        for (time, data) in packets.iter().enumerate() {
            let frame = decoder.decode(data, time as u64 * 3600).unwrap().unwrap();
            restyle.submit(scaler.scale(frame, size(208, 118))).unwrap();
            let Some(Output::Frame(frame)) = restyle.poll(Waker::noop()) else { panic!("no frame") };
            encoder.encode(&frame, &mut packet).unwrap();
            drop(frame);
            after.push(ALLOCATIONS.get());
        }
        assert!(after.len() > 30, "{codec:?}");
        let steady: Vec<usize> = after[5..].windows(2).map(|two| two[1] - two[0]).collect();
        assert_eq!(steady, vec![0; steady.len()], "{codec:?}");
    }
}
