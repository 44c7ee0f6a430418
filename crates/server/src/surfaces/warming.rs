//! `cache-warming`: whether and how a conversation's prompt cache is kept warm.

use engine::{Engine, Part, WarmingSettings};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;
use wire::ConversationId;
use wire::extension::CacheWarmingTimer;
use wire::surface::{SurfaceCatalogEntry, SurfaceField, SurfaceScope};

use super::{Surface, action, custom, entry, failed, focused, nothing_focused, stat};
use crate::answer::Refusal;

const TOGGLE: &str = "cache-warming/toggle";
const SET_INTERVAL: &str = "cache-warming/set-interval";

pub(super) struct Warming {
    pub(super) engine: Engine,
}

impl Warming {
    async fn toggle(&self, conversation: Option<&ConversationId>) -> Result<(), Refusal> {
        let id = focused(conversation)?;
        let now = self.engine.warming(id).await?.settings;
        Ok(self.engine.set_warming(id, WarmingSettings { enabled: !now.enabled, ..now }).await?)
    }

    async fn set_interval(
        &self,
        payload: Option<&Value>,
        conversation: Option<&ConversationId>,
    ) -> Result<(), Refusal> {
        let id = focused(conversation)?;
        let seconds = payload
            .and_then(|payload| payload.as_f64().or_else(|| payload.get("value").and_then(Value::as_f64)));
        let seconds = seconds.filter(|seconds| seconds.is_finite());
        let Some(seconds) = seconds else { return Err(failed("the payload must be a number of seconds")) };
        // A day is longer than any cache lives; what is too short becomes the shortest.
        let interval = std::time::Duration::from_secs_f64(seconds.clamp(0.0, 86_400.0));
        let interval_ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
        let now = self.engine.warming(id).await?.settings;
        Ok(self.engine.set_warming(id, WarmingSettings { interval_ms, ..now }).await?)
    }
}

impl Surface for Warming {
    fn entry(&self) -> SurfaceCatalogEntry {
        entry("cache-warming", "Cache Warming", SurfaceScope::Conversation)
    }

    fn shows(&self) -> &[Part] {
        &[Part::Warming]
    }

    fn fields<'a>(
        &'a self,
        conversation: Option<&'a ConversationId>,
    ) -> BoxFuture<'a, Result<Vec<SurfaceField>, Refusal>> {
        async move {
            let Some(id) = conversation else { return Ok(nothing_focused()) };
            let warming = self.engine.warming(id).await?;
            let percent = |value: Option<u64>| value.map_or("—".to_owned(), |value| format!("{value}%"));
            let timer = CacheWarmingTimer { next_warm_at: warming.next_at, last_warm_at: warming.last_at };
            Ok(vec![
                SurfaceField::Toggle {
                    label: "Enabled".to_owned(),
                    value: warming.settings.enabled,
                    action: action(TOGGLE),
                },
                SurfaceField::Number {
                    label: "Refresh Interval".to_owned(),
                    value: std::time::Duration::from_millis(warming.settings.interval_ms).as_secs_f64(),
                    min: Some(1.0),
                    max: None,
                    step: Some(1.0),
                    unit: Some("s".to_owned()),
                    action: action(SET_INTERVAL),
                },
                stat("Last Cache %", percent(warming.last.map(|last| last.cache_pct))),
                stat("Cache retention", percent(warming.last.map(|last| last.expected_cache_rate))),
                custom("cache-warming-timer", &timer),
            ])
        }
        .boxed()
    }

    fn invoke<'a>(
        &'a self,
        action: &'a str,
        payload: Option<&'a Value>,
        conversation: Option<&'a ConversationId>,
    ) -> BoxFuture<'a, Option<Result<(), Refusal>>> {
        async move {
            match action {
                TOGGLE => Some(self.toggle(conversation).await),
                SET_INTERVAL => Some(self.set_interval(payload, conversation).await),
                _ => None,
            }
        }
        .boxed()
    }
}
