//! Everything that the environment tells this service, read once at cold start.

use circuit_breaker::settings::Settings;
use contracts::money::{InvalidMoney, Money};
use function::env::{ConfigError, parsed, required};
use jiff::SignedDuration;

/// Settings of whatever handles money.
#[derive(Clone, Debug)]
pub struct DeskConfig {
    /// Table of the bills.
    pub bills_table: String,
    /// What a booking costs.
    pub total: Money,
    /// Where the payment provider is.
    pub provider_url: String,
    /// What billing shows to the provider.
    pub provider_key: String,
    /// Table of the circuit breaker around the provider.
    pub breakers_table: String,
    /// How the breaker behaves.
    pub breaker: Settings,
}

/// Settings of `billing-breaker`.
#[derive(Clone, Debug)]
pub struct BreakerConfig {
    /// Table of the circuit breaker around the provider.
    pub breakers_table: String,
}

/// Settings of `billing-query`.
#[derive(Clone, Debug)]
pub struct QueryConfig {
    /// Table of the view.
    pub view_table: String,
}

/// Settings of `billing-project`.
#[derive(Clone, Debug)]
pub struct ProjectConfig {
    /// Table of the view.
    pub view_table: String,
    /// Queue for records that can't be applied.
    pub dead_letters_url: String,
}

/// Settings of `billing-publish`.
#[derive(Clone, Debug)]
pub struct PublishConfig {
    /// Table of the bills, to publish from once more.
    pub bills_table: String,
    /// Its own queue, to go on with that.
    pub queue_url: String,
    /// Where events go.
    pub bus_name: String,
    /// Queue for records that can't be published.
    pub dead_letters_url: String,
}

/// Settings of `billing-react`.
#[derive(Clone, Debug)]
pub struct ReactConfig {
    /// What it shares with `billing-command`.
    pub desk: DeskConfig,
    /// How long a customer may take to pay an invoice.
    pub due_after: SignedDuration,
    /// Billing's own queue, for reminders.
    pub queue_url: String,
    /// Queue of messages that can't be handled.
    pub dead_letters_url: String,
}

impl DeskConfig {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// Names the first variable that is missing or unusable.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self {
            bills_table: required("BILLS_TABLE")?,
            total: parsed("BILL_TOTAL", total)?,
            provider_url: required("PAYMENT_PROVIDER_URL")?,
            provider_key: required("PAYMENT_PROVIDER_KEY")?,
            breakers_table: required("BILLING_BREAKERS_TABLE")?,
            breaker: parsed("PROVIDER_BREAKER", |text| serde_json::from_str(text))?,
        })
    }
}

impl BreakerConfig {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// Names the first variable that is missing.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self { breakers_table: required("BILLING_BREAKERS_TABLE")? })
    }
}

impl QueryConfig {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// Names the first variable that is missing.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self { view_table: required("BILLS_VIEW_TABLE")? })
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
            view_table: required("BILLS_VIEW_TABLE")?,
            dead_letters_url: required("BILLING_PROJECT_DEAD_LETTERS_URL")?,
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
            bills_table: required("BILLS_TABLE")?,
            queue_url: required("BILLING_PUBLISH_QUEUE_URL")?,
            bus_name: required("BUS_NAME")?,
            dead_letters_url: required("BILLING_PUBLISH_DEAD_LETTERS_URL")?,
        })
    }
}

impl ReactConfig {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// Names the first variable that is missing or unusable.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self {
            desk: DeskConfig::from_env()?,
            due_after: parsed("BILL_DUE_SECONDS", due_after)?,
            queue_url: required("BILLING_QUEUE_URL")?,
            dead_letters_url: required("BILLING_DEAD_LETTERS_URL")?,
        })
    }
}

fn total(text: &str) -> Result<Money, String> {
    let total: Money = text.parse().map_err(|error: InvalidMoney| error.to_string())?;
    if total.is_zero() { Err("must be more than nothing".to_owned()) } else { Ok(total) }
}

fn due_after(text: &str) -> Result<SignedDuration, &'static str> {
    match text.parse::<u32>() {
        Ok(0) | Err(_) => Err("must be a whole number of seconds, at least 1"),
        Ok(seconds) => Ok(SignedDuration::from_secs(i64::from(seconds))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bill_costs_something() {
        assert_eq!(total("100.00"), Ok("100.00".parse().unwrap()));
        assert!(total("0.00").is_err());
        assert!(total("100").is_err());
    }

    #[test]
    fn a_bill_has_time_to_be_paid() {
        assert_eq!(due_after("900"), Ok(SignedDuration::from_secs(900)));
        for text in ["0", "-1", "1.5", "soon"] {
            assert!(due_after(text).is_err(), "{text}");
        }
    }
}
