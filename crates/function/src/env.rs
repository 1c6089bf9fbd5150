//! The only reader of environment variables.

use std::env::VarError;

/// A setting is missing or invalid.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The variable is not set, or not UTF-8.
    #[error("environment variable {name} is not set")]
    Unset {
        /// The name of the variable.
        name: &'static str,
        /// The error of the system.
        #[source]
        source: VarError,
    },
    /// The variable is set, but empty or invalid.
    #[error("environment variable {name} {problem}")]
    Unusable {
        /// The name of the variable.
        name: &'static str,
        /// What is wrong, as the end of a sentence. It never contains the value, which may be a secret.
        problem: String,
    },
}

/// Reads a required setting.
///
/// # Errors
///
/// Names the variable if it is not set, empty, or not UTF-8.
#[expect(clippy::disallowed_methods, reason = "the one reader of the environment")]
pub fn required(name: &'static str) -> Result<String, ConfigError> {
    let value = std::env::var(name).map_err(|source| ConfigError::Unset { name, source })?;
    if value.is_empty() {
        return Err(ConfigError::Unusable { name, problem: "is empty".to_owned() });
    }
    Ok(value)
}

/// Reads a required setting and parses it.
///
/// # Errors
///
/// Names the variable if it is not set, or if `read` rejects its value.
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
        let error = required("PARKADE_UNSET_FOR_TESTS").unwrap_err();
        assert_eq!(error.to_string(), "environment variable PARKADE_UNSET_FOR_TESTS is not set");
    }

    #[test]
    fn a_setting_that_cannot_be_read_is_named_without_its_value() {
        // Cargo sets this variable for every test.
        let error = parsed("CARGO_PKG_NAME", |_| Err::<u64, _>("no number")).unwrap_err();
        assert_eq!(error.to_string(), "environment variable CARGO_PKG_NAME is unusable: no number");
        assert_eq!(
            parsed("CARGO_PKG_NAME", |it| Ok::<_, String>(it.len())).unwrap(),
            env!("CARGO_PKG_NAME").len()
        );
    }
}
