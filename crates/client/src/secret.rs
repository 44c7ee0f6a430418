//! A key, which is in nothing that anybody is shown.

use std::fmt;
use std::sync::Arc;

use reqwest::Url;

/// What is shorter can be part of any word. To blot it out there would tell what it is.
const SHORTEST: usize = 8;

/// A key. Cheap to clone; empty if there is none.
#[derive(Clone, Default)]
pub(crate) struct Secret(Arc<Forms>);

#[derive(Default)]
struct Forms {
    plain: String,
    /// As it stands in the query of a URL.
    encoded: String,
}

impl Secret {
    pub(crate) fn new(key: &str) -> Self {
        let encoded = Url::parse("http://host").ok().and_then(|mut url| {
            url.query_pairs_mut().append_key_only(key);
            url.query().map(str::to_owned)
        });
        Self(Arc::new(Forms { plain: key.to_owned(), encoded: encoded.unwrap_or_default() }))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0.plain
    }

    /// The text without the key, for errors: a server, or a proxy, can say again what it was sent.
    pub(crate) fn hide(&self, text: String) -> String {
        let Forms { plain, encoded } = &*self.0;
        let mut safe = text;
        for form in [plain, encoded] {
            if form.len() >= SHORTEST && safe.contains(form) {
                safe = safe.replace(form, "***");
            }
        }
        safe
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_hidden_in_both_forms_and_a_short_one_is_no_secret() {
        let secret = Secret::new("dsp_a+b/c==");
        let text = "no dsp_a+b/c== and no ?k=dsp_a%2Bb%2Fc%3D%3D here".to_owned();
        assert_eq!(secret.hide(text), "no *** and no ?k=*** here");
        assert_eq!(Secret::new("any").hide("in any case".to_owned()), "in any case");
        assert_eq!(Secret::default().hide("as it is".to_owned()), "as it is");
        assert_eq!(format!("{secret:?}"), "***");
    }
}
