//! The configuration of this backend: environment variables, read once at cold start.

use circuit_breaker::settings::Settings;
use function::env::{ConfigError, parsed, required};
use pages::PagesSettings;

/// Settings of the backend.
#[derive(Debug)]
pub struct Config {
    /// The functions of the services.
    pub services: Services,
    /// Who may see the pages, and how they sign in.
    pub pages: PagesSettings,
    /// Table of the circuit breakers around the services.
    pub breakers_table: String,
    /// How the breakers behave.
    pub breaker: Settings,
}

/// The names of the functions that this backend invokes.
#[derive(Clone, Debug)]
pub struct Services {
    /// Books, cancels, checks out, and knows what has happened.
    pub booking_command: String,
    /// Shows bookings.
    pub booking_query: String,
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
    pub fn guarded(&self) -> [(&'static str, &str); 5] {
        [
            ("booking-command", &self.booking_command),
            ("booking-query", &self.booking_query),
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
    /// Names the first variable that is missing or unusable.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self {
            services: Services {
                booking_command: required("BOOKING_COMMAND_FUNCTION")?,
                booking_query: required("BOOKING_QUERY_FUNCTION")?,
                parking_query: required("PARKING_QUERY_FUNCTION")?,
                billing_command: required("BILLING_COMMAND_FUNCTION")?,
                billing_query: required("BILLING_QUERY_FUNCTION")?,
            },
            pages: PagesSettings::from_env()?,
            breakers_table: required("EDGE_BREAKERS_TABLE")?,
            breaker: parsed("SERVICE_BREAKER", |text| serde_json::from_str(text))?,
        })
    }
}
