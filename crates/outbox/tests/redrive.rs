//! Dead letters are redriven to functions without a queue of their own, and committed events are republished.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

use aws_lambda_events::dynamodb::EventRecord;
use aws_lambda_events::sqs::SqsEvent;
use aws_lambda_events::streams::DynamoDbEventResponse;
use jiff::{SignedDuration, Timestamp};
use outbox::conformance::Thing;
use outbox::dead_letters::{DeadLetterRecord, DeadLetters, dead_letter_record};
use outbox::envelope::{Envelope, RawEvent};
use outbox::memory::{MemoryBus, MemoryDeadLetters, MemoryRepublishQueue, MemoryStore};
use outbox::publish::publish;
use outbox::record::events_of_change;
use outbox::redrive::{
    Invocation, InvocationResponse, Trigger, TriggerResponse, handle_invocation, handle_records,
};
use outbox::republish::publish_or_republish;
use outbox::state::{Change, StateStore};
use outbox::stream::{Poison, batch_response};
use serde_json::{Value, json};
use service_error::ServiceError;
use uuid::Uuid;

fn record(number: u64) -> Value {
    json!({
        "eventID": number.to_string(),
        "eventName": "MODIFY",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_767_268_800,
            "Keys": { "id": { "S": "it" }, "part": { "S": "state" } },
            "NewImage": { "id": { "S": "it" }, "events": { "S": "[]" } },
            "SequenceNumber": number.to_string(),
            "SizeBytes": 100,
            "StreamViewType": "NEW_IMAGE",
        },
    })
}

fn stream(numbers: &[u64]) -> Trigger {
    let records: Vec<Value> = numbers.iter().map(|it| record(*it)).collect();
    serde_json::from_value(json!({ "Records": records })).unwrap()
}

fn queue<T: for<'de> serde::Deserialize<'de>>(bodies: &[String]) -> T {
    let messages = bodies.iter().enumerate().map(|(number, body)| {
        json!({
            "messageId": number.to_string(),
            "receiptHandle": "AQEB",
            "body": body,
            "attributes": { "ApproximateReceiveCount": "1" },
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:queue",
            "awsRegion": "us-east-1",
        })
    });
    serde_json::from_value(json!({ "Records": messages.collect::<Vec<_>>() })).unwrap()
}

fn letter(number: u64) -> String {
    let record: EventRecord = serde_json::from_value(record(number)).unwrap();
    DeadLetterRecord::new(&record, &Poison("no JSON".to_owned())).letter().unwrap().body
}

/// Handles records, except the one with this number.
async fn follow(trigger: Trigger, fails: u64) -> (Vec<String>, TriggerResponse) {
    let handled = std::sync::Mutex::new(Vec::new());
    let handle = async |records: Vec<EventRecord>| {
        for record in &records {
            let number = record.change.sequence_number.clone().unwrap();
            if number == fails.to_string() {
                return batch_response(Some(record));
            }
            handled.lock().unwrap().push(number);
        }
        batch_response(None)
    };
    let response = handle_records(trigger, &MemoryDeadLetters::default(), handle).await;
    (handled.into_inner().unwrap(), response)
}

fn failed(response: TriggerResponse) -> Vec<String> {
    let TriggerResponse::Queue(response) = response else {
        unreachable!("the response to messages is that of a queue")
    };
    response.batch_item_failures.into_iter().map(|it| it.item_identifier).collect()
}

#[tokio::test]
async fn records_come_from_the_stream_or_from_the_dead_letters() {
    let (handled, response) = follow(stream(&[1, 2]), 2).await;
    assert_eq!(handled, ["1"]);
    let DynamoDbEventResponse { batch_item_failures, .. } = response.into_stream().unwrap();
    assert_eq!(batch_item_failures[0].item_identifier.as_deref(), Some("2"));
    let (handled, response) = follow(queue(&[letter(1), letter(2), letter(3)]), 2).await;
    assert_eq!(handled, ["1", "3"]);
    assert_eq!(failed(response), ["1"], "the message of the second record is redelivered");
}

#[tokio::test]
async fn a_record_that_is_dead_lettered_again_by_its_handler_says_how_often_it_was_redriven() {
    let letters = MemoryDeadLetters::default();
    let handle = async |records: Vec<EventRecord>| {
        let poison = Poison("still no JSON".to_owned());
        assert!(dead_letter_record(&letters, &records[0], &poison).await);
        batch_response(None)
    };
    let mut redriven: Value = serde_json::to_value(queue::<SqsEvent>(&[letter(1)])).unwrap();
    redriven["Records"][0]["messageAttributes"] = json!({ "redrives": {
        "stringValue": "2", "dataType": "Number", "stringListValues": [], "binaryListValues": [],
    } });
    for (trigger, redrives) in [(serde_json::from_value(redriven).unwrap(), 2), (stream(&[1]), 0)] {
        handle_records(trigger, &MemoryDeadLetters::default(), handle).await;
        assert_eq!(letters.messages().last().unwrap().redrives, redrives);
    }
}

#[tokio::test]
async fn a_dead_letter_without_its_record_is_dead_lettered_again_with_advice() {
    let mut dead_letters: Value = serde_json::from_str(&letter(1)).unwrap();
    dead_letters["record"] = Value::Null;
    let letters = MemoryDeadLetters::default();
    let handle = async |_| unreachable!("there is nothing to handle");
    let response = handle_records(queue(&[dead_letters.to_string()]), &letters, handle).await;
    assert_eq!(failed(response), [""; 0]);
    assert!(letters.messages()[0].reason.contains("rebuild the view"));
}

#[tokio::test]
async fn a_failed_asynchronous_invocation_can_be_redriven() {
    let abandoned = |command: &str| {
        json!({
            "version": "1.0",
            "requestContext": { "condition": "RetriesExhausted" },
            "requestPayload": { "command": command },
            "responsePayload": { "errorMessage": "Task timed out" },
        })
        .to_string()
    };
    let done = std::sync::Mutex::new(Vec::new());
    let carry_out = async |command: Value| {
        let command = command["command"].as_str().unwrap().to_owned();
        if command == "fails" {
            return Err(ServiceError::transient("not now", "the table is down"));
        }
        done.lock().unwrap().push(command.clone());
        Ok(command)
    };
    let letters = MemoryDeadLetters::default();
    let call: Invocation<Value> = serde_json::from_value(json!({ "command": "work" })).unwrap();
    // Any JSON is a `Value`, so a batch would match as well; a real command has a type of its own.
    let Invocation::Direct(_) = call.clone() else { unreachable!("a command is a call") };
    let reply = handle_invocation(call, &letters, &carry_out).await.unwrap();
    assert_eq!(reply, InvocationResponse::Direct("work".to_owned()));
    let batch = queue(&[abandoned("first"), abandoned("fails"), abandoned("second")]);
    let reply = handle_invocation(Invocation::Queue(batch), &letters, &carry_out).await.unwrap();
    let InvocationResponse::Queue(response) = reply else {
        unreachable!("the response to messages is that of a queue")
    };
    assert_eq!(response.batch_item_failures[0].item_identifier, "1");
    assert_eq!(*done.lock().unwrap(), ["work", "first", "second"]);
}

// ---- Republishing

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_767_268_800).unwrap() + SignedDuration::from_mins(minutes)
}

fn event(kind: &str, at: Timestamp) -> Envelope<RawEvent> {
    Envelope {
        id: Uuid::now_v7(),
        schema_version: 1,
        occurred_at: at,
        correlation_id: Uuid::nil(),
        causation_id: Uuid::nil(),
        subject: "it".to_owned(),
        sequence: 1,
        trace: Default::default(),
        event: RawEvent { kind: kind.to_owned(), data: json!({}) },
    }
}

/// A store of 25 things, more than a page, each changed at a minute of its own.
async fn things() -> MemoryStore<Thing> {
    let store = MemoryStore::default();
    for minute in 0..25 {
        let state = Thing { holder: None, text: String::new() };
        let events = vec![event(&format!("Changed{minute}"), at(minute))];
        let change = Change { expected: 0, id: Uuid::now_v7(), state, events };
        store.save(&format!("{minute:02}"), change).await.unwrap();
        // A tombstone increments the version, and removes no event.
        StateStore::<Thing>::set_tombstone(&store, &format!("{minute:02}"), "ann").await.unwrap();
    }
    store
}

/// Handles a message, and all that the publisher then sends to its own queue.
async fn again(
    store: &MemoryStore<Thing>,
    bus: &MemoryBus,
    message: &Value,
    letters: &impl DeadLetters,
) -> usize {
    let (republish_queue, mut messages, mut calls) =
        (MemoryRepublishQueue::default(), vec![message.to_string()], 0);
    while !messages.is_empty() {
        calls += 1;
        let events_of = |record: &_| events_of_change("somewhere", record);
        let publish = async |records| publish(records, events_of, bus, letters).await;
        let trigger = queue(&messages);
        let response = publish_or_republish(
            trigger,
            "somewhere",
            store,
            bus,
            &republish_queue,
            letters,
            publish,
        );
        assert_eq!(failed(response.await), [""; 0]);
        messages =
            republish_queue.take().iter().map(|it| serde_json::to_string(it).unwrap()).collect();
    }
    calls
}

fn names(bus: &MemoryBus) -> Vec<String> {
    bus.published().into_iter().map(|it| it.detail_type).collect()
}

#[tokio::test(start_paused = true)]
async fn the_events_of_one_aggregate_can_be_republished() {
    let (store, bus) = (things().await, MemoryBus::default());
    let letters = MemoryDeadLetters::default();
    again(&store, &bus, &json!({ "republish": { "aggregate": "07" } }), &letters).await;
    assert_eq!(names(&bus), ["Changed7"]);
    again(&store, &bus, &json!({ "republish": { "aggregate": "unknown" } }), &letters).await;
    assert_eq!(names(&bus).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_events_of_a_time_range_can_be_republished_page_by_page() {
    let (store, bus) = (things().await, MemoryBus::default());
    let request = json!({ "republish": { "from": at(5), "until": at(20) } });
    let calls = again(&store, &bus, &request, &MemoryDeadLetters::default()).await;
    assert_eq!(calls, 3, "a page each");
    let expected: Vec<String> = (5..20).map(|minute| format!("Changed{minute}")).collect();
    assert_eq!(names(&bus), expected);
}

#[tokio::test(start_paused = true)]
async fn a_request_to_republish_is_redelivered_if_the_bus_rejects_entries() {
    let store = things().await;
    let bus = MemoryBus::rejecting((0..100).collect());
    let request = json!({ "republish": { "aggregate": "07" } }).to_string();
    let (letters, republish_queue) =
        (MemoryDeadLetters::default(), MemoryRepublishQueue::default());
    let publish = async |_| unreachable!("there are no records");
    let response = publish_or_republish(
        queue(&[request]),
        "somewhere",
        &store,
        &bus,
        &republish_queue,
        &letters,
        publish,
    );
    assert_eq!(failed(response.await), ["0"]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_lambda_abandoned_is_republished_by_its_time_range() {
    let (store, bus) = (things().await, MemoryBus::default());
    let lost = json!({
        "requestContext": { "condition": "RetryAttemptsExhausted" },
        "version": "1.0",
        "DDBStreamBatchInfo": {
            "shardId": "shardId-1",
            "startSequenceNumber": "1",
            "endSequenceNumber": "2",
            "approximateArrivalOfFirstRecord": at(10),
            "approximateArrivalOfLastRecord": at(12),
            "batchSize": 3,
            "streamArn": "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/1",
        },
    });
    again(&store, &bus, &lost, &MemoryDeadLetters::default()).await;
    // The range is a minute wider on each side, because clocks differ.
    assert_eq!(names(&bus), ["Changed9", "Changed10", "Changed11", "Changed12"]);
}

#[tokio::test(start_paused = true)]
async fn an_invalid_request_to_republish_is_dead_lettered() {
    let (store, bus) = (things().await, MemoryBus::default());
    for message in [json!({}), json!({ "republish": {} }), json!({ "republish": "all" })] {
        let letters = MemoryDeadLetters::default();
        again(&store, &bus, &message, &letters).await;
        assert_eq!(letters.messages().len(), 1, "{message}");
    }
    assert_eq!(names(&bus), [""; 0]);
}
