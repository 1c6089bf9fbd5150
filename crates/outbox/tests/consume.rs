//! From the queue to the command: each message for itself.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

use aws_lambda_events::sqs::SqsEvent;
use outbox::consume::{Delivery, Handled, consume};
use serde_json::{Value, json};

fn message(id: &str, body: &str) -> Value {
    json!({
        "messageId": id,
        "receiptHandle": "AQEB",
        "body": body,
        "attributes": { "ApproximateReceiveCount": "1" },
        "messageAttributes": {},
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:queue",
        "awsRegion": "us-east-1",
    })
}

/// An event as a rule of the bus puts it into a queue.
fn delivery(kind: &str) -> String {
    json!({
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": kind,
        "source": "somewhere",
        "account": "000000000000",
        "time": "2026-01-01T12:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": {
            "id": "0191f7a4-0000-7000-8000-000000000009",
            "schemaVersion": 1,
            "occurredAt": "2026-01-01T12:00:00Z",
            "correlationId": "0191f7a4-0000-7000-8000-000000000002",
            "causationId": "0191f7a4-0000-7000-8000-000000000002",
            "subject": "it",
            "sequence": 3,
            "type": kind,
            "data": { "any": ["thing", 1.5, null] },
            "addedLater": true,
        },
    })
    .to_string()
}

fn batch(messages: &[Value]) -> SqsEvent {
    serde_json::from_value(json!({ "Records": messages })).unwrap()
}

/// Handles a batch; answers what was handled and what comes back.
async fn run(messages: &[Value]) -> (Vec<String>, Vec<String>) {
    let handled = std::sync::Mutex::new(Vec::new());
    let handle = async |delivery: Delivery| {
        let kind = delivery.detail.event.kind;
        handled.lock().unwrap().push(kind.clone());
        match kind.as_str() {
            "Fails" => Err(std::io::Error::other("not now")),
            "Unknown" => Ok(Handled::Ignored),
            _ => Ok(Handled::Done),
        }
    };
    let answer = consume(batch(messages), handle).await;
    let failures = answer.batch_item_failures.into_iter().map(|it| it.item_identifier);
    (handled.into_inner().unwrap(), failures.collect())
}

#[tokio::test]
async fn what_was_handled_does_not_come_back() {
    let (handled, failed) =
        run(&[message("1", &delivery("A")), message("2", &delivery("B"))]).await;
    assert_eq!(handled, ["A", "B"]);
    assert_eq!(failed, [""; 0]);
}

#[tokio::test]
async fn what_fails_comes_back_alone() {
    let messages = [
        message("1", &delivery("A")),
        message("2", &delivery("Fails")),
        message("3", &delivery("B")),
        message("4", &delivery("Fails")),
    ];
    let (handled, failed) = run(&messages).await;
    assert_eq!(handled, ["A", "Fails", "B", "Fails"]);
    assert_eq!(failed, ["2", "4"]);
}

#[tokio::test]
async fn what_is_of_no_concern_is_left_alone() {
    let (_, failed) = run(&[message("1", &delivery("Unknown"))]).await;
    assert_eq!(failed, [""; 0]);
}

#[tokio::test]
async fn what_cannot_be_read_comes_back_until_the_queue_gives_up_on_it() {
    for body in ["", "{", "null", "[]", "{}", r#"{"source":"somewhere","detail":{}}"#] {
        let messages = [message("1", body), message("2", &delivery("A"))];
        let (handled, failed) = run(&messages).await;
        assert_eq!(handled, ["A"], "{body}");
        assert_eq!(failed, ["1"], "{body}");
    }
    let mut bare = message("1", "");
    bare.as_object_mut().unwrap().remove("body");
    assert_eq!(run(&[bare]).await.1, ["1"]);
}
