//! What Landlock keeps commands from, and what it does not. Each test runs in a process whose temporary directory is not
//! the one of its other directories.

use std::fs;
use std::path::{Path, PathBuf};

use kernel::ToolResult;
use serde_json::json;
use tools::{Mode, Sandbox, SandboxStatus, Settings};

use crate::support;
use crate::support::{alone, call_with, can_confine};

/// Directories beside the temporary directory of this process, not in it.
struct World(PathBuf);

impl World {
    fn new() -> Self {
        let base = std::env::temp_dir().parent().unwrap().join("world");
        for directory in ["work", "elsewhere", "cache", "server"] {
            fs::create_dir_all(base.join(directory)).unwrap();
        }
        let base = base.canonicalize().unwrap();
        assert!(!base.starts_with(std::env::temp_dir().canonicalize().unwrap()));
        fs::write(base.join("elsewhere/file"), "precious").unwrap();
        fs::write(base.join("server/data"), "of others").unwrap();
        Self(base)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    async fn run(&self, settings: &Settings, command: &str) -> ToolResult {
        let command = command.replace("$E", self.at("elsewhere").to_str().unwrap());
        call_with(settings.clone(), "run_shell", &self.at("work"), json!({"command": command})).await
    }
}

fn sandbox(mode: Mode) -> Settings {
    Settings { sandbox: Sandbox { mode, extra_writable: Vec::new() }, ..Settings::default() }
}

#[tokio::test]
async fn writing_is_for_the_working_directory_and_the_temporary_one() {
    if !can_confine()
        || !alone(module_path!(), "writing_is_for_the_working_directory_and_the_temporary_one", &[])
    {
        return;
    }
    let world = World::new();
    for mode in [Mode::Auto, Mode::Require] {
        let settings = sandbox(mode);
        assert!(matches!(settings.sandbox.status(), SandboxStatus::Confined { abi: 1.. }));
        let inside = "
            mkdir -p a/b && echo 1 > a/b/f && ln -sf f a/b/l && mv a/b/f a/f && cat a/f && rm -r a
            f=$(mktemp) && echo 2 > $f && cat $f && rm $f
            echo 3 > $TMPDIR/moved && mv $TMPDIR/moved . && cat moved && rm moved
            echo 4 > /dev/null && echo 5 > /dev/stdout && : > /dev/shm/dispatch-test && rm /dev/shm/dispatch-test";
        assert_eq!(world.run(&settings, inside).await, ToolResult::ok("1\n2\n3\n5\n"));
        let reading = world.run(&settings, "cat $E/file; test -r /etc/passwd && /bin/ls -d /").await;
        assert_eq!(reading, ToolResult::ok("precious/\n"));
        let attempts = [
            "echo x > $E/file",
            "echo x >> $E/file",
            "echo x > $E/new",
            ": > $E/file",
            "truncate -s 0 $E/file",
            "rm $E/file",
            "mv $E/file .",
            "ln $E/file here",
            "mkdir $E/dir",
            "ln -s /etc $E/link",
            "mkfifo $E/pipe",
            "ln -s $E out; echo x > out/file",
            "cd $E && echo x > file",
            "sh -c 'setsid sh -c \"echo x > $E/file\"'",
            "mknod device c 1 3",
        ];
        for attempt in attempts {
            let result = world.run(&settings, attempt).await;
            assert!(result.is_error, "{attempt}: {result:?}");
            let note = format!("\n[commands may write only inside {}, ", world.at("work").display());
            if result.content.contains("ermission denied") {
                assert!(result.content.contains(&note), "{attempt}: {result:?}");
            }
        }
        let left: Vec<_> =
            fs::read_dir(world.at("elsewhere")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["file"]);
        assert_eq!(fs::read_to_string(world.at("elsewhere/file")).unwrap(), "precious");
    }
}

#[tokio::test]
async fn more_directories_can_be_made_writable() {
    if !can_confine() || !alone(module_path!(), "more_directories_can_be_made_writable", &[]) {
        return;
    }
    let world = World::new();
    let mut settings = sandbox(Mode::Require);
    let command = format!("echo cached > {}", world.at("cache/file").display());
    assert!(world.run(&settings, &command).await.is_error);
    settings.sandbox.extra_writable = vec![world.at("cache"), world.at("missing")];
    assert_eq!(world.run(&settings, &command).await, ToolResult::ok("[no output]"));
    assert_eq!(fs::read_to_string(world.at("cache/file")).unwrap(), "cached\n");
    assert!(world.run(&settings, "echo x > $E/file").await.is_error);
}

#[tokio::test]
async fn without_the_sandbox_commands_write_wherever_the_server_can() {
    if !alone(module_path!(), "without_the_sandbox_commands_write_wherever_the_server_can", &[]) {
        return;
    }
    let world = World::new();
    let settings = sandbox(Mode::Off);
    assert_eq!(settings.sandbox.status(), SandboxStatus::Off);
    assert_eq!(world.run(&settings, "echo x > $E/file").await, ToolResult::ok("[no output]"));
    assert_eq!(fs::read_to_string(world.at("elsewhere/file")).unwrap(), "x\n");
}

#[tokio::test]
async fn the_servers_environment_is_not_to_be_read() {
    let secret = [("ANTHROPIC_API_KEY", "sk-canary-55")];
    if !can_confine() || !alone(module_path!(), "the_servers_environment_is_not_to_be_read", &secret) {
        return;
    }
    let world = World::new();
    let steal = format!("env; tr '\\0' '\\n' < /proc/{}/environ; true", std::process::id());
    let stolen = world.run(&sandbox(Mode::Require), &steal).await;
    assert!(
        stolen.content.contains("ermission denied") && !stolen.content.contains("sk-canary-55"),
        "{stolen:?}"
    );
    // Without the sandbox it could be: this shows that the attempt is a real one.
    let unconfined = world.run(&sandbox(Mode::Off), &steal).await;
    assert!(unconfined.content.contains("sk-canary-55"));
}

#[tokio::test]
async fn commands_signal_one_another_but_not_the_server() {
    if !can_confine() || !alone(module_path!(), "commands_signal_one_another_but_not_the_server", &[]) {
        return;
    }
    let SandboxStatus::Confined { abi } = Sandbox::default().status() else { panic!() };
    if abi < 6 {
        eprintln!("SKIPPED: Landlock of this kernel (version {abi}) does not know signals");
        return;
    }
    let world = World::new();
    let tool = support::tool(sandbox(Mode::Require), "run_shell");
    let run = async |command: &str| {
        let (context, _outputs) = support::context(&world.at("work"), support::never());
        tool.clone().run(json!({"command": command}), context).await
    };
    let kill = run(&format!("kill -9 {}", std::process::id())).await;
    assert!(kill.is_error && kill.content.contains("not permitted"), "{kill:?}");
    let daemon = "setsid sh -c 'echo $$ > daemon; exec sleep 1000' > /dev/null 2>&1 & \
                  while [ ! -s daemon ]; do sleep 0.01; done";
    assert_eq!(run(daemon).await, ToolResult::ok("[no output]"));
    let pid = support::pid_in(&world.at("work/daemon")).unwrap();
    assert!(support::runs(pid));
    assert_eq!(run("kill -9 $(cat daemon)").await, ToolResult::ok("[no output]"));
    support::eventually("the daemon is gone", || !support::runs(pid)).await;
}

#[tokio::test]
async fn what_is_protected_can_be_neither_read_nor_written() {
    if !can_confine() || !alone(module_path!(), "what_is_protected_can_be_neither_read_nor_written", &[]) {
        return;
    }
    let world = World::new();
    let data = world.at("server/data").display().to_string();
    std::os::unix::fs::symlink(world.at("server"), world.at("elsewhere/link")).unwrap();
    for mode in [Mode::Auto, Mode::Require] {
        let mut settings = sandbox(mode);
        settings.protected = vec![world.at("server"), world.at("elsewhere/later")];
        let exposed = settings.sandbox.exposed(&world.at("work"), &settings.protected);
        assert_eq!(exposed, Vec::<PathBuf>::new());
        for attempt in [
            format!("cat {data}"),
            "cat $E/link/data".to_owned(),
            format!("cat /proc/self/root{data}"),
            format!("cd {} && cat data", world.at("server").display()),
            format!("ln {data} here && cat here"),
            format!("echo x > {data}"),
        ] {
            let result = world.run(&settings, &attempt).await;
            assert!(result.is_error && !result.content.contains("of others"), "{attempt}: {result:?}");
        }
        let allowed = "cat $E/file; echo 1 > f; cat f; f=$(mktemp); echo 2 > $f; cat $f; cat /proc/self/comm; \
                       head -c 0 /dev/zero; cat /etc/hostname > /dev/null";
        assert_eq!(world.run(&settings, allowed).await, ToolResult::ok("precious1\n2\ncat\n"));
    }
    assert_eq!(fs::read_to_string(data).unwrap(), "of others");
}

#[tokio::test]
async fn what_is_protected_inside_the_working_directory_is_exposed_which_is_said_or_refused() {
    if !can_confine()
        || !alone(
            module_path!(),
            "what_is_protected_inside_the_working_directory_is_exposed_which_is_said_or_refused",
            &[],
        )
    {
        return;
    }
    let world = World::new();
    let protected = vec![world.at("work/data"), world.at("server")];
    let with = |mode| Settings { protected: protected.clone(), ..sandbox(mode) };
    let exposed = Sandbox::default().exposed(&world.at("work"), &protected);
    assert_eq!(exposed, [world.at("work/data")]);
    assert_eq!(world.run(&with(Mode::Auto), "echo x > data").await, ToolResult::ok("[no output]"));
    assert_eq!(
        world.run(&with(Mode::Require), "echo x > data").await,
        ToolResult::error(
            "no command runs here: the sandbox is required, but data of the server lies inside the directories that a \
             command may write"
        )
    );
}

#[tokio::test]
async fn no_command_runs_in_what_is_protected() {
    for mode in [Mode::Auto, Mode::Off, Mode::Require] {
        let data = tempfile::tempdir().unwrap();
        let settings = Settings { protected: vec![data.path().to_owned()], ..sandbox(mode) };
        let below = data.path().join("below");
        fs::create_dir(&below).unwrap();
        for cwd in [data.path(), &below] as [&Path; 2] {
            let result =
                call_with(settings.clone(), "run_shell", cwd, json!({"command": "touch here"})).await;
            assert_eq!(
                result,
                ToolResult::error(
                    "the working directory belongs to the server itself; no command runs there"
                )
            );
            assert!(!cwd.join("here").exists());
        }
    }
}
