//! Both codecs there and back: quality, sizes, keyframes on request, bitrate, loss.

use std::ops::Range;

use video::{Codec, DecodeError, Decoder, Encoded, Encoder, EncoderConfig, Frame, Pool, Size};

use crate::common::{grainy, psnr, scene, size};

const CODECS: [Codec; 2] = [Codec::Vp8, Codec::H264];

fn encoder(codec: Codec, bitrate: u32) -> Encoder {
    Encoder::new(EncoderConfig { bitrate, ..EncoderConfig::new(codec) })
}

/// The packets of so many frames of the moving scene, with what was said of them.
fn stream(encoder: &mut Encoder, size: Size, times: Range<u32>) -> Vec<(Encoded, Vec<u8>)> {
    stream_of(encoder, times, |pool, time| scene(pool, size, time))
}

fn stream_of(
    encoder: &mut Encoder,
    times: Range<u32>,
    picture: impl Fn(&Pool, u32) -> Frame,
) -> Vec<(Encoded, Vec<u8>)> {
    let pool = Pool::new();
    let mut packets = Vec::new();
    for time in times {
        let mut packet = Vec::new();
        if let Some(encoded) = encoder.encode(&picture(&pool, time), &mut packet).unwrap() {
            packets.push((encoded, packet));
        }
    }
    packets
}

fn bits(packets: &[(Encoded, Vec<u8>)]) -> usize {
    packets.iter().map(|(_, packet)| packet.len() * 8).sum()
}

#[test]
fn pictures_arrive_as_they_were() {
    for codec in CODECS {
        let mut encoder = encoder(codec, 1_500_000);
        let mut decoder = Decoder::new(codec, Pool::new());
        assert_eq!((encoder.codec(), decoder.codec()), (codec, codec));
        let packets = stream(&mut encoder, size(320, 180), 0..25);
        assert_eq!(packets.len(), 25, "{codec:?}");
        for (time, (encoded, packet)) in packets.iter().enumerate() {
            let expected = scene(&Pool::new(), size(320, 180), time as u32);
            let timestamp = expected.timestamp();
            assert_eq!(*encoded, Encoded { keyframe: time == 0, timestamp }, "{codec:?}");
            let frame = decoder.decode(packet, timestamp).unwrap().unwrap();
            let quality = psnr(&frame, &expected);
            assert!(quality > 32.0 && frame.timestamp() == timestamp, "{codec:?} frame {time}: {quality}");
        }
        assert!(!decoder.needs_keyframe());
    }
}

#[test]
fn h264_is_constrained_baseline() {
    let packets = stream(&mut encoder(Codec::H264, 500_000), size(320, 180), 0..1);
    // The sequence parameter set: profile 66, and the flag that makes it constrained.
    let sps = packets[0].1.windows(7).find(|bytes| bytes[..4] == [0, 0, 1, 0x67]).unwrap();
    assert_eq!(sps[4], 66);
    assert_eq!(sps[5] & 0x40, 0x40);
}

#[test]
fn a_keyframe_comes_when_it_is_asked_for() {
    for codec in CODECS {
        let mut encoder = encoder(codec, 800_000);
        stream(&mut encoder, size(320, 180), 0..10);
        encoder.request_keyframe();
        let packets = stream(&mut encoder, size(320, 180), 10..20);
        let keyframes: Vec<bool> = packets.iter().map(|(encoded, _)| encoded.keyframe).collect();
        assert_eq!(keyframes.iter().position(|keyframe| *keyframe), Some(0), "{codec:?}");
        assert_eq!(keyframes.iter().filter(|keyframe| **keyframe).count(), 1, "{codec:?}");
        // Somebody who has just come can begin there.
        let mut decoder = Decoder::new(codec, Pool::new());
        for (_, packet) in &packets {
            assert!(decoder.decode(packet, 0).unwrap().is_some(), "{codec:?}");
        }
    }
}

#[test]
fn a_wish_for_a_keyframe_survives_dropped_frames() {
    for codec in CODECS {
        // Far too few bits, so that frames are dropped.
        let mut encoder = encoder(codec, EncoderConfig::MIN_BITRATE);
        let frame = |pool: &Pool, time| grainy(pool, size(320, 180), time);
        let before = stream_of(&mut encoder, 0..50, frame);
        assert!(before.len() < 50, "{codec:?} dropped nothing");
        encoder.request_keyframe();
        let after = stream_of(&mut encoder, 50..150, frame);
        assert!(after.first().is_some_and(|(encoded, _)| encoded.keyframe), "{codec:?}");
    }
}

#[test]
fn the_bitrate_is_followed() {
    for codec in CODECS {
        let mut encoder = encoder(codec, 800_000);
        let take = |encoder: &mut Encoder, from: u32| {
            let frame = |pool: &Pool, time| grainy(pool, size(320, 180), time);
            // The first second after a change is for settling.
            stream_of(encoder, from..from + 25, frame);
            bits(&stream_of(encoder, from + 25..from + 100, frame)) as f64 / 3.0
        };
        let high = take(&mut encoder, 0);
        encoder.set_bitrate(200_000);
        assert_eq!(encoder.bitrate(), 200_000);
        let low = take(&mut encoder, 100);
        encoder.set_bitrate(800_000);
        let again = take(&mut encoder, 200);
        assert!((600_000.0..1_000_000.0).contains(&high), "{codec:?}: {high}");
        assert!((130_000.0..260_000.0).contains(&low), "{codec:?}: {low}");
        assert!((600_000.0..1_000_000.0).contains(&again), "{codec:?}: {again}");
    }
}

#[test]
fn a_bitrate_out_of_bounds_is_moved_into_them() {
    let mut encoder = encoder(Codec::Vp8, 1);
    assert_eq!(encoder.bitrate(), 30_000);
    encoder.set_bitrate(u32::MAX);
    assert_eq!(encoder.bitrate(), 50_000_000);
    assert!(!stream(&mut encoder, size(64, 64), 0..2).is_empty());
}

#[test]
fn the_size_may_change_in_mid_stream() {
    for codec in CODECS {
        let mut encoder = encoder(codec, 800_000);
        let mut decoder = Decoder::new(codec, Pool::new());
        for (width, height) in [(408, 234), (640, 360), (160, 90), (1088, 624), (408, 234)] {
            let size = size(width, height);
            for (index, (encoded, packet)) in stream(&mut encoder, size, 0..3).iter().enumerate() {
                assert_eq!(encoded.keyframe, index == 0, "{codec:?} {size}");
                let frame = decoder.decode(packet, encoded.timestamp).unwrap().unwrap();
                assert_eq!(frame.size(), size, "{codec:?}");
                assert!(psnr(&frame, &scene(&Pool::new(), size, index as u32)) > 25.0, "{codec:?} {size}");
            }
        }
    }
}

#[test]
fn odd_and_tiny_sizes_are_encoded() {
    for (width, height) in [(1, 1), (3, 2), (17, 33), (101, 55)] {
        let size = size(width, height);
        let packets = stream(&mut encoder(Codec::Vp8, 500_000), size, 0..2);
        let mut decoder = Decoder::new(Codec::Vp8, Pool::new());
        let frame = decoder.decode(&packets[0].1, 0).unwrap().unwrap();
        assert_eq!(frame.size(), size);
    }
    // H.264 has even sides alone, and begins at 16.
    let packets = stream(&mut encoder(Codec::H264, 500_000), size(101, 55), 0..1);
    let frame = Decoder::new(Codec::H264, Pool::new()).decode(&packets[0].1, 0).unwrap().unwrap();
    assert_eq!(frame.size(), size(100, 54));
    let mut encoder = encoder(Codec::H264, 500_000);
    let mut packet = vec![1, 2, 3];
    let error = encoder.encode(&scene(&Pool::new(), size(14, 20), 0), &mut packet).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the H264 encoder failed on a frame of 14x20: H.264 has no pictures below 16x16"
    );
    assert!(packet.is_empty());
    // It goes on with a frame that it can take.
    assert!(stream(&mut encoder, size(64, 64), 0..1)[0].0.keyframe);
}

#[test]
fn timestamps_may_stand_still_or_go_back() {
    for codec in CODECS {
        let mut encoder = encoder(codec, 800_000);
        let mut packet = Vec::new();
        let mut frame = scene(&Pool::new(), size(160, 90), 0);
        for timestamp in [1 << 40, 1 << 40, 0, 5, u64::MAX, 7, u64::MAX / 2] {
            frame.set_timestamp(timestamp);
            if let Some(encoded) = encoder.encode(&frame, &mut packet).unwrap() {
                assert_eq!(encoded.timestamp, timestamp, "{codec:?}");
            }
        }
    }
}

#[test]
fn after_a_loss_it_waits_for_a_keyframe() {
    for codec in CODECS {
        let mut encoder = encoder(codec, 800_000);
        let mut packets = stream(&mut encoder, size(320, 180), 0..10);
        encoder.request_keyframe();
        packets.extend(stream(&mut encoder, size(320, 180), 10..20));
        let mut decoder = Decoder::new(codec, Pool::new());
        assert!(decoder.needs_keyframe());
        for (index, (_, packet)) in packets.iter().enumerate() {
            if index == 5 {
                // This one does not arrive.
                decoder.lost();
                continue;
            }
            let decoded = decoder.decode(packet, 0);
            match index {
                6..10 => {
                    assert_eq!(decoded, Err(DecodeError::NeedsKeyframe), "{codec:?} {index}");
                    assert!(decoder.needs_keyframe());
                }
                _ => {
                    assert!(matches!(decoded, Ok(Some(_))), "{codec:?} {index}: {decoded:?}");
                    assert!(!decoder.needs_keyframe());
                }
            }
        }
    }
}

#[test]
fn a_broken_packet_is_an_error_and_the_next_keyframe_heals() {
    for codec in CODECS {
        let mut encoder = encoder(codec, 800_000);
        let packets = stream(&mut encoder, size(320, 180), 0..5);
        encoder.request_keyframe();
        let keyframe = stream(&mut encoder, size(320, 180), 5..6).remove(0).1;
        let mut decoder = Decoder::new(codec, Pool::new());
        for broken in [&[][..], &keyframe[..keyframe.len() / 10], &[0; 30], &[0xff; 30]] {
            assert!(decoder.decode(&packets[0].1, 0).unwrap().is_some(), "{codec:?}");
            assert!(decoder.decode(broken, 0).is_err(), "{codec:?} took {} bytes", broken.len());
            assert!(decoder.needs_keyframe());
            assert_eq!(decoder.decode(&packets[1].1, 0), Err(DecodeError::NeedsKeyframe), "{codec:?}");
        }
        let frame: Frame = decoder.decode(&keyframe, 0).unwrap().unwrap();
        let expected = scene(&Pool::new(), size(320, 180), 5);
        assert!(psnr(&frame, &expected) > 28.0, "{codec:?}");
    }
}

#[test]
fn a_packet_of_huge_video_is_refused_before_it_takes_memory() {
    let mut decoder = Decoder::new(Codec::Vp8, Pool::new());
    let mut packet = stream(&mut encoder(Codec::Vp8, 800_000), size(64, 64), 0..1).remove(0).1;
    packet[6..10].copy_from_slice(&[0xff, 0x3f, 0xff, 0x3f]);
    assert_eq!(decoder.decode(&packet, 0), Err(DecodeError::TooLarge { width: 16383, height: 16383 }));
    packet[6..10].copy_from_slice(&[0, 0, 10, 0]);
    assert!(matches!(decoder.decode(&packet, 0), Err(DecodeError::Corrupt(_))));
}

#[test]
fn codecs_move_between_threads_of_the_system() {
    fn check<T: Send>() {}
    check::<Encoder>();
    check::<Decoder>();
    check::<Frame>();
}

#[test]
#[cfg(all(static_vpx, target_os = "linux"))]
fn no_shared_library_of_libvpx_is_loaded() {
    stream(&mut encoder(Codec::Vp8, 800_000), size(64, 64), 0..1);
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    assert!(maps.contains("libc") && !maps.contains("libvpx"));
}
