//! 4.7: seq.

use serde_json::json;

use crate::check::{Check, check, ensure, same};
use crate::world::at;

pub(super) fn checks() -> Vec<Check> {
    vec![
        check(
            "4.7-from-one-without-gaps",
            "seqs are 1, 2, 3 … over good, failed and stopped turns",
            |w| async move {
                let id = w.id();
                w.script(&id, "run `echo a` and run `echo b`").await?;
                w.script(&id, "fail after 2 words").await?;
                w.script(&id, "fail").await?;
                let live = w.running(&id).await?;
                w.stop(&id, live).await?;
                w.chat(json!({"conversationId": id, "message": "say a", "model": "nobody/nothing"}))
                    .await?
                    .rest()
                    .await?;
                w.script(&id, "say end").await?;
                let chunks = w.history(&id).await?;
                ensure(chunks.len() >= 16, "chunks of six turns", chunks.len())
            },
        ),
        check("4.7-of-each-conversation", "every conversation counts for itself", |w| async move {
            let (a, b) = (w.id(), w.id());
            for id in [&a, &b, &a] {
                w.talk(id).await?;
            }
            same(
                "chunks",
                json!([
                    w.history(&a).await?.len() > w.history(&b).await?.len(),
                    w.history(&b).await?.len() >= 2
                ]),
                json!([true, true]),
            )
        }),
        check(
            "4.7-turns-at-the-same-time",
            "turns of many conversations at a time are numbered without gaps",
            |w| async move {
                let mut running = Vec::new();
                for _ in 0..10 {
                    let (w, id) = (w.clone(), w.id());
                    running.push(tokio::spawn(async move {
                        for message in ["run `echo a`, then count to 20", "say b"] {
                            w.script(&id, message).await?;
                        }
                        w.history(&id).await
                    }));
                }
                for task in running {
                    match task.await {
                        Ok(history) => same("chunks", history?.len(), 7)?,
                        Err(error) => return crate::check::failed("a task that ends", error),
                    }
                }
                Ok(())
            },
        ),
        check(
            "4.7-compaction-restarts",
            "a compacted conversation counts from 1 again, and so does its archive",
            |w| async move {
                let id = w.id();
                w.talk_at_length(&id, 3).await?;
                let before = w.history(&id).await?;
                let answer = w.post(at(&id, "/compact"), json!({"keepLastN": 2})).await?.ok()?;
                let archive = w.owns(answer["newConversationId"].as_str().unwrap_or_default().to_owned());
                ensure(w.history(&id).await?.len() < before.len(), "fewer chunks", "as many")?;
                same("the archive", w.history(&archive).await?, before)
            },
        )
        .quirk(
            "the log is rewritten under the same id, seqs restart at 1",
            "kept: clients are told by conversation.compacted",
        ),
        check("4.7-equal-for-all-readers", "ten readers at a time read the same", |w| async move {
            let id = w.id();
            w.talk(&id).await?;
            let expected = w.history(&id).await?;
            let reads = futures_util::future::join_all((0..10).map(|_| w.history(&id))).await;
            for read in reads {
                same("history", read?, expected.clone())?;
            }
            Ok(())
        }),
    ]
}
