//! The configuration of this backend: environment variables, read once at cold start.

use bff::Origins;
use circuit_breaker::settings::Settings;
use function::env::{ConfigError, parsed, required};

use crate::adapters::sfn::StateMachineArn;
use crate::queues::MonitoredQueue;

/// Settings of the backend.
#[derive(Clone, Debug)]
pub struct Config {
    /// The functions of the services.
    pub services: Services,
    /// The origins whose pages may call the JSON routes.
    pub origins: Origins,
    /// The state machine of instant bookings.
    pub booking_saga: StateMachineArn,
    /// The state machine of the compensations of an incomplete saga.
    pub booking_saga_compensation: StateMachineArn,
    /// All queues.
    pub queues: Vec<MonitoredQueue>,
    /// Table of the circuit breakers around the services.
    pub breakers_table: String,
    /// How the breakers behave.
    pub breaker: Settings,
}

/// The names of the functions that this backend invokes.
#[derive(Clone, Debug)]
pub struct Services {
    /// Reads the events of a booking.
    pub booking_command: String,
    /// Shows bookings.
    pub booking_query: String,
    /// Rebuilds the view of bookings.
    pub booking_rebuild: String,
    /// Adds, closes and reopens slots.
    pub parking_command: String,
    /// Shows slots.
    pub parking_query: String,
    /// Rebuilds the view of slots.
    pub parking_rebuild: String,
    /// Shows bills.
    pub billing_query: String,
    /// Shows and sets the circuit breaker of the payment provider.
    pub billing_breaker: String,
}

impl Services {
    /// Each function that is guarded, under the name of its circuit breaker.
    ///
    /// Not the one by which an operator reaches breakers: it must not be in the way when it is needed.
    #[must_use]
    pub fn guarded(&self) -> [(&'static str, &str); 7] {
        [
            ("booking-command", &self.booking_command),
            ("booking-query", &self.booking_query),
            ("booking-rebuild", &self.booking_rebuild),
            ("parking-command", &self.parking_command),
            ("parking-query", &self.parking_query),
            ("parking-rebuild", &self.parking_rebuild),
            ("billing-query", &self.billing_query),
        ]
    }
}

impl Config {
    /// The state machines of instant bookings: the saga, and its compensations.
    #[must_use]
    pub fn machines(&self) -> [&StateMachineArn; 2] {
        [&self.booking_saga, &self.booking_saga_compensation]
    }

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
                billing_query: required("BILLING_QUERY_FUNCTION")?,
                billing_breaker: required("BILLING_BREAKER_FUNCTION")?,
            },
            origins: Origins::from_list(&required("ALLOWED_ORIGINS")?),
            booking_saga: parsed("BOOKING_SAGA_ARN", str::parse)?,
            booking_saga_compensation: parsed("BOOKING_SAGA_UNDO_ARN", str::parse)?,
            queues: queues()?,
            breakers_table: required("EDGE_BREAKERS_TABLE")?,
            breaker: parsed("SERVICE_BREAKER", |text| serde_json::from_str(text))?,
        })
    }
}

fn queues() -> Result<Vec<MonitoredQueue>, ConfigError> {
    let prefix = format!("parkade-{}-", required("STAGE")?);
    let read = |list: &str| {
        let read = |url: &str| {
            MonitoredQueue::from_dead_letters(url, &prefix)
                .ok_or("is not the URL of a dead-letter queue")
        };
        list.split(',').map(read).collect::<Result<Vec<_>, _>>()
    };
    let mut all = parsed("BOOKING_ALL_DEAD_LETTERS_URLS", read)?;
    all.extend(parsed("PARKING_ALL_DEAD_LETTERS_URLS", read)?);
    all.extend(parsed("BILLING_ALL_DEAD_LETTERS_URLS", read)?);
    Ok(all)
}
