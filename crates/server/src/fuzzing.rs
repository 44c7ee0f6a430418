//! A door for the fuzz targets: all routes, without a port.

use std::sync::Arc;

use axum::Router;
use engine::Engine;
use tokio_util::sync::CancellationToken;

use crate::access::Access;
use crate::surfaces::Registry;
use crate::{App, Error, Parts, Settings, routes};

/// What [`crate::Server`] serves on its first port.
pub fn router(settings: &Settings, engine: &Engine, parts: Parts) -> Result<Router, Error> {
    Ok(routes::http(App {
        engine: engine.clone(),
        access: Arc::new(Access::new(settings, settings.http)?),
        body_limit: settings.body_limit,
        legacy_clients: settings.legacy_clients,
        surfaces: Arc::new(Registry::standard(engine, parts.extensions.clone())),
        parts,
        closing: CancellationToken::new(),
    }))
}
