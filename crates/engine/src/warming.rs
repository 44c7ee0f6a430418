//! Keeps a provider's prompt cache of a conversation warm, for those who ask for it.
//!
//! A warming is the request that the conversation's next turn would begin with, plus a tiny message, and an answer of
//! one token. It is neither stored nor streamed, and what it uses is not counted as the conversation's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use kernel::{Message, ProviderEvent, Start};
use serde::{Deserialize, Serialize};
use store::Attribute;
use tokio::task::AbortHandle;
use wire::transport::WarmResponse;
use wire::{ConversationId, TurnId, Usage};

use crate::notice::Part;
use crate::prepare::{Wishes, choose, prefix};
use crate::{Error, Shared, now_ms};

/// What the model is asked: as little as can be.
const PROBE: &str = "Reply with the single character: .";

/// How long a provider has to answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// Whether and how often the cache of a conversation is warmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WarmingSettings {
    /// Off unless somebody switches it on: it costs tokens.
    pub enabled: bool,
    /// Milliseconds between two warmings; at least [`WarmingSettings::LEAST_INTERVAL_MS`].
    pub interval_ms: u64,
}

impl WarmingSettings {
    /// The shortest interval, in milliseconds.
    pub const LEAST_INTERVAL_MS: u64 = 1000;
}

impl Default for WarmingSettings {
    fn default() -> Self {
        Self { enabled: false, interval_ms: 240_000 }
    }
}

/// How the cache of a conversation is kept warm, and how that went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Warming {
    /// What was asked for.
    pub settings: WarmingSettings,
    /// What the last warming said.
    pub last: Option<WarmResponse>,
    /// When it was, in milliseconds since the Unix epoch.
    pub last_at: Option<u64>,
    /// When the next one is due.
    pub next_at: Option<u64>,
}

/// All conversations that are or were warmed.
#[derive(Default)]
pub(crate) struct Warmings {
    states: Mutex<HashMap<ConversationId, State>>,
}

#[derive(Default)]
struct State {
    warming: Warming,
    timer: Option<AbortHandle>,
}

impl Drop for State {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl State {
    fn cancel(&mut self) {
        self.warming.next_at = None;
        if let Some(timer) = self.timer.take() {
            timer.abort();
        }
    }
}

impl Warmings {
    fn lock(&self) -> MutexGuard<'_, HashMap<ConversationId, State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of a conversation: nothing more will happen for it.
    pub(crate) fn forget(&self, id: &ConversationId) {
        self.lock().remove(id);
    }

    /// Ends all timers.
    pub(crate) fn stop(&self) {
        self.lock().clear();
    }
}

/// How a conversation is kept warm.
pub(crate) async fn state(shared: &Shared, id: &ConversationId) -> Result<Warming, Error> {
    if let Some(state) = shared.warmings.lock().get(id) {
        return Ok(state.warming);
    }
    Ok(Warming { settings: kept(shared, id).await?, ..Warming::default() })
}

async fn kept(shared: &Shared, id: &ConversationId) -> Result<WarmingSettings, Error> {
    let kept = shared.store.attribute(id, Attribute::CacheWarming).await?;
    Ok(kept.map(|kept| parse(&kept)).unwrap_or_default())
}

fn parse(kept: &str) -> WarmingSettings {
    serde_json::from_str(kept).unwrap_or_default()
}

/// Changes the settings, durably, and the timer with them.
pub(crate) async fn set(
    shared: &Arc<Shared>,
    id: &ConversationId,
    settings: WarmingSettings,
) -> Result<(), Error> {
    let least = WarmingSettings::LEAST_INTERVAL_MS;
    let settings = WarmingSettings { interval_ms: settings.interval_ms.max(least), ..settings };
    let kept = serde_json::to_string(&settings).unwrap_or_default();
    shared.store.set_attribute(id, now_ms(), Attribute::CacheWarming, Some(kept)).await?;
    shared.warmings.lock().entry(id.clone()).or_default().warming.settings = settings;
    arm(shared, id);
    Ok(())
}

/// Takes up again what was switched on before the server was started.
pub(crate) async fn resume(shared: &Arc<Shared>) -> Result<(), Error> {
    for (id, kept) in shared.store.attributes(Attribute::CacheWarming).await? {
        let settings = parse(&kept);
        if settings.enabled {
            shared.warmings.lock().entry(id.clone()).or_default().warming.settings = settings;
            arm(shared, &id);
        }
    }
    Ok(())
}

/// A turn starts: it warms the cache better than any timer.
pub(crate) fn turn_started(shared: &Shared, id: &ConversationId) {
    let known = match shared.warmings.lock().get_mut(id) {
        Some(state) => {
            state.cancel();
            true
        }
        None => false,
    };
    if known {
        shared.notices.changed(id, Part::Warming);
    }
}

/// A turn is over, or a warming is, or the settings have changed: the next one is due an interval from now.
pub(crate) fn arm(shared: &Arc<Shared>, id: &ConversationId) {
    {
        let mut states = shared.warmings.lock();
        let Some(state) = states.get_mut(id) else { return };
        state.cancel();
        let settings = state.warming.settings;
        if settings.enabled && !shared.is_busy(id) && !shared.stopping.is_cancelled() {
            state.warming.next_at = Some(now_ms().saturating_add(settings.interval_ms));
            let (weak, id) = (Arc::downgrade(shared), id.clone());
            let timer = tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(settings.interval_ms)).await;
                let Some(shared) = weak.upgrade() else { return };
                // In a task of its own: arming the next timer ends this one.
                tokio::spawn(async move {
                    if let Err(error) = warm(&shared, &id, Wishes::default()).await {
                        tracing::warn!(conversation = %id, "{error}");
                    }
                });
            });
            state.timer = Some(timer.abort_handle());
        }
    }
    shared.notices.changed(id, Part::Warming);
}

/// A conversation is closed: its warming is switched off.
pub(crate) async fn closed(shared: &Arc<Shared>, id: &ConversationId) -> Result<(), Error> {
    let settings = state(shared, id).await?.settings;
    if settings.enabled {
        set(shared, id, WarmingSettings { enabled: false, ..settings }).await?;
    }
    Ok(())
}

/// Warms the cache once, now. The timer starts anew, whatever comes of it.
pub(crate) async fn warm(
    shared: &Arc<Shared>,
    id: &ConversationId,
    wishes: Wishes,
) -> Result<WarmResponse, Error> {
    let answer = ask(shared, id, wishes).await;
    // A turn that began meanwhile knows better: what this one says is not kept.
    if !shared.is_busy(id) {
        if let Ok(answer) = &answer {
            let mut settings = None;
            if !shared.warmings.lock().contains_key(id) {
                settings = Some(kept(shared, id).await?);
            }
            let mut states = shared.warmings.lock();
            let state = states.entry(id.clone()).or_default();
            if let Some(settings) = settings {
                state.warming.settings = settings;
            }
            state.warming.last = Some(*answer);
            state.warming.last_at = Some(now_ms());
        }
        arm(shared, id);
    }
    answer
}

async fn ask(shared: &Shared, id: &ConversationId, wishes: Wishes) -> Result<WarmResponse, Error> {
    let refused = |why: &str| Error::WarmRefused(why.to_owned());
    if shared.is_busy(id) {
        return Err(refused("the conversation is generating, which warms its cache better"));
    }
    let last_seq = shared.store.conversation(id).await?.map_or(0, |known| known.last_seq);
    if last_seq == 0 {
        return Err(refused("the conversation has no history yet"));
    }
    let choice = choose(shared, id, &wishes).await?;
    if choice.resolved.is_none() {
        let model = choice.model.as_deref().unwrap_or("none");
        return Err(Error::WarmRefused(format!("unknown model: {model}")));
    }
    let (provider, model) = choice.provider();
    let prefix = prefix(shared, id, &choice, last_seq).await?;
    let start = Start {
        conversation_id: id.clone(),
        turn_id: TurnId::new("warming"),
        text: PROBE.to_owned(),
        images: Vec::new(),
        prompt: Arc::new(Message::user(PROBE)),
        client_message_ids: Vec::new(),
        history: prefix.history,
        model,
        system: prefix.system,
        tools: prefix.specs,
        effort: choice.effort,
        next_seq: last_seq + 1,
        next_message: 1,
        jitter_seed: 0,
    };
    let mut messages = start.history.clone();
    messages.push(start.prompt.clone());
    let mut stream = provider.stream(start.request(messages, Some(1)));
    let mut usage = Usage::default();
    let reading = async {
        while let Some(event) = stream.next().await {
            match event {
                ProviderEvent::Usage(now) => usage = now,
                ProviderEvent::Error(failure) => return Err(Error::WarmRefused(failure.message)),
                ProviderEvent::Finish(_) => return Ok(()),
                ProviderEvent::TextDelta(_)
                | ProviderEvent::ReasoningDelta(_)
                | ProviderEvent::ReasoningEnd { .. }
                | ProviderEvent::ToolCall { .. } => {}
            }
        }
        Err(Error::WarmRefused("the provider's stream ended before it said that it was finished".to_owned()))
    };
    tokio::time::timeout(PATIENCE, reading).await.map_err(|_| refused("the provider did not answer"))??;
    Ok(figures(&usage))
}

fn figures(usage: &Usage) -> WarmResponse {
    let read = usage.cache_read_tokens.unwrap_or(0);
    let write = usage.cache_write_tokens.unwrap_or(0);
    WarmResponse {
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        cache_read_tokens: read,
        cache_write_tokens: write,
        cache_pct: percent(read, usage.input_tokens),
        expected_cache_rate: percent(read, read.saturating_add(write)),
    }
}

/// Rounded, 0 to 100; 0 of nothing.
fn percent(part: u64, whole: u64) -> u64 {
    if whole == 0 {
        return 0;
    }
    let rounded = (u128::from(part) * 200 + u128::from(whole)) / (u128::from(whole) * 2);
    u64::try_from(rounded.min(100)).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn percentages_are_rounded_and_stay_between_0_and_100() {
        assert_eq!(percent(0, 0), 0);
        assert_eq!(percent(1, 3), 33);
        assert_eq!(percent(2, 3), 67);
        assert_eq!(percent(1, 200), 1);
        assert_eq!(percent(5, 4), 100);
        assert_eq!(percent(u64::MAX, u64::MAX), 100);
    }
}
