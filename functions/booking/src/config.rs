//! The environment variables of this service, read once at cold start.

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
    /// Table of the event streams, from which gaps are backfilled.
    pub bookings_table: String,
    /// Table of the view.
    pub view_table: String,
    /// Dead-letter queue of records that can't be projected.
    pub dead_letters_url: String,
}

/// Settings of `booking-rebuild`.
#[derive(Clone, Debug)]
pub struct RebuildConfig {
    /// Table of the event streams.
    pub bookings_table: String,
    /// Table of the view.
    pub view_table: String,
    /// Dead-letter queue of rebuilds that failed.
    pub dead_letters_url: String,
}

/// Settings of `booking-publish`.
#[derive(Clone, Debug)]
pub struct PublishConfig {
    /// Table of the event streams, from which events are republished.
    pub bookings_table: String,
    /// The function's own queue, to which it sends the next page of a republishing.
    pub queue_url: String,
    /// Name of the event bus.
    pub bus_name: String,
    /// Dead-letter queue of records that can't be published.
    pub dead_letters_url: String,
}

/// Settings of `booking-react`.
#[derive(Clone, Debug)]
pub struct ReactConfig {
    /// Table of the event streams.
    pub bookings_table: String,
    /// ARN of the saga's state machine.
    pub saga_arn: String,
    /// Dead-letter queue of messages that can't be handled.
    pub dead_letters_url: String,
}

/// Settings of `booking-resume`.
#[derive(Clone, Debug)]
pub struct ResumeConfig {
    /// ARN of the state machine that runs a saga's compensations.
    pub compensation_arn: String,
    /// Dead-letter queue of messages that can't be handled.
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
            compensation_arn: required("BOOKING_SAGA_UNDO_ARN")?,
            dead_letters_url: required("BOOKING_RESUME_DEAD_LETTERS_URL")?,
        })
    }
}
