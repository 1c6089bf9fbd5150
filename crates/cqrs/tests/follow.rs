//! From the stream to the view: poison steps aside, what can't be applied now comes back.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

use aws_lambda_events::dynamodb::{Event, EventRecord};
use cqrs::follow::{ProjectError, follow};
use cqrs::view::ViewError;
use outbox::dead_letters::{DeadLetters, Letter};
use outbox::memory::MemoryDeadLetters;
use outbox::publish::{BusError, Poison};
use serde_json::json;

struct Unreachable;

impl DeadLetters for Unreachable {
    async fn park(&self, _: Letter) -> Result<(), BusError> {
        Err(BusError("unreachable".into()))
    }
}

fn batch(names: &[&str]) -> Event {
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
    let mut event = Event::default();
    event.records = names.iter().enumerate().map(record).collect();
    event
}

/// Follows a batch; answers what was applied and from where on the stream is to deliver again.
async fn run(names: &[&str], dead_letters: &impl DeadLetters) -> (Vec<String>, Option<String>) {
    let applied = std::sync::Mutex::new(Vec::new());
    let apply = async |record: &EventRecord| match record.event_id.as_str() {
        "poison" => Err(ProjectError::Poison(Poison("not one of ours".to_owned()))),
        "corrupt" => Err(ViewError::Corrupt("no row".into()).into()),
        "down" => Err(ViewError::Unavailable("not now".into()).into()),
        name => {
            applied.lock().unwrap().push(name.to_owned());
            Ok(())
        }
    };
    let answer = follow(batch(names), apply, dead_letters).await;
    let failed = answer.batch_item_failures.into_iter().next();
    (applied.into_inner().unwrap(), failed.and_then(|it| it.item_identifier))
}

#[tokio::test]
async fn every_record_is_applied_in_order() {
    assert_eq!(run(&["a", "b"], &Unreachable).await, (vec!["a".to_owned(), "b".to_owned()], None));
}

#[tokio::test]
async fn poison_is_parked_with_its_cause_and_the_others_go_on() {
    let parked = MemoryDeadLetters::default();
    let (applied, failed) = run(&["a", "poison", "corrupt", "b"], &parked).await;
    assert_eq!((applied.as_slice(), failed), (["a".to_owned(), "b".to_owned()].as_slice(), None));
    let told: Vec<_> = parked.parked().into_iter().map(|it| (it.key, it.sequence_number)).collect();
    let key = |name: &str| json!({ "id": name }).to_string();
    assert_eq!(told, [(key("poison"), "1".to_owned()), (key("corrupt"), "2".to_owned())]);
    assert!(parked.parked()[0].reason.contains("not one of ours"));
}

#[tokio::test]
async fn poison_that_cannot_be_parked_comes_back() {
    let (applied, failed) = run(&["a", "poison", "b"], &Unreachable).await;
    assert_eq!((applied.as_slice(), failed.as_deref()), (["a".to_owned()].as_slice(), Some("1")));
}

#[tokio::test]
async fn at_what_cannot_be_applied_now_the_batch_ends_and_comes_back() {
    let parked = MemoryDeadLetters::default();
    let (applied, failed) = run(&["a", "poison", "down", "b"], &parked).await;
    assert_eq!((applied.as_slice(), failed.as_deref()), (["a".to_owned()].as_slice(), Some("2")));
    assert_eq!(parked.parked().len(), 1);
}
