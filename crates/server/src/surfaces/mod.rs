//! Surfaces: what a client can render of a conversation's state without knowing what it is.

mod conversation;
mod extensions;
mod queue;
mod todo;
mod warming;

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::{Engine, Part};
use futures_util::future::BoxFuture;
use serde_json::Value;
use wire::surface::{SurfaceCatalogEntry, SurfaceField, SurfaceScope, SurfaceSpec};
use wire::{ConversationId, ErrorCode};

pub use extensions::Extension;

use crate::answer::Refusal;

/// One surface.
pub(crate) trait Surface: Send + Sync {
    /// How it appears in the catalog.
    fn entry(&self) -> SurfaceCatalogEntry;

    /// Which changes of a conversation may change it.
    fn shows(&self) -> &[Part];

    /// Its fields as they are now; of no conversation in particular where none is given.
    fn fields<'a>(
        &'a self,
        conversation: Option<&'a ConversationId>,
    ) -> BoxFuture<'a, Result<Vec<SurfaceField>, Refusal>>;

    /// Whether an action waits for others, a model say, so that nobody should wait for it.
    fn takes_long(&self, _action: &str) -> bool {
        false
    }

    /// Does what a field offers. None: it has no such action.
    fn invoke<'a>(
        &'a self,
        action: &'a str,
        payload: Option<&'a Value>,
        conversation: Option<&'a ConversationId>,
    ) -> BoxFuture<'a, Option<Result<(), Refusal>>>;
}

/// All surfaces, in the order of the catalog.
pub(crate) struct Registry {
    surfaces: Vec<Arc<dyn Surface>>,
}

impl Registry {
    /// The surfaces that are always there.
    pub(crate) fn standard(engine: &Engine, extensions: Vec<Extension>) -> Self {
        let mut registry = Self { surfaces: Vec::new() };
        registry.register(Arc::new(conversation::Conversation { engine: engine.clone() }));
        registry.register(Arc::new(todo::Todos { engine: engine.clone() }));
        registry.register(Arc::new(queue::Queue { engine: engine.clone() }));
        registry.register(Arc::new(warming::Warming { engine: engine.clone() }));
        registry.register(Arc::new(extensions::Loaded { extensions }));
        registry
    }

    /// Adds a surface. One that has its id gives way.
    pub(crate) fn register(&mut self, surface: Arc<dyn Surface>) {
        let id = surface.entry().id;
        match self.surfaces.iter_mut().find(|known| known.entry().id == id) {
            Some(known) => *known = surface,
            None => self.surfaces.push(surface),
        }
    }

    pub(crate) fn catalog(&self) -> Vec<SurfaceCatalogEntry> {
        self.surfaces.iter().map(|surface| surface.entry()).collect()
    }

    pub(crate) fn find(&self, id: &str) -> Result<&Arc<dyn Surface>, Refusal> {
        self.surfaces.iter().find(|surface| surface.entry().id == id).ok_or_else(|| {
            let message = format!("Unknown surface: {id}");
            Refusal::new(axum::http::StatusCode::NOT_FOUND, ErrorCode::UnknownSurface, message)
        })
    }

    /// The surfaces that any of those changes may change.
    pub(crate) fn showing(&self, parts: &BTreeSet<Part>) -> BTreeSet<String> {
        self.surfaces
            .iter()
            .filter(|surface| surface.shows().iter().any(|part| parts.contains(part)))
            .map(|surface| surface.entry().id)
            .collect()
    }
}

/// The whole of a surface as it is now.
pub(crate) async fn spec(
    surface: &dyn Surface,
    conversation: Option<&ConversationId>,
) -> Result<SurfaceSpec, Refusal> {
    let SurfaceCatalogEntry { id, region, title, .. } = surface.entry();
    Ok(SurfaceSpec { id, region, title, fields: surface.fields(conversation).await? })
}

/// An entry at the side.
fn entry(id: &str, title: &str, scope: SurfaceScope) -> SurfaceCatalogEntry {
    SurfaceCatalogEntry {
        id: id.to_owned(),
        region: "side".to_owned(),
        title: title.to_owned(),
        scope: Some(scope),
    }
}

/// What a surface of a conversation shows when it is asked for without one.
fn nothing_focused() -> Vec<SurfaceField> {
    vec![stat("Status", "No conversation is focused")]
}

fn stat(label: &str, value: impl Into<String>) -> SurfaceField {
    SurfaceField::Stat { label: label.to_owned(), value: value.into() }
}

fn custom(renderer: &str, payload: &impl serde::Serialize) -> SurfaceField {
    // What is written here has no maps with keys that are not strings: it cannot fail.
    let payload = serde_json::to_value(payload).unwrap_or_default();
    SurfaceField::Custom { renderer_id: renderer.to_owned(), payload }
}

fn action(id: &str) -> wire::surface::ActionRef {
    wire::surface::ActionRef { action_id: id.to_owned() }
}

/// The action cannot be done like that.
fn failed(message: impl Into<String>) -> Refusal {
    Refusal::new(axum::http::StatusCode::BAD_REQUEST, ErrorCode::ActionFailed, message)
}

/// The conversation that an action is about.
fn focused(conversation: Option<&ConversationId>) -> Result<&ConversationId, Refusal> {
    conversation.ok_or_else(|| failed("the action needs a `conversationId`"))
}
