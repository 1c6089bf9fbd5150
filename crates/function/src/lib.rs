#![doc = include_str!("../README.md")]

pub mod breaker;
pub mod env;
pub mod metrics;

mod aws;
mod logs;
mod request;
mod run;

pub use aws::aws_config;
pub use logs::telemetry;
pub use request::handle_request;
pub use run::{flushing, run};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use uuid::Uuid;

/// The current time. Only handlers read it; the rules take it as an argument.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one reader of the clock")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// A new identifier (UUIDv7). Later ones sort after earlier ones.
#[must_use]
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}

/// A random number that need not be secret: for jitter, or the name of a write.
///
/// # Panics
///
/// If the system has no random numbers.
#[must_use]
pub fn random() -> u64 {
    getrandom::u64().expect("the system has random numbers")
}

/// A secret of 256 random bits, in the alphabet of URL-safe base64.
///
/// # Panics
///
/// If the system has no random numbers, because the result would not be secret.
#[must_use]
pub fn new_secret() -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Makes a call during init, so that its connection is open when the first request arrives.
///
/// A failure is only logged, because the function may work all the same.
pub async fn warm<E: std::error::Error + 'static>(call: impl Future<Output = Result<(), E>>) {
    if let Err(error) = call.await {
        tracing::warn!(error = &error as &dyn std::error::Error, "warm-up failed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_identifiers_sort_after_earlier_ones() {
        let ids: Vec<Uuid> = (0..1_000).map(|_| new_id()).collect();
        assert!(ids.is_sorted());
        assert_eq!(ids[0].get_version_num(), 7);
    }

    #[test]
    fn no_two_secrets_are_the_same() {
        let (one, other) = (new_secret(), new_secret());
        assert_ne!(one, other);
        assert_eq!(one.len(), 43);
    }
}
