//! Milliseconds between timestamps, without a way to fail.

use jiff::{SignedDuration, Timestamp};

/// So many milliseconds later; the end of time if that is later still.
pub(crate) fn plus(at: Timestamp, ms: u64) -> Timestamp {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    at.checked_add(SignedDuration::from_millis(ms)).unwrap_or(Timestamp::MAX)
}

/// How long it is from one to the other, nothing if that lies before it.
pub(crate) fn ms_from(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_millisecond() - from.as_millisecond()).unwrap_or(0)
}

/// How far they lie apart, whichever comes first.
pub(crate) fn ms_apart(one: Timestamp, other: Timestamp) -> u64 {
    one.as_millisecond().abs_diff(other.as_millisecond())
}
