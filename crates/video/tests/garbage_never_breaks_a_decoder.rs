//! Whatever bytes come, a decoder answers with a frame, nothing or an error, and works again afterwards.

use std::sync::OnceLock;

use proptest::prelude::*;
use video::{Codec, Decoder, Encoder, EncoderConfig, Pool};

use crate::common::{scene, size};

/// A keyframe and some packets after it.
fn packets(codec: Codec) -> &'static [Vec<u8>] {
    static PACKETS: [OnceLock<Vec<Vec<u8>>>; 2] = [OnceLock::new(), OnceLock::new()];
    PACKETS[usize::from(codec == Codec::H264)].get_or_init(|| {
        let mut encoder = Encoder::new(EncoderConfig { bitrate: 400_000, ..EncoderConfig::new(codec) });
        let frames = (0..6).map(|time| scene(&Pool::new(), size(160, 90), time));
        frames
            .map(|frame| {
                let mut packet = Vec::new();
                encoder.encode(&frame, &mut packet).unwrap();
                packet
            })
            .filter(|packet| !packet.is_empty())
            .collect()
    })
}

/// What may happen to a packet on its way.
#[derive(Clone, Debug)]
enum Harm {
    None,
    Lost,
    /// Without word of it to the decoder.
    Missing,
    Cut(prop::sample::Index),
    Bytes(Vec<(prop::sample::Index, u8)>),
    Other(Vec<u8>),
    /// The beginning of the packet, and then something else.
    Tail(prop::sample::Index, Vec<u8>),
}

fn harm() -> impl Strategy<Value = Harm> {
    let garbage = || proptest::collection::vec(any::<u8>(), 0..400);
    prop_oneof![
        3 => Just(Harm::None),
        1 => Just(Harm::Lost),
        1 => Just(Harm::Missing),
        1 => any::<prop::sample::Index>().prop_map(Harm::Cut),
        3 => proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12).prop_map(Harm::Bytes),
        1 => garbage().prop_map(Harm::Other),
        1 => (any::<prop::sample::Index>(), garbage()).prop_map(|(at, tail)| Harm::Tail(at, tail)),
    ]
}

fn harmed(codec: Codec, harms: &[(usize, Harm)]) {
    let packets = packets(codec);
    let pool = Pool::new();
    let mut decoder = Decoder::new(codec, pool);
    for (index, harm) in harms {
        let mut packet = packets[index % packets.len()].clone();
        match harm {
            Harm::None => {}
            Harm::Lost => {
                decoder.lost();
                continue;
            }
            Harm::Missing => continue,
            Harm::Cut(at) => packet.truncate(at.index(packet.len())),
            Harm::Bytes(bytes) => bytes.iter().for_each(|(at, value)| {
                let at = at.index(packet.len());
                packet[at] = *value;
            }),
            Harm::Other(other) => packet.clone_from(other),
            Harm::Tail(at, tail) => {
                packet.truncate(at.index(packet.len()));
                packet.extend_from_slice(tail);
            }
        }
        if decoder.decode(&packet, 0).is_err() {
            assert!(decoder.needs_keyframe());
        }
    }
    let frame = decoder.decode(&packets[0], 9);
    // A parameter set that was harmed and accepted can make the next picture an error, but never the one after it.
    let frame = frame.or_else(|_| decoder.decode(&packets[0], 9)).unwrap().unwrap();
    assert_eq!((frame.size(), frame.timestamp()), (size(160, 90), 9));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn vp8(harms in proptest::collection::vec((0..6_usize, harm()), 1..12)) {
        harmed(Codec::Vp8, &harms);
    }

    #[test]
    fn h264(harms in proptest::collection::vec((0..6_usize, harm()), 1..12)) {
        harmed(Codec::H264, &harms);
    }

    #[test]
    fn a_keyframe_header_before_garbage(
        width in 0_u16..600,
        height in 0_u16..600,
        rest in proptest::collection::vec(any::<u8>(), 0..600),
        first in any::<[u8; 3]>(),
    ) {
        let [w, h] = [width, height].map(u16::to_le_bytes);
        let mut packet = vec![first[0] & !1, first[1], first[2], 0x9d, 1, 0x2a, w[0], w[1], h[0], h[1]];
        packet.extend(rest);
        let mut decoder = Decoder::new(Codec::Vp8, Pool::new());
        let _ = decoder.decode(&packet, 0);
        let _ = decoder.decode(&packet, 0);
    }
}
