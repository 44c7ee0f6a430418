//! `[file:…]` shows text of the working directory, so much of it, and nothing else.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;

use crate::support::{parse, resolved, scope};

const SECRET: &str = "canary";

/// A directory `inside`, beside something to steal.
fn world() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let at = |path: &str| root.path().join(path);
    for directory in ["inside/d", "outside"] {
        fs::create_dir_all(at(directory)).unwrap();
    }
    fs::write(at("outside/secret"), SECRET).unwrap();
    fs::write(at("inside/file.md"), "text").unwrap();
    fs::write(at("inside/d/file.md"), "deep").unwrap();
    let links: [(&Path, &str); 7] = [
        (Path::new("../outside/secret"), "inside/secret"),
        (&at("outside"), "inside/out"),
        (Path::new(".."), "inside/up"),
        (Path::new("loop"), "inside/loop"),
        (Path::new("/proc/self/root"), "inside/root"),
        (Path::new("d/file.md"), "inside/link.md"),
        (&at("inside/d"), "inside/absolute"),
    ];
    for (target, link) in links {
        symlink(target, at(link)).unwrap();
    }
    rustix::fs::mkfifoat(rustix::fs::CWD, at("inside/pipe"), rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    root
}

#[tokio::test]
async fn what_lies_inside_is_shown_whatever_way_leads_there() {
    let root = world();
    let inside = root.path().join("inside");
    let absolute = inside.join("file.md").display().to_string();
    for (path, expected) in [
        ("file.md", "text"),
        ("./d/../file.md", "text"),
        ("link.md", "deep"),
        ("absolute/file.md", "deep"),
        ("../inside/file.md", "text"),
        (&*absolute, "text"),
    ] {
        assert_eq!(resolved(&format!("[file:{path}]"), &inside).await, expected, "{path}");
    }
    symlink(&inside, root.path().join("alias")).unwrap();
    assert_eq!(resolved("[file:file.md]", &root.path().join("alias")).await, "text");
}

#[tokio::test]
async fn nothing_else_is_shown() {
    let root = world();
    let inside = root.path().join("inside");
    let outside = root.path().join("outside/secret").display().to_string();
    let within_root = format!("root{outside}");
    for path in [
        "secret",
        "out/secret",
        "up/outside/secret",
        "../outside/secret",
        "d/../../outside/secret",
        "loop",
        "pipe",
        ".",
        "d",
        "..",
        "/",
        "/etc/passwd",
        "~/x",
        "gone.md",
        "file.md/x",
        "nul\0.md",
        &outside,
        &within_root,
    ] {
        assert_eq!(resolved(&format!("<[file:{path}]>"), &inside).await, "<>", "{path}");
    }
    assert_eq!(resolved("<[file:file.md]>", &inside.join("gone")).await, "<>");
    assert_eq!(
        resolved("<[file:Cargo.toml]>", Path::new(".")).await,
        "<>",
        "a directory that is not absolute"
    );
}

#[tokio::test]
async fn what_belongs_to_the_server_is_not_shown() {
    let root = world();
    let inside = root.path().join("inside");
    fs::hard_link(inside.join("file.md"), inside.join("other-name.md")).unwrap();
    let template = "<[file:file.md]|[file:other-name.md]|[file:link.md]|[file:d/file.md]>";
    let protecting = async |paths: &[&str]| {
        let paths = paths.iter().map(|path| inside.join(path));
        parse(template).protecting(paths).resolve(&scope(&inside)).await
    };
    assert_eq!(protecting(&[]).await, "<text|text|deep|deep>");
    assert_eq!(protecting(&["gone"]).await, "<text|text|deep|deep>");
    assert_eq!(protecting(&["file.md"]).await, "<||deep|deep>");
    assert_eq!(protecting(&["absolute"]).await, "<text|text||>");
    assert_eq!(protecting(&["."]).await, "<|||>");
}

#[tokio::test]
async fn text_is_shown_as_it_is_but_for_its_ends() {
    let root = tempfile::tempdir().unwrap();
    let write = |content: &[u8]| fs::write(root.path().join("f"), content).unwrap();
    for (content, expected) in [
        (
            &b"\xEF\xBB\xBF\n one [prompt:cwd]\r\n[if file:f]two[endif] \n\r\n\n"[..],
            "\n one [prompt:cwd]\r\n[if file:f]two[endif] ",
        ),
        (b"", ""),
        (b"caf\xE9", "caf\u{fffd}"),
        (b"\x7fELF\0\0", ""),
    ] {
        write(content);
        assert_eq!(resolved("[file:f]", root.path()).await, expected);
    }
}

#[tokio::test]
async fn a_large_file_is_cut_between_characters_and_says_so() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("f");
    let limit = 64 << 10;
    fs::write(&file, "x".repeat(limit)).unwrap();
    assert!(resolved("[file:f]", root.path()).await == "x".repeat(limit), "what fits is whole");
    for (before, kept) in [(0, limit), (1, limit - 3), (2, limit - 2), (3, limit - 1)] {
        let text = "x".repeat(before) + &"😀".repeat(limit / 4 + 1);
        fs::write(&file, &text).unwrap();
        let expected =
            format!("{}\n[cut: f has {} bytes; these are the first {kept}]", &text[..kept], text.len());
        assert!(resolved("[file:f]", root.path()).await == expected, "{before}");
    }
}

#[tokio::test]
async fn all_files_together_are_bounded() {
    let root = tempfile::tempdir().unwrap();
    let limit = 64 << 10;
    fs::write(root.path().join("f"), "x".repeat(limit)).unwrap();
    fs::write(root.path().join("small"), "y").unwrap();
    let note = "\n[cut: the system prompt has no room for more]";
    let expected = "x".repeat(4 * limit) + note + &"-".repeat(1000);
    let template = "[file:f]".repeat(4) + &"[file:small]-".repeat(1000);
    assert!(resolved(&template, root.path()).await == expected);

    let many =
        |count: usize| (0..count).map(|n| format!("[file:./{}small]", "./".repeat(n))).collect::<String>();
    assert_eq!(resolved(&many(64), root.path()).await, "y".repeat(64));
    assert_eq!(resolved(&many(70), root.path()).await, "y".repeat(64), "no more than 64 files are read");
}
