//! The web app, built and compressed, in the binary.
//!
//! The build script builds it from `app/` in the checkout; see `build.rs` for how another one, or none, is chosen. A server
//! without the app has a page in its place that says how to get it: [`is_built`] tells them apart.

use std::io::Read as _;

use flate2::read::GzDecoder;

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// The page that every address of the app is answered with.
const INDEX: &str = "index.html";

/// Where all other files are.
const ASSETS: &str = "assets/";

/// A file of the app.
#[derive(Debug, PartialEq, Eq)]
pub struct File {
    name: &'static str,
    /// For the header `Content-Type`.
    pub content_type: &'static str,
    /// For the header `ETag`. A weak one: it is the same for the file and its compressed form.
    pub etag: &'static str,
    /// What the file has in it, compressed with gzip.
    pub gzipped: &'static [u8],
}

impl File {
    /// What the file has in it.
    pub fn content(&self) -> Vec<u8> {
        let mut content = Vec::with_capacity(self.gzipped.len() * 4);
        // What the build script compressed can be read.
        let read = GzDecoder::new(self.gzipped).read_to_end(&mut content);
        debug_assert!(read.is_ok());
        content
    }
}

/// The page.
pub fn index() -> &'static File {
    const EMPTY: &File =
        &File { name: INDEX, content_type: "text/html; charset=utf-8", etag: "W/\"\"", gzipped: &[] };
    find(INDEX).unwrap_or(EMPTY)
}

/// The file of that name below `/assets/`. Another content has another name.
pub fn asset(name: &str) -> Option<&'static File> {
    find(&format!("{ASSETS}{name}"))
}

/// Whether the app is here, and not the page in its place.
pub fn is_built() -> bool {
    FILES.iter().any(|file| file.name.starts_with(ASSETS))
}

fn find(name: &str) -> Option<&'static File> {
    let place = FILES.binary_search_by_key(&name, |file| file.name).ok()?;
    FILES.get(place)
}
