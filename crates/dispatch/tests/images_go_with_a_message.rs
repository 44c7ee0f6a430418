use serde_json::Value;

use crate::common::{Home, Ran};

/// As much of a PNG as makes it one.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

#[test]
fn with_chat_and_with_send() {
    let home = Home::new();
    std::fs::write(home.work().join("a.png"), PNG).unwrap();
    std::fs::write(home.work().join("b.gif"), b"GIF89a..").unwrap();
    let server = home.start();
    let run = |arguments: &[&str]| Ran::of(server.client(arguments).current_dir(home.work()));
    let id = run(&["chat", "--image", "a.png", "--image", "b.gif", "--text", "say two"]).conversation();
    let answer = run(&["send", &id, "--image", "a.png", "--text", "say three"]).ok();
    assert_eq!(answer, format!("I was sent an image: image/png, {} bytes.\n\nthree\n", PNG.len()));

    let all = server.run(&["read", &id, "--all", "--json"]).json();
    let images: Vec<&Value> =
        all.iter().map(|stored| &stored["chunk"]).filter(|chunk| chunk["type"] == "image").collect();
    let types: Vec<&str> = images.iter().map(|image| image["mimeType"].as_str().unwrap()).collect();
    assert_eq!(types, ["image/png", "image/gif", "image/png"]);
    let shown = server.run(&["read", &id, "--all"]).ok();
    for image in images {
        let line = format!("\n[image: {}]\n", image["url"].as_str().unwrap());
        assert!(shown.contains(&line), "{line} is not in {shown}");
    }
}

#[test]
fn only_if_they_are_images() {
    let home = Home::new();
    home.write("notes.png", "no image");
    let server = home.start();
    let run = |arguments: &[&str]| Ran::of(server.client(arguments).current_dir(home.work()));
    let wrong = run(&["chat", "--image", "notes.png", "--text", "look"]);
    let message = "error: notes.png is not an image that can be sent: PNG, JPEG, GIF or WebP\n";
    assert_eq!((wrong.status, wrong.stderr.as_str()), (Some(1), message));
    let missing = run(&["chat", "--image", "none.png", "--text", "look"]);
    assert!(
        missing.status == Some(1) && missing.stderr.starts_with("error: none.png cannot be read"),
        "{missing:?}"
    );
    assert_eq!(server.run(&["list", "--all"]).ok(), "", "nothing was sent");
}
