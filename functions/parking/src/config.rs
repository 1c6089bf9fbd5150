//! Everything that the environment tells this service, read once at cold start.

use function::env::{ConfigError, required};

/// Settings of `parking-command` and `parking-react`, which write slots.
#[derive(Clone, Debug)]
pub struct WriteConfig {
    /// Table of the slots.
    pub slots_table: String,
}

/// Settings of `parking-query`.
#[derive(Clone, Debug)]
pub struct QueryConfig {
    /// Table of the view.
    pub view_table: String,
    /// Secret of the page cursors.
    pub cursor_key: String,
}

/// Settings of `parking-project`.
#[derive(Clone, Debug)]
pub struct ProjectConfig {
    /// Table of the view.
    pub view_table: String,
    /// Queue of what can't be projected.
    pub dead_letters_url: String,
}

/// Settings of `parking-rebuild`.
#[derive(Clone, Debug)]
pub struct RebuildConfig {
    /// Table of the slots.
    pub slots_table: String,
    /// Table of the view.
    pub view_table: String,
}

/// Settings of `parking-publish`.
#[derive(Clone, Debug)]
pub struct PublishConfig {
    /// Name of the bus.
    pub bus_name: String,
    /// Queue of what can't be published.
    pub dead_letters_url: String,
}

impl WriteConfig {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// Names the first variable that is missing.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self { slots_table: required("SLOTS_TABLE")? })
    }
}

impl QueryConfig {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// Names the first variable that is missing.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self { view_table: required("SLOTS_VIEW_TABLE")?, cursor_key: required("CURSOR_KEY")? })
    }
}

impl ProjectConfig {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// Names the first variable that is missing.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self {
            view_table: required("SLOTS_VIEW_TABLE")?,
            dead_letters_url: required("PARKING_PROJECT_DEAD_LETTERS_URL")?,
        })
    }
}

impl RebuildConfig {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// Names the first variable that is missing.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self {
            slots_table: required("SLOTS_TABLE")?,
            view_table: required("SLOTS_VIEW_TABLE")?,
        })
    }
}

impl PublishConfig {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// Names the first variable that is missing.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self {
            bus_name: required("BUS_NAME")?,
            dead_letters_url: required("PARKING_PUBLISH_DEAD_LETTERS_URL")?,
        })
    }
}
