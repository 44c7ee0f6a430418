//! 2.15: `GET /conversations/:id/lsp`.

use serde_json::json;

use crate::check::{Check, check, same};
use crate::contract;
use crate::world::at;

pub(super) fn checks() -> Vec<Check> {
    vec![
        check("2.15-no-cwd-no-servers", "without a cwd there are no servers", |w| async move {
            let id = w.id();
            w.get(at(&id, "/lsp")).await?.is(json!({"conversationId": id, "cwd": null, "servers": []}))
        }),
        check(
            "2.15-shape",
            "with a cwd the answer names it, and lists servers in the contract's shape",
            |w| async move {
                let id = w.id();
                w.put(at(&id, "/cwd"), json!({"cwd": "/tmp"})).await?.ok()?;
                let body = w.get(at(&id, "/lsp")).await?.ok()?;
                contract::LSP.verify(&body)?;
                same("conversationId", body["conversationId"].clone(), id)?;
                same("cwd", body["cwd"].clone(), "/tmp")
            },
        ),
        check(
            "2.15-none-configured",
            "in a directory that configures none, servers is empty",
            |w| async move {
                let (id, directory) = (w.id(), w.directory().await?);
                w.put(at(&id, "/cwd"), json!({"cwd": directory})).await?.ok()?;
                w.get(at(&id, "/lsp"))
                    .await?
                    .is(json!({"conversationId": id, "cwd": directory, "servers": []}))
            },
        ),
    ]
}
