#![doc = include_str!("../README.md")]

pub mod env;

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
