//! A batch is written to every retained generation, and its lag is reported.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

use std::cell::RefCell;
use std::collections::BTreeSet;

use aws_lambda_events::dynamodb::EventRecord;
use cqrs::generation::{Generations as _, ProjectionState, ProjectionStateStore as _};
use cqrs::lag::ReportThrottle;
use cqrs::memory::{MemoryGenerations, MemoryView};
use cqrs::projector::{Measured, ProjectError, Projected, RowUpdate, project};
use cqrs::view::{Reader as _, Row, View as _, ViewError};
use jiff::Timestamp;
use outbox::dead_letters::dead_letter_record;
use outbox::memory::MemoryDeadLetters;
use outbox::stream::Poison;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Lamp;
impl Row for Lamp {}

type Views = MemoryGenerations<Lamp>;

const WRITTEN: i64 = 1_767_268_800;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(WRITTEN + seconds).unwrap()
}

/// Records that were written one second after the other.
fn batch(names: &[&str]) -> Vec<EventRecord> {
    let record = |(number, name): (i64, &&str)| -> EventRecord {
        serde_json::from_value(json!({
            "eventID": name,
            "eventName": "INSERT",
            "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1",
            "dynamodb": {
                "ApproximateCreationDateTime": WRITTEN + number,
                "Keys": { "id": { "S": name } },
                "NewImage": { "id": { "S": name } },
                "SequenceNumber": number.to_string(),
                "SizeBytes": 10,
                "StreamViewType": "NEW_IMAGE",
            },
        }))
        .unwrap()
    };
    (0..).zip(names).map(record).collect()
}

/// A projector with a view, of which some records can't be applied.
#[derive(Default)]
struct Projector {
    views: Views,
    throttle: ReportThrottle,
    dead_letters: MemoryDeadLetters,
    down: RefCell<BTreeSet<String>>,
}

impl Projector {
    async fn project(&self, names: &[&str], seconds: i64) -> Projected {
        let row_of = async |view: &MemoryView<Lamp>, record: &EventRecord| {
            let id = record.event_id.as_str();
            if self.down.borrow().contains(id) {
                return Err(ProjectError::Unavailable("not now".into()));
            }
            if id == "poison" {
                return Err(ProjectError::poison(Poison("not one of ours".to_owned())));
            }
            // Unreadable in the generation that is live, and nowhere else.
            if id == "corrupt" && view.get("is-second").await?.is_none() {
                return Err(ViewError::Corrupt("no row".into()).into());
            }
            Ok(Some(RowUpdate { id: id.to_owned(), version: 1, row: Lamp }))
        };
        let dead_letter = async |record: &EventRecord, cause: &ProjectError| {
            dead_letter_record(&self.dead_letters, record, cause).await
        };
        let clock = || at(seconds);
        project(&self.views, &self.throttle, clock, &batch(names), row_of, dead_letter).await
    }

    async fn lag(&self, seconds: i64) -> u64 {
        self.views.state().await.unwrap().1.seconds(at(seconds))
    }

    async fn begin(&self) {
        let (state, _) = self.views.state().await.unwrap();
        let started: ProjectionState = state.start_rebuild(at(0)).unwrap();
        assert!(self.views.update_state(&started).await.unwrap());
    }
}

#[tokio::test]
async fn a_row_is_written_to_every_retained_generation() {
    let projector = Projector::default();
    projector.begin().await;
    projector.project(&["a"], 1).await;
    assert_eq!(projector.views.numbers(), [1, 2]);
}

#[tokio::test]
async fn a_record_that_one_generation_rejects_is_written_to_the_others_and_dead_lettered() {
    let projector = Projector::default();
    projector.begin().await;
    projector.views.generation(2).upsert_if_newer("is-second", 1, &Lamp).await.unwrap();
    let projected = projector.project(&["corrupt", "poison", "a"], 1).await;
    assert_eq!(projected.failed, None);
    assert!(projector.views.generation(2).get("corrupt").await.unwrap().is_some());
    for number in [1, 2] {
        assert!(projector.views.generation(number).get("a").await.unwrap().is_some());
    }
    let letters = projector.dead_letters.records();
    let found: Vec<_> = letters.iter().map(|it| it.sequence_number.as_str()).collect();
    assert_eq!(found, ["0", "1"]);
    assert!(letters[0].reason.contains("no row") && letters[1].reason.contains("not one of ours"));
}

#[tokio::test]
async fn the_lag_counts_from_the_oldest_change_and_the_iterator_age_from_the_latest() {
    let projector = Projector::default();
    let projected = projector.project(&["a", "b", "c"], 10).await;
    let expected = Measured { lag_seconds: 10, iterator_age_ms: 8_000, is_blocked: false };
    assert_eq!(projected.measured, Some(expected));
    assert_eq!(projector.lag(11).await, 10);
    assert_eq!(projector.project(&[], 12).await.measured, None);
}

#[tokio::test]
async fn a_blocked_record_is_reported_at_once_and_its_lag_grows_until_it_is_applied() {
    let projector = Projector::default();
    projector.project(&["a"], 1).await;
    projector.down.borrow_mut().insert("b".to_owned());
    let projected = projector.project(&["a", "b", "c"], 2).await;
    assert_eq!(projected.failed, Some(1));
    assert!(projected.measured.unwrap().is_blocked);
    assert_eq!(projector.lag(101).await, 100);
    // Another shard is healthy.
    projector.project(&["z"], 200).await;
    assert_eq!(projector.lag(301).await, 300);
    projector.down.borrow_mut().clear();
    projector.project(&["b", "c"], 302).await;
    assert_eq!(projector.views.state().await.unwrap().1.blocked.len(), 0);
    assert_eq!(projector.lag(400).await, 0);
}
