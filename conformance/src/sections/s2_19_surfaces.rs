//! 2.19: surfaces are on the WebSocket only.

use serde_json::json;

use crate::check::{Check, check};

pub(super) fn checks() -> Vec<Check> {
    vec![check(
        "2.19-not-over-http",
        "actions of surfaces are no HTTP routes, although they were described",
        |w| async move {
            w.post("/surfaces/todo/actions/anything", json!({})).await?.refused(404, "not-found").map(drop)
        },
    )]
}
