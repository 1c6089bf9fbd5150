//! A batch goes to every generation that is kept, and leaves a mark of how far behind it was.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

use std::cell::RefCell;
use std::collections::BTreeSet;

use aws_lambda_events::dynamodb::{Event, EventRecord};
use cqrs::follow::ProjectError;
use cqrs::generation::{Control, Controls as _, Generations as _};
use cqrs::lag::Gauge;
use cqrs::memory::{MemoryGenerations, MemoryView};
use cqrs::projector::{Measured, Projected, project};
use cqrs::view::{Reader as _, Row, View as _, ViewError};
use jiff::Timestamp;
use outbox::memory::MemoryDeadLetters;
use outbox::publish::Poison;
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
fn batch(names: &[&str]) -> Event {
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
    let mut event = Event::default();
    event.records = (0..).zip(names).map(record).collect();
    event
}

/// A day on which some records can't be applied.
#[derive(Default)]
struct Day {
    views: Views,
    gauge: Gauge,
    parked: MemoryDeadLetters,
    down: RefCell<BTreeSet<String>>,
}

impl Day {
    async fn project(&self, names: &[&str], seconds: i64) -> Projected {
        let apply = async |view: &MemoryView<Lamp>, record: &EventRecord| {
            let id = record.event_id.as_str();
            if self.down.borrow().contains(id) {
                return Err(ProjectError::Unavailable("not now".into()));
            }
            if id == "poison" {
                return Err(Poison("not one of ours".to_owned()).into());
            }
            // Unreadable in the generation that is live, and nowhere else.
            if id == "corrupt" && view.get("is-second").await?.is_none() {
                return Err(ViewError::Corrupt("no row".into()).into());
            }
            view.advance(id, 1, &Lamp).await?;
            Ok(())
        };
        let clock = || at(seconds);
        project(&self.views, &self.gauge, clock, batch(names), apply, &self.parked).await
    }

    async fn lag(&self, seconds: i64) -> u64 {
        self.views.control().await.unwrap().1.seconds(at(seconds))
    }

    async fn begin(&self) {
        let (control, _) = self.views.control().await.unwrap();
        let begun: Control = control.begun(at(0)).unwrap();
        assert!(self.views.change(&begun).await.unwrap());
    }
}

#[tokio::test]
async fn a_row_is_in_every_generation_that_is_kept() {
    let day = Day::default();
    day.begin().await;
    day.project(&["a"], 1).await;
    assert_eq!(day.views.numbers(), [1, 2]);
}

#[tokio::test]
async fn what_one_generation_cannot_take_another_does_and_the_cause_is_parked() {
    let day = Day::default();
    day.begin().await;
    day.views.generation(2).advance("is-second", 1, &Lamp).await.unwrap();
    let projected = day.project(&["corrupt", "poison", "a"], 1).await;
    assert!(projected.response.batch_item_failures.is_empty());
    assert!(day.views.generation(2).get("corrupt").await.unwrap().is_some());
    for number in [1, 2] {
        assert!(day.views.generation(number).get("a").await.unwrap().is_some());
    }
    let parked = day.parked.parked();
    let told: Vec<_> = parked.iter().map(|it| it.sequence_number.as_str()).collect();
    assert_eq!(told, ["0", "1"]);
    assert!(parked[0].reason.contains("no row") && parked[1].reason.contains("not one of ours"));
}

#[tokio::test]
async fn lag_is_from_the_oldest_change_and_the_iterators_age_from_the_latest() {
    let day = Day::default();
    let projected = day.project(&["a", "b", "c"], 10).await;
    let expected = Measured { lag_seconds: 10, iterator_age_ms: 8_000, is_stuck: false };
    assert_eq!(projected.measured, Some(expected));
    assert_eq!(day.lag(11).await, 10);
    assert_eq!(day.project(&[], 12).await.measured, None);
}

#[tokio::test]
async fn a_stuck_record_is_told_at_once_grows_and_is_forgotten_when_it_goes_through() {
    let day = Day::default();
    day.project(&["a"], 1).await;
    day.down.borrow_mut().insert("b".to_owned());
    let projected = day.project(&["a", "b", "c"], 2).await;
    assert_eq!(projected.response.batch_item_failures[0].item_identifier.as_deref(), Some("1"));
    assert!(projected.measured.unwrap().is_stuck);
    assert_eq!(day.lag(101).await, 100);
    // Another shard is well.
    day.project(&["z"], 200).await;
    assert_eq!(day.lag(301).await, 300);
    day.down.borrow_mut().clear();
    day.project(&["b", "c"], 302).await;
    assert_eq!(day.views.control().await.unwrap().1.stuck.len(), 0);
    assert_eq!(day.lag(400).await, 0);
}
