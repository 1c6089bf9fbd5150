//! Everything that the environment tells the authoriser, read once at cold start.

use api_gateway::https::Source;
use api_gateway::token::Expectations;
use function::env::{ConfigError, parsed, required};

/// Settings of the authoriser.
#[derive(Clone, Debug)]
pub struct AuthorizeConfig {
    /// The copy of the platform that this is part of; names the API keys of the usage plans.
    pub stage: String,
    /// Where the issuer's keys are.
    pub keys: Source,
    /// Who issues tokens, and for whom.
    pub expectations: Expectations,
}

impl AuthorizeConfig {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// Names the first variable that is missing or unusable.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self {
            stage: required("STAGE")?,
            keys: parsed("JWKS", Source::from_setting)?,
            expectations: Expectations {
                issuer: required("JWT_ISSUER")?,
                audience: required("JWT_AUDIENCE")?,
                roles: vec!["customer".to_owned(), "operator".to_owned()],
            },
        })
    }
}
