//! Whatever a model writes as a path, the file tools neither read nor change what lies outside.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kernel::ToolResult;
use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

use crate::support::call;

const SECRET: &str = "canary-content-7f3a";
const OUTSIDE_NAME: &str = "canary-name-91bc";

/// A working directory `inside`, with links of all kinds, beside a directory `outside` with something to steal.
struct World {
    root: TempDir,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for directory in ["inside/d/e", "outside/d"] {
            fs::create_dir_all(at(directory)).unwrap();
        }
        for file in ["outside/secret", "outside/d/secret", "outside/file", "secret"] {
            fs::write(at(file), SECRET).unwrap();
        }
        fs::write(at(&format!("outside/{OUTSIDE_NAME}")), SECRET).unwrap();
        for file in ["inside/file", "inside/d/file", "inside/d/e/file"] {
            fs::write(at(file), "harmless").unwrap();
        }
        let links: [(&Path, &str); 11] = [
            (Path::new(".."), "inside/up"),
            (Path::new("."), "inside/self"),
            (Path::new("../outside"), "inside/out"),
            (&at("outside"), "inside/absolute"),
            (&at("inside/d"), "inside/home"),
            (Path::new("../outside/secret"), "inside/secret"),
            (Path::new("/proc/self/root"), "inside/procroot"),
            (Path::new("/proc/self/cwd"), "inside/proccwd"),
            (Path::new("loop"), "inside/loop"),
            (Path::new("../../outside/new"), "inside/d/new"),
            (Path::new("up/outside"), "inside/detour"),
        ];
        for (target, link) in links {
            symlink(target, at(link)).unwrap();
        }
        Self { root }
    }

    fn inside(&self) -> PathBuf {
        self.root.path().join("inside")
    }

    /// Everything outside with its content.
    fn outside(&self) -> Vec<(PathBuf, Option<String>)> {
        let mut found = Vec::new();
        let mut open = vec![self.root.path().to_owned()];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path == self.inside() {
                    continue;
                }
                let is_directory = path.is_dir();
                found.push((path.clone(), (!is_directory).then(|| fs::read_to_string(&path).unwrap())));
                if is_directory {
                    open.push(path);
                }
            }
        }
        found.sort();
        found
    }

    async fn every_call(&self, path: &str) -> Vec<ToolResult> {
        let inside = self.inside();
        vec![
            call("read_file", &inside, json!({"path": path})).await,
            call("edit_file", &inside, json!({"path": path, "oldString": "canary", "newString": "dead"}))
                .await,
            call("write_file", &inside, json!({"path": path, "content": "mine", "overwrite": true})).await,
            call("write_file", &inside, json!({"path": path, "content": "mine"})).await,
        ]
    }
}

fn outside_refusal(world: &World, path: &str) -> ToolResult {
    ToolResult::error(format!(
        "\"{path}\" leads outside the working directory {}. File tools reach only what lies inside it; symbolic links \
         do not lead out either",
        world.inside().display()
    ))
}

#[tokio::test]
async fn every_way_out_is_refused_by_name_of_the_rule() {
    let world = World::new();
    let before = world.outside();
    let root = world.root.path().display();
    let inside = world.inside().display().to_string();
    let ways = [
        "..",
        "../secret",
        "../outside/secret",
        "../outside/missing",
        "../missing/missing",
        "d/../../secret",
        "d/e/../../../outside",
        "/etc/passwd",
        "/",
        "/missing",
        &format!("{root}/outside/secret"),
        &format!("{root}/missing"),
        &format!("{inside}/../secret"),
        &format!("{inside}/d/../../outside/secret"),
        &format!("{inside}-sibling"),
        "out/secret",
        "out",
        "out/missing",
        "absolute/secret",
        "secret",
        "up/secret",
        "up/up",
        "self/self/out/secret",
        "detour/secret",
        "procroot/etc/passwd",
        &format!("procroot{root}/secret"),
        "proccwd/Cargo.toml",
        "/proc/self/root/etc/passwd",
        "/proc/self/cwd/Cargo.toml",
        "/proc/self/environ",
        "d/new",
    ];
    for way in ways {
        for result in world.every_call(way).await {
            assert_eq!(result, outside_refusal(&world, way));
        }
    }
    assert_eq!(world.outside(), before);
}

#[tokio::test]
async fn a_detour_that_ends_inside_is_allowed() {
    let world = World::new();
    let inside = world.inside().display().to_string();
    let link = world.root.path().join("alias");
    symlink(world.inside(), &link).unwrap();
    let detours = [
        "d/../file",
        "up/inside/file",
        "../inside/file",
        "home/file",
        "home/../file",
        "self/self/file",
        &format!("{inside}/file"),
        &format!("{inside}//d/./file"),
        &format!("{inside}/../inside/file"),
        &format!("procroot{inside}/file"),
        &format!("{}/file", link.display()),
        &format!("/proc/self/root{inside}/file"),
    ];
    for detour in detours {
        let read = call("read_file", &world.inside(), json!({"path": detour})).await;
        assert_eq!(read, ToolResult::ok("1: harmless"), "{detour}");
    }
    for (index, directory) in ["home", "up/inside", &inside, &link.display().to_string()].iter().enumerate() {
        let path = format!("{directory}/new-{index}");
        let written = call("write_file", &world.inside(), json!({"path": path, "content": "x"})).await;
        assert_eq!(written, ToolResult::ok(format!("Created {path} (1 bytes).")));
    }
    // The same when the conversation names its directory through a link.
    let read = call("read_file", &link, json!({"path": format!("{inside}/file")})).await;
    assert_eq!(read, ToolResult::ok("1: harmless"));
}

#[tokio::test]
async fn a_hard_link_to_the_outside_is_not_written_through() {
    let world = World::new();
    fs::hard_link(world.root.path().join("outside/file"), world.inside().join("hard")).unwrap();
    let before = world.outside();
    let edit = json!({"path": "hard", "oldString": "canary", "newString": "dead"});
    assert_eq!(
        call("edit_file", &world.inside(), edit).await,
        ToolResult::ok("Replaced 1 occurrence in hard.")
    );
    assert_eq!(world.outside(), before);
}

/// Swaps a name between something harmless and a link that leads out, for as long as the tools are at work.
async fn while_swapping(world: &World, paths: [&str; 2], name: &str, rounds: usize) {
    let before = world.outside();
    let stop = Arc::new(AtomicBool::new(false));
    let swapper = std::thread::spawn({
        let stop = stop.clone();
        let at = |path: &str| world.inside().join(path);
        let (name, other) = (at(name), at("other"));
        move || {
            let flags = rustix::fs::RenameFlags::EXCHANGE;
            let mut swaps = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                rustix::fs::renameat_with(rustix::fs::CWD, &name, rustix::fs::CWD, &other, flags).unwrap();
                swaps += 1;
            }
            swaps
        }
    });
    let (mut reached, mut refused) = (0, 0);
    for _ in 0..rounds {
        for path in paths {
            for result in world.every_call(path).await {
                assert!(!result.content.contains(SECRET), "{}", result.content);
                assert!(!result.content.contains(OUTSIDE_NAME), "{}", result.content);
                if result.content.contains("leads outside") { refused += 1 } else { reached += 1 }
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    let swaps = swapper.join().unwrap();
    println!("{swaps} swaps, {reached} calls reached the inside, {refused} were refused");
    assert_eq!(world.outside(), before);
}

#[tokio::test]
async fn a_directory_that_becomes_a_link_at_any_moment_does_not_lead_out() {
    let world = World::new();
    fs::create_dir(world.inside().join("swapped")).unwrap();
    fs::write(world.inside().join("swapped/secret"), "harmless").unwrap();
    symlink("../outside", world.inside().join("other")).unwrap();
    while_swapping(&world, ["swapped/secret", "swapped/file"], "swapped", 200).await;
}

#[tokio::test]
async fn a_file_that_becomes_a_link_at_any_moment_does_not_lead_out() {
    let world = World::new();
    fs::write(world.inside().join("swapped"), "harmless").unwrap();
    symlink("../outside/secret", world.inside().join("other")).unwrap();
    while_swapping(&world, ["swapped", "self/swapped"], "swapped", 200).await;
}

fn component() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "..", "..", ".", "", "d", "e", "file", "secret", "outside", "inside", "new", "up", "self", "out",
        "absolute", "home", "procroot", "proccwd", "loop", "detour", "missing", "proc", "root", "tmp",
        "x\u{7f}y",
    ])
}

#[derive(Clone, Copy, Debug)]
enum Prefix {
    None,
    Slash,
    Inside,
    Root,
    Proc,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_path_at_all_leads_out(
        prefix in prop::sample::select(vec![
            Prefix::None, Prefix::None, Prefix::None, Prefix::Slash, Prefix::Inside, Prefix::Root, Prefix::Proc,
        ]),
        components in prop::collection::vec(component(), 1..8),
    ) {
        thread_local! {
            static RUNTIME: tokio::runtime::Runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        }
        let world = World::new();
        let before = world.outside();
        let path = components.join("/");
        let path = match prefix {
            Prefix::None => path,
            Prefix::Slash => format!("/{path}"),
            Prefix::Inside => format!("{}/{path}", world.inside().display()),
            Prefix::Root => format!("{}/{path}", world.root.path().display()),
            Prefix::Proc => format!("/proc/self/root{}/{path}", world.root.path().display()),
        };
        let results = RUNTIME.with(|runtime| runtime.block_on(world.every_call(&path)));
        for result in results {
            prop_assert!(!result.content.contains(SECRET), "{}: {}", path, result.content);
            prop_assert!(!result.content.contains(OUTSIDE_NAME), "{}: {}", path, result.content);
        }
        prop_assert_eq!(world.outside(), before, "{}", path);
    }
}
