//! The timeline as JSON, for programs.

use serde::Serialize;
use uuid::Uuid;

use super::{Cause, Kind, Severity, Timeline};

/// The document that `trace --json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document<'a> {
    booking_id: Uuid,
    last_event: &'a str,
    saga: Option<&'a str>,
    /// Without any, the entries hold only what services have stored.
    log_lines: usize,
    entries: Vec<Entry<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    at: String,
    /// Milliseconds since the first entry.
    after_ms: u128,
    place: &'a str,
    kind: Kind,
    severity: Severity,
    what: &'a str,
    cause: &'a Cause,
}

/// The timeline with everything that the table shows.
pub(crate) fn document(timeline: &Timeline) -> Document<'_> {
    let entries = timeline.entries.iter().map(|it| Entry {
        at: it.at.to_string(),
        after_ms: timeline.offset(it).as_millis(),
        place: &it.place,
        kind: it.kind,
        severity: it.severity,
        what: &it.what,
        cause: &it.cause,
    });
    Document {
        booking_id: timeline.booking,
        last_event: &timeline.ends_with,
        saga: timeline.saga.as_deref(),
        log_lines: timeline.lines,
        entries: entries.collect(),
    }
}
