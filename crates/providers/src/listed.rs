//! A provider whose models are configured.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{self, BoxFuture};
use kernel::provider::EventStream;
use kernel::{Failure, ModelInfo, Provider, Request};

use crate::image;

pub(crate) struct Listed {
    provider: Arc<dyn Provider>,
    models: Vec<ModelInfo>,
}

impl Listed {
    pub(crate) fn new(provider: Arc<dyn Provider>, models: Vec<ModelInfo>) -> Self {
        Self { provider, models }
    }
}

impl Provider for Listed {
    fn stream(&self, request: Request) -> EventStream {
        let is_blind = |model: &ModelInfo| model.id == request.model && model.vision == Some(false);
        let request = if self.models.iter().any(is_blind) { image::unseen(request) } else { request };
        self.provider.stream(request)
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelInfo>, Failure>> {
        future::ready(Ok(self.models.clone())).boxed()
    }
}
