//! A test kit: given the records of a stream, then the view.
//!
//! [`in_order`] delivers them as they were written, [`shuffled`] as a stream at its worst might. A projector is right if
//! both end in the same view.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use cqrs::follow::follow;
//! use cqrs::generation::Generations as _;
//! use cqrs::kit::{self, given};
//! use cqrs::view::{Row, View as _};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
//! struct Lamp { on: bool }
//! impl Row for Lamp {}
//!
//! let record = serde_json::from_value(serde_json::json!({
//!     "eventID": "1", "eventName": "INSERT", "eventSource": "aws:dynamodb", "awsRegion": "us-east-1",
//!     "dynamodb": {
//!         "Keys": { "id": { "S": "hall" } }, "NewImage": { "id": { "S": "hall" } },
//!         "SequenceNumber": "1", "SizeBytes": 10, "StreamViewType": "NEW_IMAGE",
//!     },
//! }))?;
//! given(kit::shuffled(&[record], 7), async |views, parked, batch| {
//!     let view = views.generation(1);
//!     follow(batch, async |_| Ok(view.advance("hall", 1, &Lamp { on: true }).await.map(drop)?), parked).await
//! })
//! .await
//! .shows(&[("hall", 1, Lamp { on: true })]);
//! # Ok::<(), serde_json::Error>(()) }).unwrap();
//! ```

use std::collections::BTreeMap;
use std::fmt::Debug;

use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::streams::DynamoDbEventResponse;
use outbox::dead_letters::Parked;
use outbox::memory::MemoryDeadLetters;

use crate::generation::Generations as _;
use crate::memory::MemoryGenerations;
use crate::view::{Row, Versioned};

/// A batch that has not gone through by then never will.
const ATTEMPTS_MAX: usize = 10;

/// What the records have led to.
#[derive(Debug)]
pub struct Then<R> {
    /// Every row of the view by its id.
    pub rows: BTreeMap<String, Versioned<R>>,
    /// What could not be applied.
    pub parked: Vec<Parked>,
}

/// Delivers batches to a projector with an empty view; what it reports as failed comes again.
///
/// # Panics
///
/// When a batch fails again and again.
pub async fn given<R: Row>(
    batches: Vec<Event>,
    project: impl AsyncFn(&MemoryGenerations<R>, &MemoryDeadLetters, Event) -> DynamoDbEventResponse,
) -> Then<R> {
    let (views, parked) = (MemoryGenerations::default(), MemoryDeadLetters::default());
    for batch in batches {
        let mut rest = batch.records;
        let mut attempts = 0;
        while !rest.is_empty() {
            assert!(attempts < ATTEMPTS_MAX, "batch fails again and again");
            attempts += 1;
            let response = project(&views, &parked, event(rest.clone())).await;
            let failed = response.batch_item_failures.into_iter().next();
            let failed = failed.and_then(|it| it.item_identifier);
            let place = rest.iter().position(|it| it.change.sequence_number == failed);
            rest = place.and_then(|place| rest.get(place..)).unwrap_or_default().to_vec();
        }
    }
    Then { rows: views.generation(1).rows(), parked: parked.parked() }
}

impl<R: PartialEq + Debug> Then<R> {
    /// Checks that the view has these rows and no others, and that nothing was parked.
    ///
    /// # Panics
    ///
    /// When it is otherwise.
    #[track_caller]
    pub fn shows(&self, expected: &[(&str, u64, R)]) {
        assert_eq!(self.parked, [], "nothing should have been parked");
        let shown: Vec<(&str, u64, &R)> =
            self.rows.iter().map(|(id, it)| (id.as_str(), it.version, &it.row)).collect();
        let mut expected: Vec<(&str, u64, &R)> =
            expected.iter().map(|(id, version, row)| (*id, *version, row)).collect();
        expected.sort_by_key(|it| it.0);
        assert_eq!(shown, expected);
    }
}

/// All records at once, as they were written.
#[must_use]
pub fn in_order(records: &[EventRecord]) -> Vec<Event> {
    vec![event(records.to_vec())]
}

/// Each record at least once, some more often, in any order, in batches of any size. The same seed, the same way.
#[must_use]
pub fn shuffled(records: &[EventRecord], seed: u64) -> Vec<Event> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = |end: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from((state >> 11) % (end as u64)).unwrap_or(0)
    };
    let mut all = records.to_vec();
    for record in records {
        for _ in 0..below(3) {
            all.push(record.clone());
        }
    }
    for place in (1..all.len()).rev() {
        all.swap(place, below(place + 1));
    }
    let mut batches = Vec::new();
    while !all.is_empty() {
        let rest = all.split_off(below(all.len()) + 1);
        batches.push(event(std::mem::replace(&mut all, rest)));
    }
    batches
}

fn event(records: Vec<EventRecord>) -> Event {
    let mut event = Event::default();
    event.records = records;
    event
}
