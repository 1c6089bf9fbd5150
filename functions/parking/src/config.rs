//! The environment variables of this service, read once at cold start.

use function::env::{ConfigError, required};

/// Settings of `parking-command`.
#[derive(Clone, Debug)]
pub struct CommandConfig {
    /// Table of the slots.
    pub slots_table: String,
}

/// Settings of `parking-react`.
#[derive(Clone, Debug)]
pub struct ReactConfig {
    /// Table of the slots.
    pub slots_table: String,
    /// Dead-letter queue of messages that can't be handled.
    pub dead_letters_url: String,
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
    /// Dead-letter queue of records that can't be projected.
    pub dead_letters_url: String,
}

/// Settings of `parking-rebuild`.
#[derive(Clone, Debug)]
pub struct RebuildConfig {
    /// Table of the slots.
    pub slots_table: String,
    /// Table of the view.
    pub view_table: String,
    /// Dead-letter queue of rebuilds that failed.
    pub dead_letters_url: String,
}

/// Settings of `parking-publish`.
#[derive(Clone, Debug)]
pub struct PublishConfig {
    /// Table of the slots, from which events are republished.
    pub slots_table: String,
    /// The function's own queue, to which it sends the next page of a republishing.
    pub queue_url: String,
    /// Name of the event bus.
    pub bus_name: String,
    /// Dead-letter queue of records that can't be published.
    pub dead_letters_url: String,
}

impl CommandConfig {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// Names the first variable that is missing.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self { slots_table: required("SLOTS_TABLE")? })
    }
}

impl ReactConfig {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// Names the first variable that is missing.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self {
            slots_table: required("SLOTS_TABLE")?,
            dead_letters_url: required("PARKING_DEAD_LETTERS_URL")?,
        })
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
            dead_letters_url: required("PARKING_REBUILD_DEAD_LETTERS_URL")?,
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
            slots_table: required("SLOTS_TABLE")?,
            queue_url: required("PARKING_PUBLISH_QUEUE_URL")?,
            bus_name: required("BUS_NAME")?,
            dead_letters_url: required("PARKING_PUBLISH_DEAD_LETTERS_URL")?,
        })
    }
}
