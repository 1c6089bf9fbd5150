//! What was committed is published once more, from where it was committed.
//!
//! A stream forgets after 24 hours. What was not published by then, or was lost by everybody who was to hear of it, is
//! still in the table. Consumers have seen most of it, and are right when they see it again.
//!
//! An event store has all events. A table of states has those of each aggregate's last change: what an earlier change has
//! said, and nobody has heard, is lost, and what waits for it has to be ended in another way. So the age of the stream
//! wants an alarm, long before it forgets.

use std::error::Error as StdError;

use aws_lambda_events::streams::DynamoDbEventResponse;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::consume::{Failed, Handled, consume};
use crate::dead_letters::{DeadLetters, Parked};
use crate::envelope::{Envelope, Unread};
use crate::publish::{Bus, BusError, Entry, put};
use crate::redrive::{Answer, Occasion, redrive};

/// An operator's wish, as a message of the publisher's queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Republish {
    /// What to publish again.
    pub republish: Range,
}

/// Which events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Range {
    /// Those of one aggregate.
    Aggregate {
        /// Its key.
        aggregate: String,
    },
    /// Those that happened within a time.
    Period {
        /// From then on.
        from: Timestamp,
        /// Before then.
        until: Timestamp,
        /// Where to go on, in a message that the publisher sends to itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    },
}

/// Knows what was committed.
///
/// An implementation must
/// - list every event once that was there when the first page was asked for; or those of each aggregate's last change,
///   if it keeps no others;
/// - pass over what can't be read, and log it;
/// - keep a page so small that it is published in a call.
pub trait Source {
    /// The events of one aggregate, in order.
    ///
    /// # Errors
    ///
    /// If the source can't be read.
    fn events_of(
        &self,
        aggregate: &str,
    ) -> impl Future<Output = Result<Vec<Envelope<Unread>>, SourceError>> + Send;

    /// Some events, in no order that means anything; `after` is the `next` of the page before.
    ///
    /// # Errors
    ///
    /// If the source can't be read.
    fn page(&self, after: Option<&str>) -> impl Future<Output = Result<Page, SourceError>> + Send;
}

/// Some events of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The events; a page may be empty, and not the last.
    pub events: Vec<Envelope<Unread>>,
    /// Where the next page begins; nothing after the last.
    pub next: Option<String>,
}

/// The source did not answer.
#[derive(Debug, thiserror::Error)]
#[error("what was committed can't be read")]
pub struct SourceError(#[source] pub Box<dyn StdError + Send + Sync>);

/// Takes messages to the publisher itself.
pub trait Wishes {
    /// Sends one.
    ///
    /// # Errors
    ///
    /// If it may not have been taken.
    fn send(&self, wish: &Republish) -> impl Future<Output = Result<(), BusError>> + Send;
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Message {
    Republish(Republish),
    Parked(Box<Parked>),
    Lost(Lost),
}

/// What Lambda leaves of records that it has given up, itself: when they came, and not what they were.
#[derive(Deserialize)]
struct Lost {
    #[serde(rename = "DDBStreamBatchInfo")]
    batch: LostBatch,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LostBatch {
    approximate_arrival_of_first_record: Timestamp,
    approximate_arrival_of_last_record: Timestamp,
}

/// What happened before it was in the stream, by as much as the clocks of two machines may differ.
const CLOCK_SKEW: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);

impl From<Lost> for Republish {
    fn from(Lost { batch }: Lost) -> Self {
        let from = batch.approximate_arrival_of_first_record.saturating_sub(CLOCK_SKEW);
        let until = batch.approximate_arrival_of_last_record.saturating_add(CLOCK_SKEW);
        let range = |from, until| Range::Period { from, until, after: None };
        let republish = range(from.unwrap_or(Timestamp::MIN), until.unwrap_or(Timestamp::MAX));
        Self { republish }
    }
}

/// A publisher, whatever it is called with: records of the stream, or messages of its queue, which are records that were
/// put aside and wishes to publish again.
pub async fn publish_or_republish(
    occasion: Occasion,
    name: &'static str,
    source: &impl Source,
    bus: &impl Bus,
    wishes: &impl Wishes,
    dead_letters: &impl DeadLetters,
    publish: impl AsyncFn(aws_lambda_events::dynamodb::Event) -> DynamoDbEventResponse,
) -> Answer {
    let batch = match occasion {
        // In a box: a call of the bus is deep enough without this.
        Occasion::Records(batch) => return Answer::Records(Box::pin(publish(batch)).await),
        Occasion::Messages(batch) => batch,
    };
    let handle = async |message: Message| match message {
        Message::Parked(letter) => redrive(*letter, &publish).await,
        Message::Republish(Republish { republish }) => {
            again(republish, name, source, bus, wishes).await.map(|()| Handled::Done)
        }
        Message::Lost(lost) => {
            let Republish { republish } = lost.into();
            again(republish, name, source, bus, wishes).await.map(|()| Handled::Done)
        }
    };
    Answer::Messages(consume(batch, dead_letters, handle).await)
}

async fn again(
    range: Range,
    name: &'static str,
    source: &impl Source,
    bus: &impl Bus,
    wishes: &impl Wishes,
) -> Result<(), Failed> {
    let (events, rest) = match range {
        Range::Aggregate { aggregate } => (source.events_of(&aggregate).await?, None),
        Range::Period { from, until, after } => {
            let Page { mut events, next } = source.page(after.as_deref()).await?;
            events.retain(|event| (from..until).contains(&event.occurred_at));
            (events, next.map(|next| Range::Period { from, until, after: Some(next) }))
        }
    };
    let entries = events.iter().map(|event| Entry::new(name, event));
    let entries: Vec<Entry> = entries.collect::<Result<_, _>>().map_err(poison)?;
    let count = entries.len();
    if !put(bus, entries).await {
        return Err(Failed::Transient("the bus refuses events".into()));
    }
    tracing::info!(events = count, more = rest.is_some(), "published again");
    match rest {
        // Last: whoever dies before it publishes this page again, and goes on from there.
        Some(republish) => wishes.send(&Republish { republish }).await.map_err(transient),
        None => Ok(()),
    }
}

impl From<SourceError> for Failed {
    fn from(error: SourceError) -> Self {
        Self::Transient(Box::new(error))
    }
}

fn transient(error: impl StdError + Send + Sync + 'static) -> Failed {
    Failed::Transient(Box::new(error))
}

fn poison(error: impl StdError + Send + Sync + 'static) -> Failed {
    Failed::Poison(Box::new(error))
}
