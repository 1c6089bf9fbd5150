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

/// Reads `30s`, `10m` or `2h`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || "write it as 30s, 10m or 2h".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let unit_seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err(wrong()),
    };
    let number: u32 = number.parse().map_err(|error| format!("{}: {error}", wrong()))?;
    Ok(Duration::from_secs(u64::from(number).saturating_mul(unit_seconds)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{human, parse};

    #[test]
    fn a_duration_is_read_with_its_unit() {
        assert_eq!(parse("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse("2h"), Ok(Duration::from_secs(7_200)));
        for wrong in ["", "m", "10", "-1m", "1d", "1µ"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

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
