//! A repository cannot make git run a program, write, or show what lies elsewhere.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::{git, repository, resolved};

/// A repository that names a program wherever git would run one for its status; the program leaves a file behind.
fn trap(root: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let (cwd, sprung, program) = (root.join("repository"), root.join("sprung"), root.join("program"));
    fs::create_dir(&cwd).unwrap();
    repository(&cwd);
    fs::write(&program, format!("#!/bin/sh\necho \"$0 $*\" >> '{}'\ncat\n", sprung.display())).unwrap();
    fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let hooks = cwd.join(".git/hooks");
    fs::create_dir_all(&hooks).unwrap();
    for hook in ["post-index-change", "fsmonitor-watchman"] {
        fs::copy(&program, hooks.join(hook)).unwrap();
    }
    let named = program.display().to_string();
    fs::write(cwd.join("included"), format!("[filter \"Three.Four\"]\n\tclean = {named}\n")).unwrap();
    for (key, value) in [
        ("core.pager", &*named),
        ("pager.status", &*named),
        ("core.hooksPath", &hooks.display().to_string()),
        ("filter.one.clean", &*named),
        ("filter.one.required", "true"),
        ("filter.TWO.process", &*named),
        ("filter.TWO.required", "true"),
        ("include.path", "../included"),
        ("diff.external", &*named),
        ("core.sshCommand", &*named),
        ("core.fsmonitor", &*named),
    ] {
        let output = Command::new("git").args(["config", key, value]).current_dir(&cwd).output().unwrap();
        assert!(output.status.success());
    }
    fs::write(
        cwd.join(".gitattributes"),
        "kept.txt filter=one\nchanged.txt filter=TWO\nthird.txt filter=Three.Four\n",
    )
    .unwrap();
    (cwd, sprung)
}

/// Makes git look at the content of files: they are as large as before, but were written since.
fn touch(cwd: &Path) {
    for file in ["kept.txt", "changed.txt"] {
        fs::write(cwd.join(file), "two\n").unwrap();
    }
}

#[tokio::test]
async fn no_program_of_the_repository_is_run() {
    let root = tempfile::tempdir().unwrap();
    let (cwd, sprung) = trap(root.path());
    touch(&cwd);
    // The trap works: git itself falls into it.
    let _ = Command::new("git").args(["status", "--short"]).current_dir(&cwd).output().unwrap();
    assert!(fs::read_to_string(&sprung).unwrap().lines().count() > 1);
    fs::remove_file(&sprung).unwrap();

    touch(&cwd);
    let index = fs::read(cwd.join(".git/index")).unwrap();
    let said = resolved("[git:branch]|[git:status]", &cwd).await;
    assert_eq!(fs::read_to_string(&sprung).ok(), None, "a program was run");
    assert_eq!(said, "main| M changed.txt\n M kept.txt\n?? .gitattributes\n?? included");
    assert!(fs::read(cwd.join(".git/index")).unwrap() == index, "the index was written");
}

#[tokio::test]
async fn a_filter_that_cannot_be_switched_off_leaves_no_status() {
    let root = tempfile::tempdir().unwrap();
    let (cwd, sprung) = trap(root.path());
    git(&cwd, &["config", "--unset", "core.fsmonitor"]);
    git(&cwd, &["config", "filter.a=b.clean", "true"]);
    let _ = fs::remove_file(&sprung);
    touch(&cwd);
    assert_eq!(resolved("[git:branch]|[git:status]", &cwd).await, "main|");
    assert_eq!(fs::read_to_string(&sprung).ok(), None);
}

#[tokio::test]
async fn a_work_tree_elsewhere_is_not_shown() {
    let root = tempfile::tempdir().unwrap();
    let (cwd, elsewhere) = (root.path().join("repository"), root.path().join("elsewhere"));
    for directory in [&cwd, &elsewhere] {
        fs::create_dir(directory).unwrap();
    }
    repository(&cwd);
    fs::write(elsewhere.join("canary"), "").unwrap();
    git(&cwd, &["config", "core.worktree", elsewhere.to_str().unwrap()]);
    assert_eq!(resolved("[git:status]", &cwd).await, "");
}
