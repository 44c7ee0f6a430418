//! The web app: one page, which shows what its address says, and the files that it loads.
//!
//! None of it needs a key, and it says nothing about anybody: the app itself asks for what it shows, and for the key.

use app::File;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    HeaderName, IF_NONE_MATCH, REFERRER_POLICY, VARY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use wire::ErrorCode;

use crate::answer::Refusal;
use crate::openapi::{Operation, get};

/// What the app loads and speaks to is on this server, apart from images that messages name by an address elsewhere. It
/// makes pictures and downloads of its own (`blob:`, `data:`). Nothing that is written into a page runs or loads.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data: blob: https:; media-src 'self' blob:; font-src 'self'; object-src 'none'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Of what asks the person first, the app takes pictures, from a camera or of a screen.
const PERMISSIONS: &str =
    "camera=(self), display-capture=(self), microphone=(), geolocation=(), payment=(), usb=()";

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Asked again each time, which costs a few bytes as long as it is the same.
const ASKED_AGAIN: &str = "no-cache";

/// The name of a file changes with its content.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// Where the files are.
const ASSETS: &str = "/assets/";

pub(super) fn operations() -> Vec<Operation> {
    let view = |path, id, summary| get(path, page, id).says(summary, "").gives("text/html", "The app.");
    vec![
        view("/", "app", "The web app").with_header("etag", "For `If-None-Match`."),
        view("/c/{conversation}", "appConversation", "The web app, at a conversation"),
        view("/realtime", "appRealtime", "The web app, at a realtime session of one's own"),
        view("/watch", "appWatch", "The web app, at somebody else's realtime session"),
        view("/usage", "appUsage", "The web app, at what was used"),
        view("/keys", "appKeys", "The web app, at keys and client tokens"),
        view("/settings", "appSettings", "The web app, at its settings"),
        get("/assets/{asset}", asset, "appAsset")
            .says("A file of the web app", "Another content has another name, so that a file holds for ever.")
            .gives("*/*", "The file.")
            .fails(&[ErrorCode::NotFound]),
    ]
}

async fn page(headers: HeaderMap) -> Response {
    let mut response = served(app::index(), ASKED_AGAIN, &headers);
    let policies = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (PERMISSIONS_POLICY, PERMISSIONS),
        (REFERRER_POLICY, "no-referrer"),
        (OPENER_POLICY, "same-origin"),
    ];
    for (name, value) in policies {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn asset(uri: Uri, headers: HeaderMap) -> Result<Response, Refusal> {
    match uri.path().strip_prefix(ASSETS).and_then(app::asset) {
        Some(file) => Ok(served(file, FOR_EVER, &headers)),
        None => Err(Refusal::of(
            ErrorCode::NotFound,
            "the app has no such file; after an update of the server, load the page anew",
        )),
    }
}

/// The file as the request wants it: not at all if it is known, compressed if that is understood.
fn served(file: &'static File, holds: &'static str, request: &HeaderMap) -> Response {
    let common = [(ETAG, file.etag), (CACHE_CONTROL, holds), (VARY, "accept-encoding")];
    if is_known(request, file.etag) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let content_type = [(CONTENT_TYPE, file.content_type)];
    if takes_gzip(request) {
        (common, content_type, [(CONTENT_ENCODING, "gzip")], file.gzipped).into_response()
    } else {
        (common, content_type, file.content()).into_response()
    }
}

/// Whether the client has it already, by any of the tags that it names.
fn is_known(request: &HeaderMap, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let named = request.get_all(IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
    named.flat_map(|tags| tags.split(',')).map(opaque).any(|tag| tag == "*" || tag == opaque(etag))
}

/// Whether `Accept-Encoding` has gzip in it: by its name, or else as any other.
fn takes_gzip(request: &HeaderMap) -> bool {
    let named = request.get_all(ACCEPT_ENCODING).iter().filter_map(|codings| codings.to_str().ok());
    let codings: Vec<(String, bool)> = named.flat_map(|codings| codings.split(',')).map(coding).collect();
    let accepted = |wanted: &str| codings.iter().find(|(name, _)| name == wanted).map(|(_, taken)| *taken);
    accepted("gzip").or_else(|| accepted("*")).unwrap_or(false)
}

/// A coding of `Accept-Encoding`, and whether it is one that is taken: `gzip;q=0` is refused.
fn coding(text: &str) -> (String, bool) {
    let (name, parameters) = text.split_once(';').unwrap_or((text, ""));
    let weight = parameters.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
    (name.trim().to_ascii_lowercase(), weight != Some(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        for taken in ["gzip", "deflate, GZIP", "gzip;q=0.5", "*", "br;q=1.0, *;q=0.1", "*;q=0, gzip"] {
            assert!(takes_gzip(&with(ACCEPT_ENCODING, &[taken])), "{taken}");
        }
        for refused in ["", "identity", "br", "gzip;q=0", "gzip; q=0.000", "*;q=0", "gzip;q=0, *", "gzipped"]
        {
            assert!(!takes_gzip(&with(ACCEPT_ENCODING, &[refused])), "{refused}");
        }
        assert!(takes_gzip(&with(ACCEPT_ENCODING, &["br", "gzip"])));
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn a_tag_is_known_in_any_of_its_forms() {
        for known in ["W/\"a\"", "\"a\"", "\"b\", W/\"a\"", "*"] {
            assert!(is_known(&with(IF_NONE_MATCH, &[known]), "W/\"a\""), "{known}");
        }
        for other in ["\"b\"", "a", "", "W/\"ab\""] {
            assert!(!is_known(&with(IF_NONE_MATCH, &[other]), "W/\"a\""), "{other}");
        }
        assert!(!is_known(&HeaderMap::new(), "W/\"a\""));
    }
}
