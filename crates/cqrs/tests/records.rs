//! Stream to view: a poison record is dead-lettered, and a record that can't be applied now is delivered again.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

use std::slice;

use aws_lambda_events::dynamodb::EventRecord;
use cqrs::memory::MemoryView;
use cqrs::projector::{ProjectError, RowUpdate, apply_records};
use cqrs::view::{Row, ViewError};
use outbox::bus::SendError;
use outbox::dead_letters::{DeadLetter, DeadLetters, dead_letter_record};
use outbox::memory::MemoryDeadLetters;
use outbox::stream::Poison;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Lamp;
impl Row for Lamp {}

struct Unreachable;

impl DeadLetters for Unreachable {
    async fn add(&self, _: DeadLetter) -> Result<(), SendError> {
        Err(SendError("unreachable".into()))
    }
}

fn batch(names: &[&str]) -> Vec<EventRecord> {
    let record = |(number, name): (usize, &&str)| -> EventRecord {
        serde_json::from_value(json!({
            "eventID": name,
            "eventName": "INSERT",
            "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1",
            "dynamodb": {
                "Keys": { "id": { "S": name } },
                "NewImage": { "id": { "S": name } },
                "SequenceNumber": number.to_string(),
                "SizeBytes": 10,
                "StreamViewType": "NEW_IMAGE",
            },
        }))
        .unwrap()
    };
    names.iter().enumerate().map(record).collect()
}

/// Applies a batch; returns the rows in the view, and the sequence number from which the stream must deliver again.
async fn run(names: &[&str], dead_letters: &impl DeadLetters) -> (Vec<String>, Option<String>) {
    let (view, records) = (MemoryView::<Lamp>::default(), batch(names));
    let row_of = async |_: &MemoryView<Lamp>, record: &EventRecord| match record.event_id.as_str() {
        "poison" => Err(ProjectError::poison(Poison("not one of ours".to_owned()))),
        "corrupt" => Err(ViewError::Corrupt("no row".into()).into()),
        "down" => Err(ViewError::Unavailable("not now".into()).into()),
        name => Ok(Some(RowUpdate { id: name.to_owned(), version: 1, row: Lamp })),
    };
    let dead_letter = async |record: &EventRecord, cause: &ProjectError| {
        dead_letter_record(dead_letters, record, cause).await
    };
    let failed = apply_records(slice::from_ref(&view), &records, row_of, dead_letter).await;
    let failed = failed.and_then(|index| records[index].change.sequence_number.clone());
    (view.rows().into_keys().collect(), failed)
}

#[tokio::test]
async fn every_record_is_applied_in_order() {
    assert_eq!(run(&["a", "b"], &Unreachable).await, (vec!["a".to_owned(), "b".to_owned()], None));
}

#[tokio::test]
async fn a_poison_record_is_dead_lettered_with_its_cause_and_the_others_are_applied() {
    let dead_letters = MemoryDeadLetters::default();
    let (applied, failed) = run(&["a", "poison", "corrupt", "b"], &dead_letters).await;
    assert_eq!((applied.as_slice(), failed), (["a".to_owned(), "b".to_owned()].as_slice(), None));
    let found: Vec<_> =
        dead_letters.records().into_iter().map(|it| (it.key, it.sequence_number)).collect();
    let key = |name: &str| json!({ "id": name }).to_string();
    assert_eq!(found, [(key("poison"), "1".to_owned()), (key("corrupt"), "2".to_owned())]);
    let reasons: Vec<_> = dead_letters.records().into_iter().map(|it| it.reason).collect();
    assert!(reasons[0].contains("not one of ours") && reasons[1].contains("no row"), "{reasons:?}");
}

#[tokio::test]
async fn a_poison_record_that_cannot_be_dead_lettered_is_delivered_again() {
    let (applied, failed) = run(&["a", "poison", "b"], &Unreachable).await;
    assert_eq!((applied.as_slice(), failed.as_deref()), (["a".to_owned()].as_slice(), Some("1")));
}

#[tokio::test]
async fn a_batch_ends_at_a_record_that_cannot_be_applied_now_and_is_delivered_again_from_there() {
    let dead_letters = MemoryDeadLetters::default();
    let (applied, failed) = run(&["a", "poison", "down", "b"], &dead_letters).await;
    assert_eq!((applied.as_slice(), failed.as_deref()), (["a".to_owned()].as_slice(), Some("2")));
    assert_eq!(dead_letters.records().len(), 1);
}
