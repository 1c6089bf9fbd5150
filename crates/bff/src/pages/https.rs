//! The port to an OpenID provider, over https.

use std::time::Duration;

use reqwest::Client;
use reqwest::redirect::Policy;
use serde::Deserialize;
use service_error::ServiceError;

use super::encoded;
use super::provider::Provider;
use super::sign_in::OpenId;

/// The function has fifteen seconds, and a person not that much patience.
const TIMEOUT: Duration = Duration::from_secs(5);
/// No answer with a token in it is longer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Reaches providers by https.
#[derive(Clone, Debug)]
pub struct Https {
    client: Client,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
}

impl Https {
    /// Makes a client, which keeps its connections.
    ///
    /// # Errors
    ///
    /// Fails when TLS cannot be set up.
    pub fn new() -> Result<Self, reqwest::Error> {
        // Whoever was first in this process has chosen the same one.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::builder().https_only(true).redirect(Policy::none());
        Ok(Self { client: client.timeout(TIMEOUT).build()? })
    }
}

impl Provider for Https {
    async fn exchange(
        &self,
        open_id: &OpenId,
        code: &str,
        redirect_uri: &str,
        verifier: &str,
    ) -> Result<String, ServiceError> {
        let away =
            |error: reqwest::Error| ServiceError::transient("the provider did not answer", error);
        let form = form(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("client_id", &open_id.client_id),
            ("code_verifier", verifier),
        ]);
        let question = self.client.post(&open_id.token_url).body(form);
        let question = question.header("Content-Type", "application/x-www-form-urlencoded");
        let mut answer = question.send().await.map_err(away)?;
        if answer.status().is_client_error() {
            return Err(ServiceError::rejected("unauthenticated", "the provider refused the code"));
        }
        answer.error_for_status_ref().map_err(away)?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(away)? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_BYTES_MAX {
                return Err(ServiceError::permanent("the provider's answer is too long"));
            }
        }
        let answer: Answer = serde_json::from_slice(&body).map_err(ServiceError::permanent)?;
        Ok(answer.access_token)
    }
}

fn form(fields: &[(&str, &str)]) -> String {
    let fields = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
    fields.collect::<Vec<_>>().join("&")
}
