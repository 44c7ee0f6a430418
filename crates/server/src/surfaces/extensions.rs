//! `loaded-extensions`: what this server is made of.

use engine::Part;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use wire::ConversationId;
use wire::surface::{SurfaceCatalogEntry, SurfaceField, SurfaceScope};

use super::{Surface, custom, entry, stat};
use crate::answer::Refusal;

/// A part of the server that the configuration can have or not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// For example `tool/read_file`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it comes from: `bundled` or `external`.
    pub trust: String,
    /// When it is there: `startup` or `on demand`.
    pub activation: String,
}

pub(super) struct Loaded {
    pub(super) extensions: Vec<Extension>,
}

impl Surface for Loaded {
    fn entry(&self) -> SurfaceCatalogEntry {
        entry("loaded-extensions", "Loaded Extensions", SurfaceScope::Global)
    }

    fn shows(&self) -> &[Part] {
        &[]
    }

    fn fields<'a>(
        &'a self,
        _: Option<&'a ConversationId>,
    ) -> BoxFuture<'a, Result<Vec<SurfaceField>, Refusal>> {
        let rows: Vec<_> = self
            .extensions
            .iter()
            .map(|extension| {
                let Extension { name, version, trust, activation } = extension;
                json!([name, version, trust, activation])
            })
            .collect();
        let table = json!({ "columns": ["Name", "Version", "Trust", "Activation"], "rows": rows });
        let fields = vec![stat("Loaded", self.extensions.len().to_string()), custom("table", &table)];
        std::future::ready(Ok(fields)).boxed()
    }

    fn invoke<'a>(
        &'a self,
        _: &'a str,
        _: Option<&'a Value>,
        _: Option<&'a ConversationId>,
    ) -> BoxFuture<'a, Option<Result<(), Refusal>>> {
        std::future::ready(None).boxed()
    }
}
