#![doc = include_str!("../README.md")]

pub mod env;
pub mod metrics;

mod aws;
mod logs;

pub use aws::aws_config;
pub use logs::telemetry;

use jiff::Timestamp;
use uuid::Uuid;

/// What time it is. Handlers ask; the rules are told.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one reader of the clock")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// A fresh identifier (UUIDv7): later ones sort after earlier ones.
#[must_use]
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}

/// Makes a first call during init, so that its connection is open when it is needed.
///
/// A call that fails is only logged: the function may still do its work.
pub async fn warm<E: std::error::Error + 'static>(call: impl Future<Output = Result<(), E>>) {
    if let Err(error) = call.await {
        tracing::warn!(error = &error as &dyn std::error::Error, "not warmed up");
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
}
