//! What each tag is replaced by.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::{git, parse, repository, resolved, scope};

#[tokio::test]
async fn the_conversation_is_known() {
    assert_eq!(
        resolved(
            "[prompt:cwd]|[prompt:model]|[prompt:conversation_id]|[prompt:workspace_id]|",
            Path::new("/a b/ü")
        )
        .await,
        "/a b/ü|demo/small|c1|default|"
    );
}

#[tokio::test]
async fn what_stands_in_brackets_and_is_no_tag_stays() {
    for text in [
        "[x] [ ] [not a tag] [a link](https://example.org/a:b) [1]: note",
        "[note: this] [12:30] [https://example.org] [^1] [[wiki]]",
        "[prompt:] [:cwd] [ prompt:cwd] [prompt:cwd ] [prompt: cwd]",
        "[prompt:cwd\n] [prompt:cwd",
        "[if prompt:cwd] open",
        "[else] [endif] closed",
        "[if] [if x]",
    ] {
        assert_eq!(resolved(text, Path::new("/p")).await, text);
    }
    assert_eq!(resolved("[[prompt:cwd]] [x][prompt:cwd](y)", Path::new("/p")).await, "[/p] [x]/p(y)");
}

#[tokio::test]
async fn what_is_not_known_is_empty() {
    assert_eq!(resolved("<[system:shoes][prompt:x][git:y][colour:red]>", Path::new("/p")).await, "<>");
    assert_eq!(
        resolved("[if colour:red]a[else]b[endif][if !system:shoes]c[endif]", Path::new("/p")).await,
        "bc"
    );
}

#[tokio::test]
async fn a_condition_keeps_one_of_its_parts() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("there.md"), "x").unwrap();
    fs::write(directory.path().join("blank.md"), " \n\t\n").unwrap();
    for (template, expected) in [
        ("[if file:there.md]yes[endif]", "yes"),
        ("[if !file:there.md]yes[endif]", ""),
        ("[if file:there.md]yes[else]no[endif]", "yes"),
        ("[if ! file:there.md]yes[else]no[endif]", "no"),
        ("[if file:blank.md]yes[else]no[endif]", "no"),
        ("[if file:gone.md]yes[else]no[endif]", "no"),
        (
            "[if file:gone.md]a[if file:there.md]b[endif]c[else]d[if file:there.md]e[else]f[endif]g[endif]h",
            "degh",
        ),
        ("[if file:there.md]a[else]b[else]c[endif]", "a"),
        ("[if file:gone.md]a[else]b[else]c[endif]", "b[else]c"),
        ("[if file:gone.md]a[if file:there.md]b[endif]", "[if file:gone.md]ab"),
        ("[if file:there.md]a[endif][endif]", "a[endif]"),
    ] {
        assert_eq!(resolved(template, directory.path()).await, expected, "{template}");
    }
}

#[tokio::test]
async fn the_machine_and_the_time_are_known() {
    let said = resolved("[system:date]|[system:time]|[system:os]|[system:hostname]", Path::new("/p")).await;
    let parts: Vec<&str> = said.split('|').collect();
    let digits = |text: &str| {
        text.chars().map(|each| if each.is_ascii_digit() { '0' } else { each }).collect::<String>()
    };
    assert_eq!(digits(parts[0]), "0000-00-00");
    assert_eq!(digits(parts[1]).replace('-', "+"), "00:00 +00:00");
    let uname = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_str().unwrap().to_owned();
    assert_eq!(parts[2], format!("{} {}", text(uname.sysname()), text(uname.machine())));
    assert_eq!(parts[3], text(uname.nodename()));
}

#[tokio::test]
async fn git_is_asked_for_branch_and_status() {
    let directory = tempfile::tempdir().unwrap();
    let cwd = directory.path();
    let both = "<[git:branch]|[git:status]>";
    assert_eq!(resolved(both, cwd).await, "<|>", "outside of a repository");
    git(cwd, &["init", "--quiet"]);
    assert_eq!(resolved(both, cwd).await, "<main|>", "before the first commit");
    repository(cwd);
    assert_eq!(resolved(both, cwd).await, "<main|>");
    git(cwd, &["switch", "--quiet", "--create", "feature/x"]);
    // What would make the status another text.
    for (key, value) in [
        ("color.status", "always"),
        ("status.branch", "true"),
        ("status.relativePaths", "false"),
        ("color.ui", "always"),
    ] {
        git(cwd, &["config", key, value]);
    }
    fs::write(cwd.join("changed.txt"), "two\n").unwrap();
    fs::create_dir(cwd.join("sub")).unwrap();
    fs::write(cwd.join("sub/[prompt:cwd] ü"), "").unwrap();
    assert_eq!(
        resolved(both, cwd).await,
        "<feature/x| M changed.txt\n?? sub/>",
        "what git says is no template"
    );
    assert_eq!(resolved("[git:status]", &cwd.join("sub")).await, "?? ./");
    git(cwd, &["checkout", "--quiet", "--detach"]);
    let commit = git(cwd, &["rev-parse", "--short", "HEAD"]);
    assert_eq!(resolved("[git:branch]", cwd).await, format!("HEAD (detached at {commit})"));
}

#[tokio::test]
async fn the_default_template_names_what_an_agent_needs() {
    let directory = tempfile::tempdir().unwrap();
    let cwd = directory.path();
    let template = parse(prompt::DEFAULT);
    let tags: Vec<String> = template.variables().map(ToString::to_string).collect();
    assert_eq!(tags, ["prompt:cwd", "git:branch", "system:os", "system:date", "file:AGENTS.md"]);
    let bare = template.resolve(&scope(cwd)).await;
    let first = format!("Your working directory is {}. The system is ", cwd.display());
    assert!(bare.contains(&first), "{bare}");
    assert!(
        !bare.contains('[') && !bare.contains("AGENTS.md") && bare.ends_with("to the point.\n"),
        "{bare}"
    );
    repository(cwd);
    fs::write(cwd.join("AGENTS.md"), "Use [prompt:model] tabs.\n").unwrap();
    let full = template.resolve(&scope(cwd)).await;
    let first = format!("Your working directory is {}, in a git repository on branch main. ", cwd.display());
    assert!(full.contains(&first), "{full}");
    let end = "\n\nThe instructions of this project, from AGENTS.md:\n\nUse [prompt:model] tabs.\n";
    assert!(full.ends_with(end), "{full}");
}

#[test]
fn all_variables_are_listed_for_clients() {
    let listed = prompt::variables();
    let names: Vec<String> = listed.iter().map(|each| format!("{}:{}", each.kind, each.name)).collect();
    assert_eq!(
        names,
        [
            "system:time",
            "system:date",
            "system:os",
            "system:hostname",
            "prompt:cwd",
            "prompt:model",
            "prompt:conversation_id",
            "prompt:workspace_id",
            "git:branch",
            "git:status",
            "file:path",
        ]
    );
    assert_eq!(
        serde_json::to_value(listed.last().unwrap()).unwrap(),
        json!({
            "type": "file",
            "name": "path",
            "description": "The content of a text file, by its path in the directory that the conversation works in; \
                            empty when there is none",
            "dynamic": true,
        })
    );
    assert_eq!(
        serde_json::to_value(&listed[1]).unwrap(),
        json!({"type": "system", "name": "date", "description": "The local date, for example 2026-06-22"})
    );
}
