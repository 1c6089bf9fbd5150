//! The environment of the provider, read once at cold start.

use api_gateway::https::Source;
use api_gateway::token::Expectations;
use function::env::{ConfigError, parsed, required};

/// Settings of the provider.
#[derive(Clone)]
pub struct ProviderConfig {
    /// Table of the ledger.
    pub ledger_table: String,
    /// The bearer token of clients.
    pub client_key: String,
    /// The source of the keys that verify operators' tokens.
    pub keys: Source,
    /// The expected claims of operators' tokens.
    pub expectations: Expectations,
}

impl ProviderConfig {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// Names the first variable that is missing or unusable.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self {
            ledger_table: required("LEDGER_TABLE")?,
            client_key: required("PAYMENT_PROVIDER_KEY")?,
            keys: parsed("JWKS", Source::from_setting)?,
            expectations: Expectations {
                issuer: required("JWT_ISSUER")?,
                audience: required("JWT_AUDIENCE")?,
                roles: vec!["operator".to_owned()],
            },
        })
    }
}

// Implemented manually, since the client's key is a secret.
impl std::fmt::Debug for ProviderConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProviderConfig")
            .field("ledger_table", &self.ledger_table)
            .field("keys", &self.keys)
            .field("expectations", &self.expectations)
            .finish_non_exhaustive()
    }
}
