//! `load_skill` lists the skills of a directory and of the user, and gives their text as it is.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kernel::{Tool, ToolResult, ToolScope, ToolSource};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;
use tools::Skills;
use wire::ConversationId;

use crate::support::{context, never};

const ABOUT: &str = "Loads a skill: instructions for one kind of task, written for this project or by the user. When a \
                     skill fits what you are to do, load it before you begin, and follow it.";

/// A directory `project` and a home directory `home`.
struct World {
    root: TempDir,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for directory in ["project", "home", "elsewhere"] {
            fs::create_dir(root.path().join(directory)).unwrap();
        }
        Self { root }
    }

    fn with(files: &[(&str, &str)]) -> Self {
        let world = Self::new();
        files.iter().for_each(|(path, content)| world.write(path, content));
        world
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), content).unwrap();
    }

    fn link(&self, target: impl AsRef<Path>, path: &str) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        symlink(target, self.at(path)).unwrap();
    }

    async fn tool(&self) -> Arc<dyn Tool> {
        tool(&self.at("project"), Some(self.at("home"))).await
    }

    /// What the description says after what it always says.
    async fn listed(&self) -> String {
        let description = self.tool().await.spec().description.clone();
        description.strip_prefix(ABOUT).unwrap().to_owned()
    }

    async fn call(&self, input: Value) -> ToolResult {
        let (context, _outputs) = context(&self.at("project"), never());
        self.tool().await.run(input, context).await
    }

    async fn load(&self, name: &str) -> ToolResult {
        self.call(json!({ "name": name })).await
    }
}

async fn tool(cwd: &Path, home: Option<PathBuf>) -> Arc<dyn Tool> {
    let scope = ToolScope { conversation_id: ConversationId::new("c"), cwd: cwd.to_owned() };
    let tools = Skills::new(home).tools(scope).await;
    assert_eq!(tools.len(), 1);
    tools.into_iter().next().unwrap()
}

#[tokio::test]
async fn where_there_are_no_skills_the_tool_says_so() {
    let none = format!("{ABOUT} No skills are available.");
    let world = World::new();
    let described =
        async |cwd: &Path, home: Option<PathBuf>| tool(cwd, home).await.spec().description.clone();
    assert_eq!(described(&world.at("project"), Some(world.at("home"))).await, none);
    assert_eq!(described(&world.at("project"), None).await, none);
    assert_eq!(described(&world.at("gone"), Some(world.at("gone"))).await, none);
    assert_eq!(described(Path::new("."), None).await, none, "a directory that is not absolute");
    world.write("project/.skills", "a file");
    fs::create_dir(world.at("home/.skills")).unwrap();
    assert_eq!(described(&world.at("project"), Some(world.at("home"))).await, none);
    assert_eq!(
        world.load("x").await,
        ToolResult::error("\"x\" is not one of the skills. No skills are available.")
    );
}

#[tokio::test]
async fn a_model_is_told_what_the_tool_takes_and_what_there_is() {
    let world = World::with(&[
        ("project/.skills/review.md", "Reviews a change\n---\nLook at the tests first.\n"),
        ("project/.skills/deep/er/deploy.md", "How to deploy"),
        (
            "project/.skills/pdf/SKILL.md",
            "---\nname: pdf-files\ndescription: >\n  Reads and\n  writes PDF.\n---\nUse qpdf.",
        ),
        ("project/.skills/pdf/reference.md", "Not a skill"),
        ("project/.skills/notes.txt", "Not a skill"),
        ("project/.skills/.git/description.md", "Not a skill"),
        ("home/.skills/review.md", "Of the user\n---\nShadowed."),
        ("home/.skills/Mail.md", "---\ndescription: \"Writes mail\"\nname: ignored\n---\nBe brief."),
        ("home/.skills/csv/SKILL.md", "Plain\n---\nUse a parser."),
    ]);
    let tool = world.tool().await;
    let spec = tool.spec();
    assert_eq!((&*spec.name, spec.exclusive), ("load_skill", false));
    assert_eq!(
        spec.input_schema,
        json!({
            "type": "object",
            "properties": {
                "name": {"type": "string", "description": "The name of the skill, as it is listed."}
            },
            "required": ["name"],
            "additionalProperties": false
        })
    );
    let expected = " The skills:\n- Mail: Writes mail\n- csv: Plain\n- deploy\n- pdf-files: Reads and writes PDF.\n\
                    - review: Reviews a change";
    assert_eq!(spec.description, format!("{ABOUT}{expected}"));

    assert_eq!(world.load("review").await, ToolResult::ok("Look at the tests first.\n"));
    assert_eq!(world.load("deploy").await, ToolResult::ok("How to deploy"));
    assert_eq!(
        world.load("pdf-files").await,
        ToolResult::ok("(The files of this skill are in .skills/pdf.)\n\nUse qpdf.")
    );
    assert_eq!(world.load("Mail").await, ToolResult::ok("Be brief."));
    assert_eq!(world.load("csv").await, ToolResult::ok("Use a parser."));
}

#[tokio::test]
async fn a_name_that_is_none_is_refused_with_those_there_are() {
    let world = World::with(&[
        ("project/.skills/b.md", ""),
        ("project/.skills/a.md", "x"),
        ("project/.skills/x/y.md", "y"),
        ("project/.skills/..md", "hidden"),
        ("project/.skills/a..b.md", "no name"),
        ("project/.skills/back\\slash.md", "no name"),
        ("project/secret.md", "canary"),
        ("home/.skills/h/SKILL.md", "---\nname: ../evil\n---\nof the directory"),
    ]);
    let there = "The skills are: a, b, h, y.";
    for name in ["", " a", "a.md", "A", "c", "secret"] {
        let expected = match name {
            "" | " a" => format!(
                "\"{name}\" is not the name of a skill: that has no \"/\", \"\\\" or \"..\" in it. {there}"
            ),
            _ => format!("\"{name}\" is not one of the skills. {there}"),
        };
        assert_eq!(world.load(name).await, ToolResult::error(expected));
    }
    for name in ["x/y", "../secret", "/etc/passwd", "..", "a..b", "back\\slash", "nul\0"] {
        let why = "is not the name of a skill: that has no \"/\", \"\\\" or \"..\" in it";
        assert_eq!(world.load(name).await, ToolResult::error(format!("\"{name}\" {why}. {there}")));
    }
    let long = world.load(&"é".repeat(5000)).await;
    assert!(
        long.is_error && long.content.starts_with(&format!("\"{}…\" is not", "é".repeat(120))),
        "{long:?}"
    );
    assert_eq!(world.load("h").await, ToolResult::ok("of the directory"));
    assert_eq!(world.load("b").await, ToolResult::ok("(The skill is empty.)"));
    let usage = "load_skill takes {\"name\": string}.";
    assert_eq!(world.call(json!({})).await, ToolResult::error(format!("\"name\" is missing. {usage}")));
    assert_eq!(
        world.call(json!({"name": 1})).await,
        ToolResult::error(format!("\"name\" must be a string, not 1. {usage}"))
    );
}

#[tokio::test]
async fn a_skill_is_read_when_it_is_called_for() {
    let world = World::with(&[("home/.skills/a.md", "old"), ("home/.skills/gone.md", "there")]);
    let tool = world.tool().await;
    world.write("home/.skills/a.md", "new");
    world.write("home/.skills/b.md", "made since");
    fs::remove_file(world.at("home/.skills/gone.md")).unwrap();
    let load = async |name: &str| {
        let (context, _outputs) = context(&world.at("project"), never());
        tool.clone().run(json!({ "name": name }), context).await
    };
    assert_eq!(load("a").await, ToolResult::ok("new"));
    assert_eq!(load("b").await, ToolResult::ok("made since"));
    assert_eq!(
        load("gone").await,
        ToolResult::error("\"gone\" is not one of the skills. The skills are: a, b.")
    );
}

#[tokio::test]
async fn no_link_leads_out_and_none_in_a_circle() {
    let world = World::with(&[
        ("elsewhere/secret.md", "Secret\n---\ncanary"),
        ("elsewhere/skills/other.md", "canary"),
        ("project/.skills/real/inner.md", "Inside\n---\ninner"),
    ]);
    world.link("../../elsewhere/secret.md", "project/.skills/secret.md");
    world.link(world.at("elsewhere/secret.md"), "project/.skills/absolute.md");
    world.link("../../elsewhere", "project/.skills/out");
    world.link("/proc/self/root", "project/.skills/root");
    world.link("..", "project/.skills/real/up");
    world.link(".", "project/.skills/real/again");
    world.link("loop", "project/.skills/loop");
    world.link("loop.md", "project/.skills/loop.md");
    world.link("real/inner.md", "project/.skills/linked.md");
    world.link("real", "project/.skills/also");
    assert_eq!(world.listed().await, " The skills:\n- inner: Inside\n- linked: Inside");
    assert_eq!(world.load("inner").await, ToolResult::ok("inner"));
    assert_eq!(world.load("linked").await, ToolResult::ok("inner"));
    for name in ["secret", "absolute", "other"] {
        assert!(world.load(name).await.is_error, "{name}");
    }
}

#[tokio::test]
async fn the_skills_of_a_directory_lie_in_it_and_those_of_the_user_anywhere() {
    let world = World::with(&[("elsewhere/skills/other.md", "other"), ("project/in/a.md", "a")]);
    world.link("../elsewhere/skills", "project/.skills");
    assert_eq!(world.listed().await, " No skills are available.");
    world.link("../elsewhere/skills", "home/.skills");
    assert_eq!(world.listed().await, " The skills:\n- other");
    assert_eq!(world.load("other").await, ToolResult::ok("other"));
    fs::remove_file(world.at("project/.skills")).unwrap();
    world.link("in", "project/.skills");
    assert_eq!(world.listed().await, " The skills:\n- a\n- other");
}

#[tokio::test]
async fn what_is_no_text_file_does_no_harm() {
    let world = World::with(&[("project/.skills/a.md", "a"), ("project/.skills/d.md/b.md", "b")]);
    world.write("project/.skills/binary.md", b"\x7fELF\0\0");
    world.write("project/.skills/latin.md", b"caf\xE9\n---\n\xE9");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, world.at("project/.skills/pipe.md"), mode).unwrap();
    assert_eq!(world.listed().await, " The skills:\n- a\n- b\n- binary\n- latin: caf\u{fffd}");
    assert_eq!(
        world.load("binary").await,
        ToolResult::error("the skill cannot be read: it is a binary file")
    );
    assert_eq!(world.load("latin").await, ToolResult::ok("\u{fffd}"));
    assert!(world.load("pipe").await.is_error);
}

#[tokio::test]
async fn a_large_skill_is_cut_and_says_so() {
    let limit = 256 << 10;
    let world = World::with(&[("project/.skills/whole.md", &"x".repeat(limit))]);
    assert!(world.load("whole").await == ToolResult::ok("x".repeat(limit)));
    let text = format!("S\n---\n{}", "é".repeat(limit));
    world.write("project/.skills/large.md", &text);
    let expected = format!(
        "{}\n[cut: the file has {} bytes; these are the first {limit}]",
        "é".repeat((limit - 6) / 2),
        text.len()
    );
    assert!(world.load("large").await == ToolResult::ok(expected));
    // One that would not fit into memory.
    world.write("project/.skills/vast.md", "Vast\n---\n");
    let file = fs::File::options().write(true).open(world.at("project/.skills/vast.md")).unwrap();
    file.set_len(1 << 40).unwrap();
    assert_eq!(world.load("vast").await, ToolResult::error("the skill cannot be read: it is a binary file"));
    assert_eq!(world.listed().await, " The skills:\n- large: S\n- vast: Vast\n- whole");
}

#[tokio::test]
async fn no_number_of_skills_is_too_many() {
    let world = World::new();
    for n in 0..600 {
        let path = format!("project/.skills/{:02}/{n:03}.md", n / 20);
        world.write(&path, format!("{}\n---\n{n}", "s".repeat(200)));
    }
    let listed = world.listed().await;
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines[1], format!("- 000: {}", "s".repeat(200)));
    // 208 bytes a line, 16 KiB in all; 500 skills are taken.
    assert_eq!((lines.len(), *lines.last().unwrap()), (80, "- and 422 more that are not listed"));
    assert_eq!(world.load("499").await, ToolResult::ok("499"), "not listed, but there");
    assert!(world.load("500").await.is_error);

    // A directory with too many entries is left out, whatever comes first in it.
    let world = World::with(&[("project/.skills/few/a.md", "a")]);
    for n in 0..=2000 {
        world.write(&format!("project/.skills/many/{n}.txt"), "");
    }
    world.write("project/.skills/many/b.md", "b");
    assert_eq!(world.listed().await, " The skills:\n- a");

    let world =
        World::with(&[("project/.skills/1/2/3/4/5/6/a.md", ""), ("project/.skills/1/2/3/4/5/6/7/b.md", "")]);
    assert_eq!(world.listed().await, " The skills:\n- a");
}

#[tokio::test]
async fn of_two_skills_with_one_name_the_less_deep_one_counts() {
    let world = World::with(&[
        ("project/.skills/a/x/SKILL.md", "---\nname: one\n---\ndeep"),
        ("project/.skills/z/one.md", "less deep"),
        ("project/.skills/a/two.md", "first"),
        ("project/.skills/b/two.md", "second"),
    ]);
    assert_eq!(world.load("one").await, ToolResult::ok("less deep"));
    assert_eq!(world.load("two").await, ToolResult::ok("first"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// In whatever order the files were made, and so in whatever order the system lists them.
    #[test]
    fn the_same_files_make_the_same_spec(order in Just((0..40usize).collect::<Vec<_>>()).prop_shuffle()) {
        let make = |order: &[usize]| {
            let world = World::new();
            for n in order {
                let path = match n % 4 {
                    0 => format!("home/.skills/{}.md", n % 7),
                    1 => format!("project/.skills/{}.md", n % 9),
                    2 => format!("project/.skills/{}/{}.md", n % 3, n % 11),
                    _ => format!("project/.skills/{}/{n}/SKILL.md", n % 3),
                };
                world.write(&path, format!("S {path}\n---\n"));
            }
            world
        };
        let sorted: Vec<usize> = (0..order.len()).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (one, other) = runtime.block_on(async {
            (make(&sorted).tool().await.spec().clone(), make(&order).tool().await.spec().clone())
        });
        prop_assert!(one.description.lines().count() > 10);
        prop_assert_eq!(one, other);
    }
}
