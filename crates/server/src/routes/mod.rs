//! The HTTP routes, one file for each group.

mod app;
mod chat;
mod conversations;
mod events;
mod images;
mod keys;
mod models;
mod pages;
mod queue;
mod realtime;
mod servers;
mod sessions;
mod settings;
mod system_prompt;
mod throughput;
mod tokens;
mod usage;

use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderName, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::trace::TraceLayer;
use wire::ErrorCode;

use crate::access::Caller;
use crate::answer::Refusal;
use crate::openapi::{self, Group};
use crate::signaling::{self, Purpose};
use crate::{App, access, socket};

/// One JSON object a line.
pub(crate) const NDJSON: &str = "application/x-ndjson";

/// Server-sent events.
pub(crate) const EVENT_STREAM: &str = "text/event-stream";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// All there is, in the order of the documentation.
pub(crate) fn groups() -> Vec<Group> {
    vec![
        chat::group(),
        queue::group(),
        conversations::group(),
        settings::group(),
        servers::group(),
        models::group(),
        system_prompt::group(),
        images::group(),
        realtime::group(),
        keys::group(),
        pages::group(),
    ]
}

/// Everything, with upgrades on any path.
pub(crate) fn http(app: App) -> Router {
    let router = openapi::router(groups())
        .method_not_allowed_fallback(no_such_method)
        .fallback(no_such_route)
        .layer(from_fn_with_state(app.clone(), upgrade));
    dressed(router, app)
}

/// Upgrades only: the contract's separate port.
pub(crate) fn ws_only(app: App) -> Router {
    let router = Router::new().fallback(upgrade_required).layer(from_fn_with_state(app.clone(), upgrade));
    dressed(router, app)
}

fn dressed(router: Router<App>, app: App) -> Router {
    let trace = TraceLayer::new_for_http().make_span_with(|request: &Request| {
        let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
        // The path alone: a query can hold a key.
        tracing::debug_span!("request", method = %request.method(), path = request.uri().path(), id)
    });
    router
        .layer(from_fn_with_state(app.clone(), access::guard))
        .layer(from_fn(no_sniffing))
        .layer(trace)
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
        .with_state(app)
}

async fn no_such_route(request: Request) -> Refusal {
    let message = format!("nothing here: {} {}", request.method(), request.uri().path());
    Refusal::new(StatusCode::NOT_FOUND, ErrorCode::NotFound, message)
}

async fn no_such_method(request: Request) -> Refusal {
    let message = format!("{} does not take {}", request.uri().path(), request.method());
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::NotFound, message)
}

async fn upgrade_required() -> Response {
    let refusal =
        Refusal::new(StatusCode::UPGRADE_REQUIRED, ErrorCode::InvalidRequest, "expected a WebSocket upgrade");
    ([("upgrade", "websocket")], refusal).into_response()
}

/// Answers a WebSocket upgrade: on the paths of the realtime contract a session's, on any other a conversation's.
async fn upgrade(State(app): State<App>, request: Request, next: Next) -> Response {
    if !socket::is_upgrade(request.headers()) {
        return next.run(request).await;
    }
    let (mut parts, _) = request.into_parts();
    match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => match Purpose::of(parts.uri.path()) {
            Some(purpose) => signaling::accept(app, upgrade, purpose, &parts).await,
            None => match Caller::from_request_parts(&mut parts, &app).await {
                Ok(caller) => socket::accept(app, upgrade, caller),
                Err(refusal) => refusal.into_response(),
            },
        },
        Err(rejection) => {
            Refusal::new(rejection.status(), ErrorCode::InvalidRequest, rejection.body_text()).into_response()
        }
    }
}

async fn no_sniffing(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let value = axum::http::HeaderValue::from_static("nosniff");
    response.headers_mut().insert("x-content-type-options", value);
    response
}

/// Now, in milliseconds since the Unix epoch.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
