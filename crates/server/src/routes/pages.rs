//! What is for people: a page to talk to an agent, and the documentation of the server in the server.

use axum::body::Bytes;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use wire::ErrorCode;

use crate::answer::Refusal;
use crate::extract::Named;
use crate::openapi::{ASYNCAPI, Group, OPENAPI, get};

/// The page brings everything with it and talks to nobody but this server.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self' ws: wss:; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The documentation's code and looks are files of this server, and nothing else runs.
const DOCS_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
                           base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// As that of the documentation, and it opens WebSockets and shows pictures of its own making. Its video comes over WebRTC.
const REALTIME_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self' ws: wss:; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The modules of the realtime page.
const REALTIME_SCRIPTS: [(&str, &str); 9] = [
    ("page.js", include_str!("realtime/page.js")),
    ("clip.js", include_str!("realtime/clip.js")),
    ("connection.js", include_str!("realtime/connection.js")),
    ("endings.js", include_str!("realtime/endings.js")),
    ("look.js", include_str!("realtime/look.js")),
    ("server.js", include_str!("realtime/server.js")),
    ("session.js", include_str!("realtime/session.js")),
    ("source.js", include_str!("realtime/source.js")),
    ("view.js", include_str!("realtime/view.js")),
];

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";

pub(super) fn group() -> Group {
    Group {
        name: "Pages",
        about: "For people, and for tools that read descriptions. None needs a key.",
        operations: vec![
            get("/", page, "page").says("A page to talk to an agent", "").gives("text/html", "The page."),
            get("/openapi.json", openapi, "openapi")
                .says("This document", "Made from the same table as the routes.")
                .gives(JSON, "An OpenAPI 3.1 document."),
            get("/asyncapi.json", asyncapi, "asyncapi")
                .says("The description of the WebSocket", "Every frame, with its schema and an example.")
                .gives(JSON, "An AsyncAPI 3.0 document."),
            get("/docs", docs, "docs").says("This document, to read", "").gives("text/html", "The page."),
            get("/docs/websocket", docs, "websocketDocs")
                .says("The description of the WebSocket, to read", "")
                .gives("text/html", "The page."),
            get("/docs/docs.css", styles, "docsStyles")
                .says("How the documentation looks", "")
                .gives("text/css", "Styles."),
            get("/docs/docs.js", script, "docsScript")
                .says("What makes a page of a document", "")
                .gives("text/javascript", "A script."),
            get("/realtime", realtime, "realtimePage")
                .says(
                    "A page to try realtime video",
                    "It makes sessions, and shows those of others to viewers.",
                )
                .gives("text/html", "The page."),
            get("/realtime/page.css", realtime_styles, "realtimeStyles")
                .says("How that page looks", "")
                .gives("text/css", "Styles."),
            get("/realtime/{script}", realtime_script, "realtimeScript")
                .says("What that page does", "`page.js` is the first of its modules and loads the others.")
                .gives("text/javascript", "A script.")
                .fails(&[ErrorCode::NotFound]),
        ],
    }
}

async fn page() -> Response {
    served(include_str!("page.html"), HTML, PAGE_POLICY)
}

async fn docs() -> Response {
    served(include_str!("docs.html"), HTML, DOCS_POLICY)
}

async fn styles() -> Response {
    served(include_str!("docs.css"), CSS, DOCS_POLICY)
}

async fn script() -> Response {
    served(include_str!("docs.js"), SCRIPT, DOCS_POLICY)
}

async fn realtime() -> Response {
    served(include_str!("realtime/page.html"), HTML, REALTIME_POLICY)
}

async fn realtime_styles() -> Response {
    served(include_str!("realtime/page.css"), CSS, REALTIME_POLICY)
}

async fn realtime_script(Named(name): Named) -> Result<Response, Refusal> {
    match REALTIME_SCRIPTS.iter().find(|(known, _)| *known == name) {
        Some((_, script)) => Ok(served(*script, SCRIPT, REALTIME_POLICY)),
        None => Err(Refusal::of(ErrorCode::NotFound, "the realtime page has no script of that name")),
    }
}

async fn openapi() -> Response {
    served(OPENAPI.clone(), JSON, DOCS_POLICY)
}

async fn asyncapi() -> Response {
    served(ASYNCAPI.clone(), JSON, DOCS_POLICY)
}

fn served(content: impl Into<Bytes>, content_type: &'static str, policy: &'static str) -> Response {
    let headers =
        [(CONTENT_TYPE, content_type), (CONTENT_SECURITY_POLICY, policy), (CACHE_CONTROL, "no-cache")];
    (headers, content.into()).into_response()
}
