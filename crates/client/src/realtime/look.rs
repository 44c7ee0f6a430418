//! What pictures shall become.

use serde::{Deserialize, Serialize};
use wire::realtime::{ClientMessage, Field, Prompt, SetImage};

use super::error::{Error, ErrorCode};

/// What pictures shall become. Without a prompt and an image they come back as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Look {
    /// In words.
    pub prompt: Option<Prompt>,
    /// A reference image: the file, in base64.
    pub image: Option<String>,
}

/// A change of the look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Update {
    /// Another prompt; the image stays.
    Prompt(Prompt),
    /// Another image, or none, and the prompt as the message has it: absent leaves it.
    Image(SetImage),
}

impl Look {
    /// A prompt, which the server may rewrite for the model, and no image.
    pub fn prompt(text: &str) -> Self {
        Self { prompt: Some(Prompt { prompt: text.to_owned(), enhance_prompt: true }), image: None }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        self.prompt.as_ref().map_or(Ok(()), |prompt| check_prompt(&prompt.prompt))
    }

    /// What a session begins with. One that goes on with an earlier one has a look already, which this replaces whole.
    pub(crate) fn message(&self, goes_on: bool) -> ClientMessage {
        match (&self.prompt, &self.image) {
            (Some(prompt), None) if !goes_on => ClientMessage::Prompt(prompt.clone()),
            _ => ClientMessage::SetImage(self.whole()),
        }
    }

    fn whole(&self) -> SetImage {
        SetImage {
            image_data: self.image.clone().map_or(Field::Null, Field::Value),
            prompt: self.prompt.as_ref().map_or(Field::Null, |prompt| Field::Value(prompt.prompt.clone())),
            enhance_prompt: self.prompt.as_ref().map(|prompt| prompt.enhance_prompt),
        }
    }
}

impl Update {
    /// Everything at once: what the look has not is taken away.
    pub fn whole(look: &Look) -> Self {
        Self::Image(look.whole())
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        match self {
            Self::Prompt(Prompt { prompt, .. })
            | Self::Image(SetImage { prompt: Field::Value(prompt), .. }) => check_prompt(prompt),
            Self::Image(SetImage { prompt: Field::Absent | Field::Null, .. }) => Ok(()),
        }
    }

    pub(crate) fn message(&self) -> ClientMessage {
        match self {
            Self::Prompt(prompt) => ClientMessage::Prompt(prompt.clone()),
            Self::Image(image) => ClientMessage::SetImage(image.clone()),
        }
    }

    /// The look after this change. Of a look that only the server knows, it stays unknown what this leaves as it is.
    pub(crate) fn applied_to(self, look: Option<Look>) -> Option<Look> {
        match self {
            Self::Prompt(prompt) => look.map(|look| Look { prompt: Some(prompt), ..look }),
            Self::Image(image) => {
                let enhance_prompt = image.enhances();
                let prompt = match image.prompt {
                    Field::Absent => look?.prompt,
                    Field::Null => None,
                    Field::Value(prompt) => Some(Prompt { prompt, enhance_prompt }),
                };
                Some(Look { prompt, image: image.image_data.value() })
            }
        }
    }
}

fn check_prompt(prompt: &str) -> Result<(), Error> {
    if prompt.trim().is_empty() {
        return Err(Error::new(ErrorCode::InvalidInput, "a prompt needs at least one character"));
    }
    Ok(())
}
