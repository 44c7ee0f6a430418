//! 2.12: `/conversations/:id/cwd`.

use serde_json::json;

use crate::check::{Check, Outcome, check, ensure, same};
use crate::world::{World, at};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check("2.12-null-when-never-set", "cwd is null until it is set", |w| async move {
            let id = w.id();
            w.get(at(&id, "/cwd")).await?.is(json!({"conversationId": id, "cwd": null}))
        }),
        check("2.12-set-and-read", "what is set is answered and read back", |w| async move {
            let id = w.id();
            set(&w, &id, "/tmp").await?;
            w.get(at(&id, "/cwd")).await?.is(json!({"conversationId": id, "cwd": "/tmp"}))
        }),
        check(
            "2.12-must-be-a-string",
            "an empty, missing or non-string cwd is refused and changes nothing",
            |w| async move {
                let id = w.id();
                for body in [
                    json!({}),
                    json!({"cwd": ""}),
                    json!({"cwd": 1}),
                    json!({"cwd": null}),
                    json!({"cwd": ["/tmp"]}),
                ] {
                    w.put(at(&id, "/cwd"), body).await?.invalid()?;
                }
                w.get(at(&id, "/cwd")).await?.is(json!({"conversationId": id, "cwd": null}))
            },
        ),
        check(
            "2.12-is-kept-as-it-is",
            "cwd is not checked against the file system and not changed",
            |w| async move {
                let id = w.id();
                for cwd in ["/no/such/place", "relative/../path/", " /with blanks ", "~"] {
                    set(&w, &id, cwd).await?;
                }
                Ok(())
            },
        ),
        check(
            "2.12-tools-work-there",
            "tools of later turns work in the directory that was set",
            |w| async move {
                let (id, directory) = (w.id(), w.directory().await?);
                set(&w, &id, &directory).await?;
                same("pwd", pwd(&w, &id, None).await?, directory)
            },
        ),
        check(
            "2.12-of-a-message-is-kept",
            "the cwd of a message holds for it and for later turns",
            |w| async move {
                let (id, directory) = (w.id(), w.directory().await?);
                same("pwd", pwd(&w, &id, Some(&directory)).await?, directory.clone())?;
                w.get(at(&id, "/cwd")).await?.is(json!({"conversationId": id, "cwd": directory}))?;
                same("pwd of the next turn", pwd(&w, &id, None).await?, directory)
            },
        ),
        check(
            "2.12-relative-is-the-servers",
            "a relative cwd starts at the server's directory, set or sent",
            |w| async move {
                let directory = w.directory().await?;
                let name = directory.rsplit('/').next().unwrap_or_default().to_owned();
                let (sent, stored) = (w.id(), w.id());
                same("sent", pwd(&w, &sent, Some(&name)).await?, directory.clone())?;
                set(&w, &stored, &name).await?;
                same("set", pwd(&w, &stored, None).await?, directory)
            },
        )
        .quirk(
            "a relative cwd of a message was used raw, that of a conversation resolved",
            "both are resolved",
        ),
        check("2.12-is-no-activity", "setting the cwd does not move lastActivityAt", |w| async move {
            let id = w.id();
            w.talk(&id).await?;
            let before = w.listed(&id).await?;
            set(&w, &id, "/tmp").await?;
            same(
                "lastActivityAt",
                w.listed(&id).await?["lastActivityAt"].clone(),
                before["lastActivityAt"].clone(),
            )
        }),
        check("2.12-delete", "DELETE makes cwd null again", |w| async move {
            let id = w.id();
            set(&w, &id, "/tmp").await?;
            w.delete(at(&id, "/cwd")).await?.is(json!({"conversationId": id, "cwd": null}))?;
            w.get(at(&id, "/cwd")).await?.is(json!({"conversationId": id, "cwd": null}))
        }),
    ]
}

async fn set(w: &World, id: &str, cwd: &str) -> Outcome {
    w.put(at(id, "/cwd"), json!({"cwd": cwd})).await?.is(json!({"conversationId": id, "cwd": cwd}))
}

/// Where the shell of a turn is.
async fn pwd(w: &World, id: &str, cwd: Option<&str>) -> Outcome<String> {
    let mut body = json!({"conversationId": id, "message": "run `pwd`", "model": w.demo()?});
    if let Some(cwd) = cwd {
        body["cwd"] = json!(cwd);
    }
    let turn = w.chat(body).await?.rest().await?;
    let result = turn.one("tool-result")?;
    ensure(result["isError"] == false, "a directory", result)?;
    Ok(result["content"].as_str().unwrap_or_default().lines().next().unwrap_or_default().to_owned())
}
