//! Queue to command: each message on its own.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

use aws_lambda_events::sqs::SqsEvent;
use outbox::bus::SendError;
use outbox::consume::{ConsumeError, Delivery, Handled, MAX_RECEIVES, consume};
use outbox::dead_letters::{DeadLetter, DeadLetters};
use outbox::memory::MemoryDeadLetters;
use serde_json::{Value, json};
use service_error::ServiceError;
use trace_context::{TraceFields, correlation_id};

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

/// An event as an EventBridge rule delivers it to a queue.
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

/// A dead-letter queue that is unreachable.
struct Unreachable;

impl DeadLetters for Unreachable {
    async fn add(&self, _: DeadLetter) -> Result<(), SendError> {
        Err(SendError("connection refused".into()))
    }
}

/// Handles a batch in which nothing may be dead-lettered; returns the handled messages and those to redeliver.
async fn run(messages: &[Value]) -> (Vec<String>, Vec<String>) {
    run_with(messages, &Unreachable).await
}

async fn run_with(
    messages: &[Value],
    dead_letters: &impl DeadLetters,
) -> (Vec<String>, Vec<String>) {
    let handled = std::sync::Mutex::new(Vec::new());
    let handle = async |delivery: Delivery| {
        let kind = delivery.detail.event.kind;
        handled.lock().unwrap().push(kind.clone());
        match kind.as_str() {
            "Fails" => {
                Err(ConsumeError::from(ServiceError::transient("not now", "the table is down")))
            }
            "Poisons" => {
                Err(ConsumeError::from(ServiceError::permanent("there is no rule for that")))
            }
            "Unknown" => Ok(Handled::Ignored),
            _ => Ok(Handled::Done),
        }
    };
    let response = consume(batch(messages), dead_letters, handle).await;
    let failures = response.batch_item_failures.into_iter().map(|it| it.item_identifier);
    (handled.into_inner().unwrap(), failures.collect())
}

#[tokio::test]
async fn a_handled_message_is_not_redelivered() {
    let (handled, failed) =
        run(&[message("1", &delivery("A")), message("2", &delivery("B"))]).await;
    assert_eq!(handled, ["A", "B"]);
    assert_eq!(failed, [""; 0]);
}

#[tokio::test]
async fn only_a_failed_message_is_redelivered() {
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
async fn an_irrelevant_message_is_ignored() {
    let (_, failed) = run(&[message("1", &delivery("Unknown"))]).await;
    assert_eq!(failed, [""; 0]);
}

fn received(times: u32, id: &str, body: &str) -> Value {
    let mut message = message(id, body);
    message["attributes"]["ApproximateReceiveCount"] = json!(times.to_string());
    message
}

#[tokio::test]
async fn a_poison_message_is_dead_lettered_at_once_with_its_reason_and_the_others_are_handled() {
    let poison = delivery("Poisons");
    for (body, reason) in [
        ("{", "EOF"),
        ("", "EOF"),
        ("null", "null"),
        ("{}", "missing field"),
        (r#"{"source":"somewhere","detail":{}}"#, "missing field"),
        (poison.as_str(), "there is no rule for that"),
    ] {
        let letters = MemoryDeadLetters::default();
        let messages = [message("1", body), message("2", &delivery("A"))];
        let (handled, failed) = run_with(&messages, &letters).await;
        assert_eq!(handled.last().unwrap(), "A", "{body}");
        assert_eq!(failed, [""; 0], "{body}");
        let [letter] = letters.messages().try_into().unwrap();
        assert_eq!(letter.body, body, "it is to be handled as it came, once its cause is gone");
        assert!(letter.reason.contains(reason), "{body}: {}", letter.reason);
    }
}

#[tokio::test]
async fn a_message_that_was_redriven_and_fails_again_says_how_often() {
    for redrives in [0_u32, 1, 7] {
        let letters = MemoryDeadLetters::default();
        let mut poison = message("1", &delivery("Poisons"));
        if redrives > 0 {
            let count = redrives.to_string();
            let attribute = json!({
                "stringValue": count, "dataType": "Number", "stringListValues": [], "binaryListValues": [],
            });
            poison["messageAttributes"] = json!({ "redrives": attribute });
        }
        run_with(&[poison], &letters).await;
        assert_eq!(letters.messages()[0].redrives, redrives);
    }
}

#[tokio::test]
async fn a_message_that_failed_too_many_times_is_dead_lettered_with_its_last_reason() {
    for times in 1..=MAX_RECEIVES + 1 {
        let letters = MemoryDeadLetters::default();
        let (_, failed) = run_with(&[received(times, "1", &delivery("Fails"))], &letters).await;
        let is_final = times >= MAX_RECEIVES;
        assert_eq!(failed.is_empty(), is_final, "{times}");
        assert_eq!(letters.messages().len(), usize::from(is_final), "{times}");
        assert!(letters.messages().iter().all(|it| it.reason.contains("the table is down")));
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_dead_lettered_is_redelivered() {
    let messages = [
        message("1", "{"),
        received(MAX_RECEIVES, "2", &delivery("Fails")),
        message("3", &delivery("A")),
    ];
    let (handled, failed) = run_with(&messages, &Unreachable).await;
    assert_eq!(handled, ["Fails", "A"]);
    assert_eq!(failed, ["1", "2"]);
    let mut bare = message("1", "");
    bare.as_object_mut().unwrap().remove("body");
    assert_eq!(run(&[bare]).await.1, ["1"]);
}

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The trace that a message is handled in, and its correlation id.
async fn traced(message: Value) -> (TraceFields, Option<String>) {
    let seen = std::sync::Mutex::new(None);
    let handle = async |_: Value| {
        *seen.lock().unwrap() = Some((TraceFields::current(), correlation_id()));
        Ok(Handled::Done)
    };
    consume(batch(&[message]), &Unreachable, handle).await;
    seen.into_inner().unwrap().unwrap()
}

fn with_attribute(mut message: Value, name: &str, value: &str) -> Value {
    message["messageAttributes"][name] = json!({ "dataType": "String", "stringValue": value });
    message
}

#[tokio::test]
async fn a_message_is_handled_in_the_trace_of_its_attributes_or_of_its_event() {
    let mut event: Value = serde_json::from_str(&delivery("A")).unwrap();
    event["detail"]["traceparent"] = json!(TRACE);
    event["detail"]["tracestate"] = json!("a=1");
    let (trace, correlation_id) = traced(message("1", &event.to_string())).await;
    assert_eq!(
        trace,
        TraceFields { tracestate: Some("a=1".to_owned()), ..TraceFields::new(TRACE) }
    );
    assert_eq!(correlation_id.as_deref(), Some("0191f7a4-0000-7000-8000-000000000002"));

    let other = TRACE.replace("4bf9", "5bf9");
    let sent = with_attribute(message("1", &event.to_string()), "traceparent", &other);
    assert_eq!(traced(sent).await.0, TraceFields::new(&*other));
    let malformed = with_attribute(message("1", &event.to_string()), "traceparent", "x");
    assert_eq!(traced(malformed).await.0.traceparent.as_deref(), Some(TRACE));
}

#[tokio::test]
async fn a_message_without_a_valid_trace_starts_one_that_is_the_same_at_each_delivery() {
    let new = traced(message("1", "{}")).await.0;
    assert!(new.context().is_some_and(|it| !it.is_sampled()));
    for malformed in ["x", &TRACE.to_uppercase()] {
        let body = json!({ "traceparent": malformed, "detail": { "tracestate": 7 } }).to_string();
        let sent = with_attribute(message("1", &body), "traceparent", malformed);
        assert_eq!(traced(sent).await.0, new);
    }
    assert_ne!(traced(message("2", "{}")).await.0, new);
}
