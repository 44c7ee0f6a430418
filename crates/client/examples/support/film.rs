//! Pictures of one colour, as a file.

use std::io::Write;
use std::path::Path;

/// Writes a film of grey pictures, so many a second and ten altogether.
pub(crate) fn write(path: &Path, (width, height): (usize, usize), fps: u32, grey: u8) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    writeln!(file, "YUV4MPEG2 W{width} H{height} F{fps}:1 Ip A1:1 C420jpeg")?;
    for _ in 0..10 {
        file.write_all(b"FRAME\n")?;
        file.write_all(&vec![grey; width * height])?;
        file.write_all(&vec![128; 2 * width.div_ceil(2) * height.div_ceil(2)])?;
    }
    file.flush()
}
