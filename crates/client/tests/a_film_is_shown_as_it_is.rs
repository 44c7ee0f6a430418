//! [`client::realtime::Film`].
use client::realtime::{Camera, Film, FilmError};
use client::video::{CLOCK, Size};

/// A picture of that size in which each plane has one value.
fn picture(width: usize, height: usize, values: [u8; 3]) -> Vec<u8> {
    let colour = width.div_ceil(2) * height.div_ceil(2);
    let sizes = [width * height, colour, colour];
    let planes = values.into_iter().zip(sizes).flat_map(|(value, size)| vec![value; size]);
    b"FRAME\n".iter().copied().chain(planes).collect()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    async fn open(&self, bytes: &[u8]) -> Result<Film, FilmError> {
        let path = self.0.path().join("film.y4m");
        std::fs::write(&path, bytes).unwrap();
        Film::open(path).await
    }
}

fn film(header: &str, pictures: &[Vec<u8>]) -> Vec<u8> {
    [format!("{header}\n").into_bytes(), pictures.concat()].concat()
}

#[tokio::test]
async fn each_picture_with_its_pixels_and_its_time() {
    let folder = Folder::new();
    let pictures = [picture(5, 3, [10, 20, 30]), picture(5, 3, [40, 50, 60])];
    let bytes = film("YUV4MPEG2 W5 H3 F30000:1001 Ip A1:1 C420jpeg XYSCSS=420JPEG", &pictures);
    let mut film = folder.open(&bytes).await.unwrap();
    assert_eq!((film.size(), film.fps()), (Size::new(5, 3).unwrap(), 30));
    for (time, values) in [(0, [10, 20, 30]), (CLOCK * 1001 / 30_000, [40, 50, 60])] {
        let frame = film.next().await.unwrap().unwrap();
        assert_eq!((frame.size(), frame.timestamp()), (film.size(), time));
        for (plane, value) in frame.planes().into_iter().zip(values) {
            assert!(plane.rows().all(|row| row.iter().all(|pixel| *pixel == value)));
        }
    }
    assert!(film.next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_camera_is_shown_it_to_the_end_and_again_and_again() {
    let folder = Folder::new();
    let bytes = film("YUV4MPEG2 W2 H2 F500:1", &[picture(2, 2, [1, 2, 3]), picture(2, 2, [1, 2, 3])]);
    let mut film = folder.open(&bytes).await.unwrap();
    let camera = Camera::new(film.fps()).unwrap();
    film.play(&camera).await.unwrap();
    assert!(film.next().await.unwrap().is_none());
    let playing = film.play_over_and_over(&camera);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(50), playing).await.is_err());
    let mut empty = folder.open(b"YUV4MPEG2 W2 H2 F25:1\n").await.unwrap();
    assert!(matches!(empty.play_over_and_over(&camera).await, Err(FilmError::Empty)));
}

#[tokio::test]
async fn what_is_no_film_is_refused_by_name() {
    let folder = Folder::new();
    let refused = async |bytes: &[u8]| match folder.open(bytes).await {
        Ok(mut film) => film.next().await.unwrap_err().to_string(),
        Err(error) => error.to_string(),
    };
    let cases: [(&[u8], &str); 12] = [
        (b"", "the file has no pictures"),
        (b"RIFF\n", "the file is not of the format Y4M: it does not begin with YUV4MPEG2"),
        (b"YUV4MPEG2 W2 H2 F25:1", "the file is not of the format Y4M: a line has no end"),
        (b"\xff\xfe\n", "the file is not of the format Y4M: a line is no text"),
        (b"YUV4MPEG2 W2 F25:1\n", "the file is not of the format Y4M: it has no width and height"),
        (b"YUV4MPEG2 W-2 H2 F25:1\n", "the file is not of the format Y4M: it has no width and height"),
        (
            b"YUV4MPEG2 W2 H2\n",
            "the file is not of the format Y4M: it does not say how many pictures there are in a second",
        ),
        (
            b"YUV4MPEG2 W2 H2 F25:0\n",
            "the file is not of the format Y4M: it does not say how many pictures there are in a second",
        ),
        (
            b"YUV4MPEG2 W2 H2 F25:1 C444\n",
            "pixels of the kind `444` cannot be played; make them 4:2:0 of 8 bits (`ffmpeg -pix_fmt yuv420p`)",
        ),
        (
            b"YUV4MPEG2 W99999 H2 F25:1\n",
            "a picture of 99999x2 pixels: sides go from 1 to 4096, and there are at most 8294400 pixels",
        ),
        (b"YUV4MPEG2 W2 H2 F25:1\nFRAME\n12345", "the file ends in the middle of picture 1"),
        (
            b"YUV4MPEG2 W2 H2 F25:1\nFRAMES\n123456",
            "the file is not of the format Y4M: a picture does not begin with FRAME",
        ),
    ];
    for (bytes, message) in cases {
        assert_eq!(refused(bytes).await, message);
    }
    assert!(refused(&vec![b'x'; 5_000]).await.contains("a line has no end"));
    let missing = Film::open(folder.0.path().join("missing.y4m")).await.unwrap_err();
    assert!(matches!(&missing, FilmError::Unreadable(error) if error.kind() == std::io::ErrorKind::NotFound));
}
