//! Calls of the built-in tools with whatever a model may write. Each line of an input is a tool's name and its input.
//!
//! No command is ever run: of `run_shell` only what reads its input is called.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures_channel::mpsc;
use kernel::{Tool, ToolContext, ToolResult, ToolScope, ToolSource};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tools::{Settings, Skills};
use wire::ConversationId;

use crate::scratch;

/// The most calls of one input.
const MOST: usize = 8;

/// The most bytes of a result.
const RESULT_BYTES: usize = 1 << 20;

/// In an input it stands for the directory above the working directory.
const BASE: &str = "@BASE@";

/// What stands in files that no tool may read.
const OUTSIDE: &str = "\u{1F512}-this lies outside";
const PROTECTED: &str = "\u{1F512}-this is the server's own";

pub(crate) fn arguments(data: &[u8]) {
    let place = &*PLACE;
    place.lay_out();
    let outside = seen(&place.base.join("outside"));
    let text = String::from_utf8_lossy(data).replace(BASE, &place.base.display().to_string());
    let mut said = String::new();
    for line in text.split('\n').take(MOST) {
        let (name, input) = line.split_once(' ').unwrap_or((line, ""));
        // As providers have it: what is no JSON is a string.
        let input = serde_json::from_str(input).unwrap_or_else(|_| Value::from(input));
        if name == "run_shell" {
            order(&input);
            continue;
        }
        said.push_str(&format!("{input}"));
        let before = seen(&place.work());
        let result = RUNTIME.block_on(call(name, input.clone()));
        check(name, &input, &result, &before, &seen(&place.work()));
        for hidden in [OUTSIDE, PROTECTED] {
            let is_shown = result.content.contains(hidden) && !said.contains(hidden);
            assert!(!is_shown, "{line} reads {hidden}");
        }
        assert_eq!(outside, seen(&place.base.join("outside")), "{line} writes outside");
        let names: Vec<_> =
            seen(&place.base).into_keys().filter(|path| path.components().count() == 1).collect();
        assert_eq!(names, [Path::new("outside"), Path::new("work")], "{line} writes beside its directory");
    }
}

fn order(input: &Value) {
    match tools::fuzzing::order(input) {
        Ok((command, timeout)) => {
            assert!(!command.trim().is_empty() && !command.contains('\0'), "{command:?} is no command");
            let longest = Duration::from_secs(3600);
            assert!(timeout > Duration::ZERO && timeout <= longest, "{timeout:?} is no time for a command");
        }
        Err(words) => assert!(!words.is_empty() && words.len() < 2000, "no words that help: {words}"),
    }
}

async fn call(name: &str, input: Value) -> ToolResult {
    let cwd = PLACE.work();
    let conversation_id = ConversationId::new("c");
    let known = BUILTIN.iter().find(|tool| tool.spec().name == name && name != "run_shell");
    let tool: Arc<dyn Tool> = match known {
        Some(tool) => tool.clone(),
        None => {
            let skills = Skills::new(Some(PLACE.base.join("outside")));
            let scope = ToolScope { conversation_id: conversation_id.clone(), cwd: cwd.clone() };
            skills.tools(scope).await.pop().expect("there is always one")
        }
    };
    let (output, _outputs) = mpsc::channel(4);
    let cancelled = ToolContext::cancelled_by(std::future::pending());
    tool.run(input, ToolContext { conversation_id, tool_call_id: "call".to_owned(), cwd, output, cancelled })
        .await
}

fn check(name: &str, input: &Value, result: &ToolResult, before: &Seen, after: &Seen) {
    let what = format!("{name} {input}: {}", result.content);
    assert!(!result.content.is_empty(), "{name} {input} says nothing");
    assert!(result.content.len() <= RESULT_BYTES, "{name} {input}: {} bytes", result.content.len());
    assert_eq!(before.get(Path::new("own")), after.get(Path::new("own")), "{what}: the server's own");
    let changed: Vec<_> = after.iter().filter(|(path, thing)| before.get(*path) != Some(thing)).collect();
    let gone = before.keys().any(|path| !after.contains_key(path));
    assert!(!gone, "{what}: something is gone");
    let writes = matches!(name, "write_file" | "edit_file");
    if result.is_error || !writes {
        assert!(changed.is_empty(), "{what}: {changed:?}");
        return;
    }
    let [(_, Thing::File(content))] = changed[..] else {
        // A file can be written as it was.
        let content = input["content"].as_str().unwrap_or_default();
        let same = |thing: &Thing| matches!(thing, Thing::File(bytes) if bytes == content.as_bytes());
        let is_rewritten = name == "write_file" && changed.is_empty() && after.values().any(same);
        assert!(is_rewritten, "{what}: not in the directory: {changed:?}");
        return;
    };
    if name == "write_file" {
        let asked = input["content"].as_str().expect("it was written");
        assert_eq!(String::from_utf8_lossy(content), asked, "{what}: something else was written");
    }
}

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().expect("a runtime"));

static BUILTIN: LazyLock<Vec<Arc<dyn Tool>>> = LazyLock::new(|| {
    tools::builtin(Settings { protected: vec![PLACE.work().join("own")], ..Settings::default() })
});

static PLACE: LazyLock<Place> = LazyLock::new(|| {
    let base = scratch::directory().join("tools");
    let outside = base.join("outside");
    fs::create_dir_all(outside.join("directory")).expect("a directory can be made");
    for file in ["secret.txt", "directory/secret.txt"] {
        fs::write(outside.join(file), OUTSIDE).expect("a file can be written");
    }
    fs::create_dir(outside.join(".skills")).expect("a directory can be made");
    fs::write(outside.join(".skills/home.md"), "At home\n---\nDo as at home.")
        .expect("a file can be written");
    Place { base }
});

/// A directory with the working directory in it, and what lies outside.
struct Place {
    base: PathBuf,
}

impl Place {
    fn work(&self) -> PathBuf {
        self.base.join("work")
    }

    /// Makes the working directory anew.
    fn lay_out(&self) {
        let work = self.work();
        let _ = fs::remove_dir_all(&work);
        let made = || {
            fs::create_dir_all(work.join("directory"))?;
            fs::create_dir_all(work.join(".skills/tests"))?;
            fs::write(work.join("a.txt"), "one\ntwo\r\nthree three\n")?;
            fs::write(work.join("empty"), "")?;
            fs::write(work.join("binary"), [0, 159, 146, 150])?;
            fs::write(work.join("own"), PROTECTED)?;
            fs::write(work.join("directory/b.txt"), "ünïcödé\n".repeat(50))?;
            fs::write(work.join(".skills/plain.md"), "What it is for\n---\nDo it.\n")?;
            fs::write(
                work.join(".skills/tests/SKILL.md"),
                "---\nname: tests\ndescription: \"a: b\"\n---\nTest.\n",
            )?;
            symlink("../outside", work.join("out"))?;
            symlink("../outside/secret.txt", work.join("out.txt"))?;
            symlink(self.base.join("outside/new.txt"), work.join("nowhere"))?;
            symlink("directory", work.join("in"))?;
            symlink("a.txt", work.join("a.link"))?;
            symlink("loop", work.join("loop"))?;
            symlink("../../outside", work.join(".skills/out"))
        };
        made().expect("the working directory can be made");
    }
}

/// What is in a directory, links not followed.
type Seen = BTreeMap<PathBuf, Thing>;

#[derive(Debug, PartialEq, Eq)]
enum Thing {
    File(Vec<u8>),
    Link(PathBuf),
    Directory,
}

fn seen(root: &Path) -> Seen {
    fn look(root: &Path, below: &Path, seen: &mut Seen) -> std::io::Result<()> {
        for entry in fs::read_dir(root.join(below))? {
            let (entry, path) = entry.map(|entry| (entry.file_type(), below.join(entry.file_name())))?;
            let kind = entry?;
            let thing = if kind.is_dir() {
                look(root, &path, seen)?;
                Thing::Directory
            } else if kind.is_symlink() {
                Thing::Link(fs::read_link(root.join(&path))?)
            } else {
                Thing::File(fs::read(root.join(&path))?)
            };
            seen.insert(path, thing);
        }
        Ok(())
    }
    let mut seen = Seen::new();
    look(root, Path::new(""), &mut seen).expect("the directory can be read");
    seen
}
