//! 2.1: `GET /health`.

use serde_json::json;

use crate::check::{Check, check};

pub(super) fn checks() -> Vec<Check> {
    vec![check("2.1-ok", "GET /health answers {\"ok\": true} and nothing else", |w| async move {
        w.get("/health").await?.is(json!({"ok": true}))
    })]
}
