//! What a request's path and query say, with refusals of our own where they cannot be read.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use wire::ConversationId;

use crate::answer::Refusal;
use crate::{App, input};

/// The conversation of a path: its first parameter.
pub(crate) struct Id(pub(crate) ConversationId);

/// What a path names inside a conversation: its second parameter.
pub(crate) struct Inner(pub(crate) String);

/// What a path names that is no conversation: its first parameter.
pub(crate) struct Named(pub(crate) String);

/// The query. Parameters that are not known are ignored.
pub(crate) struct Query<T>(pub(crate) T);

impl FromRequestParts<App> for Id {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        Ok(Self(input::conversation_id(&parameter(parts, app, 0).await?)?))
    }
}

impl FromRequestParts<App> for Inner {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        Ok(Self(parameter(parts, app, 1).await?))
    }
}

impl FromRequestParts<App> for Named {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        Ok(Self(parameter(parts, app, 0).await?))
    }
}

async fn parameter(parts: &mut Parts, app: &App, place: usize) -> Result<String, Refusal> {
    match Path::<Vec<(String, String)>>::from_request_parts(parts, app).await {
        Ok(Path(mut named)) if place < named.len() => Ok(named.swap_remove(place).1),
        Ok(Path(_)) => Err(Refusal::invalid("the path lacks a part")),
        Err(rejection) => Err(Refusal::invalid(rejection.body_text())),
    }
}

impl<T: DeserializeOwned> FromRequestParts<App> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        match axum::extract::Query::<T>::from_request_parts(parts, app).await {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(Refusal::invalid(rejection.body_text())),
        }
    }
}
