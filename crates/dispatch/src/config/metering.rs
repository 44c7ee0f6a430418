//! What models cost, and where what was used is exported to.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use meter::{Credits, Price, Rate};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::{Environment, environment, value};

/// Prices and exports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Metering {
    /// By `credential/model`; a model that is not there is free.
    #[serde(deserialize_with = "value::table")]
    pub(crate) prices: BTreeMap<String, TokenPrice>,
    /// A file that every row of the ledger is appended to, one JSON object a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) export_file: Option<PathBuf>,
    /// Where every row of the ledger is posted to.
    #[serde(serialize_with = "super::credential::without_keys", skip_serializing_if = "Option::is_none")]
    pub(crate) webhook_url: Option<String>,
    /// The variable that holds the secret which signs what is posted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) webhook_secret_env: Option<String>,
}

impl Metering {
    /// Says which key is wrong, and what about it.
    pub(super) fn check(&self, environment: &Environment) -> Result<(), (&'static str, String)> {
        if self.webhook_url.is_none() && self.webhook_secret_env.is_some() {
            return Err(("webhook_secret_env", "there is no `webhook_url`".to_owned()));
        }
        if self.webhook_secret_env.as_deref().is_some_and(|name| !environment::is_name(name)) {
            return Err(("webhook_secret_env", environment::NOT_A_NAME.to_owned()));
        }
        self.webhook(environment).map(drop)
    }

    /// Where events are posted to. What is wrong with it was said when the configuration was read.
    pub(crate) fn webhook(
        &self,
        environment: &Environment,
    ) -> Result<Option<export::Webhook>, (&'static str, String)> {
        let Some(url) = &self.webhook_url else { return Ok(None) };
        let Some(name) = &self.webhook_secret_env else {
            let message = "what is posted is signed: `webhook_secret_env` names the variable with the secret";
            return Err(("webhook_url", message.to_owned()));
        };
        let Some(secret) = environment.value(name) else {
            return Err(("webhook_secret_env", format!("the environment variable {name} is not set")));
        };
        export::Webhook::new(url.trim(), secret).map(Some).map_err(|error| match error {
            export::InvalidWebhook::Url => ("webhook_url", error.to_string()),
            export::InvalidWebhook::Secret => ("webhook_secret_env", error.to_string()),
        })
    }
}

/// What a million tokens of a model cost.
///
/// As a text, for variables, it is `INPUT/OUTPUT` or `INPUT/OUTPUT/CACHED`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct TokenPrice {
    /// Of a prompt.
    pub(crate) input: Rate,
    /// That the model produced.
    pub(crate) output: Rate,
    /// Of a prompt, read from the provider's cache; absent: as the others of a prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cached: Option<Rate>,
}

impl From<TokenPrice> for Price {
    fn from(TokenPrice { input, output, cached }: TokenPrice) -> Self {
        Self {
            per_second: Rate::FREE,
            per_million_input_tokens: input,
            per_million_output_tokens: output,
            per_million_cached_tokens: cached,
        }
    }
}

/// A price as a table of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default)]
    input: Rate,
    #[serde(default)]
    output: Rate,
    cached: Option<Rate>,
}

impl FromStr for TokenPrice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rate = |text: &str| {
            let credits = text.trim().parse::<Credits>().map_err(|error| error.to_string())?;
            Rate::try_from(credits).map_err(|error| error.to_string())
        };
        match text.split('/').collect::<Vec<_>>()[..] {
            [input, output] => Ok(Self { input: rate(input)?, output: rate(output)?, cached: None }),
            [input, output, cached] => {
                Ok(Self { input: rate(input)?, output: rate(output)?, cached: Some(rate(cached)?) })
            }
            _ => {
                Err("not a price of tokens; write INPUT/OUTPUT or INPUT/OUTPUT/CACHED, for a million of each"
                    .to_owned())
            }
        }
    }
}

impl<'de> Deserialize<'de> for TokenPrice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;

        impl<'de> Visitor<'de> for Form {
            type Value = TokenPrice;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a table with `input`, `output` and `cached`, or a text of the form INPUT/OUTPUT/CACHED",
                )
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<TokenPrice, E> {
                text.parse().map_err(|error| E::custom(format!("`{text}`: {error}")))
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<TokenPrice, A::Error> {
                let Table { input, output, cached } = Table::deserialize(MapAccessDeserializer::new(table))?;
                Ok(TokenPrice { input, output, cached })
            }
        }

        deserializer.deserialize_any(Form)
    }
}
