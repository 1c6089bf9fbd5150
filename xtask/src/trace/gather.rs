//! Reads the sources of a timeline: the operator's routes, the provider's ledger and the functions' logs.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::api_client::{ApiClient, LedgerEntry, Saga};
use crate::aws::Aws;
use crate::clock;
use crate::deploy::function_name;
use crate::failure::{Failure, Result};

/// A request is logged at most this long before its booking's first event, as clocks differ.
const BEFORE_MS: i64 = 60_000;
/// Log lines arrive up to half a second late, so a recent event may have none yet.
const FRESH_MS: i64 = 3_000;
const PAUSE: Duration = Duration::from_millis(300);

/// What the sources hold about one booking.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) booking: Uuid,
    pub(crate) history: Vec<HistoryEvent>,
    pub(crate) saga: Option<Saga>,
    pub(crate) ledger: Vec<LedgerEntry>,
    pub(crate) lines: Vec<Line>,
}

/// An event of the booking's own stream.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HistoryEvent {
    pub(crate) id: Uuid,
    pub(crate) version: u64,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) occurred_at: Timestamp,
    pub(crate) causation_id: Uuid,
    pub(crate) data: Value,
}

#[derive(Debug, Deserialize)]
struct History {
    events: Vec<HistoryEvent>,
}

/// A log line of a function. Only these fields are read, so that no other can leak.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Line {
    #[serde(skip)]
    pub(crate) function: String,
    pub(crate) timestamp: Timestamp,
    pub(crate) level: String,
    pub(crate) message: String,
    pub(crate) causation_id: Option<Uuid>,
    pub(crate) command: Option<String>,
    pub(crate) event: Option<String>,
    pub(crate) event_id: Option<Uuid>,
    pub(crate) key: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) outcome: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) repeated: Option<bool>,
    pub(crate) version: Option<u64>,
    /// Only in the line that says that a traced request was received.
    pub(crate) traceparent: Option<String>,
}

impl Line {
    /// An event's id is created when it happens; its line is written after it was stored.
    pub(crate) fn happened_at(&self) -> Timestamp {
        let made = self.event_id.and_then(|it| it.get_timestamp()).and_then(|it| {
            let (seconds, nanoseconds) = it.to_unix();
            let nanoseconds = i32::try_from(nanoseconds).ok()?;
            Timestamp::new(i64::try_from(seconds).ok()?, nanoseconds).ok()
        });
        made.unwrap_or(self.timestamp)
    }
}

/// Reads all sources.
pub(crate) async fn gather(aws: &Aws, operator: &ApiClient, booking: Uuid) -> Result<Found> {
    let history: Option<History> =
        operator.read(&format!("/operator/bookings/{booking}/events")).await?;
    let history = history.map(|it| it.events).unwrap_or_default();
    let Some(first) = history.first() else {
        return Err(Failure::new(format!("there is no booking {booking}"))
            .because("its stream of events is empty")
            .advise("the `bookingId` in a response to `POST /mobile/bookings` on the running cloud")
            .advise("`GET /operator/bookings`, which lists all that there are"));
    };
    let saga = operator.read(&format!("/operator/bookings/{booking}/saga")).await?;
    let ledger = match first.data["slotId"].as_str() {
        Some(slot) => operator.ledger(&format!("{slot}:{booking}")).await?,
        None => Vec::new(),
    };
    let since = first.occurred_at.as_millisecond().saturating_sub(BEFORE_MS);
    let lines = loop {
        let lines = lines(aws, booking, since).await?;
        let is_late = |it: &HistoryEvent| {
            let age = clock::epoch_ms().saturating_sub(it.occurred_at.as_millisecond());
            age < FRESH_MS && !lines.iter().any(|line| line.version == Some(it.version))
        };
        if !history.iter().any(is_late) {
            break lines;
        }
        tokio::time::sleep(PAUSE).await;
    };
    Ok(Found { booking, history, saga, ledger, lines })
}

async fn lines(aws: &Aws, booking: Uuid, since_ms: i64) -> Result<Vec<Line>> {
    let (prefix, word) = (function_name(""), booking.to_string());
    let mut lines = Vec::new();
    for function in aws.functions(&prefix).await? {
        let group = format!("/aws/lambda/{}", function.function_name);
        let name = function.function_name.trim_start_matches(&prefix);
        let logged = aws.log_events(&group, since_ms, Some(&word)).await?;
        let read = logged.iter().filter_map(|it| line(name, &it.message));
        // That a request was received is no step of the booking.
        lines.extend(read.filter(|it| it.traceparent.is_none()));
    }
    Ok(lines)
}

/// `None` if it is no JSON record, such as the output of a crash.
pub(super) fn line(function: &str, message: &str) -> Option<Line> {
    let read: Line = serde_json::from_str(message).ok()?;
    Some(Line { function: function.to_owned(), ..read })
}
