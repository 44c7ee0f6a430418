//! What git says of the working directory.
//!
//! A repository is what somebody else has written: a model, or whoever made it. Git is run so that nothing in it is
//! executed, and so that git neither writes, nor asks, nor reaches out.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

/// The most bytes of the status.
const STATUS_BYTES: usize = 8 << 10;

/// The most bytes of the file that says where the head is.
const HEAD_BYTES: u64 = 4 << 10;

/// The most bytes of anything else.
const ANSWER_BYTES: usize = 64 << 10;

/// What must not hold, whatever the repository says: programs that it could name, and colours and lines that would make
/// the status another one.
const CONFIG: [&str; 11] = [
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.pager=cat",
    "core.quotePath=false",
    "color.ui=false",
    "color.status=false",
    "safe.bareRepository=explicit",
    "status.branch=false",
    "status.showStash=false",
    "status.relativePaths=true",
    "status.submoduleSummary=false",
];

const ENVIRONMENT: [(&str, &str); 6] = [
    ("LC_ALL", "C"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_NO_LAZY_FETCH", "1"),
    // No protocol is called so: git talks to nobody.
    ("GIT_ALLOW_PROTOCOL", "none"),
    ("GIT_PAGER", "cat"),
];

/// Git in a directory, if it is installed.
pub(crate) struct Git {
    cwd: PathBuf,
    program: PathBuf,
    /// How long it may take, for all that one prompt needs of it.
    patience: Duration,
    /// From the first question on.
    deadline: Option<Instant>,
}

impl Git {
    pub(crate) fn new(cwd: PathBuf, patience: Duration) -> Self {
        Self { cwd, program: "git".into(), patience, deadline: None }
    }

    /// The branch, or where the head is when it is on none. Empty outside of a repository.
    pub(crate) async fn branch(&mut self) -> String {
        // Most often a file says it. A program costs as much as all the rest of a turn's start, many times over.
        let cwd = self.cwd.clone();
        let reading = spawn_blocking(move || Head::of(&cwd));
        match timeout_at(self.deadline(), reading).await {
            Ok(Ok(Head::Nowhere)) => return String::new(),
            Ok(Ok(Head::On(branch))) => return branch,
            Ok(Ok(Head::Elsewhere)) => {}
            Ok(Err(_)) | Err(_) => return String::new(),
        }
        if let Some(branch) = self.line(&["symbolic-ref", "--quiet", "--short", "HEAD"]).await {
            return branch;
        }
        let commit = self.line(&["rev-parse", "--quiet", "--verify", "--short", "HEAD"]).await;
        commit.map(|commit| format!("HEAD (detached at {commit})")).unwrap_or_default()
    }

    /// The short status of the directory. Empty outside of a repository, and when there is nothing to say.
    pub(crate) async fn status(&mut self) -> String {
        self.try_status().await.unwrap_or_default()
    }

    async fn try_status(&mut self) -> Option<String> {
        // The repository may say that its files are elsewhere.
        let top = PathBuf::from(self.line(&["rev-parse", "--show-toplevel"]).await?);
        let cwd = tokio::fs::canonicalize(&self.cwd).await.ok()?;
        if !cwd.starts_with(top) {
            return None;
        }
        let config = self.no_filters().await?;
        let status =
            ["status", "--short", "--untracked-files=normal", "--ignore-submodules=all", "--no-renames"];
        let answer = self.ask(&[&status[..], &["--", "."]].concat(), &config, STATUS_BYTES).await?;
        if !answer.is_whole {
            let lines = answer.text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            return Some(format!("{lines}\n[cut: more has changed]"));
        }
        answer.succeeded.then(|| answer.text.trim_end().to_owned())
    }

    /// Settings that switch off the filters that are configured: they are programs, and git would run them on files that
    /// may have changed. Without them such a file counts as changed.
    async fn no_filters(&mut self) -> Option<Vec<String>> {
        let list = ["config", "--null", "--name-only", "--includes", "--get-regexp", r"^filter\."];
        let answer = self.ask(&list, &[], ANSWER_BYTES).await?;
        // A name with that sign in it cannot be set from outside.
        if !answer.is_whole || answer.text.contains('=') {
            return None;
        }
        let keys = answer.text.split('\0').filter_map(|key| key.rsplit_once('.'));
        let mut drivers: Vec<&str> = keys.map(|(driver, _)| driver).collect();
        drivers.sort_unstable();
        drivers.dedup();
        let off = |driver: &str| {
            ["clean=", "process=", "required=false"].map(|setting| format!("{driver}.{setting}"))
        };
        Some(drivers.into_iter().flat_map(off).collect())
    }

    fn deadline(&mut self) -> Instant {
        *self.deadline.get_or_insert_with(|| Instant::now() + self.patience)
    }

    /// An answer of one line that is not empty.
    async fn line(&mut self, arguments: &[&str]) -> Option<String> {
        let answer = self.ask(arguments, &[], ANSWER_BYTES).await?;
        let line = answer.text.trim_end();
        (answer.succeeded && answer.is_whole && !line.is_empty() && !line.contains('\n'))
            .then(|| line.to_owned())
    }

    /// Runs git. None: it is not there, or took too long.
    async fn ask(&mut self, arguments: &[&str], config: &[String], limit: usize) -> Option<Answer> {
        let deadline = self.deadline();
        if deadline <= Instant::now() {
            return None;
        }
        let mut command = self.command(arguments, config);
        let work = async {
            // A directory that does not answer holds up whoever starts a program in it.
            let mut running = spawn_blocking(move || command.spawn().map(Running)).await.ok()?.ok()?;
            let mut bytes = Vec::new();
            let stdout = running.0.stdout.take()?;
            stdout.take(limit as u64 + 1).read_to_end(&mut bytes).await.ok()?;
            let is_whole = bytes.len() <= limit;
            bytes.truncate(limit);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            // What is not read to its end is ended.
            let succeeded = is_whole && running.0.wait().await.ok()?.success();
            Some(Answer { text, is_whole, succeeded })
        };
        timeout_at(deadline, work).await.ok()?
    }

    fn command(&self, arguments: &[&str], config: &[String]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--no-pager");
        for setting in CONFIG.into_iter().chain(config.iter().map(String::as_str)) {
            command.args(["-c", setting]);
        }
        command.args(arguments).current_dir(&self.cwd);
        command.env_clear().envs(ENVIRONMENT);
        command.env("PATH", absolute(&env::var_os("PATH").unwrap_or_default()));
        let kept = ["HOME", "XDG_CONFIG_HOME"].map(|name| (name, env::var_os(name)));
        command.envs(kept.into_iter().filter_map(|(name, value)| Some((name, value?))));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        // A group of its own, so that it can be ended with all that it started.
        command.process_group(0).kill_on_drop(true);
        command
    }
}

/// What the files of a repository say of its head.
#[derive(Debug, PartialEq, Eq)]
enum Head {
    /// There is no repository.
    Nowhere,
    /// It is on that branch.
    On(String),
    /// Only git knows.
    Elsewhere,
}

impl Head {
    fn of(cwd: &Path) -> Self {
        let Ok(cwd) = cwd.canonicalize() else { return Self::Nowhere };
        let Some(git) = cwd.ancestors().map(|each| each.join(".git")).find(|git| git.exists()) else {
            return Self::Nowhere;
        };
        let mut head = String::new();
        let file = git.join("HEAD");
        // A pipe in its place would hold up whoever opens it.
        let read = fs::metadata(&file).and_then(|known| match known.is_file() {
            true => File::open(&file)?.take(HEAD_BYTES).read_to_string(&mut head),
            false => Err(io::ErrorKind::InvalidData.into()),
        });
        let branch = head.strip_prefix("ref: refs/heads/").and_then(|rest| rest.strip_suffix('\n'));
        match branch {
            // A name that begins so belongs to repositories that keep their heads otherwise.
            Some(branch)
                if read.is_ok() && !branch.starts_with('.') && !branch.contains(char::is_control) =>
            {
                Self::On(branch.to_owned())
            }
            Some(_) | None => Self::Elsewhere,
        }
    }
}

/// A search path without what is relative: that would be looked for in the repository.
fn absolute(path: &OsStr) -> OsString {
    env::join_paths(env::split_paths(path).filter(|path| path.is_absolute())).unwrap_or_default()
}

struct Answer {
    text: String,
    is_whole: bool,
    succeeded: bool,
}

/// A program that ends when this is dropped, with all of its group.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // None when it has been reaped: its number may be somebody else's by then.
        let group = self.0.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        if let Some(group) = group {
            // It fails when nobody is left, which is as well.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use rustix::process::test_kill_process;
    use tempfile::TempDir;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// A directory with a program in it that takes the place of git.
    fn pretender(script: &str) -> (TempDir, Git) {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("pretender");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        // A repository whose head only git can tell.
        fs::create_dir(directory.path().join(".git")).unwrap();
        let git = Git { program, ..Git::new(directory.path().to_owned(), LONG) };
        (directory, git)
    }

    #[test]
    fn a_head_is_read_where_that_suffices() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        assert_eq!(Head::of(&inner), Head::Nowhere);
        assert_eq!(Head::of(&directory.path().join("gone")), Head::Nowhere);
        let git = directory.path().join(".git");
        fs::create_dir(&git).unwrap();
        assert_eq!(Head::of(&inner), Head::Elsewhere, "an empty repository");
        let on = |branch: &str| Head::On(branch.to_owned());
        for (head, expected) in [
            ("ref: refs/heads/main\n", on("main")),
            ("ref: refs/heads/topic/ü\n", on("topic/ü")),
            ("ref: refs/heads/.invalid\n", Head::Elsewhere),
            ("ref: refs/heads/two\nlines\n", Head::Elsewhere),
            ("ref: refs/heads/cut", Head::Elsewhere),
            ("ref: refs/remotes/origin/main\n", Head::Elsewhere),
            ("0123456789012345678901234567890123456789\n", Head::Elsewhere),
            ("", Head::Elsewhere),
        ] {
            fs::write(git.join("HEAD"), head).unwrap();
            assert_eq!(Head::of(&inner), expected, "{head:?}");
        }
        fs::write(git.join("HEAD"), b"ref: refs/heads/\xff\n").unwrap();
        assert_eq!(Head::of(&inner), Head::Elsewhere);
        fs::remove_dir_all(&git).unwrap();
        fs::write(&git, "gitdir: elsewhere\n").unwrap();
        assert_eq!(Head::of(&inner), Head::Elsewhere, "a work tree");
    }

    #[tokio::test]
    async fn a_git_that_is_not_there_says_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let mut git = Git { program: "/nowhere/git".into(), ..Git::new(directory.path().to_owned(), LONG) };
        assert_eq!((git.branch().await, git.status().await), (String::new(), String::new()));
        let mut git = Git::new(directory.path().join("gone"), LONG);
        assert_eq!((git.branch().await, git.status().await), (String::new(), String::new()));
    }

    #[tokio::test]
    async fn a_git_that_fails_says_nothing() {
        let (_directory, mut git) = pretender("echo something; exit 128");
        assert_eq!((git.branch().await, git.status().await), (String::new(), String::new()));
    }

    #[tokio::test]
    async fn a_git_that_hangs_is_ended_with_what_it_started() {
        let (directory, mut git) = pretender("sleep 600 & echo $! > started; wait");
        let started = directory.path().join("started");
        let pid =
            || fs::read_to_string(&started).ok()?.strip_suffix('\n')?.parse().ok().and_then(Pid::from_raw);
        let asked = git.branch();
        let both = async {
            while pid().is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        // The time is up as soon as the child of the child is there.
        tokio::select! {
            branch = asked => panic!("it answered: {branch}"),
            () = both => {}
        }
        let pid = pid().unwrap();
        while runs(pid) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn all_questions_together_have_one_deadline() {
        let (directory, mut git) = pretender("echo x >> asked; exec sleep 600");
        git.patience = Duration::from_millis(1500);
        assert_eq!((git.branch().await, git.status().await), (String::new(), String::new()));
        let asked = fs::read_to_string(directory.path().join("asked")).unwrap_or_default();
        assert!(asked.len() <= 2, "it was asked again after its time was up: {asked:?}");
    }

    #[tokio::test]
    async fn a_flood_is_cut_at_a_line_and_says_so() {
        for line in ["?? file", "?? other"] {
            let script = r#"case "$*" in *get-regexp*) exit 1;; *toplevel*) pwd;; *) while echo "LINE"; do :; done;; esac"#;
            let (_directory, mut git) = pretender(&script.replace("LINE", line));
            let lines = vec![line; STATUS_BYTES / (line.len() + 1)].join("\n");
            assert!(git.status().await == format!("{lines}\n[cut: more has changed]"));
        }
    }

    #[test]
    fn a_relative_search_path_is_left_out() {
        assert_eq!(absolute(OsStr::new(":/usr/bin:.:bin:/bin:")), "/usr/bin:/bin");
        assert_eq!(absolute(OsStr::new("")), "");
    }

    /// Whether a process is there and not only waits to be reaped.
    fn runs(pid: Pid) -> bool {
        let status = Path::new("/proc").join(pid.as_raw_nonzero().to_string()).join("stat");
        match fs::read_to_string(status) {
            Ok(stat) => !stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with(['Z', 'X'])),
            Err(_) => !Path::new("/proc/self").exists() && test_kill_process(pid).is_ok(),
        }
    }
}
