//! Moving pictures to send, encoded beforehand: a sender that encodes would be measured with what it sends to.

use std::sync::Arc;

use video::{Codec, EncodeError, Encoder, EncoderConfig, Frame, Pool, Size};

use super::Stamp;

/// How many different grains there are.
const GRAINS: usize = 4;

/// Stamped moving pictures, encoded with VP8. Every second begins with a keyframe.
#[derive(Clone)]
pub struct Clip {
    size: Size,
    fps: u32,
    pictures: Vec<Picture>,
}

/// One encoded picture.
#[derive(Clone)]
pub(super) struct Picture {
    pub(super) data: Arc<[u8]>,
    pub(super) keyframe: bool,
}

impl Clip {
    /// Draws and encodes so many seconds, at least one, with so many pictures each. The size is at least 96 × 16, for
    /// what is smaller has no legible stamp. The pictures' numbers count from 0.
    ///
    /// # Panics
    /// When the encoder fails, which it does without memory.
    #[expect(clippy::expect_used, reason = "as it says")]
    pub fn new(size: Size, fps: u32, seconds: u32) -> Self {
        let fps = fps.max(1);
        let mut scene = Scene::new(size);
        // A tenth of a bit for each pixel, as cameras send it.
        let mut bitrate = (size.width() * size.height() * fps / 10).max(200_000);
        let pictures = loop {
            let pictures = encoded(&mut scene, fps, fps * seconds.max(1), bitrate);
            match pictures.expect("libvpx encodes pictures of the sizes that there are") {
                Some(pictures) => break pictures,
                // Some were left out to keep within the rate.
                None => bitrate *= 2,
            }
        };
        Self { size, fps, pictures }
    }

    /// Of the pictures.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Pictures a second.
    pub fn fps(&self) -> u32 {
        self.fps
    }

    /// How many pictures there are.
    pub fn len(&self) -> u32 {
        self.pictures.len() as u32
    }

    /// Never: there is a second at least.
    pub fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }

    /// Bits per second.
    pub fn bitrate(&self) -> f64 {
        let bytes: usize = self.pictures.iter().map(|picture| picture.data.len()).sum();
        bytes as f64 * 8.0 * f64::from(self.fps) / self.pictures.len() as f64
    }

    pub(super) fn picture(&self, number: u32) -> &Picture {
        &self.pictures[number as usize % self.pictures.len()]
    }

    /// The first keyframe from that picture on, around the end.
    pub(super) fn keyframe_from(&self, number: u32) -> u32 {
        (number..number + self.len())
            .map(|number| number % self.len())
            .find(|number| self.picture(*number).keyframe)
            .unwrap_or(0)
    }
}

impl std::fmt::Debug for Clip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clip({}, {} pictures, {} a second)", self.size, self.pictures.len(), self.fps)
    }
}

/// None when the encoder left one out.
fn encoded(
    scene: &mut Scene,
    fps: u32,
    count: u32,
    bitrate: u32,
) -> Result<Option<Vec<Picture>>, EncodeError> {
    let mut encoder = Encoder::new(EncoderConfig { bitrate, fps, ..EncoderConfig::new(Codec::Vp8) });
    let mut pictures = Vec::new();
    let mut packet = Vec::new();
    for number in 0..count {
        let frame = scene.draw(number, u64::from(number) * video::CLOCK / u64::from(fps));
        if number % fps == 0 {
            encoder.request_keyframe();
        }
        let Some(encoded) = encoder.encode(&frame, &mut packet)? else { return Ok(None) };
        pictures.push(Picture { data: packet.as_slice().into(), keyframe: encoded.keyframe });
    }
    Ok(Some(pictures))
}

/// Something like what a camera sees that is moved: soft areas, some hard edges, grain, and a thing that moves by
/// itself.
struct Scene {
    size: Size,
    pool: Pool,
    /// For each grain the three planes, half as wide again as the picture.
    walls: Vec<[Vec<u8>; 3]>,
}

impl Scene {
    fn new(size: Size) -> Self {
        let pool = Pool::new();
        let dimensions = pool.frame(size, 0).planes().map(|plane| (wide(plane.width()), plane.height()));
        let mut random = fastrand::Rng::with_seed(7);
        let walls = (0..GRAINS)
            .map(|_| {
                std::array::from_fn(|plane| {
                    let (width, height) = dimensions[plane];
                    wall(plane, width, height, &mut random)
                })
            })
            .collect();
        Self { size, pool, walls }
    }

    fn draw(&mut self, number: u32, timestamp: u64) -> Frame {
        let mut frame = self.pool.frame(self.size, timestamp);
        let walls = &self.walls[number as usize % GRAINS];
        let (width, height) = (self.size.width() as usize, self.size.height() as usize);
        let time = number as usize;
        // To and fro, by two pixels a picture.
        let room = width / 2;
        let shift = match (2 * time) % (2 * room).max(1) {
            there if there < room => there,
            back => 2 * room - back,
        };
        for (index, (plane, wall)) in frame.planes_mut().into_iter().zip(walls).enumerate() {
            let halves = usize::from(index > 0);
            let shift = shift >> halves;
            let wide = wide(plane.width());
            for (row, from) in plane.into_rows().zip(wall.chunks_exact(wide)) {
                row.copy_from_slice(&from[shift..shift + row.len()]);
            }
        }
        let (side, left) = (height / 5, (5 * time) % width.saturating_sub(height / 5).max(1));
        for (plane, value) in frame.planes_mut().into_iter().zip([200, 110, 150]) {
            let halves = usize::from(value != 200);
            for row in plane.into_rows().skip((height / 10) >> halves).take(side >> halves) {
                let end = ((left + side) >> halves).min(row.len());
                row[(left >> halves).min(end)..end].fill(value);
            }
        }
        Stamp::draw(&mut frame, number);
        frame
    }
}

fn wide(width: usize) -> usize {
    width + width / 2
}

fn wall(plane: usize, width: usize, height: usize, random: &mut fastrand::Rng) -> Vec<u8> {
    let waves = |count: usize, times: f32| (0..count).map(move |at| (at as f32 / count as f32 * times).sin());
    let across: Vec<f32> = waves(width, 9.0).collect();
    let mut pixels = Vec::with_capacity(width * height);
    for down in waves(height, 4.0) {
        for (x, across) in across.iter().enumerate() {
            let value = if plane == 0 {
                let shelf = if x * 12 % width < width / 10 { -40.0 } else { 0.0 };
                110.0 + 50.0 * across + 25.0 * down + shelf
            } else {
                128.0 + 14.0 * if plane == 1 { down } else { *across }
            };
            let grain = if plane == 0 { random.u8(0..5) } else { 0 };
            pixels.push(value.clamp(16.0, 230.0) as u8 + grain);
        }
    }
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::realtime::Look;

    #[test]
    fn a_clip_has_its_pictures_and_a_keyframe_each_second() {
        let clip = Clip::new(Size::new(320, 180).unwrap(), 10, 3);
        let mut decoder = video::Decoder::new(Codec::Vp8, Pool::new());
        assert_eq!(clip.len(), 30);
        for number in 0..30 {
            let picture = clip.picture(number);
            let frame = decoder.decode(&picture.data, 0).unwrap().unwrap();
            assert_eq!(Stamp::read(&frame), Some(Stamp { number, look: Look::Plain }));
            assert!(number % 10 != 0 || picture.keyframe, "{number}");
        }
        assert_eq!([0, 1, 10, 21].map(|number| clip.keyframe_from(number)), [0, 10, 10, 0]);
    }
}
