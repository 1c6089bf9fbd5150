//! The clock, read here and nowhere else in this package.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// The time of day.
pub(crate) fn now() -> Timestamp {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place of this package that reads the clock"
    )]
    Timestamp::now()
}

/// Starts a stopwatch.
pub(crate) fn start() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place of this package that reads the clock"
    )]
    Instant::now()
}

/// Milliseconds since 1970, as CloudWatch Logs counts.
pub(crate) fn epoch_ms() -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place of this package that reads the clock"
    )]
    let now = SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A duration as people read it: `7 ms`, `3.4 s`, `2 min 05 s`.
pub(crate) fn human(duration: Duration) -> String {
    let ms = duration.as_millis();
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{} min {:02} s", ms / 60_000, ms % 60_000 / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::human;

    #[test]
    fn durations_read_well_at_every_scale() {
        for (ms, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_000, "1.0 s"),
            (59_999, "59.9 s"),
            (125_000, "2 min 05 s"),
        ] {
            assert_eq!(human(Duration::from_millis(ms)), text);
        }
    }
}
