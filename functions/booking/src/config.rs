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
    /// Queue of rebuilds that have come to a halt.
    pub dead_letters_url: String,
}

/// Settings of `booking-publish`.
#[derive(Clone, Debug)]
pub struct PublishConfig {
    /// Table of the event streams, to publish from once more.
    pub bookings_table: String,
    /// Its own queue, to go on with that.
    pub queue_url: String,
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
    /// Queue of messages that can't be handled.
    pub dead_letters_url: String,
}

/// Settings of `booking-resume`.
#[derive(Clone, Debug)]
pub struct ResumeConfig {
    /// The state machine that undoes what a saga has left.
    pub undo_arn: String,
    /// Queue of messages that can't be handled.
    pub dead_letters_url: String,
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
            dead_letters_url: required("BOOKING_REBUILD_DEAD_LETTERS_URL")?,
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
            bookings_table: required("BOOKINGS_TABLE")?,
            queue_url: required("BOOKING_PUBLISH_QUEUE_URL")?,
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
            dead_letters_url: required("BOOKING_DEAD_LETTERS_URL")?,
        })
    }
}

impl ResumeConfig {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// Names the first variable that is missing.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self {
            undo_arn: required("BOOKING_SAGA_UNDO_ARN")?,
            dead_letters_url: required("BOOKING_RESUME_DEAD_LETTERS_URL")?,
        })
    }
}
