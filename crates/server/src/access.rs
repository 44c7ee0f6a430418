//! Who may use the server: hosts, origins and keys.
//!
//! On loopback, a web page in the user's browser is the danger: it can send requests to local ports, and with a name
//! that resolves to 127.0.0.1 it can read the answers. So `Host` must name loopback (or what is configured), and a
//! request that says that it comes from a page must come from a local or a configured one. Off loopback, a key decides;
//! whose key it is decides who pays.

mod caller;

use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HOST, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use realtime::run::Credential;
use store::Store;
use wire::ErrorCode;

use crate::answer::Refusal;
use crate::signaling::Purpose;
use crate::{App, Error, Settings, socket};

pub(crate) use caller::{Caller, Reader, Unidentified, presented};

/// Paths that need no key: they say nothing about anybody.
const PUBLIC: [&str; 13] = [
    "/",
    "/health",
    "/openapi.json",
    "/asyncapi.json",
    "/docs",
    "/docs/websocket",
    "/docs/docs.css",
    "/docs/docs.js",
    "/realtime",
    "/watch",
    "/usage",
    "/keys",
    "/settings",
];

/// Folders of such paths: the files of the web app, and the app at a conversation.
const PUBLIC_FOLDERS: [&str; 2] = ["/assets/", "/c/"];

/// Where client tokens are made.
const CLIENT_TOKENS: &str = "/v1/client/tokens";

/// What the paths of receipts begin with.
const SESSIONS: &str = "/v1/sessions/";

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

    /// What a key means. Without configured keys, on loopback, any that is not the ledger's is as good as none.
    pub(crate) fn credential<'k>(&self, given: &'k str) -> Credential<'k> {
        if given.is_empty() {
            return if self.keys.is_empty() { Credential::Operator } else { Credential::Missing };
        }
        let is_the_ledgers = given.starts_with("dsp_") || given.starts_with("ek_");
        // Every key is compared to its end, so that the time says nothing about how much of one was right.
        let is_configured =
            self.keys.iter().fold(false, |found, key| same(key.as_bytes(), given.as_bytes()) | found);
        if is_configured || (self.keys.is_empty() && !is_the_ledgers) {
            Credential::Operator
        } else {
            Credential::Secret(given)
        }
    }

    /// Whether the request may come from where it comes from.
    fn check(&self, headers: &HeaderMap, uri: &Uri, origin: Option<&str>, door: Door) -> Result<(), Refusal> {
        if !self.admits_host(headers, uri) {
            return Err(Refusal::of(
                ErrorCode::ForbiddenOrigin,
                "this server listens on loopback and answers only to its names; configure allowed_hosts for another",
            ));
        }
        if origin.is_some_and(|origin| !self.admits_page(origin, door) && !Self::is_own_page(origin, headers))
        {
            return Err(Refusal::of(
                ErrorCode::ForbiddenOrigin,
                "pages of this origin may not use the server; configure allowed_origins",
            ));
        }
        Ok(())
    }

    /// Whether a page of that origin may use what is behind that door. Where a key or a client token is demanded, it
    /// says which pages are meant: see [`Door::Realtime`].
    fn admits_page(&self, origin: &str, door: Door) -> bool {
        let is_of_sessions = matches!(door, Door::Realtime | Door::Receipt);
        self.admits_origin(origin) || (is_of_sessions && !self.keys.is_empty())
    }

    /// Who asks; nobody, where nobody has to be known.
    async fn admit(
        &self,
        store: &dyn Store,
        headers: &HeaderMap,
        uri: &Uri,
        origin: Option<&str>,
    ) -> Result<Option<Reader>, Refusal> {
        let upgrades = socket::is_upgrade(headers);
        let door = Door::of(uri.path(), upgrades);
        self.check(headers, uri, origin, door)?;
        match door {
            Door::Public | Door::Realtime => Ok(None),
            Door::Key | Door::Receipt => {
                // Browsers cannot give a WebSocket a header, nor an EventSource.
                let in_query = upgrades || is_event_stream(uri);
                let given = presented(headers, uri, in_query);
                match self.identify(store, given.as_deref()).await {
                    Ok(caller) => Ok(Some(Reader::Caller(caller))),
                    Err(Unidentified::ClientToken(token)) if door == Door::Receipt => {
                        Ok(Some(Reader::Token(token)))
                    }
                    Err(why) => Err(why.into()),
                }
            }
        }
    }
}

/// What a request meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    /// It needs no key.
    Public,
    /// It needs one.
    Key,
    /// It needs one, which is asked for further in, in the words of the realtime contract. Its clients are pages of any
    /// origin, which bring a key or a client token that no other page has.
    Realtime,
    /// It needs one, or the client token that opened the session. Its clients are those of the realtime contract.
    Receipt,
}

impl Door {
    fn of(path: &str, upgrades: bool) -> Self {
        let is_receipt = || {
            path.strip_prefix(SESSIONS).is_some_and(|session| !session.is_empty() && !session.contains('/'))
        };
        let is_realtime = if upgrades { Purpose::of(path).is_some() } else { path == CLIENT_TOKENS };
        if is_realtime {
            Self::Realtime
        } else if is_public(path) && !upgrades {
            Self::Public
        } else if is_receipt() && !upgrades {
            Self::Receipt
        } else {
            Self::Key
        }
    }
}

/// Lets requests through or refuses them, and puts the headers of CORS on every answer.
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(ORIGIN).and_then(|origin| origin.to_str().ok()).map(str::to_owned);
    let door = Door::of(request.uri().path(), socket::is_upgrade(request.headers()));
    let named = origin.clone().filter(|origin| app.access.admits_page(origin, door));
    let mut response = if request.method() == Method::OPTIONS && named.is_some() {
        // A preflight never brings a key.
        StatusCode::NO_CONTENT.into_response()
    } else {
        // Apart from the request, whose body cannot be shared while the ledger is asked.
        let (mut parts, body) = request.into_parts();
        let store = app.engine.store().as_ref();
        match app.access.admit(store, &parts.headers, &parts.uri, origin.as_deref()).await {
            Ok(reader) => {
                if let Some(reader) = reader {
                    parts.extensions.insert(reader);
                }
                next.run(Request::from_parts(parts, body)).await
            }
            Err(refusal) => refusal.into_response(),
        }
    };
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = named.and_then(|origin| HeaderValue::from_str(&origin).ok()) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, POST, PUT, DELETE, OPTIONS"),
        );
        headers.insert(
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("content-type, authorization, x-api-key, last-event-id, x-request-id"),
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
        || PUBLIC_FOLDERS
            .iter()
            .filter_map(|folder| path.strip_prefix(folder))
            .any(|name| !name.is_empty() && !name.contains('/'))
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
    use futures_util::FutureExt;

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
        let (store, uri) = (store::Memory::new(), uri.parse().unwrap());
        let admitted = access.admit(&store, &headers, &uri, origin.as_deref());
        admitted.now_or_never().unwrap().err().map(|refusal| refusal.code)
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
        assert_eq!(verdict(&access, &[("x-api-key", "second")], "/models"), None);
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
