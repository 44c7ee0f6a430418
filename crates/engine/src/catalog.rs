//! Which models there are, and who serves them.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use kernel::Provider;
use wire::transport::{ModelInfo, ModelsResponse};

/// How long a provider's list of models is believed.
const FRESH: Duration = Duration::from_secs(60);

/// How long a provider has to list its models.
const PATIENCE: Duration = Duration::from_secs(10);

/// A named access to a provider. Its models are called `name/model`.
#[derive(Clone)]
pub struct Credential {
    /// Without a slash.
    pub name: String,
    /// Who answers.
    pub provider: Arc<dyn Provider>,
}

/// All credentials, in the order of the configuration.
pub struct Catalog {
    credentials: Vec<Listed>,
    default_model: Option<String>,
    /// Other names, and the names that they stand for.
    aliases: BTreeMap<String, String>,
}

struct Listed {
    credential: Credential,
    /// The last list that the provider gave, and when.
    models: Mutex<Option<(Instant, Arc<[kernel::ModelInfo]>)>>,
}

/// A model, and who serves it.
pub(crate) struct Resolved {
    pub(crate) provider: Arc<dyn Provider>,
    /// The provider's own name for it.
    pub(crate) model: String,
}

impl Catalog {
    /// `default_model` is a name of the form `credential/model`; without one, the first model of the first credential
    /// that has any is the default.
    pub fn new(credentials: Vec<Credential>, default_model: Option<String>) -> Self {
        let credentials = credentials
            .into_iter()
            .map(|credential| Listed { credential, models: Mutex::new(None) })
            .collect();
        Self { credentials, default_model, aliases: BTreeMap::new() }
    }

    /// With names under which models can be asked for besides their own: from a name to `credential/model`.
    pub fn with_aliases(mut self, aliases: BTreeMap<String, String>) -> Self {
        self.aliases = aliases;
        self
    }

    /// The name that a name stands for: its own, unless it is an alias.
    pub(crate) fn real_name(&self, name: String) -> String {
        self.aliases.get(&name).cloned().unwrap_or(name)
    }

    /// Whether somebody serves a model of that name, as far as can be said without asking.
    pub(crate) fn serves(&self, name: &str) -> bool {
        self.resolve(self.aliases.get(name).map_or(name, String::as_str)).is_some()
    }

    /// What its provider's list says of a model, by its real name; a list of any age will do.
    pub(crate) async fn info(&self, name: &str) -> Option<kernel::ModelInfo> {
        let (credential, model) = name.split_once('/')?;
        let listed = self.credentials.iter().find(|listed| listed.credential.name == credential)?;
        let models = match listed.known() {
            Some((_, models)) => models,
            None => listed.models().await,
        };
        models.iter().find(|info| info.id == model).cloned()
    }

    /// Who serves the model of that name: it is split at its first slash.
    pub(crate) fn resolve(&self, name: &str) -> Option<Resolved> {
        let (credential, model) = name.split_once('/')?;
        let listed = self.credentials.iter().find(|listed| listed.credential.name == credential)?;
        (!model.is_empty())
            .then(|| Resolved { provider: listed.credential.provider.clone(), model: model.to_owned() })
    }

    /// The name of the model that serves when nobody chose one.
    pub(crate) async fn default_model(&self) -> Option<String> {
        if let Some(model) = &self.default_model {
            return Some(model.clone());
        }
        for listed in &self.credentials {
            // A list of any age will do: a message does not wait for a provider to be asked again.
            let models = match listed.known() {
                Some((_, models)) if !models.is_empty() => models,
                Some(_) | None => listed.models().await,
            };
            if let Some(model) = models.first() {
                return Some(format!("{}/{}", listed.credential.name, model.id));
            }
        }
        None
    }

    pub(crate) async fn models(&self) -> ModelsResponse {
        let lists = join_all(self.credentials.iter().map(Listed::models)).await;
        let mut seen = HashSet::new();
        let mut models = Vec::new();
        let mut infos = BTreeMap::new();
        for (listed, list) in self.credentials.iter().zip(lists) {
            for model in list.iter() {
                let name = format!("{}/{}", listed.credential.name, model.id);
                // Clients key their lists by name and fail on the same one twice.
                if seen.insert(name.clone()) {
                    if model.context_window.is_some() || model.vision.is_some() {
                        let kernel::ModelInfo { context_window, vision, .. } = *model;
                        infos.insert(name.clone(), ModelInfo { context_window, vision });
                    }
                    models.push(name);
                }
            }
        }
        ModelsResponse { models, model_info: (!infos.is_empty()).then_some(infos) }
    }
}

impl Listed {
    /// The last list that the provider gave, and when.
    fn known(&self) -> Option<(Instant, Arc<[kernel::ModelInfo]>)> {
        self.models.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The provider's models; the last list that it gave, if it cannot be asked now.
    async fn models(&self) -> Arc<[kernel::ModelInfo]> {
        let known = self.known();
        if let Some((_, models)) = known.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return models.clone();
        }
        let name = &self.credential.name;
        match tokio::time::timeout(PATIENCE, self.credential.provider.models()).await {
            Ok(Ok(models)) => {
                let models: Arc<[_]> = models.into();
                *self.models.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some((Instant::now(), models.clone()));
                return models;
            }
            Ok(Err(failure)) => {
                tracing::warn!(credential = name, "models cannot be listed: {}", failure.message)
            }
            Err(_) => tracing::warn!(credential = name, "models cannot be listed: no answer in {PATIENCE:?}"),
        }
        known.map(|(_, models)| models).unwrap_or_default()
    }
}
