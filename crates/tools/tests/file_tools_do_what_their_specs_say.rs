//! Every result of `read_file`, `write_file` and `edit_file`, word by word.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use kernel::ToolResult;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support;
use crate::support::call;

struct Project(TempDir);

impl Project {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.path().join(name), content).unwrap();
        self
    }

    fn content(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    async fn read(&self, input: Value) -> ToolResult {
        call("read_file", self.path(), input).await
    }

    async fn write(&self, input: Value) -> ToolResult {
        call("write_file", self.path(), input).await
    }

    async fn edit(&self, input: Value) -> ToolResult {
        call("edit_file", self.path(), input).await
    }
}

fn ok(content: &str) -> ToolResult {
    ToolResult::ok(content)
}

fn error(content: &str) -> ToolResult {
    ToolResult::error(content)
}

#[tokio::test]
async fn a_file_is_read_as_numbered_lines() {
    let project =
        Project::new().with("a", "one\n\ntwo\n").with("open", "one\ntwo").with("crlf", "a\r\nb\r\n");
    assert_eq!(project.read(json!({"path": "a"})).await, ok("1: one\n2: \n3: two"));
    assert_eq!(project.read(json!({"path": "open"})).await, ok("1: one\n2: two"));
    assert_eq!(project.read(json!({"path": "crlf"})).await, ok("1: a\n2: b\n\n(Lines end with CRLF.)"));
}

#[tokio::test]
async fn a_part_of_a_file_is_read_with_a_hint_where_to_go_on() {
    let project = Project::new().with("a", "1\n2\n3\n4\n");
    let read = |offset: u64, limit: u64| project.read(json!({"path": "a", "offset": offset, "limit": limit}));
    assert_eq!(read(2, 2).await, ok("2: 2\n3: 3\n\n(There are more lines: continue with offset 4.)"));
    assert_eq!(read(3, 2).await, ok("3: 3\n4: 4"));
    assert_eq!(read(4, 9).await, ok("4: 4"));
    assert_eq!(read(5, 1).await, error("offset 5 is past the end: \"a\" has 4 lines"));
    assert_eq!(read(1_000_000, 1).await, error("offset 1000000 is past the end: \"a\" has 4 lines"));
}

#[tokio::test]
async fn lines_are_limited_by_default_and_at_most() {
    let text: String = (1..=6000).map(|line| format!("{line}\n")).collect();
    let project = Project::new().with("a", text);
    let shown = |from: u64, to: u64| {
        let lines: Vec<_> = (from..=to).map(|line| format!("{line}: {line}")).collect();
        ok(&format!("{}\n\n(There are more lines: continue with offset {}.)", lines.join("\n"), to + 1))
    };
    assert_eq!(project.read(json!({"path": "a"})).await, shown(1, 500));
    assert_eq!(project.read(json!({"path": "a", "limit": 1_000_000})).await, shown(1, 5000));
}

#[tokio::test]
async fn a_result_has_a_limit_of_bytes_and_a_line_has_one_of_characters() {
    let wide = "é".repeat(2000);
    let longer = format!("{wide}x");
    let huge = "z".repeat(1_000_000);
    let project = Project::new()
        .with("exact", format!("{wide}\n"))
        .with("longer", format!("{longer}\n"))
        .with("huge", format!("{huge}\nlast\n"))
        .with("many", format!("{}\n", "y".repeat(1999)).repeat(300));
    assert_eq!(project.read(json!({"path": "exact"})).await, ok(&format!("1: {wide}")));
    assert_eq!(
        project.read(json!({"path": "longer"})).await,
        ok(&format!("1: {wide} [cut: the line has 4001 bytes]"))
    );
    assert_eq!(
        project.read(json!({"path": "huge"})).await,
        ok(&format!("1: {} [cut: the line has 1000000 bytes]\n2: last", "z".repeat(2000)))
    );
    let many = project.read(json!({"path": "many"})).await;
    let last = many.content.lines().last().unwrap().to_owned();
    let shown = many.content.lines().filter(|line| line.ends_with('y')).count();
    assert_eq!(last, format!("(There are more lines: continue with offset {}.)", shown + 1));
    assert!((200 << 10..=256 << 10).contains(&many.content.len()), "{}", many.content.len());
}

#[tokio::test]
async fn an_enormous_file_is_not_loaded() {
    let project = Project::new().with("a", "first\n");
    fs::OpenOptions::new().write(true).open(project.path().join("a")).unwrap().set_len(1 << 40).unwrap();
    // A hole of zeros makes it binary, which is seen in its first bytes.
    assert_eq!(
        project.read(json!({"path": "a"})).await,
        error("\"a\" is a binary file of 1099511627776 bytes")
    );
    assert_eq!(
        project.edit(json!({"path": "a", "oldString": "first", "newString": "last"})).await,
        error("\"a\" is, or would become, larger than the 16 MiB that edit_file handles; use run_shell")
    );
}

#[tokio::test]
async fn a_search_for_a_line_far_away_ends_when_the_call_does() {
    let project = Project::new().with("a", "x".repeat(8192));
    fs::OpenOptions::new().write(true).open(project.path().join("a")).unwrap().set_len(1 << 42).unwrap();
    let cancelled =
        kernel::ToolContext::cancelled_by(tokio::time::sleep(std::time::Duration::from_millis(50)));
    let (context, _outputs) = support::context(project.path(), cancelled);
    let result = support::tool(tools::Settings::default(), "read_file")
        .run(json!({"path": "a", "offset": 2}), context)
        .await;
    assert_eq!(result, error("aborted before it was done; nothing was changed"));
}

#[tokio::test]
async fn what_is_no_text_is_said_or_shown_as_far_as_it_goes() {
    let mut late = vec![b'x'; 9000];
    late.push(0);
    let project = Project::new().with("binary", b"ab\0cd").with("latin", b"caf\xe9\n").with("late", &late);
    assert_eq!(
        project.read(json!({"path": "binary"})).await,
        error("\"binary\" is a binary file of 5 bytes")
    );
    assert_eq!(project.read(json!({"path": "latin"})).await, ok("1: caf\u{fffd}"));
    assert!(!project.read(json!({"path": "late"})).await.is_error);
}

#[tokio::test]
async fn a_directory_is_listed_sorted() {
    let project = Project::new().with("b", "").with("a.txt", "").with("new\nline", "");
    fs::create_dir(project.path().join("c")).unwrap();
    fs::create_dir(project.path().join("B")).unwrap();
    std::os::unix::fs::symlink("c", project.path().join("link")).unwrap();
    std::os::unix::fs::symlink("/", project.path().join("out")).unwrap();
    let listed = "B/\na.txt\nb\nc/\nlink/\nnew\\nline\nout";
    assert_eq!(project.read(json!({"path": "."})).await, ok(listed));
    assert_eq!(project.read(json!({"path": project.path()})).await, ok(listed));
    assert_eq!(
        project.read(json!({"path": ".", "offset": 2, "limit": 2})).await,
        ok("a.txt\nb\n\n(There are more entries: continue with offset 4.)")
    );
    assert_eq!(
        project.read(json!({"path": ".", "offset": 8})).await,
        error("offset 8 is past the end: \".\" has 7 entries")
    );
}

#[tokio::test]
async fn what_is_empty_is_said_to_be() {
    let project = Project::new().with("file", "");
    fs::create_dir(project.path().join("dir")).unwrap();
    assert_eq!(project.read(json!({"path": "file"})).await, ok("(The file is empty.)"));
    assert_eq!(project.read(json!({"path": "dir"})).await, ok("(The directory is empty.)"));
    assert_eq!(
        project.read(json!({"path": "file", "offset": 2})).await,
        error("offset 2 is past the end: \"file\" has 0 lines")
    );
    assert_eq!(
        project.read(json!({"path": "dir", "offset": 2})).await,
        error("offset 2 is past the end: \"dir\" has 0 entries")
    );
}

#[tokio::test]
async fn what_cannot_be_read_says_why() {
    let project = Project::new().with("file", "x");
    std::os::unix::fs::symlink("nothing", project.path().join("dangling")).unwrap();
    std::os::unix::fs::symlink("circle", project.path().join("circle")).unwrap();
    let read = |path: &str| project.read(json!({"path": path}));
    assert_eq!(read("missing").await, error("\"missing\" does not exist"));
    assert_eq!(read("no/file").await, error("the directory of \"no/file\" does not exist"));
    assert_eq!(read("file/x").await, error("a part of \"file/x\" is not a directory"));
    assert_eq!(read("").await, error("\"path\" is empty; \".\" is the working directory"));
    assert_eq!(read("a\0b").await, error("\"path\" has a NUL character in it"));
    assert_eq!(
        read("dangling").await,
        error("\"dangling\" is a symbolic link to something that does not exist")
    );
    assert!(read("circle").await.content.starts_with("\"circle\" cannot be reached: Too many levels"));
    assert!(read(&"x".repeat(300)).await.content.contains("cannot be reached: File name too long"));
}

#[tokio::test]
async fn what_is_no_file_is_refused_without_waiting() {
    let project = Project::new();
    let made = Command::new("mkfifo").arg(project.path().join("pipe")).status().unwrap();
    assert!(made.success());
    let _listener = UnixListener::bind(project.path().join("socket")).unwrap();
    for (name, kind) in [("pipe", "a named pipe"), ("socket", "a socket")] {
        let refused = error(&format!("\"{name}\" is {kind}, not a file"));
        assert_eq!(project.read(json!({"path": name})).await, refused);
        assert_eq!(project.edit(json!({"path": name, "oldString": "a", "newString": "b"})).await, refused);
        assert_eq!(
            project.write(json!({"path": name, "content": "x", "overwrite": true})).await,
            error(&format!("\"{name}\" is not a regular file; it is left as it is"))
        );
        assert!(
            project.write(json!({"path": name, "content": "x"})).await.content.contains("exists already")
        );
    }
    let devices = call("read_file", Path::new("/dev"), json!({"path": "zero"})).await;
    assert_eq!(devices, error("\"zero\" is a device, not a file"));
}

#[tokio::test]
async fn a_file_is_created_once() {
    let project = Project::new();
    assert_eq!(project.write(json!({"path": "a", "content": "né\n"})).await, ok("Created a (4 bytes)."));
    assert_eq!(project.content("a"), "né\n");
    assert_eq!(
        project.write(json!({"path": "a", "content": "other"})).await,
        error(
            "\"a\" exists already; give overwrite: true to replace it, or use edit_file to change a part of it"
        )
    );
    assert_eq!(project.content("a"), "né\n");
}

#[tokio::test]
async fn a_file_is_replaced_only_if_it_is_there() {
    let project = Project::new();
    let write = || project.write(json!({"path": "a", "content": "", "overwrite": true}));
    assert_eq!(write().await, error("\"a\" does not exist; leave overwrite out to create it"));
    fs::write(project.path().join("a"), "old").unwrap();
    assert_eq!(write().await, ok("Overwrote a (0 bytes)."));
    assert_eq!(project.content("a"), "");
}

#[tokio::test]
async fn what_cannot_be_written_says_why_and_stays() {
    let project = Project::new().with("file", "x").with("fixed", "x");
    fs::create_dir(project.path().join("dir")).unwrap();
    std::os::unix::fs::symlink("nothing", project.path().join("dangling")).unwrap();
    fs::set_permissions(project.path().join("fixed"), fs::Permissions::from_mode(0o444)).unwrap();
    for overwrite in [false, true] {
        let write = |path: &str| project.write(json!({"path": path, "content": "y", "overwrite": overwrite}));
        assert_eq!(write("dir").await, error("\"dir\" is a directory, not a file"));
        assert_eq!(write(".").await, error("\".\" is a directory, not a file"));
        assert_eq!(write("no/a").await, error("the directory of \"no/a\" does not exist"));
        assert_eq!(write("file/a").await, error("a part of \"file/a\" is not a directory"));
        assert!(write("dangling").await.is_error);
    }
    let read_only = error("\"fixed\" is read-only (mode 444)");
    assert_eq!(project.write(json!({"path": "fixed", "content": "y", "overwrite": true})).await, read_only);
    assert_eq!(project.edit(json!({"path": "fixed", "oldString": "x", "newString": "y"})).await, read_only);
    assert_eq!(
        project.edit(json!({"path": "dir", "oldString": "x", "newString": "y"})).await,
        error("\"dir\" is a directory, not a file")
    );
    assert_eq!(
        project.edit(json!({"path": "missing", "oldString": "x", "newString": "y"})).await,
        error("\"missing\" does not exist")
    );
    assert_eq!(project.content("file") + &project.content("fixed"), "xx");
    assert!(!project.path().join("nothing").exists());
}

#[tokio::test]
async fn a_replaced_file_keeps_its_mode_and_leaves_no_draft() {
    let project = Project::new().with("script", "#!/bin/sh\n");
    let script = project.path().join("script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o750)).unwrap();
    let mut reader = fs::File::open(&script).unwrap();
    let before = reader.metadata().unwrap();
    project.write(json!({"path": "script", "content": "a", "overwrite": true})).await;
    project.edit(json!({"path": "script", "oldString": "a", "newString": "b"})).await;
    let after = fs::metadata(&script).unwrap();
    assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
    assert_eq!(project.content("script"), "b");
    let mut old = String::new();
    reader.read_to_string(&mut old).unwrap();
    assert_eq!(old, "#!/bin/sh\n", "who was reading reads on, to the end of what was");
    assert_eq!(project.read(json!({"path": "."})).await, ok("script"));
}

#[tokio::test]
async fn a_link_inside_is_written_through_and_stays_a_link() {
    let project = Project::new().with("target", "old");
    std::os::unix::fs::symlink("target", project.path().join("relative")).unwrap();
    std::os::unix::fs::symlink(project.path().join("target"), project.path().join("absolute")).unwrap();
    for link in ["relative", "absolute"] {
        fs::write(project.path().join("target"), "old").unwrap();
        assert_eq!(project.read(json!({"path": link})).await, ok("1: old"));
        let edit = json!({"path": link, "oldString": "old", "newString": "new"});
        assert_eq!(project.edit(edit).await, ok(&format!("Replaced 1 occurrence in {link}.")));
        assert_eq!(project.content("target"), "new");
        assert!(fs::symlink_metadata(project.path().join(link)).unwrap().is_symlink());
    }
}

#[tokio::test]
async fn text_is_replaced_exactly() {
    let project = Project::new().with("a", b"x = 1\r\ny = 1\r\n\xff\n");
    let edit = |old: &str, new: &str, all: bool| {
        project.edit(json!({"path": "a", "oldString": old, "newString": new, "replaceAll": all}))
    };
    assert_eq!(edit("x = 1", "x = 2", false).await, ok("Replaced 1 occurrence in a."));
    assert_eq!(edit("= ", "=", true).await, ok("Replaced 2 occurrences in a."));
    assert_eq!(edit("y =1\r\n", "", true).await, ok("Replaced 1 occurrence in a."));
    assert_eq!(fs::read(project.path().join("a")).unwrap(), b"x =2\r\n\xff\n");
}

#[tokio::test]
async fn text_that_cannot_be_replaced_says_why() {
    let project = Project::new().with("a", "one\r\ntwo\r\none\r\n");
    let edit = |old: &str, new: &str| project.edit(json!({"path": "a", "oldString": old, "newString": new}));
    assert_eq!(
        edit("one", "one").await,
        error("oldString and newString are identical: there is nothing to change")
    );
    assert_eq!(
        edit("three", "x").await,
        error(
            "oldString was not found in \"a\". It must match exactly, with its whitespace and without line numbers; \
             read the file again"
        )
    );
    assert_eq!(
        edit("one", "x").await,
        error(
            "oldString occurs 2 times in \"a\"; take in more of the surrounding text to make it unique, or give \
             replaceAll: true"
        )
    );
    assert_eq!(
        edit("one\ntwo", "x").await,
        error(
            "oldString was not found in \"a\" as it is, but with CRLF line endings it would be: write \\r\\n for each \
             line break in oldString and newString"
        )
    );
    assert_eq!(
        edit("", "x").await,
        error(
            "\"oldString\" is empty. edit_file takes {\"path\": string, \"oldString\": string, \"newString\": string, \
             \"replaceAll\"?: boolean}."
        )
    );
    assert_eq!(project.content("a"), "one\r\ntwo\r\none\r\n");
}

#[tokio::test]
async fn an_edit_that_would_make_a_file_too_large_is_refused() {
    let project = Project::new().with("a", "x".repeat(20_000));
    let edit = json!({"path": "a", "oldString": "x", "newString": "y".repeat(1000), "replaceAll": true});
    assert_eq!(
        project.edit(edit).await,
        error("\"a\" is, or would become, larger than the 16 MiB that edit_file handles; use run_shell")
    );
    assert_eq!(project.content("a"), "x".repeat(20_000));
}

#[tokio::test]
async fn bad_input_says_what_was_expected() {
    let project = Project::new();
    let read = "read_file takes {\"path\": string, \"offset\"?: integer from 1, \"limit\"?: integer from 1 to 5000}.";
    let write = "write_file takes {\"path\": string, \"content\": string, \"overwrite\"?: boolean}.";
    let edit = "edit_file takes {\"path\": string, \"oldString\": string, \"newString\": string, \"replaceAll\"?: \
                boolean}.";
    assert_eq!(project.read(json!({})).await, error(&format!("\"path\" is missing. {read}")));
    assert_eq!(
        project.read(json!("{\"path\": \"a")).await,
        error(&format!("the input is not a JSON object. It begins: {{\"path\": \"a\n{read}"))
    );
    assert_eq!(
        project.read(json!({"path": "a", "offset": 0})).await,
        error(&format!("\"offset\" must be a whole number from 1 on, not 0. {read}"))
    );
    assert_eq!(
        project.read(json!({"path": "a", "limit": "all"})).await,
        error(&format!("\"limit\" must be a whole number from 1 on, not a string. {read}"))
    );
    assert_eq!(project.write(json!({"path": "a"})).await, error(&format!("\"content\" is missing. {write}")));
    assert_eq!(
        project.write(json!({"path": "a", "content": "", "overwrite": 1})).await,
        error(&format!("\"overwrite\" must be true or false, not 1. {write}"))
    );
    assert_eq!(
        project.edit(json!({"path": "a", "oldString": ["x"], "newString": ""})).await,
        error(&format!("\"oldString\" must be a string, not an array. {edit}"))
    );
    assert_eq!(
        project.write(json!({"path": "a", "content": "", "mode": 7})).await,
        ok("Created a (0 bytes).")
    );
}

#[tokio::test]
async fn a_working_directory_that_cannot_be_used_is_said() {
    let project = Project::new().with("file", "");
    let gone = project.path().join("gone");
    let inputs = [
        ("read_file", json!({"path": "a"})),
        ("write_file", json!({"path": "a", "content": ""})),
        ("edit_file", json!({"path": "a", "oldString": "a", "newString": "b"})),
        ("run_shell", json!({"command": "true"})),
    ];
    for (name, input) in inputs {
        let missing = format!("the working directory {} does not exist (any more)", gone.display());
        assert_eq!(call(name, &gone, input.clone()).await, error(&missing));
        let file = project.path().join("file");
        let no_directory = format!("the working directory {} is not a directory", file.display());
        assert_eq!(call(name, &file, input.clone()).await, error(&no_directory));
        let relative = "the working directory src is not absolute";
        assert_eq!(call(name, Path::new("src"), input).await, error(relative));
    }
}
