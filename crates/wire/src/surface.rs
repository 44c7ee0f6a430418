//! Surfaces: small panels of state and actions that a client renders as it likes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a surface is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SurfaceScope {
    /// The same for every conversation.
    Global,
    /// One for each conversation.
    Conversation,
}

/// A surface in the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SurfaceCatalogEntry {
    /// Names the surface in subscriptions.
    pub id: String,
    /// Where it would like to be; an open set, of which `side` is used.
    pub region: String,
    /// For people.
    pub title: String,
    /// Absent means per conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<SurfaceScope>,
}

/// The whole content of a surface at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SurfaceSpec {
    /// Which surface.
    pub id: String,
    /// Where it would like to be.
    pub region: String,
    /// For people.
    pub title: String,
    /// Its fields, in order.
    pub fields: Vec<SurfaceField>,
}

/// What a client invokes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActionRef {
    /// Goes into `invoke`.
    pub action_id: String,
}

/// One choice of a selector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SelectorOption {
    /// Goes into `invoke`.
    pub value: String,
    /// For people.
    pub label: String,
}

/// A field of a surface. A client skips kinds and renderers that it does not know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum SurfaceField {
    /// On or off; `invoke` brings the new value.
    #[schemars(title = "ToggleField")]
    Toggle {
        /// For people.
        label: String,
        /// As it is now.
        value: bool,
        /// Changes it.
        action: ActionRef,
    },
    /// How far something is, from 0 to 1.
    #[schemars(title = "ProgressField")]
    Progress {
        /// For people.
        label: String,
        /// From 0 to 1.
        value: f64,
    },
    /// One of several; `invoke` brings the value of the chosen option.
    #[schemars(title = "SelectorField")]
    Selector {
        /// For people.
        label: String,
        /// The value of the option chosen now.
        value: String,
        /// What there is to choose; values are unique.
        options: Vec<SelectorOption>,
        /// Changes it.
        action: ActionRef,
    },
    /// Something to read.
    #[schemars(title = "StatField")]
    Stat {
        /// For people.
        label: String,
        /// Ready to show.
        value: String,
    },
    /// A number; `invoke` brings the new value.
    #[schemars(title = "NumberField")]
    Number {
        /// For people.
        label: String,
        /// As it is now.
        value: f64,
        /// The least allowed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<f64>,
        /// The most allowed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<f64>,
        /// The distance between allowed values.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<f64>,
        /// What the number counts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unit: Option<String>,
        /// Changes it.
        action: ActionRef,
    },
    /// Something to press; `invoke` brings nothing.
    #[schemars(title = "ButtonField")]
    Button {
        /// For people.
        label: String,
        /// What it does.
        action: ActionRef,
    },
    /// Anything else, for a client that knows the renderer.
    #[schemars(title = "CustomField")]
    Custom {
        /// Says what the payload is.
        renderer_id: String,
        /// The content.
        payload: Value,
    },
}
