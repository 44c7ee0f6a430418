//! `message-queue`: what waits to be taken in.

use engine::{Engine, Part};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;
use wire::surface::{SurfaceCatalogEntry, SurfaceField, SurfaceScope};
use wire::{ConversationId, QueuePayload};

use super::{Surface, custom, entry};
use crate::answer::Refusal;

pub(super) struct Queue {
    pub(super) engine: Engine,
}

impl Surface for Queue {
    fn entry(&self) -> SurfaceCatalogEntry {
        entry("message-queue", "Message Queue", SurfaceScope::Conversation)
    }

    fn shows(&self) -> &[Part] {
        &[Part::Queue]
    }

    fn fields<'a>(
        &'a self,
        conversation: Option<&'a ConversationId>,
    ) -> BoxFuture<'a, Result<Vec<SurfaceField>, Refusal>> {
        async move {
            let messages = match conversation {
                Some(id) => self.engine.queued(id).await?,
                None => Vec::new(),
            };
            Ok(vec![custom("message-queue", &QueuePayload { messages })])
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
