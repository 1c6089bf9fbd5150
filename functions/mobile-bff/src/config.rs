//! The configuration of this backend: environment variables, read once at cold start.

use bff::Origins;
use circuit_breaker::settings::Settings;
use function::env::{ConfigError, parsed, required};

/// Settings of the backend.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the services are.
    pub services: Services,
    /// Whose pages may call.
    pub origins: Origins,
    /// Table of the circuit breakers around the services.
    pub breakers_table: String,
    /// How the breakers behave.
    pub breaker: Settings,
}

/// The functions that are called.
#[derive(Clone, Debug)]
pub struct Services {
    /// Books, cancels, checks out.
    pub booking_command: String,
    /// Shows bookings.
    pub booking_query: String,
    /// Knows whether there is a slot, however far the view is behind.
    pub parking_command: String,
    /// Shows slots.
    pub parking_query: String,
    /// Takes payments.
    pub billing_command: String,
    /// Shows bills.
    pub billing_query: String,
}

impl Services {
    /// Each function, under the name of its circuit breaker.
    #[must_use]
    pub fn guarded(&self) -> [(&'static str, &str); 6] {
        [
            ("booking-command", &self.booking_command),
            ("booking-query", &self.booking_query),
            ("parking-command", &self.parking_command),
            ("parking-query", &self.parking_query),
            ("billing-command", &self.billing_command),
            ("billing-query", &self.billing_query),
        ]
    }
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// Names the first variable that is missing.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self {
            services: Services {
                booking_command: required("BOOKING_COMMAND_FUNCTION")?,
                booking_query: required("BOOKING_QUERY_FUNCTION")?,
                parking_command: required("PARKING_COMMAND_FUNCTION")?,
                parking_query: required("PARKING_QUERY_FUNCTION")?,
                billing_command: required("BILLING_COMMAND_FUNCTION")?,
                billing_query: required("BILLING_QUERY_FUNCTION")?,
            },
            origins: Origins::from_list(&required("ALLOWED_ORIGINS")?),
            breakers_table: required("EDGE_BREAKERS_TABLE")?,
            breaker: parsed("SERVICE_BREAKER", |text| serde_json::from_str(text))?,
        })
    }
}
