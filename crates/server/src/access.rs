//! Who may use the server: hosts, origins and keys.
//!
//! On loopback, a web page in the user's browser is the danger: it can send requests to local ports, and with a name
//! that resolves to 127.0.0.1 it can read the answers. So `Host` must name loopback (or what is configured), and a
//! request that says that it comes from a page must come from a local or a configured one. Off loopback, a key decides.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, AUTHORIZATION, HOST, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use wire::ErrorCode;

use crate::answer::Refusal;
use crate::{App, Error, Settings, socket};

/// Paths that need no key: they say nothing about anybody.
const PUBLIC: [&str; 8] = [
    "/",
    "/health",
    "/openapi.json",
    "/asyncapi.json",
    "/docs",
    "/docs/websocket",
    "/docs/docs.css",
    "/docs/docs.js",
];

/// The rules of one port.
pub(crate) struct Access {
    on_loopback: bool,
    keys: Vec<String>,
    origins: Vec<String>,
    hosts: Vec<String>,
}

impl Access {
    pub(crate) fn new(settings: &Settings, address: SocketAddr) -> Result<Self, Error> {
        let mut origins = Vec::new();
        for origin in &settings.allowed_origins {
            let normal = origin.trim_end_matches('/').to_ascii_lowercase();
            match normal.split_once("://") {
                Some(("http" | "https", host)) if !host.is_empty() && !host.contains('/') => {
                    origins.push(normal)
                }
                _ => return Err(Error::Origin(origin.clone())),
            }
        }
        Ok(Self {
            on_loopback: address.ip().is_loopback(),
            keys: settings.api_keys.clone(),
            origins,
            hosts: settings.allowed_hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
        })
    }

    fn admits_host(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        if !self.on_loopback {
            return true;
        }
        let named = headers.get(HOST).and_then(|host| host.to_str().ok()).or_else(|| uri.host());
        named.is_some_and(|host| {
            let name = host_name(host).to_ascii_lowercase();
            is_loopback_name(&name) || self.hosts.contains(&name)
        })
    }

    /// Whether a page of that origin may use the server.
    fn admits_origin(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        let local = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"))
            .is_some_and(|host| is_loopback_name(host_name(host)));
        local || self.origins.contains(&origin)
    }

    /// Whether the page was served by this very server: then its origin is the host it asked for, which was admitted.
    fn is_own_page(origin: &str, headers: &HeaderMap) -> bool {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let page = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        host.is_some() && page == host
    }

    fn admits_key(&self, headers: &HeaderMap, uri: &Uri, upgrades: bool) -> bool {
        if self.keys.is_empty() {
            return true;
        }
        let bearer = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, key)| key.trim().to_owned());
        // Browsers cannot give a WebSocket a header, nor an EventSource.
        let query = (upgrades || is_event_stream(uri)).then(|| query_value(uri, "api_key")).flatten();
        let Some(given) = bearer.or(query) else { return false };
        // Every key is compared to its end, so that the time says nothing about how much of one was right.
        self.keys.iter().fold(false, |found, key| same(key.as_bytes(), given.as_bytes()) | found)
    }

    fn check(&self, headers: &HeaderMap, uri: &Uri, origin: Option<&str>) -> Result<(), Refusal> {
        if !self.admits_host(headers, uri) {
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                ErrorCode::ForbiddenOrigin,
                "this server listens on loopback and answers only to its names; configure allowed_hosts for another",
            ));
        }
        if origin.is_some_and(|origin| !self.admits_origin(origin) && !Self::is_own_page(origin, headers)) {
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                ErrorCode::ForbiddenOrigin,
                "pages of this origin may not use the server; configure allowed_origins",
            ));
        }
        let upgrades = socket::is_upgrade(headers);
        let public = is_public(uri.path()) && !upgrades;
        if !public && !self.admits_key(headers, uri, upgrades) {
            return Err(Refusal::new(
                StatusCode::UNAUTHORIZED,
                ErrorCode::Unauthorized,
                "a key is required: Authorization: Bearer KEY (or ?api_key=KEY on a WebSocket and for /events)",
            ));
        }
        Ok(())
    }
}

/// Lets requests through or refuses them, and puts the headers of CORS on every answer.
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(ORIGIN).and_then(|origin| origin.to_str().ok()).map(str::to_owned);
    let named = origin.clone().filter(|origin| app.access.admits_origin(origin));
    let checked = if request.method() == Method::OPTIONS && named.is_some() {
        // A preflight never brings a key.
        Ok(None)
    } else {
        app.access.check(request.headers(), request.uri(), origin.as_deref()).map(|()| Some(request))
    };
    let mut response = match checked {
        Ok(Some(request)) => next.run(request).await,
        Ok(None) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => refusal.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = named.and_then(|origin| HeaderValue::from_str(&origin).ok()) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, POST, PUT, DELETE, OPTIONS"),
        );
        headers.insert(
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("content-type, authorization, last-event-id, x-request-id"),
        );
        headers.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("x-conversation-id, x-request-id"),
        );
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
    response
}

/// The host without its port and without the brackets of IPv6.
fn host_name(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    }
}

fn is_loopback_name(name: &str) -> bool {
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether it is the path of a conversation's server-sent events.
fn is_event_stream(uri: &Uri) -> bool {
    uri.path()
        .strip_prefix("/conversations/")
        .and_then(|rest| rest.split_once('/'))
        .is_some_and(|(id, rest)| !id.is_empty() && rest == "events")
}

/// Whether a path needs no key, even where keys are configured.
pub(crate) fn is_public(path: &str) -> bool {
    PUBLIC.contains(&path)
}

fn query_value(uri: &Uri, name: &str) -> Option<String> {
    let query = uri.query()?;
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(settings: Settings) -> Access {
        let address = settings.http;
        Access::new(&settings, address).unwrap()
    }

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse::<axum::http::HeaderName>().unwrap(), value.parse().unwrap()))
            .collect()
    }

    fn verdict(access: &Access, pairs: &[(&str, &str)], uri: &str) -> Option<ErrorCode> {
        let headers = headers(pairs);
        let origin = headers.get(ORIGIN).map(|origin| origin.to_str().unwrap().to_owned());
        access.check(&headers, &uri.parse().unwrap(), origin.as_deref()).err().map(|refusal| refusal.code)
    }

    #[test]
    fn on_loopback_only_its_names_are_answered() {
        let access = access(Settings { allowed_hosts: vec!["Box.lan".to_owned()], ..Settings::default() });
        for host in
            ["localhost", "localhost:24203", "127.0.0.1:1", "[::1]:24203", "app.localhost:1", "box.lan:24203"]
        {
            assert_eq!(verdict(&access, &[("host", host)], "/models"), None, "{host}");
        }
        for host in
            ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:24203", "", "192.168.0.2"]
        {
            let refused = Some(ErrorCode::ForbiddenOrigin);
            assert_eq!(verdict(&access, &[("host", host)], "/models"), refused, "{host}");
        }
        assert_eq!(verdict(&access, &[], "/models"), Some(ErrorCode::ForbiddenOrigin));
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let access = access(Settings {
            allowed_origins: vec!["https://chat.example/".to_owned()],
            ..Settings::default()
        });
        for origin in ["http://localhost:5173", "http://127.0.0.1", "https://chat.example", "http://[::1]:3"]
        {
            assert_eq!(
                verdict(&access, &[("host", "localhost"), ("origin", origin)], "/models"),
                None,
                "{origin}"
            );
        }
        for origin in
            ["null", "https://evil.example", "http://localhost.evil.example", "https://chat.example:1"]
        {
            let refused = Some(ErrorCode::ForbiddenOrigin);
            assert_eq!(
                verdict(&access, &[("host", "localhost"), ("origin", origin)], "/models"),
                refused,
                "{origin}"
            );
        }
    }

    #[test]
    fn a_page_that_this_server_served_may_use_it() {
        let access = access(Settings { allowed_hosts: vec!["box.lan".to_owned()], ..Settings::default() });
        let page = [("host", "box.lan:24203"), ("origin", "http://box.lan:24203")];
        assert_eq!(verdict(&access, &page, "/models"), None);
        let other = [("host", "box.lan:24203"), ("origin", "http://box.lan:1")];
        assert_eq!(verdict(&access, &other, "/models"), Some(ErrorCode::ForbiddenOrigin));
        let rebound = [("host", "evil.example"), ("origin", "http://evil.example")];
        assert_eq!(verdict(&access, &rebound, "/models"), Some(ErrorCode::ForbiddenOrigin));
    }

    #[test]
    fn a_key_opens_and_nothing_else_does() {
        let access = access(Settings {
            http: SocketAddr::from(([0, 0, 0, 0], 1)),
            api_keys: vec!["first".to_owned(), "second".to_owned()],
            ..Settings::default()
        });
        let upgrade = [("upgrade", "websocket"), ("connection", "Upgrade")];
        let refused = Some(ErrorCode::Unauthorized);
        assert_eq!(verdict(&access, &[("authorization", "Bearer second")], "/models"), None);
        assert_eq!(verdict(&access, &[("authorization", "bearer  first ")], "/models"), None);
        assert_eq!(verdict(&access, &[], "/health"), None);
        assert_eq!(verdict(&access, &upgrade, "/any?api_key=first"), None);
        assert_eq!(verdict(&access, &[], "/conversations/c/events?api_key=first"), None);
        assert_eq!(verdict(&access, &[], "/conversations/c/events?api_key=wrong"), refused);
        assert_eq!(verdict(&access, &[], "/conversations/c/events"), refused);
        assert_eq!(verdict(&access, &[], "/conversations/c/events/x?api_key=first"), refused);
        assert_eq!(verdict(&access, &[], "/conversations/c?api_key=first"), refused);
        assert_eq!(verdict(&access, &upgrade, "/health"), refused, "an upgrade needs a key on any path");
        assert_eq!(verdict(&access, &[], "/models?api_key=first"), refused, "keys in URLs end up in logs");
        for wrong in ["Bearer", "Bearer ", "Bearer firs", "Bearer firstt", "Basic first", "first"] {
            assert_eq!(verdict(&access, &[("authorization", wrong)], "/models"), refused, "{wrong}");
        }
    }
}
