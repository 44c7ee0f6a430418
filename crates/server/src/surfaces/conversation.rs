//! `conversation`: the settings of a conversation and how full its context is.

use engine::{Engine, Part};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;
use store::Setting;
use wire::surface::{SelectorOption, SurfaceCatalogEntry, SurfaceField, SurfaceScope};
use wire::{ConversationId, ReasoningEffort};

use super::{Surface, action, entry, failed, focused, nothing_focused, stat};
use crate::answer::Refusal;

const SET_MODEL: &str = "conversation/set-model";
const SET_EFFORT: &str = "conversation/set-effort";
const SET_PERCENT: &str = "conversation/set-compact-percent";
const COMPACT: &str = "conversation/compact";

/// The value of the option that leaves the choice to the server.
const DEFAULT: &str = "";

pub(super) struct Conversation {
    pub(super) engine: Engine,
}

impl Conversation {
    async fn show(&self, id: &ConversationId) -> Result<Vec<SurfaceField>, Refusal> {
        let known = self.engine.store().conversation(id).await?;
        let (model, effort) = known.map(|known| (known.model, known.effort)).unwrap_or_default();
        let models = self.engine.models().await;
        let mut options = vec![option(DEFAULT, "default")];
        options.extend(models.models.iter().map(|name| option(name, name)));
        let model = model.unwrap_or_default();
        if !options.iter().any(|option| option.value == model) {
            options.push(option(&model, &model));
        }
        let window =
            models.model_info.and_then(|infos| infos.get(&model).and_then(|info| info.context_window));
        let used = self.engine.store().metrics(id).await?.last().and_then(|turn| turn.metrics.context_size);
        let mut fields = vec![
            SurfaceField::Selector {
                label: "Model".to_owned(),
                value: model,
                options,
                action: action(SET_MODEL),
            },
            SurfaceField::Selector {
                label: "Reasoning Effort".to_owned(),
                value: effort.unwrap_or_default().as_str().to_owned(),
                options: ReasoningEffort::ALL.map(|level| option(level.as_str(), level.as_str())).to_vec(),
                action: action(SET_EFFORT),
            },
        ];
        match (used, window) {
            (Some(used), Some(window)) if window > 0 => {
                // Both fit a float's 53 bits by far.
                #[allow(clippy::cast_precision_loss)]
                let value = (used as f64 / window as f64).clamp(0.0, 1.0);
                fields.push(SurfaceField::Progress { label: "Context".to_owned(), value });
            }
            (Some(used), _) => fields.push(stat("Context", format!("{used} tokens"))),
            (None, _) => fields.push(stat("Context", "—")),
        }
        #[allow(clippy::cast_precision_loss)]
        let percent = self.engine.compact_percent(id).await? as f64;
        fields.push(SurfaceField::Number {
            label: "Compact At".to_owned(),
            value: percent,
            min: Some(0.0),
            max: Some(100.0),
            step: Some(1.0),
            unit: Some("%".to_owned()),
            action: action(SET_PERCENT),
        });
        fields.push(SurfaceField::Button { label: "Compact Now".to_owned(), action: action(COMPACT) });
        Ok(fields)
    }

    async fn set_model(&self, id: &ConversationId, payload: Option<&Value>) -> Result<(), Refusal> {
        let model = match payload.and_then(Value::as_str) {
            Some(DEFAULT) => None,
            Some(model) if self.engine.serves(model) => Some(model.to_owned()),
            Some(model) => return Err(failed(format!("unknown model: {model}"))),
            None => return Err(failed("the payload must be the name of a model")),
        };
        Ok(self.engine.set(id, Setting::Model(model)).await?)
    }

    async fn set_effort(&self, id: &ConversationId, payload: Option<&Value>) -> Result<(), Refusal> {
        let Some(effort) = payload.and_then(Value::as_str).and_then(ReasoningEffort::parse) else {
            let levels = ReasoningEffort::ALL.map(ReasoningEffort::as_str).join(", ");
            return Err(failed(format!("the payload must be one of: {levels}")));
        };
        Ok(self.engine.set(id, Setting::Effort(effort)).await?)
    }

    async fn set_percent(&self, id: &ConversationId, payload: Option<&Value>) -> Result<(), Refusal> {
        match payload.and_then(Value::as_f64) {
            Some(percent) if (0.0..=100.0).contains(&percent) => {
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                let percent = percent as u64;
                Ok(self.engine.set_compact_percent(id, percent).await?)
            }
            Some(_) | None => Err(failed("the payload must be a number from 0 to 100")),
        }
    }
}

fn option(value: &str, label: &str) -> SelectorOption {
    SelectorOption { value: value.to_owned(), label: label.to_owned() }
}

impl Surface for Conversation {
    fn entry(&self) -> SurfaceCatalogEntry {
        entry("conversation", "Conversation", SurfaceScope::Conversation)
    }

    fn shows(&self) -> &[Part] {
        &[Part::Settings]
    }

    fn fields<'a>(
        &'a self,
        conversation: Option<&'a ConversationId>,
    ) -> BoxFuture<'a, Result<Vec<SurfaceField>, Refusal>> {
        async move {
            match conversation {
                Some(id) => self.show(id).await,
                None => Ok(nothing_focused()),
            }
        }
        .boxed()
    }

    fn takes_long(&self, action: &str) -> bool {
        action == COMPACT
    }

    fn invoke<'a>(
        &'a self,
        action: &'a str,
        payload: Option<&'a Value>,
        conversation: Option<&'a ConversationId>,
    ) -> BoxFuture<'a, Option<Result<(), Refusal>>> {
        async move {
            let id = match focused(conversation) {
                Ok(id) => id,
                Err(refusal) => return Some(Err(refusal)),
            };
            Some(match action {
                SET_MODEL => self.set_model(id, payload).await,
                SET_EFFORT => self.set_effort(id, payload).await,
                SET_PERCENT => self.set_percent(id, payload).await,
                COMPACT => self.engine.compact(id, None, None).await.map(drop).map_err(Refusal::from),
                _ => return None,
            })
        }
        .boxed()
    }
}
