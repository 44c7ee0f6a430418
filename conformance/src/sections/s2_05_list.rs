//! 2.5: `GET /conversations`.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::check::{Check, Outcome, check, ensure, same};
use crate::contract;
use crate::world::{World, at, encoded};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "2.5-shape",
            "every conversation has id, createdAt, lastActivityAt, title and status",
            |w| async move {
                w.talk(&w.id()).await?;
                contract::LIST.verify(&w.get("/conversations").await?.ok()?)
            },
        ),
        check(
            "2.5-a-new-conversation-is-listed",
            "a conversation is listed with times in milliseconds since 1970",
            |w| async move {
                let (id, before) = (w.id(), now());
                w.talk(&id).await?;
                let meta = w.listed(&id).await?;
                let (created, active) = (
                    meta["createdAt"].as_u64().unwrap_or_default(),
                    meta["lastActivityAt"].as_u64().unwrap_or_default(),
                );
                // The clocks of two machines may differ.
                let near = |at: u64| at.abs_diff(before) < 24 * 3600 * 1000;
                ensure(
                    created <= active && near(created) && near(active),
                    "times of today, in order",
                    &meta,
                )?;
                same("status", meta["status"].clone(), "idle")
            },
        ),
        check(
            "2.5-a-running-conversation-is-listed",
            "a conversation is listed from its first message on, as active",
            |w| async move {
                let id = w.id();
                let live = w.running(&id).await?;
                same("status", w.listed(&id).await?["status"].clone(), "active")?;
                w.stop(&id, live).await.map(drop)
            },
        ),
        check("2.5-filter-by-status", "status=closed gives closed conversations only", |w| async move {
            let (open, closed) = two(&w).await?;
            same("closed", ids(&w, "?status=closed", &[&open, &closed]).await?, vec![closed.clone()])?;
            same("idle", ids(&w, "?status=idle", &[&open, &closed]).await?, vec![open.clone()])
        }),
        check(
            "2.5-filter-by-several",
            "statuses are separated by commas, blanks around them do not matter",
            |w| async move {
                let (open, closed) = two(&w).await?;
                let own = [open.as_str(), closed.as_str()];
                same("active,idle", ids(&w, "?status=active,idle", &own).await?, vec![open.clone()])?;
                same("idle, closed", ids(&w, "?status=%20idle%20,%20closed", &own).await?.len(), 2)
            },
        ),
        check(
            "2.5-unknown-statuses-are-dropped",
            "a status that nobody knows is left out of the filter",
            |w| async move {
                let (open, closed) = two(&w).await?;
                same(
                    "archived,closed",
                    ids(&w, "?status=archived,closed", &[&open, &closed]).await?,
                    vec![closed.clone()],
                )
            },
        ),
        check(
            "2.5-no-valid-status-is-no-filter",
            "when no status is known, everything is listed",
            |w| async move {
                let (open, closed) = two(&w).await?;
                for query in ["?status=archived", "?status=", "?status=,", ""] {
                    same(query, ids(&w, query, &[&open, &closed]).await?.len(), 2)?;
                }
                Ok(())
            },
        ),
        check("2.5-filter-by-prefix", "q is a prefix of the id, not a part of it", |w| async move {
            let id = w.id();
            w.talk(&id).await?;
            let own = [id.as_str()];
            same("a prefix", ids(&w, &format!("?q={}", &id[..id.len() - 1]), &own).await?, vec![id.clone()])?;
            same("the rest", ids(&w, &format!("?q={}", &id[1..]), &own).await?.len(), 0)
        }),
        check(
            "2.5-prefix-is-trimmed",
            "blanks around q do not matter, and an empty q is none",
            |w| async move {
                let id = w.id();
                w.talk(&id).await?;
                let own = [id.as_str()];
                for query in [format!("?q=%20{id}%20"), "?q=".to_owned(), "?q=%20".to_owned()] {
                    same(&query, ids(&w, &query, &own).await?, vec![id.clone()])?;
                }
                Ok(())
            },
        ),
        check("2.5-prefix-has-case", "q is case-sensitive", |w| async move {
            let id = w.id();
            w.talk(&id).await?;
            same("in capitals", ids(&w, &format!("?q={}", id.to_uppercase()), &[&id]).await?.len(), 0)
        }),
        check("2.5-prefix-has-no-wildcards", "% and _ in q stand for themselves", |w| async move {
            let id = w.id();
            w.talk(&id).await?;
            for q in ["%".to_owned(), id.replace('-', "_"), "*".to_owned()] {
                same(&q, ids(&w, &format!("?q={}", encoded(&q)), &[&id]).await?.len(), 0)?;
            }
            Ok(())
        })
        .quirk("prefixes were searched with LIKE, unescaped", "every character of q is only a character"),
        check("2.5-filters-combine", "status and q must both fit", |w| async move {
            let (open, closed) = two(&w).await?;
            let own = [open.as_str(), closed.as_str()];
            same("both", ids(&w, &format!("?status=closed&q={closed}"), &own).await?, vec![closed.clone()])?;
            same("one", ids(&w, &format!("?status=closed&q={open}"), &own).await?.len(), 0)
        }),
        check(
            "2.5-last-active-first",
            "the list is sorted by lastActivityAt, the newest first",
            |w| async move {
                let (first, second) = (w.id(), w.id());
                w.talk(&first).await?;
                w.talk(&second).await?;
                w.talk(&first).await?;
                let body = w.get("/conversations").await?.ok()?;
                let all = body["conversations"].as_array().cloned().unwrap_or_default();
                let times: Vec<u64> = all.iter().filter_map(|meta| meta["lastActivityAt"].as_u64()).collect();
                ensure(
                    times.windows(2).all(|pair| pair[0] >= pair[1]),
                    "descending times",
                    format!("{times:?}"),
                )?;
                same("own", ids(&w, "", &[&first, &second]).await?, vec![first.clone(), second.clone()])
            },
        ),
        check(
            "2.5-closed-ones-are-in-the-list",
            "without a filter closed conversations are listed",
            |w| async move {
                let (_, closed) = two(&w).await?;
                same("status", w.listed(&closed).await?["status"].clone(), "closed")
            },
        ),
        check(
            "2.5-compacted-from-is-left-out",
            "compactedFrom is absent until a compaction",
            |w| async move {
                let id = w.id();
                w.talk(&id).await?;
                let meta = w.listed(&id).await?;
                ensure(meta.get("compactedFrom").is_none(), "no compactedFrom", meta)
            },
        ),
    ]
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or_default()
}

/// An idle conversation and a closed one.
async fn two(w: &World) -> Outcome<(String, String)> {
    let (open, closed) = (w.id(), w.id());
    w.talk(&open).await?;
    w.talk(&closed).await?;
    w.post_nothing(at(&closed, "/close"))
        .await?
        .is(json!({"conversationId": closed, "abortedTurn": false}))?;
    Ok((open, closed))
}

/// Which of these a query lists, in its order.
async fn ids(w: &World, query: &str, own: &[&str]) -> Outcome<Vec<String>> {
    let body = w.get(format!("/conversations{query}")).await?.ok()?;
    let listed = body["conversations"].as_array().into_iter().flatten();
    let listed = listed.filter_map(|meta| meta["id"].as_str()).filter(|id| own.contains(id));
    Ok(listed.map(str::to_owned).collect())
}
