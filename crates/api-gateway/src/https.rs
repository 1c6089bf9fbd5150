//! A key set fetched from where the issuer publishes it, or taken from the configuration.

use std::time::Duration;

use reqwest::Client;
use reqwest::redirect::Policy;

use crate::keys::{InvalidKeySet, JWKS_BYTES_MAX, KeySet};
use crate::verifier::{FetchError, Inline, KeySource};

/// The timeout of a request to the issuer. The authorizer as a whole has five seconds.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The source of keys, as configured.
#[derive(Clone, Debug)]
pub enum Source {
    /// The setting holds them.
    Inline(Inline),
    /// The setting says where they are.
    Https(Https),
}

/// An address of a key set.
#[derive(Clone, Debug)]
pub struct Https {
    url: String,
    client: Client,
}

/// A setting that neither holds keys nor says where they are.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSource {
    /// It is neither JSON nor an https address.
    #[error("neither a key set nor an https address")]
    Neither,
    /// It looks like a key set and is none.
    #[error("key set in the configuration is unusable")]
    KeySet(#[from] InvalidKeySet),
    /// TLS cannot be set up.
    #[error("no client for https")]
    Client(#[from] reqwest::Error),
}

impl Source {
    /// Reads the setting: a key set as JSON, or the https address of one.
    ///
    /// # Errors
    ///
    /// Refuses everything else, plain http above all: an attacker who can change the response could admit any caller.
    pub fn from_setting(setting: &str) -> Result<Self, InvalidSource> {
        if setting.trim_start().starts_with('{') {
            KeySet::parse(setting)?;
            return Ok(Self::Inline(Inline(setting.to_owned())));
        }
        if !setting.starts_with("https://") {
            return Err(InvalidSource::Neither);
        }
        // If another caller in this process was first, it has installed the same provider.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client =
            Client::builder().https_only(true).redirect(Policy::none()).timeout(TIMEOUT).build()?;
        Ok(Self::Https(Https { url: setting.to_owned(), client }))
    }
}

impl KeySource for Source {
    async fn fetch(&self) -> Result<String, FetchError> {
        match self {
            Self::Inline(source) => source.fetch().await,
            Self::Https(source) => source.fetch().await,
        }
    }
}

impl KeySource for Https {
    async fn fetch(&self) -> Result<String, FetchError> {
        let unreachable = |error: reqwest::Error| FetchError::Unreachable(Box::new(error));
        let response = self.client.get(&self.url).send().await.map_err(unreachable)?;
        let mut response = response.error_for_status().map_err(unreachable)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            body.extend_from_slice(&chunk);
            if body.len() > JWKS_BYTES_MAX {
                return Err(InvalidKeySet::TooLong { bytes: body.len() }.into());
            }
        }
        String::from_utf8(body).map_err(|error| FetchError::Unreachable(Box::new(error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_holds_keys_or_says_where_they_are() {
        assert!(matches!(Source::from_setting(r#" {"keys":[]}"#), Ok(Source::Inline(_))));
        let address = "https://id.example/.well-known/jwks.json";
        assert!(matches!(Source::from_setting(address), Ok(Source::Https(_))));
        for setting in
            ["", "{", r#"{"keys":7}"#, "http://id.example/jwks.json", "file:///etc/passwd"]
        {
            assert!(Source::from_setting(setting).is_err(), "{setting}");
        }
    }

    #[tokio::test]
    async fn an_address_without_a_server_is_out_of_reach() {
        // Nothing listens on the discard port.
        let source = Source::from_setting("https://127.0.0.1:9/jwks.json").unwrap();
        assert!(matches!(source.fetch().await, Err(FetchError::Unreachable(_))));
    }
}
