//! Stream to bus: publishes every committed event, at least once, in commit order per aggregate.
//!
//! Crash points, and why no event is lost:
//!
//! - before the bus accepts an entry: the record is still in the stream, and is delivered again;
//! - after that, before the stream has the response: the record is delivered again too, and its events are published a
//!   second time under the same event ids.

use std::error::Error as StdError;
use std::time::Duration;

use aws_lambda_events::dynamodb::EventRecord;
use aws_lambda_events::streams::DynamoDbEventResponse;

use crate::bus::{Bus, Entry, MAX_BYTES, MAX_ENTRIES};
use crate::dead_letters::{DeadLetters, dead_letter_record};
use crate::stream::{Poison, batch_response};

/// How many times an entry is sent before the publisher leaves the retry to the stream.
const MAX_ATTEMPTS: usize = 3;
/// The pause before the second attempt; later pauses are multiples of it.
const PAUSE: Duration = Duration::from_millis(50);

/// Publishes the events of each record, which `events_of` reads from it.
///
/// A record that can't be read or published at all is dead-lettered, and the others are published. The response names
/// the first record whose events may not have been published; the stream delivers again from there.
pub async fn publish<B: Bus, D: DeadLetters>(
    records: Vec<EventRecord>,
    events_of: impl Fn(&EventRecord) -> Result<Vec<Entry>, Poison>,
    bus: &B,
    dead_letters: &D,
) -> DynamoDbEventResponse {
    let mut pending = Vec::new();
    let mut failed = records.len();
    for (place, record) in records.iter().enumerate() {
        match events_of(record).and_then(within_limits) {
            Ok(entries) => pending.extend(entries.into_iter().map(|entry| (place, entry))),
            Err(poison) => {
                if !dead_letter_record(dead_letters, record, &poison).await {
                    failed = place;
                    break;
                }
            }
        }
    }
    failed = failed.min(put_all(bus, pending).await.unwrap_or(failed));
    batch_response(records.get(failed))
}

/// Sends all entries that the bus can accept; returns whether it accepted all of them.
pub(crate) async fn put<B: Bus>(bus: &B, entries: Vec<Entry>) -> bool {
    // An entry over the limits was dead-lettered when it was to be published first.
    let entries = entries.into_iter().filter(Entry::is_within_limits);
    put_all(bus, entries.map(|entry| (0, entry)).collect()).await.is_none()
}

/// Sends all entries; returns the place of the first record of which an entry was not accepted.
async fn put_all<B: Bus>(bus: &B, mut pending: Vec<(usize, Entry)>) -> Option<usize> {
    for attempt in 0..MAX_ATTEMPTS {
        if pending.is_empty() {
            return None;
        }
        if attempt > 0 {
            // Long enough for throttling to end, short enough for the function's timeout.
            tokio::time::sleep(PAUSE * u32::try_from(attempt).unwrap_or(1)).await;
        }
        let mut rejected = Vec::new();
        let mut rest = pending.into_iter().peekable();
        while rest.peek().is_some() {
            let chunk = next_chunk(&mut rest);
            let entries: Vec<Entry> = chunk.iter().map(|(_, entry)| entry.clone()).collect();
            match bus.put(&entries).await {
                Ok(accepted) => {
                    // A response that is too short leaves entries without a result: they count as rejected.
                    let mut accepted = accepted.into_iter();
                    let is_rejected = |_: &(usize, Entry)| !accepted.next().unwrap_or(false);
                    rejected.extend(chunk.into_iter().filter(is_rejected));
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn StdError, "bus did not respond");
                    rejected.extend(chunk);
                }
            }
        }
        pending = rejected;
    }
    let first = pending.iter().map(|(place, _)| *place).min();
    if first.is_some() {
        tracing::error!(entries = pending.len(), "bus rejects entries, the batch will be retried");
    }
    first
}

fn next_chunk(
    rest: &mut std::iter::Peekable<impl Iterator<Item = (usize, Entry)>>,
) -> Vec<(usize, Entry)> {
    let mut chunk = Vec::with_capacity(MAX_ENTRIES);
    let mut bytes = 0;
    while chunk.len() < MAX_ENTRIES
        && let Some(next) =
            rest.next_if(|(_, entry)| chunk.is_empty() || bytes + entry.bytes() <= MAX_BYTES)
    {
        bytes += next.1.bytes();
        chunk.push(next);
    }
    chunk
}

/// Treats an entry that the bus would reject every time as poison, so that it does not block the stream.
fn within_limits(entries: Vec<Entry>) -> Result<Vec<Entry>, Poison> {
    match entries.iter().find(|entry| !entry.is_within_limits()) {
        Some(entry) => Err(Poison(format!(
            "the bus accepts no event of {} bytes named {:?}",
            entry.bytes(),
            entry.detail_type
        ))),
        None => Ok(entries),
    }
}
