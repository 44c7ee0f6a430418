//! `todo`: the list of tasks that the model keeps.

use engine::{Engine, Part};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;
use wire::ConversationId;
use wire::extension::TodoPayload;
use wire::surface::{SurfaceCatalogEntry, SurfaceField, SurfaceScope};

use super::{Surface, custom, entry};
use crate::answer::Refusal;

pub(super) struct Todos {
    pub(super) engine: Engine,
}

impl Surface for Todos {
    fn entry(&self) -> SurfaceCatalogEntry {
        entry("todo", "Tasks", SurfaceScope::Conversation)
    }

    fn shows(&self) -> &[Part] {
        &[Part::Todos]
    }

    fn fields<'a>(
        &'a self,
        conversation: Option<&'a ConversationId>,
    ) -> BoxFuture<'a, Result<Vec<SurfaceField>, Refusal>> {
        async move {
            let todos = match conversation {
                Some(id) => self.engine.todos(id).await?,
                None => Vec::new(),
            };
            Ok(vec![custom("todo", &TodoPayload { todos })])
        }
        .boxed()
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
