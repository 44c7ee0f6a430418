//! The build script: which app it takes, and what becomes of its files.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../build/embed.rs"]
mod embed;
#[path = "../build/source.rs"]
mod source;

use std::fs;
use std::io::Read as _;
use std::path::Path;

use flate2::read::GzDecoder;
use source::Source;
use tempfile::TempDir;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }
    folder
}

fn inflated(gzipped: &[u8]) -> String {
    let mut content = String::new();
    GzDecoder::new(gzipped).read_to_string(&mut content).unwrap();
    content
}

/// Why there is no app.
fn failure(source: Source) -> String {
    match source {
        Source::Failed(why) => why,
        Source::Checkout(folder) | Source::Elsewhere(folder) => {
            panic!("there is one in {}", folder.display())
        }
        Source::None => panic!("none is wanted"),
    }
}

#[test]
fn every_file_is_there_compressed_with_its_kind_and_hash() {
    let app = folder(&[
        ("index.html", "<p>"),
        ("assets/b.js", "1"),
        ("assets/a.css", "a{}"),
        ("assets/i.svg", "<svg/>"),
    ]);
    let files = embed::files(app.path()).unwrap();
    let found: Vec<_> =
        files.iter().map(|file| (file.name.as_str(), file.content_type, inflated(&file.gzipped))).collect();
    assert_eq!(
        found,
        [
            ("assets/a.css", "text/css; charset=utf-8", "a{}".to_owned()),
            ("assets/b.js", "text/javascript; charset=utf-8", "1".to_owned()),
            ("assets/i.svg", "image/svg+xml", "<svg/>".to_owned()),
            ("index.html", "text/html; charset=utf-8", "<p>".to_owned()),
        ]
    );
    assert_eq!(files[1].hash, "6b86b273ff34fce19d6b804eff5a3f57");
    let out = tempfile::tempdir().unwrap();
    embed::write(&files, out.path()).unwrap();
    let source = fs::read_to_string(out.path().join("files.rs")).unwrap();
    for file in &files {
        assert!(source.contains(&format!("name: {:?}", file.name)), "{source}");
        assert!(source.contains(&format!("W/\\\"{}\\\"", file.hash)), "{source}");
        assert_eq!(fs::read(out.path().join("gzipped").join(&file.hash)).unwrap(), file.gzipped);
    }
}

#[test]
fn a_file_that_nobody_could_get_stops_the_build() {
    for name in ["robots.svg", "assets/deep/i.svg"] {
        let app = folder(&[("index.html", ""), (name, "")]);
        let error = embed::files(app.path()).err().unwrap().to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn a_file_of_an_unknown_kind_stops_the_build() {
    let app = folder(&[("index.html", ""), ("assets/film.avi", "")]);
    let error = embed::files(app.path()).err().unwrap().to_string();
    assert!(error.contains("assets/film.avi"), "{error}");
}

#[test]
fn none_is_none_and_another_app_is_taken_where_it_is() {
    let (app, out) = (folder(&[("index.html", "mine")]), tempfile::tempdir().unwrap());
    let nowhere = Path::new("/nowhere");
    assert!(matches!(source::find(Some("none"), nowhere, out.path()), Source::None));
    let named = source::find(app.path().to_str(), nowhere, out.path());
    assert!(matches!(named, Source::Elsewhere(folder) if folder == app.path()));
    let relative = source::find(Some("dist"), &app.path().join("app"), out.path());
    assert!(
        matches!(relative, Source::Failed(why) if why.contains(app.path().join("dist").to_str().unwrap()))
    );
    let empty = tempfile::tempdir().unwrap();
    let why = failure(source::find(empty.path().to_str(), nowhere, out.path()));
    assert!(why.contains("has no index.html"), "{why}");
}

#[test]
fn an_app_that_cannot_be_built_says_why() {
    let out = tempfile::tempdir().unwrap();
    let nothing = tempfile::tempdir().unwrap();
    let why = failure(source::find(None, nothing.path(), out.path()));
    assert!(why.contains("package-lock.json"), "{why}");

    // Whether npm is missing or fails, it is named.
    let package = r#"{ "name": "broken", "version": "1.0.0", "scripts": { "build": "no-such-program" } }"#;
    let broken =
        folder(&[("package.json", package), ("package-lock.json", "{}"), ("node_modules/.installed", "{}")]);
    let why = failure(source::find(Some(" "), broken.path(), out.path()));
    assert!(why.contains("npm run --silent build"), "{why}");
}

#[test]
fn the_page_in_the_place_of_the_app_is_one() {
    let files = embed::files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fallback")).unwrap();
    let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["index.html"]);
    let page = inflated(&files[0].gzipped);
    assert!(page.contains("cargo xtask run") && page.contains("DISPATCH_APP"), "{page}");
}

#[test]
fn what_the_crate_has_can_be_read() {
    let index = app::index();
    assert_eq!(index.content_type, "text/html; charset=utf-8");
    let page = String::from_utf8(index.content()).unwrap();
    assert!(page.starts_with("<!doctype html>"), "{page}");
    assert_eq!(page, inflated(index.gzipped));
    let mut assets = page.split("\"/assets/").skip(1).map(|rest| rest.split('"').next().unwrap()).peekable();
    assert_eq!(assets.peek().is_some(), app::is_built());
    for name in assets {
        let asset = app::asset(name).unwrap_or_else(|| panic!("{name} is not there"));
        assert!(!asset.content().is_empty() && asset.etag.starts_with("W/\""), "{name}");
    }
    for missing in ["", "none.js", "../index.html", "/etc/passwd"] {
        assert_eq!(app::asset(missing), None, "{missing}");
    }
}
