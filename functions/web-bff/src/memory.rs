//! An OpenID provider in memory, for tests and for stages without one.

use saga::Failure;

use crate::config::OpenId;
use crate::provider::Provider;

/// Gives one token for one code, and only to whoever holds the verifier of its challenge.
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
    ) -> Result<String, Failure> {
        let good = !self.code.is_empty() && code == self.code && verifier == self.verifier;
        let refused = || Failure::rejected("unauthenticated", "the code is not good");
        good.then(|| self.token.clone()).ok_or_else(refused)
    }
}
