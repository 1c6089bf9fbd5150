//! Support for the handler tests: a fixed clock, AWS events, and a stream as DynamoDB shows it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::BookingEvent;
use crate::handlers::command::{self, CommandResponse};
use crate::ports::{SagaInput, SagaStarter, WorkflowError};
use aws_lambda_events::dynamodb;
use aws_lambda_events::sqs::SqsEvent;
use contracts::booking::CommandPayload;
use contracts::id::{BookingId, CustomerId, SlotId};
use contracts::message::Request;
use event_sourcing::item::CommitItem;
use event_sourcing::memory::MemoryStore;
use event_sourcing::store::{Commit, EventStore};
use jiff::Timestamp;
use serde_json::{Value, json};
use service_error::ServiceError;
use uuid::Uuid;

pub(super) const BOOKING: BookingId = BookingId(Uuid::from_u128(0xb00c));
pub(super) const SLOT: SlotId = SlotId(Uuid::from_u128(0x5107));

pub(super) type Store = MemoryStore<BookingEvent>;

pub(super) fn ann() -> CustomerId {
    CustomerId("ann".to_owned())
}

/// Ids that are unique within a test run.
pub(super) fn new_id() -> Uuid {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Uuid::from_u128(0x1d << 64 | u128::from(NEXT.fetch_add(1, Ordering::Relaxed)))
}

pub(super) fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

pub(super) async fn send(
    store: &impl EventStore<BookingEvent>,
    request: Value,
) -> Result<CommandResponse, ServiceError> {
    let request: Request<CommandPayload> = serde_json::from_value(request).unwrap();
    command::handle(store, request, now(), new_id).await
}

pub(super) fn create(payment: Value) -> Value {
    json!({
        "command": "createBooking",
        "bookingId": BOOKING,
        "customer": "ann",
        "slotId": SLOT,
        "payment": payment,
    })
}

pub(super) fn card() -> Value {
    json!({ "mode": "instant", "token": "tok_visa" })
}

pub(super) fn invoice() -> Value {
    json!({ "mode": "invoice" })
}

pub(super) async fn commits(store: &impl EventStore<BookingEvent>) -> Vec<Commit<BookingEvent>> {
    store.load(&BOOKING.to_string(), 0).await.unwrap()
}

pub(super) async fn event_names(store: &impl EventStore<BookingEvent>) -> Vec<String> {
    let commits = commits(store).await;
    let events = commits.iter().flat_map(|commit| &commit.events);
    events
        .map(|it| serde_json::to_value(&it.event).unwrap()["type"].as_str().unwrap().to_owned())
        .collect()
}

/// A batch of the table's stream with these commits, in this order.
pub(super) fn stream_batch(commits: &[Commit<BookingEvent>]) -> dynamodb::Event {
    let mut batch = dynamodb::Event::default();
    batch.records = records(BOOKING, commits);
    batch
}

/// The stream records of these commits.
pub(super) fn records(
    booking_id: BookingId,
    commits: &[Commit<BookingEvent>],
) -> Vec<dynamodb::EventRecord> {
    let records = commits.iter().map(|commit| {
        let item = CommitItem::new(&booking_id.to_string(), commit).unwrap();
        let image: serde_dynamo::Item = serde_dynamo::to_item(item).unwrap();
        let record = record("INSERT", commit.version, serde_json::to_value(image).unwrap());
        serde_json::from_value(record).unwrap()
    });
    records.collect()
}

/// One record, in the format of the Lambda documentation.
pub(super) fn record(name: &str, sequence: u64, image: Value) -> Value {
    json!({
        "eventID": format!("event-{sequence}"),
        "eventName": name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_767_323_045,
            "Keys": { "stream": { "S": BOOKING.to_string() }, "version": { "N": sequence.to_string() } },
            "NewImage": image,
            "SequenceNumber": sequence.to_string(),
            "SizeBytes": 300,
            "StreamViewType": "NEW_IMAGE",
        },
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:000000000000:table/bookings/stream/2026-01-01T00:00:00.000",
    })
}

/// A batch of a queue that an EventBridge rule fills.
pub(super) fn queue_batch(events: &[(&str, Value)]) -> SqsEvent {
    let records: Vec<Value> = events
        .iter()
        .enumerate()
        .map(|(number, (source, event))| {
            let mut detail = json!({
                "id": Uuid::from_u128(number as u128 + 1),
                "schemaVersion": 1,
                "occurredAt": now(),
                "correlationId": BOOKING,
                "causationId": BOOKING,
                "subject": BOOKING,
                "sequence": 1,
            });
            for (name, value) in event.as_object().unwrap() {
                detail[name] = value.clone();
            }
            let body = json!({
                "version": "0",
                "id": Uuid::from_u128(77),
                "detail-type": event["type"],
                "source": source,
                "account": "000000000000",
                "time": "2026-01-02T03:04:05Z",
                "region": "us-east-1",
                "resources": [],
                "detail": detail,
            });
            message(number, &body.to_string())
        })
        .collect();
    serde_json::from_value(json!({ "Records": records })).unwrap()
}

pub(super) fn message(number: usize, body: &str) -> Value {
    json!({
        "messageId": format!("message-{number}"),
        "receiptHandle": "handle",
        "body": body,
        "attributes": { "ApproximateReceiveCount": "1" },
        "messageAttributes": {},
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:booking",
        "awsRegion": "us-east-1",
    })
}

/// A saga starter that counts; the first calls fail after their effect.
#[derive(Default)]
pub(super) struct CountedSagas {
    pub(super) started: Mutex<Vec<SagaInput>>,
    pub(super) responses_to_lose: AtomicU64,
}

impl SagaStarter for CountedSagas {
    async fn start(&self, input: &SagaInput) -> Result<(), WorkflowError> {
        let mut started = self.started.lock().unwrap();
        if !started.contains(input) {
            started.push(input.clone());
        }
        let lose = |left: u64| left.checked_sub(1);
        match self.responses_to_lose.fetch_update(Ordering::Relaxed, Ordering::Relaxed, lose) {
            Ok(_) => Err(WorkflowError("the response was lost".into())),
            Err(_) => Ok(()),
        }
    }
}
