//! Republishes committed events from the table in which they are stored.
//!
//! A stream keeps its records for 24 hours. Events that were not published by then, or that subscribers lost, are still in
//! the table. Consumers may have received most of them already, and ignore duplicates.
//!
//! An event store can republish every event. A table of states can republish only the events of each aggregate's last
//! change; an event of an earlier change that was never published is lost, and an operator must end what waits for it. So
//! set an alarm on the age of the stream, well below 24 hours.

use std::error::Error as StdError;

use aws_lambda_events::dynamodb::EventRecord;
use aws_lambda_events::streams::DynamoDbEventResponse;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tracing::Instrument as _;

use crate::bus::{Bus, Entry, SendError};
use crate::consume::{ConsumeError, Handled, consume};
use crate::dead_letters::{DeadLetterRecord, DeadLetters};
use crate::envelope::{Envelope, RawEvent};
use crate::publish::put;
use crate::redrive::{Trigger, TriggerResponse, batch_span, redrive};

/// How far two machines' clocks may differ: an event may be that much older than its arrival in the stream.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(60);

/// An operator's request to republish events: a message of the publisher's queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Republish {
    /// The events to republish.
    pub republish: Selection,
}

/// Which events to republish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Selection {
    /// The events of one aggregate.
    Aggregate {
        /// The key of the aggregate.
        aggregate: String,
    },
    /// The events that occurred within a time range.
    TimeRange {
        /// The beginning of the range, inclusive.
        from: Timestamp,
        /// The end of the range, exclusive.
        until: Timestamp,
        /// The page to continue from, in a message that the publisher sends to its own queue.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    },
}

/// Reads committed events.
///
/// An implementation must
/// - return every event once that was stored when the first page was read, or, for a table of states, every event of each
///   aggregate's last change;
/// - skip an unreadable event, and log it;
/// - keep a page small enough to be published within one invocation.
pub trait RepublishSource {
    /// Returns the events of one aggregate, in order.
    ///
    /// # Errors
    ///
    /// If the source can't be read.
    fn events_of(
        &self,
        aggregate: &str,
    ) -> impl Future<Output = Result<Vec<Envelope<RawEvent>>, SourceError>> + Send;

    /// Returns a page of events, in no particular order. `after` is the `next` of the previous page.
    ///
    /// # Errors
    ///
    /// If the source can't be read.
    fn page(&self, after: Option<&str>) -> impl Future<Output = Result<Page, SourceError>> + Send;
}

/// A page of a source's events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The events. A page may be empty without being the last.
    pub events: Vec<Envelope<RawEvent>>,
    /// The token of the next page; absent on the last page.
    pub next: Option<String>,
}

/// The source of the events did not respond; retry.
#[derive(Debug, thiserror::Error)]
#[error("committed events can't be read")]
pub struct SourceError(#[source] pub Box<dyn StdError + Send + Sync>);

/// The publisher's own queue.
pub trait RepublishQueue {
    /// Sends a request to the publisher itself.
    ///
    /// # Errors
    ///
    /// If the queue may not have accepted it.
    fn send(&self, request: &Republish) -> impl Future<Output = Result<(), SendError>> + Send;
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Message {
    Republish(Republish),
    DeadLetterRecord(Box<DeadLetterRecord>),
    AbandonedBatch(AbandonedBatch),
}

/// What Lambda sends to the dead-letter queue for a batch that it stopped retrying: the arrival times, not the records.
#[derive(Deserialize)]
struct AbandonedBatch {
    #[serde(rename = "DDBStreamBatchInfo")]
    batch: AbandonedBatchInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AbandonedBatchInfo {
    approximate_arrival_of_first_record: Timestamp,
    approximate_arrival_of_last_record: Timestamp,
}

impl From<AbandonedBatch> for Republish {
    fn from(AbandonedBatch { batch }: AbandonedBatch) -> Self {
        let from = batch.approximate_arrival_of_first_record.saturating_sub(CLOCK_SKEW);
        let until = batch.approximate_arrival_of_last_record.saturating_add(CLOCK_SKEW);
        let range = |from, until| Selection::TimeRange { from, until, after: None };
        let republish = range(from.unwrap_or(Timestamp::MIN), until.unwrap_or(Timestamp::MAX));
        Self { republish }
    }
}

/// Publishes the records of a stream batch, or handles the messages of the publisher's queue: dead-lettered records, and
/// requests to republish.
pub async fn publish_or_republish(
    trigger: Trigger,
    name: &'static str,
    source: &impl RepublishSource,
    bus: &impl Bus,
    republish_queue: &impl RepublishQueue,
    dead_letters: &impl DeadLetters,
    publish: impl AsyncFn(Vec<EventRecord>) -> DynamoDbEventResponse,
) -> TriggerResponse {
    let batch = match trigger {
        // Boxed, because the nested futures of a bus call would exceed the stack otherwise.
        Trigger::Stream(batch) => {
            let span = batch_span(batch.records.len());
            let published = Box::pin(publish(batch.records)).instrument(span);
            return TriggerResponse::Stream(published.await);
        }
        Trigger::Queue(batch) => batch,
    };
    let handle = async |message: Message| match message {
        Message::DeadLetterRecord(letter) => redrive(*letter, &publish).await,
        Message::Republish(Republish { republish }) => {
            replay(republish, name, source, bus, republish_queue).await.map(|()| Handled::Done)
        }
        Message::AbandonedBatch(batch) => {
            let Republish { republish } = batch.into();
            replay(republish, name, source, bus, republish_queue).await.map(|()| Handled::Done)
        }
    };
    TriggerResponse::Queue(consume(batch, dead_letters, handle).await)
}

async fn replay(
    selection: Selection,
    name: &'static str,
    source: &impl RepublishSource,
    bus: &impl Bus,
    republish_queue: &impl RepublishQueue,
) -> Result<(), ConsumeError> {
    let (events, rest) = match selection {
        Selection::Aggregate { aggregate } => (source.events_of(&aggregate).await?, None),
        Selection::TimeRange { from, until, after } => {
            let Page { mut events, next } = source.page(after.as_deref()).await?;
            events.retain(|event| (from..until).contains(&event.occurred_at));
            (events, next.map(|next| Selection::TimeRange { from, until, after: Some(next) }))
        }
    };
    let entries = events.iter().map(|event| Entry::new(name, event));
    let entries: Vec<Entry> = entries.collect::<Result<_, _>>().map_err(poison)?;
    let count = entries.len();
    if !put(bus, entries).await {
        return Err(ConsumeError::Transient("the bus rejects events".into()));
    }
    tracing::info!(events = count, more = rest.is_some(), "events republished");
    match rest {
        // Last: a function that crashes before this publishes the page again, and continues from there.
        Some(republish) => republish_queue.send(&Republish { republish }).await.map_err(transient),
        None => Ok(()),
    }
}

impl From<SourceError> for ConsumeError {
    fn from(error: SourceError) -> Self {
        Self::Transient(Box::new(error))
    }
}

fn transient(error: impl StdError + Send + Sync + 'static) -> ConsumeError {
    ConsumeError::Transient(Box::new(error))
}

fn poison(error: impl StdError + Send + Sync + 'static) -> ConsumeError {
    ConsumeError::Poison(Box::new(error))
}
