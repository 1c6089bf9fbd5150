//! Arithmetic on timestamps in milliseconds that cannot fail.

use jiff::{SignedDuration, Timestamp};

/// The time `ms` milliseconds after `at`; the maximum timestamp if that is later.
pub(crate) fn plus(at: Timestamp, ms: u64) -> Timestamp {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    at.checked_add(SignedDuration::from_millis(ms)).unwrap_or(Timestamp::MAX)
}

/// The milliseconds from `from` to `to`; 0 if `to` is earlier.
pub(crate) fn ms_from(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_millisecond() - from.as_millisecond()).unwrap_or(0)
}

/// The milliseconds between two timestamps, in either order.
pub(crate) fn ms_apart(one: Timestamp, other: Timestamp) -> u64 {
    one.as_millisecond().abs_diff(other.as_millisecond())
}
