//! What a viewer is given.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use serde::{Deserialize, Serialize};

use super::error::{Error, ErrorCode};

/// Names a session to those who may watch it. Not a secret: a key is needed beside it. Written as base64 of a JSON object,
/// in the standard alphabet; the other alphabet, and missing padding, are read as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscribeToken {
    /// The session's id.
    pub sid: String,
    /// As the server gave it.
    pub ip: String,
    /// As the server gave it; never 0.
    pub port: u16,
}

impl fmt::Display for SubscribeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = serde_json::to_vec(self).map_err(|_| fmt::Error)?;
        f.write_str(&STANDARD.encode(json))
    }
}

impl FromStr for SubscribeToken {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        const KIND: GeneralPurposeConfig =
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let kind = GeneralPurpose::new(&base64::alphabet::STANDARD, KIND);
        let text = text.trim().replace('-', "+").replace('_', "/");
        let token = kind.decode(text).ok().and_then(|json| serde_json::from_slice::<Self>(&json).ok());
        token
            .filter(|token| !token.sid.is_empty() && !token.ip.is_empty() && token.port != 0)
            .ok_or_else(|| Error::new(ErrorCode::InvalidInput, "Invalid subscribe token"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_from_either_alphabet_and_back() {
        let token = SubscribeToken { sid: "s-1".to_owned(), ip: "192.0.2.1".to_owned(), port: 24204 };
        assert_eq!(token.to_string().parse(), Ok(token.clone()));
        let spaced = STANDARD.encode(r#"{"sid": "s-1", "ip": "192.0.2.1", "port": 24204}"#);
        assert_eq!(spaced.trim_end_matches('=').replace('+', "-").parse(), Ok(token));
        for wrong in ["", "nothing", &STANDARD.encode(r#"{"sid":"","ip":"1","port":1}"#)] {
            assert_eq!(wrong.parse::<SubscribeToken>().unwrap_err().code, ErrorCode::InvalidInput, "{wrong}");
        }
    }
}
