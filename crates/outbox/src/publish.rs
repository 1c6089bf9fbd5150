//! Stream to bus: an event is published because it was committed, at least once, in commit order per aggregate.
//!
//! Where it can die, and why nothing is lost: before the bus has taken an entry, the record is still in the stream and
//! comes back; after that and before the stream has heard of it, the record comes back too and is published again under
//! the same event id. So consumers see each event once or more, never less.

use std::error::Error as StdError;
use std::time::Duration;

use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};

use crate::dead_letters::{DeadLetters, park_record};
use crate::envelope::{Envelope, Unread};

/// `PutEvents` takes no more at once.
const ENTRIES_MAX: usize = 10;
/// `PutEvents` takes no more bytes at once, over all entries; measured as AWS does, less a reserve.
const BYTES_MAX: usize = 250_000;
/// The bus takes no longer name of an event.
const NAME_MAX: usize = 128;
/// A refused entry is sent again at once so often; after that the stream brings it back.
const ATTEMPTS_MAX: usize = 3;
/// The pause before the second attempt; it grows with each.
const PAUSE: Duration = Duration::from_millis(50);

/// One event on its way to the bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Who publishes.
    pub source: &'static str,
    /// The event's name.
    pub detail_type: String,
    /// The envelope as JSON.
    pub detail: String,
}

impl Entry {
    /// Wraps an event for the bus.
    ///
    /// # Errors
    ///
    /// If the envelope can't be written as JSON.
    pub fn new(
        source: &'static str,
        envelope: &Envelope<Unread>,
    ) -> Result<Self, serde_json::Error> {
        let detail = serde_json::to_string(envelope)?;
        Ok(Self { source, detail_type: envelope.event.kind.clone(), detail })
    }

    /// What is larger, or has no good name, AWS would refuse for ever.
    fn is_within_limits(&self) -> bool {
        self.bytes() <= BYTES_MAX && (1..=NAME_MAX).contains(&self.detail_type.len())
    }

    fn bytes(&self) -> usize {
        self.source.len() + self.detail_type.len() + self.detail.len()
    }
}

/// Takes events and hands them to whoever has subscribed.
///
/// An implementation must
/// - say of each entry whether it was taken, in the order given;
/// - never be given more than ten entries.
pub trait Bus {
    /// Publishes entries; `false` stands for one that was refused.
    ///
    /// # Errors
    ///
    /// If it is unknown whether any entry was taken.
    fn put(&self, entries: &[Entry]) -> impl Future<Output = Result<Vec<bool>, BusError>> + Send;
}

/// The bus or a queue did not answer; whether it took anything is unknown.
#[derive(Debug, thiserror::Error)]
#[error("the bus did not answer")]
pub struct BusError(#[source] pub Box<dyn StdError + Send + Sync>);

/// A record that no attempt will ever publish.
#[derive(Debug, thiserror::Error)]
#[error("record is unreadable: {0}")]
pub struct Poison(pub String);

/// Publishes the events of each record, as `events_of` finds them.
///
/// A poison record is parked and does not stop the others. The answer names the first record that has not been dealt
/// with; the stream delivers again from there.
pub async fn publish<B: Bus, D: DeadLetters>(
    batch: Event,
    events_of: impl Fn(&EventRecord) -> Result<Vec<Entry>, Poison>,
    bus: &B,
    dead_letters: &D,
) -> DynamoDbEventResponse {
    let mut pending = Vec::new();
    let mut failed = batch.records.len();
    for (place, record) in batch.records.iter().enumerate() {
        match events_of(record).and_then(within_limits) {
            Ok(entries) => pending.extend(entries.into_iter().map(|entry| (place, entry))),
            Err(poison) => {
                if !park_record(dead_letters, record, &poison).await {
                    failed = place;
                    break;
                }
            }
        }
    }
    failed = failed.min(put_all(bus, pending).await.unwrap_or(failed));
    response(batch.records.get(failed))
}

/// Sends all entries that the bus can take; whether all of them were taken.
pub(crate) async fn put<B: Bus>(bus: &B, entries: Vec<Entry>) -> bool {
    // The others lie with the dead letters since they were to be published first.
    let entries = entries.into_iter().filter(Entry::is_within_limits);
    put_all(bus, entries.map(|entry| (0, entry)).collect()).await.is_none()
}

/// Sends all entries; answers the place of the first record that was not taken whole.
async fn put_all<B: Bus>(bus: &B, mut pending: Vec<(usize, Entry)>) -> Option<usize> {
    for attempt in 0..ATTEMPTS_MAX {
        if pending.is_empty() {
            return None;
        }
        if attempt > 0 {
            // Long enough for a throttle to pass, short enough for the function's time.
            tokio::time::sleep(PAUSE * u32::try_from(attempt).unwrap_or(1)).await;
        }
        let mut refused = Vec::new();
        let mut rest = pending.into_iter().peekable();
        while rest.peek().is_some() {
            let chunk = next_chunk(&mut rest);
            let entries: Vec<Entry> = chunk.iter().map(|(_, entry)| entry.clone()).collect();
            match bus.put(&entries).await {
                Ok(taken) => {
                    // An answer that is short leaves entries unanswered: they count as refused.
                    let mut taken = taken.into_iter();
                    refused.extend(chunk.into_iter().filter(|_| !taken.next().unwrap_or(false)));
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn StdError, "bus did not answer");
                    refused.extend(chunk);
                }
            }
        }
        pending = refused;
    }
    let first = pending.iter().map(|(place, _)| *place).min();
    if first.is_some() {
        tracing::error!(
            entries = pending.len(),
            "bus refuses entries, the stream brings them back"
        );
    }
    first
}

fn next_chunk(
    rest: &mut std::iter::Peekable<impl Iterator<Item = (usize, Entry)>>,
) -> Vec<(usize, Entry)> {
    let mut chunk = Vec::with_capacity(ENTRIES_MAX);
    let mut bytes = 0;
    while chunk.len() < ENTRIES_MAX
        && let Some(next) =
            rest.next_if(|(_, entry)| chunk.is_empty() || bytes + entry.bytes() <= BYTES_MAX)
    {
        bytes += next.1.bytes();
        chunk.push(next);
    }
    chunk
}

/// What AWS would refuse for ever is poison: it must not come back again and again.
fn within_limits(entries: Vec<Entry>) -> Result<Vec<Entry>, Poison> {
    match entries.iter().find(|entry| !entry.is_within_limits()) {
        Some(entry) => Err(Poison(format!(
            "the bus takes no event of {} bytes named {:?}",
            entry.bytes(),
            entry.detail_type
        ))),
        None => Ok(entries),
    }
}

/// The answer of a stream consumer: nothing failed, or all from this record on.
#[must_use]
pub fn response(failed: Option<&EventRecord>) -> DynamoDbEventResponse {
    let mut response = DynamoDbEventResponse::default();
    if let Some(record) = failed {
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier.clone_from(&record.change.sequence_number);
        response.batch_item_failures = vec![failure];
    }
    response
}

/// The events that a [`StateStore`](crate::state::StateStore) has stored with a change.
///
/// # Errors
///
/// If the record is none of such a store's.
pub fn events_of_change(source: &'static str, record: &EventRecord) -> Result<Vec<Entry>, Poison> {
    if record.event_name == "REMOVE" {
        return Ok(Vec::new());
    }
    let item = &record.change.new_image;
    let Some(events) = item.get("events") else {
        // A bar, or the bump of a version that goes with it.
        return Ok(Vec::new());
    };
    if item.get("changed").is_some_and(|changed| item.get("version") != Some(changed)) {
        // They are of an earlier change, whose record has shown them.
        return Ok(Vec::new());
    }
    let serde_dynamo::AttributeValue::S(events) = events else {
        return Err(Poison("`events` is no text".to_owned()));
    };
    let envelopes: Vec<Envelope<Unread>> =
        serde_json::from_str(events).map_err(|error| Poison(error.to_string()))?;
    envelopes
        .iter()
        .map(|envelope| Entry::new(source, envelope).map_err(|error| Poison(error.to_string())))
        .collect()
}
