//! The files of a built app, as a source file of the crate.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// The folder of all files but the page.
const ASSETS: &str = "assets/";

/// A file of the app.
pub(crate) struct Embedded {
    /// With slashes, from the folder on.
    pub(crate) name: String,
    pub(crate) content_type: &'static str,
    /// The beginning of the hash of its content.
    pub(crate) hash: String,
    pub(crate) gzipped: Vec<u8>,
}

/// All files of a folder, in the order of their names.
pub(crate) fn files(folder: &Path) -> io::Result<Vec<Embedded>> {
    let mut names = Vec::new();
    collect(folder, "", &mut names)?;
    names.sort();
    if let Some(name) = names.iter().find(|name| !is_sent(name)) {
        return Err(io::Error::other(format!(
            "the server sends the page and what is in {ASSETS}, and so nobody could get {name}"
        )));
    }
    names.into_iter().map(|name| read(folder, name)).collect()
}

/// Whether there is an address that is answered with the file.
fn is_sent(name: &str) -> bool {
    name == "index.html" || name.strip_prefix(ASSETS).is_some_and(|name| !name.contains('/'))
}

fn collect(folder: &Path, prefix: &str, names: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{name}/"), names)?;
        } else {
            names.push(name);
        }
    }
    Ok(())
}

fn read(folder: &Path, name: String) -> io::Result<Embedded> {
    let content = fs::read(folder.join(&name))?;
    let hash = Sha256::digest(&content).iter().take(16).fold(String::new(), |mut hash, byte| {
        let _ = write!(hash, "{byte:02x}");
        hash
    });
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&content)?;
    Ok(Embedded { content_type: content_type(&name)?, gzipped: encoder.finish()?, name, hash })
}

fn content_type(name: &str) -> io::Result<&'static str> {
    Ok(match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        _ => {
            return Err(io::Error::other(format!(
                "nobody said what kind of file {name} is: see crates/app/build"
            )));
        }
    })
}

/// Writes the files to a folder, and beside them `files.rs`, which has them all in it.
pub(crate) fn write(files: &[Embedded], out: &Path) -> io::Result<()> {
    let folder = out.join("gzipped");
    fs::create_dir_all(&folder)?;
    let mut source = String::from("const FILES: &[File] = &[\n");
    for Embedded { name, content_type, hash, gzipped } in files {
        let file = folder.join(hash);
        fs::write(&file, gzipped)?;
        let etag = format!("W/\"{hash}\"");
        let _ = writeln!(
            source,
            "File {{ name: {name:?}, content_type: {content_type:?}, etag: {etag:?}, gzipped: include_bytes!({file:?}) }},"
        );
    }
    source.push_str("];\n");
    fs::write(out.join("files.rs"), source)
}
