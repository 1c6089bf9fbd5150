//! Test support for projectors: given the records of a stream, then the rows of the view.
//!
//! [`in_order`] delivers the records as they were written. [`shuffled`] repeats them and changes their order and their
//! batches, as a stream may. A projector is correct if both lead to the same view.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use cqrs::generation::Generations as _;
//! use cqrs::projector::{RowUpdate, apply_records};
//! use cqrs::test_support::{given, shuffled};
//! use cqrs::view::Row;
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
//! given(shuffled(&[record], 7), async |views, records| {
//!     let row_of = async |_: &_, _: &_| {
//!         Ok(Some(RowUpdate { id: "hall".to_owned(), version: 1, row: Lamp { on: true } }))
//!     };
//!     let views = [views.generation(1)];
//!     assert_eq!(apply_records(&views, &records, row_of, async |_: &_, _: &_| false).await, None);
//!     Default::default()
//! })
//! .await
//! .assert_rows(&[("hall", 1, Lamp { on: true })]);
//! # Ok::<(), serde_json::Error>(()) }).unwrap();
//! ```

use std::collections::BTreeMap;
use std::fmt::Debug;

use aws_lambda_events::dynamodb::EventRecord;
use aws_lambda_events::streams::DynamoDbEventResponse;

use crate::generation::Generations as _;
use crate::memory::MemoryGenerations;
use crate::view::{Row, Versioned};

/// How many times a batch is delivered before the test fails.
const MAX_ATTEMPTS: usize = 10;

/// The view after all records were delivered.
#[derive(Debug)]
pub struct Then<R> {
    /// Every row of the view by its id.
    pub rows: BTreeMap<String, Versioned<R>>,
}

/// Delivers batches to a projector that starts with an empty view.
///
/// `project` returns the response of a stream consumer. A batch is delivered again from the record that it names.
///
/// # Panics
///
/// If a batch fails ten times.
pub async fn given<R: Row>(
    batches: Vec<Vec<EventRecord>>,
    project: impl AsyncFn(&MemoryGenerations<R>, Vec<EventRecord>) -> DynamoDbEventResponse,
) -> Then<R> {
    let views = MemoryGenerations::default();
    for batch in batches {
        let mut rest = batch;
        let mut attempts = 0;
        while !rest.is_empty() {
            assert!(attempts < MAX_ATTEMPTS, "batch fails every time");
            attempts += 1;
            let response = project(&views, rest.clone()).await;
            let failed = response.batch_item_failures.into_iter().next();
            let failed = failed.and_then(|it| it.item_identifier);
            let place = rest.iter().position(|it| it.change.sequence_number == failed);
            rest = place.and_then(|place| rest.get(place..)).unwrap_or_default().to_vec();
        }
    }
    Then { rows: views.generation(1).rows() }
}

impl<R: PartialEq + Debug> Then<R> {
    /// Asserts that the view has exactly these rows: id, version and content of each.
    ///
    /// # Panics
    ///
    /// If the view has other rows.
    #[track_caller]
    pub fn assert_rows(&self, expected: &[(&str, u64, R)]) {
        let found: Vec<(&str, u64, &R)> =
            self.rows.iter().map(|(id, it)| (id.as_str(), it.version, &it.row)).collect();
        let mut expected: Vec<(&str, u64, &R)> =
            expected.iter().map(|(id, version, row)| (*id, *version, row)).collect();
        expected.sort_by_key(|it| it.0);
        assert_eq!(found, expected);
    }
}

/// All records in one batch, in the order in which they were written.
#[must_use]
pub fn in_order(records: &[EventRecord]) -> Vec<Vec<EventRecord>> {
    vec![records.to_vec()]
}

/// Each record once to three times, in random order, in batches of random size. The same seed gives the same batches.
#[must_use]
pub fn shuffled(records: &[EventRecord], seed: u64) -> Vec<Vec<EventRecord>> {
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
        batches.push(std::mem::replace(&mut all, rest));
    }
    batches
}
