//! The models of an account, page by page.

use kernel::{Failure, ModelInfo};
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;

use crate::failure;
use crate::http::Endpoint;

/// A list that has more pages than this has no end.
const PAGES: usize = 20;

#[derive(Deserialize)]
struct Page {
    data: Vec<Model>,
    #[serde(default)]
    has_more: bool,
    #[serde(default)]
    last_id: Option<String>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
    #[serde(default)]
    max_input_tokens: Option<u64>,
    /// Of any shape: servers that speak the protocol put other things there.
    #[serde(default)]
    capabilities: Value,
}

pub(super) async fn list(endpoint: &Endpoint, url: Url) -> Result<Vec<ModelInfo>, Failure> {
    let mut models = Vec::new();
    let mut after: Option<String> = None;
    for _ in 0..PAGES {
        let mut page = url.clone();
        page.query_pairs_mut().append_pair("limit", "1000");
        if let Some(id) = &after {
            page.query_pairs_mut().append_pair("after_id", id);
        }
        let body = endpoint.get(page).await?;
        let page: Page = serde_json::from_slice(&body).map_err(|error| {
            failure::protocol(format!("the provider's list of models cannot be read: {error}"))
        })?;
        // One without a name could not be asked for.
        let named = page.data.into_iter().filter(|model| !model.id.is_empty());
        models.extend(named.map(|model| ModelInfo {
            id: model.id,
            context_window: model.max_input_tokens.filter(|size| *size > 0),
            vision: model.capabilities["image_input"]["supported"].as_bool(),
        }));
        match page.last_id.filter(|last| page.has_more && Some(last) != after.as_ref()) {
            Some(last) => after = Some(last),
            None => return Ok(models),
        }
    }
    Err(failure::protocol(format!("the provider's list of models has more than {PAGES} pages")))
}
