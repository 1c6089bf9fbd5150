//! Everything that the environment tells this service, read once at cold start.

use function::env::{ConfigError, required};

/// Settings of `booking-command`.
#[derive(Clone, Debug)]
pub struct CommandConfig {
    /// Table of the event streams.
    pub bookings_table: String,
}

/// Settings of `booking-query`.
#[derive(Clone, Debug)]
pub struct QueryConfig {
    /// Table of the view.
    pub view_table: String,
    /// Secret of the page cursors.
    pub cursor_key: String,
}

/// Settings of `booking-project`.
#[derive(Clone, Debug)]
pub struct ProjectConfig {
    /// Table of the event streams, to heal gaps from.
    pub bookings_table: String,
    /// Table of the view.
    pub view_table: String,
    /// Queue of what can't be projected.
    pub dead_letters_url: String,
}

/// Settings of `booking-rebuild`.
#[derive(Clone, Debug)]
pub struct RebuildConfig {
    /// Table of the event streams.
    pub bookings_table: String,
    /// Table of the view.
    pub view_table: String,
}

/// Settings of `booking-publish`.
#[derive(Clone, Debug)]
pub struct PublishConfig {
    /// Name of the bus.
    pub bus_name: String,
    /// Queue of what can't be published.
    pub dead_letters_url: String,
}

/// Settings of `booking-react`.
#[derive(Clone, Debug)]
pub struct ReactConfig {
    /// Table of the event streams.
    pub bookings_table: String,
    /// The state machine.
    pub saga_arn: String,
}

impl CommandConfig {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// Names the first variable that is missing.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self { bookings_table: required("BOOKINGS_TABLE")? })
    }
}

impl QueryConfig {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// Names the first variable that is missing.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self {
            view_table: required("BOOKINGS_VIEW_TABLE")?,
            cursor_key: required("CURSOR_KEY")?,
        })
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
            bookings_table: required("BOOKINGS_TABLE")?,
            view_table: required("BOOKINGS_VIEW_TABLE")?,
            dead_letters_url: required("BOOKING_PROJECT_DEAD_LETTERS_URL")?,
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
            bookings_table: required("BOOKINGS_TABLE")?,
            view_table: required("BOOKINGS_VIEW_TABLE")?,
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
            dead_letters_url: required("BOOKING_PUBLISH_DEAD_LETTERS_URL")?,
        })
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
            bookings_table: required("BOOKINGS_TABLE")?,
            saga_arn: required("BOOKING_SAGA_ARN")?,
        })
    }
}
