//! The port to an OpenID provider: what somebody brings back from there is exchanged for a token.

use std::future::Future;

use service_error::ServiceError;

use super::sign_in::OpenId;

/// Exchanges codes for tokens.
///
/// An implementation must
/// - send nothing anywhere but to the provider,
/// - call a refusal of the provider `Rejected`, and everything else that goes wrong `Transient`,
/// - answer within a few seconds.
pub trait Provider: Sync {
    /// The access token for a code. Whether it is good is for the caller to find out.
    fn exchange(
        &self,
        open_id: &OpenId,
        code: &str,
        redirect_uri: &str,
        verifier: &str,
    ) -> impl Future<Output = Result<String, ServiceError>> + Send;
}

/// A provider in memory, for tests and for stages without one: gives one token for one code, and only to whoever holds the
/// verifier of its challenge.
#[derive(Clone, Debug, Default)]
pub struct OneToken {
    /// The code.
    pub code: String,
    /// What must be shown with it.
    pub verifier: String,
    /// What it is worth.
    pub token: String,
}

impl Provider for OneToken {
    async fn exchange(
        &self,
        _: &OpenId,
        code: &str,
        _: &str,
        verifier: &str,
    ) -> Result<String, ServiceError> {
        let good = !self.code.is_empty() && code == self.code && verifier == self.verifier;
        let refused = || ServiceError::rejected("unauthenticated", "the code is not good");
        good.then(|| self.token.clone()).ok_or_else(refused)
    }
}
