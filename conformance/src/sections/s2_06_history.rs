//! 2.6: `GET /conversations/:id`.

use serde_json::json;

use crate::check::{Check, Outcome, check, ensure, same};
use crate::world::{World, at};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "2.6-unknown-is-empty",
            "an unknown conversation has no chunks and latestSeq 0",
            |w| async move { w.get(at(&w.id(), "")).await?.is(json!({"chunks": [], "latestSeq": 0})) },
        ),
        check(
            "2.6-latest-seq-echoes-since-seq-when-empty",
            "latestSeq is the requested sinceSeq when nothing is returned",
            |w| async move {
                w.get(at(&w.id(), "?sinceSeq=17")).await?.is(json!({"chunks": [], "latestSeq": 17}))?;
                let (id, latest) = talked(&w).await?;
                w.get(at(&id, &format!("?sinceSeq={latest}")))
                    .await?
                    .is(json!({"chunks": [], "latestSeq": latest}))?;
                w.get(at(&id, "?sinceSeq=999999")).await?.is(json!({"chunks": [], "latestSeq": 999_999}))
            },
        ),
        check(
            "2.6-whole-history",
            "without parameters all chunks come, ascending from seq 1, latestSeq is the last",
            |w| async move {
                let (id, latest) = talked(&w).await?;
                let page = w.page(&id, "").await?;
                same("seqs", page.seqs(), (1..=latest).collect::<Vec<u64>>())?;
                same("latestSeq", page.latest, latest)
            },
        ),
        check("2.6-since-seq-is-exclusive", "sinceSeq=n gives chunks after n", |w| async move {
            let (id, latest) = talked(&w).await?;
            same("seqs", w.page(&id, "?sinceSeq=1").await?.seqs(), (2..=latest).collect::<Vec<u64>>())
        }),
        check("2.6-since-seq-may-be-empty", "an empty sinceSeq is 0", |w| async move {
            let (id, latest) = talked(&w).await?;
            for query in ["?sinceSeq=", "?sinceSeq=0", "?beforeSeq=", "?limit="] {
                same(query, w.page(&id, query).await?.seqs().len(), latest)?;
            }
            Ok(())
        }),
        check("2.6-since-seq-must-be-an-integer", "any other sinceSeq is refused", |w| async move {
            refuses(&w, "sinceSeq", &["-1", "1.5", "abc", "NaN", "1,2"]).await
        }),
        check("2.6-before-seq-is-exclusive", "beforeSeq=n gives chunks before n", |w| async move {
            let (id, latest) = talked(&w).await?;
            same(
                "seqs",
                w.page(&id, &format!("?beforeSeq={latest}")).await?.seqs(),
                (1..latest).collect::<Vec<u64>>(),
            )?;
            same("before the first", w.page(&id, "?beforeSeq=1").await?.seqs().len(), 0)
        }),
        check(
            "2.6-before-seq-must-be-positive",
            "a beforeSeq that is no positive integer is refused",
            |w| async move { refuses(&w, "beforeSeq", &["0", "-1", "1.5", "abc"]).await },
        ),
        check("2.6-limit-takes-the-newest", "limit=n gives the newest n chunks, ascending", |w| async move {
            let (id, latest) = talked(&w).await?;
            same("seqs", w.page(&id, "?limit=2").await?.seqs(), vec![latest - 1, latest])?;
            same("more than there are", w.page(&id, "?limit=100000").await?.seqs().len(), latest)
        }),
        check(
            "2.6-limit-must-be-positive",
            "a limit that is no positive integer is refused",
            |w| async move { refuses(&w, "limit", &["0", "-1", "2.5", "all"]).await },
        ),
        check("2.6-numbers-are-decimal", "1e3, 0x10 and blanks are no integers here", |w| async move {
            for name in ["sinceSeq", "beforeSeq", "limit"] {
                refuses(&w, name, &["1e3", "0x10", "%205%20"]).await?;
            }
            Ok(())
        })
        .quirk("whatever JavaScript takes for a number passed", "plain decimal integers"),
        check("2.6-since-and-limit", "limit counts within what sinceSeq leaves", |w| async move {
            let (id, latest) = talked(&w).await?;
            same("seqs", w.page(&id, "?sinceSeq=1&limit=1").await?.seqs(), vec![latest])
        }),
        check("2.6-since-and-before", "sinceSeq and beforeSeq cut a window out", |w| async move {
            let (id, latest) = talked(&w).await?;
            let page = w.page(&id, &format!("?sinceSeq=1&beforeSeq={latest}")).await?;
            same("seqs", page.seqs(), (2..latest).collect::<Vec<u64>>())?;
            same("latestSeq", page.latest, latest - 1)
        }),
        check(
            "2.6-latest-seq-is-of-the-window",
            "latestSeq is the last seq that was returned, not the highest there is",
            |w| async move {
                let (id, latest) = talked(&w).await?;
                let page = w.page(&id, &format!("?beforeSeq={latest}&limit=1")).await?;
                same("seqs", page.seqs(), vec![latest - 1])?;
                same("latestSeq", page.latest, latest - 1)
            },
        ),
        check(
            "2.6-empty-window-echoes-since-seq",
            "latestSeq is sinceSeq when the window is empty, whatever lies outside",
            |w| async move {
                let (id, _) = talked(&w).await?;
                w.get(at(&id, "?sinceSeq=1&beforeSeq=2")).await?.is(json!({"chunks": [], "latestSeq": 1}))
            },
        ),
        check(
            "2.6-paging-back-finds-everything",
            "pages from the newest to the oldest are the whole history",
            |w| async move {
                let (id, latest) = talked(&w).await?;
                let mut before = latest + 1;
                let mut found = Vec::new();
                while before > 1 {
                    let page = w.page(&id, &format!("?beforeSeq={before}&limit=2")).await?;
                    ensure(!page.chunks.is_empty(), format!("chunks before {before}"), "none")?;
                    before = page.seqs()[0];
                    found.splice(0..0, page.chunks);
                }
                same("all pages", found, w.history(&id).await?)
            },
        ),
        check(
            "2.6-tail-sync-finds-everything",
            "reading with sinceSeq=latestSeq after each turn is the whole history",
            |w| async move {
                let (id, mut cursor, mut found) = (w.id(), 0, Vec::new());
                for _ in 0..3 {
                    w.talk(&id).await?;
                    let page = w.page(&id, &format!("?sinceSeq={cursor}")).await?;
                    ensure(page.latest > cursor, "new chunks", page.latest)?;
                    cursor = page.latest;
                    found.extend(page.chunks);
                }
                same("all reads", found, w.history(&id).await?)
            },
        ),
        check("2.6-reads-are-repeatable", "a chunk never changes", |w| async move {
            let (id, _) = talked(&w).await?;
            let before = w.history(&id).await?;
            w.talk(&id).await?;
            same("the old chunks", w.history(&id).await?[..before.len()].to_vec(), before)
        }),
    ]
}

/// A conversation of two turns, and its last seq, which is at least 4.
async fn talked(w: &World) -> Outcome<(String, u64)> {
    let id = w.id();
    w.talk(&id).await?;
    w.talk(&id).await?;
    let latest = w.page(&id, "").await?.latest;
    ensure(latest >= 4, "two prompts and two answers", latest)?;
    Ok((id, latest))
}

async fn refuses(w: &World, name: &str, values: &[&str]) -> Outcome {
    let id = w.id();
    for value in values {
        w.get(at(&id, &format!("?{name}={value}"))).await?.invalid()?;
    }
    Ok(())
}
