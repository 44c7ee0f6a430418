//! What a request to a provider is made of, apart from the new message: the same for a turn and for warming its cache.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::join_all;
use kernel::{Message, Provider, Tool, ToolScope, ToolSpec, reconcile};
use serde::{Deserialize, Serialize};
use store::{Attribute, Global};
use wire::{Chunk, ConversationId, ErrorCode, ReasoningEffort};

use crate::catalog::Resolved;
use crate::driver::refusal;
use crate::{Error, Shared, now_ms};

/// What a message asks for, where it asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) model: Option<String>,
    pub(crate) cwd: Option<String>,
    pub(crate) effort: Option<ReasoningEffort>,
}

/// Who answers, and where tools work: the wish, else what is kept for the conversation, else the default.
pub(crate) struct Choice {
    /// `credential/model`, as wanted.
    pub(crate) model: Option<String>,
    pub(crate) resolved: Option<Resolved>,
    /// Absolute.
    pub(crate) cwd: PathBuf,
    /// The directory as the wish says, absolute.
    pub(crate) new_cwd: Option<String>,
    pub(crate) effort: ReasoningEffort,
}

impl Choice {
    /// Who answers, and the provider's own name for the model; or somebody who says why nobody does.
    pub(crate) fn provider(&self) -> (Arc<dyn Provider>, String) {
        match (&self.resolved, &self.model) {
            (Some(Resolved { provider, model, .. }), _) => (provider.clone(), model.clone()),
            (None, Some(model)) => {
                (refusal(format!("unknown model: {model}"), ErrorCode::UnknownModel), String::new())
            }
            (None, None) => {
                let message = "no model: no configured credential lists one".to_owned();
                (refusal(message, ErrorCode::UnknownModel), String::new())
            }
        }
    }
}

pub(crate) async fn choose(shared: &Shared, id: &ConversationId, wishes: &Wishes) -> Result<Choice, Error> {
    let known = shared.store.conversation(id).await?;
    let (kept_model, kept_cwd, kept_effort) =
        known.map(|known| (known.model, known.cwd, known.effort)).unwrap_or_default();
    let model = match wishes.model.clone().or(kept_model) {
        Some(model) => Some(shared.catalog.real_name(model)),
        None => shared.catalog.default_model().await,
    };
    let resolved = model.as_deref().and_then(|model| shared.catalog.resolve(model));
    let absolute = |cwd: &str| shared.options.cwd.join(cwd);
    let wished = wishes.cwd.as_deref().filter(|cwd| !cwd.is_empty()).map(absolute);
    let cwd = match (&wished, kept_cwd) {
        (Some(cwd), _) => cwd.clone(),
        (None, Some(cwd)) => absolute(&cwd),
        (None, None) => shared.options.cwd.clone(),
    };
    let new_cwd = wished.map(|cwd| cwd.to_string_lossy().into_owned());
    let effort = wishes.effort.or(kept_effort).unwrap_or_default();
    Ok(Choice { model, resolved, cwd, new_cwd, effort })
}

/// What comes before the new message in a request.
pub(crate) struct Prefix {
    pub(crate) system: Option<Arc<str>>,
    pub(crate) tools: Vec<Arc<dyn Tool>>,
    pub(crate) specs: Arc<[ToolSpec]>,
    pub(crate) history: Vec<Arc<Message>>,
}

/// The prefix of a conversation up to and including a seq.
pub(crate) async fn prefix(
    shared: &Shared,
    id: &ConversationId,
    choice: &Choice,
    last_seq: u64,
) -> Result<Prefix, Error> {
    let (history, (tools, specs), system) = futures_util::join!(
        history(shared, id, choice, last_seq),
        tools(shared, id, choice),
        system_prompt(shared, id, choice),
    );
    Ok(Prefix { system: system?, tools, specs, history: history? })
}

async fn history(
    shared: &Shared,
    id: &ConversationId,
    choice: &Choice,
    last_seq: u64,
) -> Result<Vec<Arc<Message>>, Error> {
    if last_seq == 0 {
        return Ok(Vec::new());
    }
    let logged = shared.store.messages(id, last_seq).await?;
    let messages = logged.into_iter().map(|logged| Arc::new(logged.message)).collect();
    shown(shared, choice, reconcile(messages)).await
}

/// Messages with their images as the model can take them.
pub(crate) async fn shown(
    shared: &Shared,
    choice: &Choice,
    messages: Vec<Arc<Message>>,
) -> Result<Vec<Arc<Message>>, Error> {
    let any =
        messages.iter().flat_map(|message| &message.parts).any(|part| matches!(part.chunk, Chunk::Image(_)));
    if !any {
        return Ok(messages);
    }
    let sees = match &choice.model {
        Some(model) => shared.catalog.info(model).await.and_then(|info| info.vision).unwrap_or(true),
        None => true,
    };
    Ok(shared.images.shown(messages, sees).await)
}

async fn tools(
    shared: &Shared,
    id: &ConversationId,
    choice: &Choice,
) -> (Vec<Arc<dyn Tool>>, Arc<[ToolSpec]>) {
    if shared.sources.is_empty() {
        return (shared.tools.clone(), shared.specs.clone());
    }
    let scope = ToolScope { conversation_id: id.clone(), cwd: choice.cwd.clone() };
    let more = join_all(shared.sources.iter().map(|source| source.tools(scope.clone()))).await;
    let mut names = HashSet::new();
    let mut tools = shared.tools.clone();
    tools.extend(more.into_iter().flatten());
    // A provider refuses two tools of one name; the first keeps it.
    tools.retain(|tool| names.insert(tool.spec().name.clone()));
    let specs = tools.iter().map(|tool| tool.spec().clone()).collect();
    (tools, specs)
}

/// A system prompt as it was resolved, and for which directory.
#[derive(Serialize, Deserialize)]
struct Kept {
    cwd: PathBuf,
    text: String,
}

/// The conversation's system prompt: resolved once and kept, and again when its directory changes.
async fn system_prompt(
    shared: &Shared,
    id: &ConversationId,
    choice: &Choice,
) -> Result<Option<Arc<str>>, Error> {
    let kept = shared.store.attribute(id, Attribute::SystemPrompt).await?;
    let kept = kept.and_then(|kept| serde_json::from_str::<Kept>(&kept).ok());
    let text = match kept.filter(|kept| kept.cwd == choice.cwd) {
        Some(kept) => kept.text,
        None => resolve(shared, id, choice).await?,
    };
    Ok((!text.trim().is_empty()).then(|| text.into()))
}

async fn resolve(shared: &Shared, id: &ConversationId, choice: &Choice) -> Result<String, Error> {
    let Some(template) = template(shared).await? else { return Ok(String::new()) };
    let scope = prompt::Scope {
        conversation_id: id.clone(),
        cwd: choice.cwd.clone(),
        model: choice.model.clone().unwrap_or_default(),
    };
    let text =
        prompt::Template::parse(&template).protecting(shared.options.protected.clone()).resolve(&scope).await;
    if let Ok(kept) = serde_json::to_string(&Kept { cwd: choice.cwd.clone(), text: text.clone() }) {
        // Ordered now, waited for by nobody: lost in a crash, it is resolved again.
        let store = shared.store.clone();
        let id = id.clone();
        tokio::spawn(async move {
            let write = store.set_attribute(&id, now_ms(), Attribute::SystemPrompt, Some(kept));
            if let Err(error) = write.await {
                tracing::warn!(conversation = %id, "the system prompt could not be kept: {error}");
            }
        });
    }
    Ok(text)
}

/// The template in force; none where there is to be no system prompt.
pub(crate) async fn template(shared: &Shared) -> Result<Option<String>, Error> {
    Ok(shared.store.global(Global::SystemPrompt).await?.or_else(|| shared.options.system_prompt.clone()))
}
