//! What is for people: the web app, and the documentation of the server in the server.

use axum::body::Bytes;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use super::app;
use crate::openapi::{ASYNCAPI, Group, OPENAPI, get};

/// The documentation's code and looks are files of this server, and nothing else runs.
const DOCS_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
                           base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";

pub(super) fn group() -> Group {
    let mut operations = app::operations();
    operations.extend([
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
    ]);
    Group {
        name: "Pages",
        about: "For people, and for tools that read descriptions. None needs a key.",
        operations,
    }
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
