//! Words and forms for amounts, times, spans of time and states.

use jiff::Timestamp;
use maud::{Markup, html};

/// An amount such as `1234.50`, as people write it.
#[must_use]
pub fn money(amount: &str) -> String {
    let (whole, cents) = amount.split_once('.').unwrap_or((amount, "00"));
    // Thousands in groups, counted from the end.
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("${grouped}.{cents}")
}

/// A span of time in the two largest units that say something.
#[must_use]
pub fn duration(seconds: u64) -> String {
    let units = [("day", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (name, length) in units {
        let count = rest / length;
        rest %= length;
        if count > 0 {
            let plural = if name == "day" && count > 1 { "s" } else { "" };
            parts.push(format!("{count} {name}{plural}"));
        } else if !parts.is_empty() {
            break;
        }
        if parts.len() == 2 {
            break;
        }
    }
    if parts.is_empty() { "a moment".to_owned() } else { parts.join(" ") }
}

/// A time, for people and for programs.
pub fn time(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (at.strftime("%-d %b %Y, %H:%M:%S UTC").to_string()) } }
}

/// A time to the minute, where seconds would only be noise.
pub fn minute(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (at.strftime("%-d %b, %H:%M UTC").to_string()) } }
}

/// A time of today, where the day is plain.
pub fn clock(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (at.strftime("%H:%M:%S").to_string()) } }
}

/// How long until then, or since.
#[must_use]
pub fn until(then: Timestamp, now: Timestamp) -> String {
    let seconds = then.duration_since(now).as_secs();
    let span = duration(seconds.unsigned_abs());
    if seconds > 0 { format!("in {span}") } else { format!("{span} ago") }
}

/// An id's end: enough to tell two apart at a glance.
#[must_use]
pub fn short(id: &str) -> &str {
    id.get(id.len().saturating_sub(8)..).unwrap_or(id)
}

/// A state as a badge; the word says it, the colour only repeats it.
pub fn badge((word, kind): (&str, &str)) -> Markup {
    html! { span .badge.(kind) { (word) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_as_people_write_it() {
        for (amount, text) in [
            ("0.00", "$0.00"),
            ("100.00", "$100.00"),
            ("1000.50", "$1,000.50"),
            ("1234567.89", "$1,234,567.89"),
        ] {
            assert_eq!(money(amount), text);
        }
    }

    #[test]
    fn a_duration_has_two_units_at_most() {
        for (seconds, text) in [
            (0, "a moment"),
            (1, "1 s"),
            (75, "1 min 15 s"),
            (3_600, "1 h"),
            (3_605, "1 h"),
            (90_000, "1 day 1 h"),
            (172_800, "2 days"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn a_time_is_ahead_or_behind() {
        let now: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        assert_eq!(until("2026-01-01T12:05:00Z".parse().unwrap(), now), "in 5 min");
        assert_eq!(until("2026-01-01T11:59:30Z".parse().unwrap(), now), "30 s ago");
        assert_eq!(short("0191f7a4-0000-8000-8000-000000000002"), "00000002");
    }
}
