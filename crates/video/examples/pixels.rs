//! How long each stage takes: `cargo run --release -p dispatch-video --example pixels`.
//!
//! Each figure is the median processor time over the frames of a moving scene with grain, on one core; other programs
//! disturb it little. The last table is the whole way of a frame (decode, effect, encode), and that as a multiple of
//! decode and encode alone, measured in turns: of the pictures that the effect makes, and of those that came. The two
//! differ where an effect makes pictures that are easier or harder to encode.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::task::Waker;

use rustix::time::{ClockId, clock_gettime};
use video::{
    Aspect, Codec, Decoder, Effect, Encoder, EncoderConfig, Frame, Generator, Output, Pool, Reference,
    Restyle, Scaler, Size, Style,
};

const FRAMES: u32 = 75;

fn main() {
    for (width, height, bitrate) in [(1280, 720, 2_500_000), (640, 360, 1_000_000)] {
        let size = Size::new(width, height).unwrap();
        println!("## {size}\n");
        let pool = Pool::new();
        let scenes: Vec<Frame> = (0..FRAMES).map(|time| scene(&pool, size, time)).collect();

        println!("| stage | ms |\n|---|---|");
        for codec in [Codec::Vp8, Codec::H264] {
            let (encode, packets) = encoded(codec, bitrate, &scenes);
            let mut decoder = Decoder::new(codec, pool.clone());
            let decode = median(packets.iter().map(|packet| time(|| decoder.decode(packet, 0).unwrap())));
            println!("| {codec:?} decode | {decode:.2} |\n| {codec:?} encode | {encode:.2} |");
        }
        for (width, height) in [(408, 234), (640, 360), (960, 540), (1280, 720), (1920, 1080)] {
            let from = Size::new(width, height).unwrap();
            if from == size {
                continue;
            }
            let source = scene(&pool, from, 0);
            let mut scaler = Scaler::new(Aspect::Cover, pool.clone());
            let scale = median((0..FRAMES).map(|_| {
                let frame = source.copy();
                time(|| scaler.scale(frame, size))
            }));
            println!("| scale {from} to {size} | {scale:.2} |");
        }
        let copy = median(scenes.iter().map(|frame| time(|| frame.copy())));
        println!("| copy of a frame | {copy:.2} |");
        let mut rgb = Vec::new();
        let to_rgb = median(scenes.iter().map(|frame| time(|| frame.to_rgb(&mut rgb))));
        let from_rgb = median(scenes.iter().map(|_| time(|| Frame::from_rgb(&pool, size, 0, &rgb).unwrap())));
        println!("| to RGB | {to_rgb:.2} |\n| from RGB | {from_rgb:.2} |");
        let prompts: Vec<&str> = Effect::ALL.iter().map(|effect| effect.name()).collect();
        let more = [
            "blur 200%",
            "an unknown prompt",
            "warm, vivid, contrast, invert",
            "cartoon, blur, warm, mirror",
        ];
        for prompt in prompts.iter().chain(&more) {
            let mut restyle = restyle(prompt);
            let took = median(scenes.iter().map(|frame| {
                let frame = frame.copy();
                time(|| drawn(&mut restyle, frame))
            }));
            println!("| {prompt} | {took:.2} |");
        }

        let mut coloured = Restyle::new();
        coloured.set(Style { prompt: String::new(), image: Some(rainbow()) });
        let took = median(scenes.iter().map(|frame| {
            let frame = frame.copy();
            time(|| drawn(&mut coloured, frame))
        }));
        println!("| an image | {took:.2} |");

        println!(
            "\n| pipeline, of decode and encode of what is made (of what came) | VP8 | H.264 |\n|---|---|---|"
        );
        let streams = [Codec::Vp8, Codec::H264].map(|codec| (codec, encoded(codec, bitrate, &scenes).1));
        for prompt in prompts.iter().chain(&more) {
            let [vp8, h264] = streams
                .each_ref()
                .map(|(codec, packets)| Pipeline::new(*codec, prompt, bitrate, packets).compare());
            println!("| {prompt} | {vp8} | {h264} |");
        }
        println!();
    }
}

/// A stream that is decoded, changed and encoded again; and one that is not changed.
struct Pipeline<'a> {
    packets: &'a [Vec<u8>],
    whole: (Decoder, Restyle, Encoder),
    /// Decodes and encodes what came; decodes what came, and encodes what the effect made of it.
    bare: [(Decoder, Encoder); 2],
}

impl<'a> Pipeline<'a> {
    fn new(codec: Codec, prompt: &str, bitrate: u32, packets: &'a [Vec<u8>]) -> Self {
        let decoder = || Decoder::new(codec, Pool::new());
        let encoder = || Encoder::new(EncoderConfig { bitrate, ..EncoderConfig::new(codec) });
        let whole = (decoder(), restyle(prompt), encoder());
        Self { packets, whole, bare: [(decoder(), encoder()), (decoder(), encoder())] }
    }

    fn compare(mut self) -> String {
        let (mut full, mut bare) = (Vec::new(), [Vec::new(), Vec::new()]);
        let mut packet = Vec::new();
        for (index, data) in self.packets.iter().enumerate() {
            let at = index as u64 * 3600;
            let (decoder, restyle, encoder) = &mut self.whole;
            let mut made = None;
            full.push(time(|| {
                let frame = drawn(restyle, decoder.decode(data, at).unwrap().unwrap());
                encoder.encode(&frame, &mut packet).unwrap();
                made = Some(frame);
            }));
            let shown = [None, made];
            for (((decoder, encoder), shown), times) in self.bare.iter_mut().zip(shown).zip(&mut bare) {
                times.push(time(|| {
                    let frame = decoder.decode(data, at).unwrap().unwrap();
                    encoder.encode(shown.as_ref().unwrap_or(&frame), &mut packet).unwrap()
                }));
            }
        }
        let full = median(full.into_iter());
        let [came, made] = bare.map(|times| full / median(times.into_iter()));
        format!("{full:.2} ms, {made:.2} ({came:.2})")
    }
}

fn restyle(prompt: &str) -> Restyle {
    let mut restyle = Restyle::new();
    restyle.set(Style { prompt: prompt.to_owned(), image: None });
    restyle
}

fn rainbow() -> Reference {
    let picture = image::RgbImage::from_fn(64, 64, |x, y| image::Rgb([x as u8 * 4, y as u8 * 4, 128]));
    let mut file = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut file, image::ImageFormat::Png).unwrap();
    Reference::read(file.into_inner()).unwrap()
}

fn drawn(restyle: &mut Restyle, frame: Frame) -> Frame {
    restyle.submit(frame).unwrap();
    match restyle.poll(Waker::noop()).unwrap() {
        Output::Frame(frame) => frame,
        Output::Dropped { .. } => panic!("nothing is dropped here"),
    }
}

fn encoded(codec: Codec, bitrate: u32, scenes: &[Frame]) -> (f64, Vec<Vec<u8>>) {
    let mut encoder = Encoder::new(EncoderConfig { bitrate, ..EncoderConfig::new(codec) });
    let mut packets = Vec::new();
    let times: Vec<f64> = scenes
        .iter()
        .map(|frame| {
            let mut packet = Vec::new();
            let took = time(|| encoder.encode(frame, &mut packet).unwrap());
            if !packet.is_empty() {
                packets.push(packet);
            }
            took
        })
        .collect();
    (median(times.into_iter()), packets)
}

fn time<T>(work: impl FnOnce() -> T) -> f64 {
    let start = clock_gettime(ClockId::ThreadCPUTime);
    let result = work();
    let end = clock_gettime(ClockId::ThreadCPUTime);
    drop(result);
    (end.tv_sec - start.tv_sec) as f64 * 1e3 + (end.tv_nsec - start.tv_nsec) as f64 / 1e6
}

fn median(times: impl Iterator<Item = f64>) -> f64 {
    let mut times: Vec<f64> = times.collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Something like a camera's picture: soft areas, some hard edges, grain, and a person-sized thing that moves.
fn scene(pool: &Pool, size: Size, time: u32) -> Frame {
    let (width, height) = (size.width() as f32, size.height() as f32);
    let mut frame = pool.frame(size, u64::from(time) * 3600);
    let mut noise = 0x1234_5678_u32.wrapping_add(time);
    let centre = width * (0.3 + 0.004 * time as f32);
    for (index, plane) in frame.planes_mut().into_iter().enumerate() {
        let step = if index == 0 { 1.0 } else { 2.0 };
        for (j, row) in plane.into_rows().enumerate() {
            for (i, pixel) in row.iter_mut().enumerate() {
                let (x, y) = (i as f32 * step, j as f32 * step);
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let (dx, dy) = ((x - centre) / width * 5.0, (y - height * 0.6) / height * 2.5);
                let person = dx * dx + dy * dy < 1.0;
                let value = match index {
                    0 => {
                        let wall = 90.0 + 60.0 * (x / width * 3.0).sin() + 30.0 * (y / height * 4.0).cos();
                        let shelf = if (x / width * 12.0).fract() < 0.1 { -40.0 } else { 0.0 };
                        let light = if person { 60.0 * (1.0 - dx * dx) - 10.0 } else { shelf };
                        wall + light + ((noise >> 24) % 5) as f32
                    }
                    1 => {
                        if person {
                            112.0
                        } else {
                            128.0 + 14.0 * (y / height * 3.0).sin()
                        }
                    }
                    _ => {
                        if person {
                            148.0
                        } else {
                            126.0 + 10.0 * (x / width * 5.0).cos()
                        }
                    }
                };
                *pixel = value.clamp(16.0, 235.0) as u8;
            }
        }
    }
    frame
}
