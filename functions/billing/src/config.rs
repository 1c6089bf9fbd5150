//! The configuration of the service's functions, read once from the environment at cold start.

use circuit_breaker::settings::Settings;
use contracts::money::{InvalidMoney, Money};
use function::env::{ConfigError, parsed, required};
use jiff::SignedDuration;

/// Configuration of the functions that charge and refund: `billing-command` and `billing-react`.
#[derive(Clone, Debug)]
pub struct PaymentConfig {
    /// The table of the bills.
    pub bills_table: String,
    /// The price of a booking.
    pub total: Money,
    /// The base URL of the payment provider.
    pub provider_url: String,
    /// Billing's API key at the provider.
    pub provider_key: String,
    /// The table of the circuit breaker around the provider.
    pub breakers_table: String,
    /// The settings of the breaker.
    pub breaker: Settings,
}

/// Configuration of `billing-breaker`.
#[derive(Clone, Debug)]
pub struct BreakerConfig {
    /// The table of the circuit breaker around the provider.
    pub breakers_table: String,
}

/// Configuration of `billing-query`.
#[derive(Clone, Debug)]
pub struct QueryConfig {
    /// The table of the view.
    pub view_table: String,
}

/// Configuration of `billing-project`.
#[derive(Clone, Debug)]
pub struct ProjectConfig {
    /// The table of the view.
    pub view_table: String,
    /// The dead-letter queue for records that can't be applied.
    pub dead_letters_url: String,
}

/// Configuration of `billing-publish`.
#[derive(Clone, Debug)]
pub struct PublishConfig {
    /// The table of the bills, from which events are republished.
    pub bills_table: String,
    /// The function's own queue, which continues a republish page by page.
    pub queue_url: String,
    /// The event bus.
    pub bus_name: String,
    /// The dead-letter queue for records that can't be published.
    pub dead_letters_url: String,
}

/// Configuration of `billing-react`.
#[derive(Clone, Debug)]
pub struct ReactConfig {
    /// Configuration of the payment service.
    pub payments: PaymentConfig,
    /// The time from issuing an invoice until it is due.
    pub due_after: SignedDuration,
    /// Billing's own queue, to which reminders are sent.
    pub queue_url: String,
    /// The dead-letter queue for messages that can't be processed.
    pub dead_letters_url: String,
}

impl PaymentConfig {
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// Names the first variable that is missing or invalid.
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
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// Names the first variable that is missing.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self { breakers_table: required("BILLING_BREAKERS_TABLE")? })
    }
}

impl QueryConfig {
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// Names the first variable that is missing.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self { view_table: required("BILLS_VIEW_TABLE")? })
    }
}

impl ProjectConfig {
    /// Reads the configuration.
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
    /// Reads the configuration.
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
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// Names the first variable that is missing or invalid.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self {
            payments: PaymentConfig::from_env()?,
            due_after: parsed("BILL_DUE_SECONDS", due_after)?,
            queue_url: required("BILLING_QUEUE_URL")?,
            dead_letters_url: required("BILLING_DEAD_LETTERS_URL")?,
        })
    }
}

fn total(text: &str) -> Result<Money, String> {
    let total: Money = text.parse().map_err(|error: InvalidMoney| error.to_string())?;
    if total.is_zero() { Err("must be greater than zero".to_owned()) } else { Ok(total) }
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
    fn the_price_of_a_booking_is_greater_than_zero() {
        assert_eq!(total("100.00"), Ok("100.00".parse().unwrap()));
        assert!(total("0.00").is_err());
        assert!(total("100").is_err());
    }

    #[test]
    fn an_invoice_is_due_after_at_least_one_second() {
        assert_eq!(due_after("900"), Ok(SignedDuration::from_secs(900)));
        for text in ["0", "-1", "1.5", "soon"] {
            assert!(due_after(text).is_err(), "{text}");
        }
    }
}
