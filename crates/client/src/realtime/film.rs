//! Pictures from a file, where there is no camera.

use std::io::SeekFrom;
use std::path::Path;
use std::time::Duration;

use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, BufReader};
use tokio::time::{Instant, MissedTickBehavior};
use video::{CLOCK, Frame, Pool, Size, SizeError};

use super::camera::Camera;

/// Of the header of the file, or of a picture.
const LONGEST_LINE: u64 = 1024;

/// Moving pictures in a file of the format Y4M, which [`ffmpeg`](https://ffmpeg.org) makes of any other:
/// `ffmpeg -i clip.mp4 -vf scale=1280:-2 -pix_fmt yuv420p clip.y4m`.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use client::realtime::{Camera, Film};
///
/// let mut film = Film::open("clip.y4m").await?;
/// let camera = Camera::new(film.fps())?;
/// let playing = camera.clone();
/// tokio::spawn(async move { film.play_over_and_over(&playing).await });
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Film {
    file: BufReader<File>,
    size: Size,
    /// Pictures in so many seconds.
    rate: (u64, u64),
    /// Where the first picture begins.
    begin: u64,
    pool: Pool,
    /// How many pictures there were, from the first one of the first time.
    count: u64,
    bytes: Vec<u8>,
}

/// Why a file cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum FilmError {
    /// It cannot be read.
    #[error("the file cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// It is of another format.
    #[error("the file is not of the format Y4M: {0}")]
    NotY4m(&'static str),
    /// Its pictures are too large, or too small.
    #[error(transparent)]
    Size(#[from] SizeError),
    /// Its pixels are of another kind.
    #[error(
        "pixels of the kind `{0}` cannot be played; make them 4:2:0 of 8 bits (`ffmpeg -pix_fmt yuv420p`)"
    )]
    Pixels(String),
    /// It ends in the middle of a picture.
    #[error("the file ends in the middle of picture {0}")]
    Cut(u64),
    /// It has no pictures.
    #[error("the file has no pictures")]
    Empty,
}

impl Film {
    /// Reads the header.
    ///
    /// # Errors
    /// When it is no file that can be played.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, FilmError> {
        let mut file = BufReader::new(File::open(path).await?);
        let header = line(&mut file).await?.ok_or(FilmError::Empty)?;
        let Header { size, rate } = Header::read(&header)?;
        let begin = header.len() as u64 + 1;
        Ok(Self { file, size, rate, begin, pool: Pool::new(), count: 0, bytes: Vec::new() })
    }

    /// The size of its pictures.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Pictures a second, rounded up.
    pub fn fps(&self) -> u32 {
        let (pictures, seconds) = self.rate;
        u32::try_from(pictures.div_ceil(seconds)).unwrap_or(u32::MAX)
    }

    /// The next picture, with its time; none at the end.
    ///
    /// # Errors
    /// When the file cannot be read, or ends in the middle of a picture.
    pub async fn next(&mut self) -> Result<Option<Frame>, FilmError> {
        let Some(header) = line(&mut self.file).await? else { return Ok(None) };
        if !(header == "FRAME" || header.starts_with("FRAME ")) {
            return Err(FilmError::NotY4m("a picture does not begin with FRAME"));
        }
        let (width, height) = (self.size.width() as usize, self.size.height() as usize);
        let half = width.div_ceil(2);
        let (whole, quarter) = (width * height, half * height.div_ceil(2));
        self.bytes.resize(whole + 2 * quarter, 0);
        match self.file.read_exact(&mut self.bytes).await {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(FilmError::Cut(self.count + 1));
            }
            read => read?,
        };
        let mut frame = self.pool.frame(self.size, self.time(self.count));
        let (luma, colours) = self.bytes.split_at(whole);
        let (blue, red) = colours.split_at(quarter);
        frame.fill([(luma, width), (blue, half), (red, half)]);
        self.count += 1;
        Ok(Some(frame))
    }

    /// Shows all pictures that are left to a camera, each at its time. Returns after the last one.
    ///
    /// # Errors
    /// As [`Film::next`].
    pub async fn play(&mut self, camera: &Camera) -> Result<(), FilmError> {
        let (pictures, seconds) = self.rate;
        let period = Duration::from_secs_f64(seconds as f64 / pictures as f64);
        // The first one when the one before it is over, if there was one.
        let begin = Instant::now() + if self.count == 0 { Duration::ZERO } else { period };
        let mut ticks = tokio::time::interval_at(begin, period);
        // What is late is not made up for: a camera would not, either.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while let Some(frame) = self.next().await? {
            ticks.tick().await;
            camera.show(frame);
        }
        Ok(())
    }

    /// As [`Film::play`], from the beginning again whenever it is over: for as long as somebody waits for it.
    ///
    /// # Errors
    /// As [`Film::next`], and when there are no pictures. It returns for no other reason.
    pub async fn play_over_and_over(&mut self, camera: &Camera) -> Result<(), FilmError> {
        self.play(camera).await?;
        loop {
            let before = self.count;
            self.file.seek(SeekFrom::Start(self.begin)).await?;
            self.play(camera).await?;
            if self.count == before {
                return Err(FilmError::Empty);
            }
        }
    }

    /// When a picture is due, in ticks of the clock of frames. They go on over the end.
    fn time(&self, number: u64) -> u64 {
        let (pictures, seconds) = self.rate;
        let ticks = u128::from(number) * u128::from(CLOCK) * u128::from(seconds) / u128::from(pictures);
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }
}

struct Header {
    size: Size,
    rate: (u64, u64),
}

impl Header {
    fn read(line: &str) -> Result<Self, FilmError> {
        let mut words = line.split(' ');
        if words.next() != Some("YUV4MPEG2") {
            return Err(FilmError::NotY4m("it does not begin with YUV4MPEG2"));
        }
        let (mut width, mut height, mut rate) = (None, None, None);
        for word in words.filter(|word| !word.is_empty()) {
            let (kind, value) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
            match kind {
                "W" => width = value.parse().ok(),
                "H" => height = value.parse().ok(),
                "F" => rate = ratio(value),
                // Which is 4:2:0 of 8 bits in several positions, `420p10` and the like are not.
                "C" if !matches!(value, "420" | "420jpeg" | "420mpeg2" | "420paldv") => {
                    return Err(FilmError::Pixels(value.to_owned()));
                }
                _ => {}
            }
        }
        let (Some(width), Some(height)) = (width, height) else {
            return Err(FilmError::NotY4m("it has no width and height"));
        };
        let rate =
            rate.ok_or(FilmError::NotY4m("it does not say how many pictures there are in a second"))?;
        Ok(Self { size: Size::new(width, height)?, rate })
    }
}

/// Both at least 1, and not more than 1,000 a second.
fn ratio(text: &str) -> Option<(u64, u64)> {
    let (pictures, seconds) = text.split_once(':')?;
    let (pictures, seconds) = (pictures.parse::<u64>().ok()?, seconds.parse::<u64>().ok()?);
    (pictures > 0 && seconds > 0 && pictures / seconds <= 1_000 && seconds / pictures <= 1_000)
        .then_some((pictures, seconds))
}

/// A line without its end; none at the end of the file.
async fn line(file: &mut BufReader<File>) -> Result<Option<String>, FilmError> {
    let mut line = Vec::new();
    let length = file.take(LONGEST_LINE).read_until(b'\n', &mut line).await?;
    if length == 0 {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        return Err(FilmError::NotY4m("a line has no end"));
    }
    String::from_utf8(line).map(Some).map_err(|_| FilmError::NotY4m("a line is no text"))
}
