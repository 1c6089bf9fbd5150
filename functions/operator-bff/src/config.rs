//! Everything that the environment tells this backend, read once at cold start.

use api_gateway::https::Source;
use api_gateway::token::Expectations;
use bff::Origins;
use bff::pages::sign_in::{Door, Entrance, SignIn};
use circuit_breaker::settings::Settings;
use function::env::{ConfigError, parsed, required};

use crate::adapters::sfn::Machine;
use crate::pages::SITE;
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
    /// Table of the circuit breakers around the services.
    pub breakers_table: String,
    /// How the breakers behave.
    pub breaker: Settings,
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
    /// The state machines of instant bookings: the saga, and its undos.
    #[must_use]
    pub fn machines(&self) -> [&Machine; 2] {
        [&self.booking_saga, &self.booking_saga_undo]
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
            booking_saga_undo: parsed("BOOKING_SAGA_UNDO_ARN", str::parse)?,
            queues: queues()?,
            breakers_table: required("EDGE_BREAKERS_TABLE")?,
            breaker: parsed("SERVICE_BREAKER", |text| serde_json::from_str(text))?,
        })
    }

    /// Who sees the pages of the control room.
    ///
    /// # Errors
    ///
    /// Names the first variable that is missing or unusable.
    pub fn entrance() -> Result<Entrance, ConfigError> {
        let stage = required("STAGE")?;
        let expectations = Expectations {
            issuer: required("JWT_ISSUER")?,
            audience: required("JWT_AUDIENCE")?,
            roles: vec!["customer".to_owned(), "operator".to_owned()],
        };
        let here = parsed("LOCAL_SIGNING_KEY", |it| SignIn::local(it, &stage))?;
        let there = parsed("OPEN_ID", SignIn::open_id)?;
        let sign_in = here.or(there).unwrap_or(SignIn::Nowhere);
        let keys = parsed("JWKS", Source::from_setting)?;
        Ok(Entrance { keys, door: Door::new(&SITE, &stage, expectations, sign_in) })
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
