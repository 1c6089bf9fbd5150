//! Everything that the environment tells this backend, read once at cold start.

use bff::Origins;
use function::env::{ConfigError, parsed, required};

use crate::adapters::sfn::Machine;
use crate::queues::Watched;

/// Settings of the backend.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the services are.
    pub services: Services,
    /// Whose pages may call.
    pub origins: Origins,
    /// The state machine of instant bookings.
    pub booking_saga: Machine,
    /// The state machine that takes up what that one has left half done.
    pub booking_saga_undo: Machine,
    /// All queues.
    pub queues: Vec<Watched>,
}

/// The functions that are asked.
#[derive(Clone, Debug)]
pub struct Services {
    /// Knows what has happened to a booking.
    pub booking_command: String,
    /// Shows bookings.
    pub booking_query: String,
    /// Makes the view of bookings anew.
    pub booking_rebuild: String,
    /// Adds, closes and reopens slots.
    pub parking_command: String,
    /// Shows slots.
    pub parking_query: String,
    /// Makes the view of slots anew.
    pub parking_rebuild: String,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// Names the first variable that is missing or unusable.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self {
            services: Services {
                booking_command: required("BOOKING_COMMAND_FUNCTION")?,
                booking_query: required("BOOKING_QUERY_FUNCTION")?,
                booking_rebuild: required("BOOKING_REBUILD_FUNCTION")?,
                parking_command: required("PARKING_COMMAND_FUNCTION")?,
                parking_query: required("PARKING_QUERY_FUNCTION")?,
                parking_rebuild: required("PARKING_REBUILD_FUNCTION")?,
            },
            origins: Origins::from_list(&required("ALLOWED_ORIGINS")?),
            booking_saga: parsed("BOOKING_SAGA_ARN", str::parse)?,
            booking_saga_undo: parsed("BOOKING_SAGA_UNDO_ARN", str::parse)?,
            queues: queues()?,
        })
    }
}

fn queues() -> Result<Vec<Watched>, ConfigError> {
    let prefix = format!("parkade-{}-", required("STAGE")?);
    let read = |list: &str| {
        let read = |url: &str| {
            Watched::from_dead_letters(url, &prefix).ok_or("names something else than dead letters")
        };
        list.split(',').map(read).collect::<Result<Vec<_>, _>>()
    };
    let mut all = parsed("BOOKING_ALL_DEAD_LETTERS_URLS", read)?;
    all.extend(parsed("PARKING_ALL_DEAD_LETTERS_URLS", read)?);
    all.extend(parsed("BILLING_ALL_DEAD_LETTERS_URLS", read)?);
    Ok(all)
}
