//! Who answers: one table for each access to a provider.

use std::collections::BTreeMap;

use kernel::ModelInfo;
use providers::{Kind, anthropic, demo, openai};
use serde::{Deserialize, Serialize};

use super::value;
use super::{Environment, Key, Limits, Period, environment};

/// The keys of a credential, without its name.
pub(super) const KEYS: [&str; 12] = [
    "kind",
    "base_url",
    "api_key",
    "api_key_env",
    "models",
    "reasoning_effort",
    "reasoning_content",
    "max_completion_tokens",
    "thinking",
    "thinking_of",
    "max_output_tokens",
    "token_delay",
];

/// An access to a provider. Its models are called `name/model`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credential {
    pub(crate) name: String,
    pub(crate) kind: Protocol,
    #[serde(default, serialize_with = "without_keys", skip_serializing_if = "Option::is_none")]
    pub(crate) base_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) api_key: Option<Key>,
    /// A variable that holds the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) api_key_env: Option<String>,
    /// Absent: the provider is asked.
    #[serde(default, deserialize_with = "value::some_list", skip_serializing_if = "Option::is_none")]
    pub(crate) models: Option<Vec<Model>>,
    #[serde(default, deserialize_with = "value::some_from_text", skip_serializing_if = "Option::is_none")]
    pub(crate) reasoning_effort: Option<bool>,
    #[serde(default, deserialize_with = "value::some_from_text", skip_serializing_if = "Option::is_none")]
    pub(crate) reasoning_content: Option<bool>,
    #[serde(default, deserialize_with = "value::some_from_text", skip_serializing_if = "Option::is_none")]
    pub(crate) max_completion_tokens: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) thinking: Option<Thinking>,
    /// By the beginning of a model's id; the longest that fits counts.
    #[serde(default, deserialize_with = "value::some_table", skip_serializing_if = "Option::is_none")]
    pub(crate) thinking_of: Option<BTreeMap<String, Thinking>>,
    #[serde(default, deserialize_with = "value::some_count", skip_serializing_if = "Option::is_none")]
    pub(crate) max_output_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token_delay: Option<Period>,
}

/// Which protocol a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    OpenAi,
    Anthropic,
    Demo,
}

impl Protocol {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Demo => "demo",
        }
    }

    fn base_url(self) -> Option<&'static str> {
        match self {
            Self::OpenAi => Some(openai::BASE_URL),
            Self::Anthropic => Some(anthropic::BASE_URL),
            Self::Demo => None,
        }
    }
}

/// A model of a list: its id, or a table that says more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "ModelForm", into = "ModelForm")]
pub(crate) struct Model {
    pub(crate) id: String,
    pub(crate) context_window: Option<u64>,
    /// Whether it takes images; absent: not known.
    pub(crate) vision: Option<bool>,
}

#[derive(Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "a model is its id in quotes, or a table with `id`, `context_window` and `vision`"
)]
enum ModelForm {
    Id(String),
    Table(ModelTable),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelTable {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_window: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vision: Option<bool>,
}

impl From<ModelForm> for Model {
    fn from(form: ModelForm) -> Self {
        match form {
            ModelForm::Id(id) => Self { id, context_window: None, vision: None },
            ModelForm::Table(ModelTable { id, context_window, vision }) => {
                Self { id, context_window, vision }
            }
        }
    }
}

impl From<Model> for ModelForm {
    fn from(Model { id, context_window, vision }: Model) -> Self {
        match (context_window, vision) {
            (None, None) => Self::Id(id),
            (context_window, vision) => Self::Table(ModelTable { id, context_window, vision }),
        }
    }
}

/// How the models of an Anthropic credential think.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Thinking {
    Off,
    Budget,
    Adaptive,
}

impl From<Thinking> for anthropic::Thinking {
    fn from(thinking: Thinking) -> Self {
        match thinking {
            Thinking::Off => Self::Off,
            Thinking::Budget => Self::Budget,
            Thinking::Adaptive => Self::Adaptive,
        }
    }
}

impl Credential {
    fn new(name: &str, kind: Protocol) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            base_url: None,
            api_key: None,
            api_key_env: None,
            models: None,
            reasoning_effort: None,
            reasoning_content: None,
            max_completion_tokens: None,
            thinking: None,
            thinking_of: None,
            max_output_tokens: None,
            token_delay: None,
        }
    }

    /// The model that needs neither network nor key.
    pub(super) fn demo() -> Self {
        Self::new("demo", Protocol::Demo)
    }

    /// The credentials that a key in the environment is enough for, unless one of that name is configured.
    pub(super) fn of_environment(environment: &Environment, configured: &[Self]) -> Vec<Self> {
        let known = [
            ("anthropic", Protocol::Anthropic, "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"),
            ("openai", Protocol::OpenAi, "OPENAI_API_KEY", "OPENAI_BASE_URL"),
        ];
        let missing = known.into_iter().filter(|(name, _, key, _)| {
            environment.value(key).is_some() && configured.iter().all(|credential| credential.name != *name)
        });
        missing
            .map(|(name, kind, key, base_url)| Self {
                api_key_env: Some(key.to_owned()),
                base_url: environment.value(base_url).map(|url| url.trim().to_owned()),
                ..Self::new(name, kind)
            })
            .collect()
    }

    /// Says which key is wrong, and what about it.
    pub(super) fn check(
        &self,
        environment: &Environment,
        warnings: &mut Vec<String>,
    ) -> Result<(), (&'static str, String)> {
        if self.name.is_empty()
            || self.name.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control())
        {
            let message =
                format!("`{}` cannot name a credential: no slash, no white space, not empty", self.name);
            return Err(("name", message));
        }
        let foreign = [
            ("base_url", self.base_url.is_some(), &[Protocol::OpenAi, Protocol::Anthropic][..]),
            ("api_key", self.api_key.is_some(), &[Protocol::OpenAi, Protocol::Anthropic]),
            ("api_key_env", self.api_key_env.is_some(), &[Protocol::OpenAi, Protocol::Anthropic]),
            ("models", self.models.is_some(), &[Protocol::OpenAi, Protocol::Anthropic]),
            ("reasoning_effort", self.reasoning_effort.is_some(), &[Protocol::OpenAi]),
            ("reasoning_content", self.reasoning_content.is_some(), &[Protocol::OpenAi]),
            ("max_completion_tokens", self.max_completion_tokens.is_some(), &[Protocol::OpenAi]),
            ("thinking", self.thinking.is_some(), &[Protocol::Anthropic]),
            ("thinking_of", self.thinking_of.is_some(), &[Protocol::Anthropic]),
            ("max_output_tokens", self.max_output_tokens.is_some(), &[Protocol::Anthropic]),
            ("token_delay", self.token_delay.is_some(), &[Protocol::Demo]),
        ]
        .into_iter()
        .find(|(_, set, kinds)| *set && !kinds.contains(&self.kind));
        if let Some((key, _, _)) = foreign {
            return Err((key, format!("a credential of kind `{}` has no such key", self.kind.as_str())));
        }
        if self.api_key.is_some() && self.api_key_env.is_some() {
            return Err(("api_key", "`api_key` and `api_key_env` are both set; remove one".to_owned()));
        }
        if let Some(model) = self.models.iter().flatten().find(|model| model.id.trim().is_empty()) {
            return Err(("models", format!("`{}` is no id of a model", model.id)));
        }
        if self.api_key_env.as_deref().is_some_and(|name| !environment::is_name(name)) {
            return Err(("api_key_env", environment::NOT_A_NAME.to_owned()));
        }
        if let Some(variable) = &self.api_key_env
            && environment.value(variable).is_none()
        {
            warnings.push(format!(
                "credential `{}` has no key: the environment variable {variable} is not set",
                self.name
            ));
        }
        providers::build(self.settings(environment, &Limits::default())).map(drop).map_err(|error| {
            let key = match error {
                providers::Error::BaseUrl { .. } => "base_url",
                providers::Error::ApiKey { .. } => "api_key",
            };
            (key, error.to_string())
        })
    }

    /// What makes its provider.
    pub(crate) fn settings(&self, environment: &Environment, limits: &Limits) -> providers::Settings {
        let from_environment =
            || self.api_key_env.as_deref().and_then(|name| environment.value(name)).and_then(Key::new);
        providers::Settings {
            base_url: self.base_url.clone(),
            api_key: self.api_key.clone().or_else(from_environment).map(|key| key.0),
            models: self.models.as_ref().map(|models| {
                let info = |model: &Model| ModelInfo {
                    id: model.id.clone(),
                    context_window: model.context_window,
                    vision: model.vision,
                };
                models.iter().map(info).collect()
            }),
            limits: providers::Limits {
                stall: limits.stall_timeout.0,
                connect: limits.connect_timeout.0,
                ..providers::Limits::default()
            },
            ..providers::Settings::new(self.name.clone(), self.provider_kind())
        }
    }

    fn provider_kind(&self) -> Kind {
        match self.kind {
            Protocol::OpenAi => Kind::OpenAi(openai::Options {
                reasoning_effort: self.reasoning_effort.unwrap_or_default(),
                reasoning_content: self.reasoning_content.unwrap_or_default(),
                max_completion_tokens: self.max_completion_tokens.unwrap_or_default(),
            }),
            Protocol::Anthropic => {
                let default = anthropic::Options::default();
                let configured = self.thinking_of.as_ref().map(|of| {
                    let mut of: Vec<_> =
                        of.iter().map(|(start, how)| (start.clone(), (*how).into())).collect();
                    of.sort_by_key(|(start, _)| std::cmp::Reverse(start.len()));
                    of
                });
                Kind::Anthropic(anthropic::Options {
                    thinking: self.thinking.map_or(default.thinking, Into::into),
                    thinking_of: configured.unwrap_or(default.thinking_of),
                    max_output_tokens: self.max_output_tokens.or(default.max_output_tokens),
                })
            }
            Protocol::Demo => Kind::Demo(match self.token_delay {
                Some(delay) => demo::Options { token_delay: delay.0 },
                None => demo::Options::default(),
            }),
        }
    }

    /// Where its provider is.
    pub(crate) fn place(&self) -> Option<String> {
        self.base_url.as_deref().or(self.kind.base_url()).map(host_and_path)
    }
}

/// A URL without the parts that can hold a key.
fn host_and_path(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

pub(super) fn without_keys<S: serde::Serializer>(
    url: &Option<String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    url.as_deref().map(host_and_path).serialize(serializer)
}
