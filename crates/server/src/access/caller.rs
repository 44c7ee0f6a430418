//! Who asks, and who pays for what is asked.

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri};
use meter::{KeyId, Kind, SecretHash};
use realtime::run::Credential;
use store::{Ledger, Store};
use wire::ErrorCode;

use super::{Access, query_value};
use crate::App;
use crate::answer::Refusal;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Whoever the configuration gave a key, and where it has none, on loopback, everybody else.
    Operator,
    /// Whoever has a key of the ledger.
    Key(KeyId),
}

/// Who asks for what a client token may read. The guard puts it into the extensions of every request that needs a key, also
/// where any request has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// As for everything else.
    Caller(Caller),
    /// Whoever has that client token, whether or not it is one that opens sessions, or ever was.
    Token(SecretHash),
}

/// Why it cannot be said who asks.
#[derive(Debug)]
pub(crate) enum Unidentified {
    /// There is no key in the request.
    Missing,
    /// Nobody has that key; or somebody had, and it was revoked.
    Unknown,
    /// It is a client token, whether or not it is one that opens sessions.
    ClientToken(SecretHash),
    /// The ledger cannot be read.
    Failed(store::Error),
}

impl Caller {
    /// Who pays.
    pub(crate) fn key(&self) -> KeyId {
        match self {
            Self::Operator => KeyId::local(),
            Self::Key(key) => key.clone(),
        }
    }

    /// Whose figures are meant, none being everybody's: any for the operator, for everybody else their own alone.
    pub(crate) fn about(&self, asked: Option<KeyId>) -> Result<Option<KeyId>, Refusal> {
        match self {
            Self::Operator => Ok(asked),
            Self::Key(own) if asked.as_ref().is_none_or(|asked| asked == own) => Ok(Some(own.clone())),
            Self::Key(_) => self.require_operator().map(|()| asked),
        }
    }

    /// Refuses everybody else.
    pub(crate) fn require_operator(&self) -> Result<(), Refusal> {
        match self {
            Self::Operator => Ok(()),
            Self::Key(_) => Err(Refusal::of(
                ErrorCode::OperatorOnly,
                "this is for the operator of the server: use a key of its configuration ([auth] api_keys)",
            )),
        }
    }
}

impl Access {
    /// Who has that key. Without configured keys, on loopback, everybody is the operator but those with a key of the
    /// ledger, which has to be a good one.
    pub(crate) async fn identify(
        &self,
        ledger: &dyn Store,
        given: Option<&str>,
    ) -> Result<Caller, Unidentified> {
        let secret = match self.credential(given.unwrap_or_default()) {
            Credential::Operator => return Ok(Caller::Operator),
            Credential::Missing => return Err(Unidentified::Missing),
            Credential::Secret(secret) => secret,
        };
        match Kind::of_credential(secret) {
            Kind::ClientToken => Err(Unidentified::ClientToken(SecretHash::of(secret))),
            Kind::Key => match Ledger::find_key(ledger, SecretHash::of(secret)).await {
                Ok(Some(key)) => Ok(Caller::Key(key.id)),
                Ok(None) => Err(Unidentified::Unknown),
                Err(error) => Err(Unidentified::Failed(error)),
            },
        }
    }
}

/// The key in a request: `Authorization: Bearer`, `X-API-KEY`, or, where there may be one, the query's `api_key`. The
/// first of these that there is counts.
pub(crate) fn presented(headers: &HeaderMap, uri: &Uri, in_query: bool) -> Option<String> {
    let bearer = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, key)| key.trim().to_owned());
    let header =
        || headers.get("x-api-key").and_then(|key| key.to_str().ok()).map(|key| key.trim().to_owned());
    let query = || in_query.then(|| query_value(uri, "api_key")).flatten();
    bearer.or_else(header).or_else(query)
}

impl From<Unidentified> for Refusal {
    fn from(why: Unidentified) -> Self {
        let message = match why {
            Unidentified::Missing => {
                "a key is required: Authorization: Bearer KEY or X-API-KEY: KEY (or ?api_key=KEY on a WebSocket and for \
                 /events)"
            }
            Unidentified::Unknown => "nobody has this key, or it was revoked",
            Unidentified::ClientToken(_) => {
                "a client token opens realtime sessions, reads their receipts, and nothing else; here a key is required"
            }
            Unidentified::Failed(error) => return error.into(),
        };
        Self::of(ErrorCode::Unauthorized, message)
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        match Reader::from_request_parts(parts, app).await? {
            Reader::Caller(caller) => Ok(caller),
            Reader::Token(token) => Err(Unidentified::ClientToken(token).into()),
        }
    }
}

impl FromRequestParts<App> for Reader {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Refusal> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            // A page that needs no key has no caller. A route that asks for one is not such a page.
            Refusal::new(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized, "a key is required")
        })
    }
}
