//! The port to an OpenID provider: what somebody brings back from there is exchanged for a token.

use std::future::Future;

use saga::Failure;

use crate::config::OpenId;

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
    ) -> impl Future<Output = Result<String, Failure>> + Send;
}
