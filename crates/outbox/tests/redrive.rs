//! Dead letters come back to those who read no queue otherwise, and what was committed is published once more.

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

/// Handles records, except the one of this number.
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
    let answer = handle_records(trigger, &MemoryDeadLetters::default(), handle).await;
    (handled.into_inner().unwrap(), answer)
}

fn failed(answer: TriggerResponse) -> Vec<String> {
    let TriggerResponse::Queue(response) = answer else {
        unreachable!("messages are answered as such")
    };
    response.batch_item_failures.into_iter().map(|it| it.item_identifier).collect()
}

#[tokio::test]
async fn records_come_from_the_stream_or_from_the_dead_letters() {
    let (handled, answer) = follow(stream(&[1, 2]), 2).await;
    assert_eq!(handled, ["1"]);
    let DynamoDbEventResponse { batch_item_failures, .. } = answer.into_stream().unwrap();
    assert_eq!(batch_item_failures[0].item_identifier.as_deref(), Some("2"));
    let (handled, answer) = follow(queue(&[letter(1), letter(2), letter(3)]), 2).await;
    assert_eq!(handled, ["1", "3"]);
    assert_eq!(failed(answer), ["1"], "the message of the second record comes back");
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
async fn a_letter_without_its_record_is_put_aside_again_and_says_what_to_do() {
    let mut parked: Value = serde_json::from_str(&letter(1)).unwrap();
    parked["record"] = Value::Null;
    let letters = MemoryDeadLetters::default();
    let handle = async |_| unreachable!("there is nothing to handle");
    let answer = handle_records(queue(&[parked.to_string()]), &letters, handle).await;
    assert_eq!(failed(answer), [""; 0]);
    assert!(letters.messages()[0].reason.contains("rebuild the view"));
}

#[tokio::test]
async fn a_call_that_has_failed_for_good_is_made_again() {
    let given_up = |command: &str| {
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
    // Anything is JSON, so a batch would be a call as well: a command has a type of its own.
    let Invocation::Direct(_) = call.clone() else { unreachable!("a command is a call") };
    let reply = handle_invocation(call, &letters, &carry_out).await.unwrap();
    assert_eq!(reply, InvocationResponse::Direct("work".to_owned()));
    let batch = queue(&[given_up("first"), given_up("fails"), given_up("second")]);
    let reply = handle_invocation(Invocation::Queue(batch), &letters, &carry_out).await.unwrap();
    let InvocationResponse::Queue(response) = reply else {
        unreachable!("messages are answered as such")
    };
    assert_eq!(response.batch_item_failures[0].item_identifier, "1");
    assert_eq!(*done.lock().unwrap(), ["work", "first", "second"]);
}

// ---- Once more from the source

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
        event: RawEvent { kind: kind.to_owned(), data: json!({}) },
    }
}

/// A store of 25 things, more than a page, of which each changed at a minute of its own.
async fn things() -> MemoryStore<Thing> {
    let store = MemoryStore::default();
    for minute in 0..25 {
        let state = Thing { holder: None, text: String::new() };
        let events = vec![event(&format!("Changed{minute}"), at(minute))];
        let change = Change { expected: 0, id: Uuid::now_v7(), state, events };
        store.save(&format!("{minute:02}"), change).await.unwrap();
        // Whoever is barred moves the version, and takes no event away.
        StateStore::<Thing>::set_tombstone(&store, &format!("{minute:02}"), "ann").await.unwrap();
    }
    store
}

/// Publishes what a message asks for, and all that the publisher then asks of itself.
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
        let answer = publish_or_republish(
            trigger,
            "somewhere",
            store,
            bus,
            &republish_queue,
            letters,
            publish,
        );
        assert_eq!(failed(answer.await), [""; 0]);
        messages =
            republish_queue.take().iter().map(|it| serde_json::to_string(it).unwrap()).collect();
    }
    calls
}

fn names(bus: &MemoryBus) -> Vec<String> {
    bus.published().into_iter().map(|it| it.detail_type).collect()
}

#[tokio::test(start_paused = true)]
async fn the_events_of_one_aggregate_are_published_once_more() {
    let (store, bus) = (things().await, MemoryBus::default());
    let letters = MemoryDeadLetters::default();
    again(&store, &bus, &json!({ "republish": { "aggregate": "07" } }), &letters).await;
    assert_eq!(names(&bus), ["Changed7"]);
    again(&store, &bus, &json!({ "republish": { "aggregate": "nobody" } }), &letters).await;
    assert_eq!(names(&bus).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_events_of_a_time_are_published_once_more_page_by_page() {
    let (store, bus) = (things().await, MemoryBus::default());
    let wish = json!({ "republish": { "from": at(5), "until": at(20) } });
    let calls = again(&store, &bus, &wish, &MemoryDeadLetters::default()).await;
    assert_eq!(calls, 3, "a page each");
    let expected: Vec<String> = (5..20).map(|minute| format!("Changed{minute}")).collect();
    assert_eq!(names(&bus), expected);
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_refuses_brings_the_wish_back() {
    let store = things().await;
    let bus = MemoryBus::rejecting((0..100).collect());
    let wish = json!({ "republish": { "aggregate": "07" } }).to_string();
    let (letters, republish_queue) =
        (MemoryDeadLetters::default(), MemoryRepublishQueue::default());
    let publish = async |_| unreachable!("there are no records");
    let answer = publish_or_republish(
        queue(&[wish]),
        "somewhere",
        &store,
        &bus,
        &republish_queue,
        &letters,
        publish,
    );
    assert_eq!(failed(answer.await), ["0"]);
}

#[tokio::test(start_paused = true)]
async fn what_lambda_has_given_up_is_published_from_the_time_that_it_tells() {
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
    // Whatever happened within a minute of it, since clocks differ.
    assert_eq!(names(&bus), ["Changed9", "Changed10", "Changed11", "Changed12"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_wish_is_put_aside() {
    let (store, bus) = (things().await, MemoryBus::default());
    for message in [json!({}), json!({ "republish": {} }), json!({ "republish": "all" })] {
        let letters = MemoryDeadLetters::default();
        again(&store, &bus, &message, &letters).await;
        assert_eq!(letters.messages().len(), 1, "{message}");
    }
    assert_eq!(names(&bus), [""; 0]);
}
