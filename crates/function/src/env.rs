//! The one reader of the environment.

use std::env::VarError;

/// A setting is absent, empty or no text.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Nobody has set it.
    #[error("environment variable {name} is not set")]
    Unset {
        /// The variable.
        name: &'static str,
        /// What the system says.
        #[source]
        source: VarError,
    },
    /// It is there, and says nothing or something else.
    #[error("environment variable {name} {problem}")]
    Unusable {
        /// The variable.
        name: &'static str,
        /// What is wrong with it, as the end of a sentence. Never the value: it may be a secret.
        problem: String,
    },
}

/// Reads a setting that the function cannot do without.
///
/// # Errors
///
/// Names the variable when it is not set, empty, or not UTF-8.
#[expect(clippy::disallowed_methods, reason = "the one reader of the environment")]
pub fn required(name: &'static str) -> Result<String, ConfigError> {
    let value = std::env::var(name).map_err(|source| ConfigError::Unset { name, source })?;
    if value.is_empty() {
        return Err(ConfigError::Unusable { name, problem: "is empty".to_owned() });
    }
    Ok(value)
}

/// Reads a setting and makes something of it: a number, an amount, a key.
///
/// # Errors
///
/// Names the variable when it is not set, or when `read` refuses it.
pub fn parsed<T, E: std::fmt::Display>(
    name: &'static str,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, ConfigError> {
    read(&required(name)?)
        .map_err(|error| ConfigError::Unusable { name, problem: format!("is unusable: {error}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_setting_is_named() {
        let error = required("PARKADE_NOBODY_SETS_THIS").unwrap_err();
        assert_eq!(error.to_string(), "environment variable PARKADE_NOBODY_SETS_THIS is not set");
    }

    #[test]
    fn a_setting_that_cannot_be_read_is_named_without_its_value() {
        // Cargo sets this one for every test.
        let error = parsed("CARGO_PKG_NAME", |_| Err::<u64, _>("no number")).unwrap_err();
        assert_eq!(error.to_string(), "environment variable CARGO_PKG_NAME is unusable: no number");
        assert_eq!(
            parsed("CARGO_PKG_NAME", |it| Ok::<_, String>(it.len())).unwrap(),
            env!("CARGO_PKG_NAME").len()
        );
    }
}
