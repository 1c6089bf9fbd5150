//! Stream to bus: no event is lost and none is invented, whatever the bus rejects.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Mutex;

use aws_lambda_events::dynamodb::{Event, EventRecord};
use outbox::bus::{Bus, Entry, SendError};
use outbox::dead_letters::{DeadLetter, DeadLetters};
use outbox::envelope::{Envelope, RawEvent};
use outbox::memory::{MemoryBus, MemoryDeadLetters};
use outbox::publish::publish;
use outbox::record::events_of_change;
use outbox::stream::Poison;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The limit of one `PutEvents` call.
const MAX_AWS_BYTES: usize = 256 * 1024;

/// A bus with a script of responses, which checks the limits of AWS.
#[derive(Default)]
struct Strict {
    responses: Mutex<Vec<BusResponse>>,
    calls: Mutex<Vec<Vec<Entry>>>,
    taken: Mutex<Vec<Entry>>,
}

#[derive(Clone, Debug)]
enum BusResponse {
    TakesAll,
    Rejects(usize),
    IsShort,
    NoResponse,
    NoResponseAfterTakingAll,
}

impl Strict {
    fn responding(mut responses: Vec<BusResponse>) -> Self {
        responses.reverse();
        Self { responses: Mutex::new(responses), ..Self::default() }
    }

    fn names(&self) -> Vec<String> {
        self.taken.lock().unwrap().iter().map(|it| it.detail_type.clone()).collect()
    }

    fn sizes(&self) -> Vec<usize> {
        self.calls.lock().unwrap().iter().map(Vec::len).collect()
    }
}

impl Bus for Strict {
    async fn put(&self, entries: &[Entry]) -> Result<Vec<bool>, SendError> {
        assert!((1..=10).contains(&entries.len()), "{} entries", entries.len());
        let bytes: usize =
            entries.iter().map(|it| it.source.len() + it.detail_type.len() + it.detail.len()).sum();
        assert!(bytes <= MAX_AWS_BYTES, "{bytes} bytes");
        self.calls.lock().unwrap().push(entries.to_vec());
        let take = |taken: &[Entry]| self.taken.lock().unwrap().extend_from_slice(taken);
        match self.responses.lock().unwrap().pop().unwrap_or(BusResponse::TakesAll) {
            BusResponse::TakesAll => {
                take(entries);
                Ok(vec![true; entries.len()])
            }
            BusResponse::Rejects(number) => {
                let number = number % entries.len();
                for (place, entry) in entries.iter().enumerate() {
                    if place != number {
                        take(std::slice::from_ref(entry));
                    }
                }
                Ok((0..entries.len()).map(|place| place != number).collect())
            }
            BusResponse::IsShort => {
                take(&entries[..entries.len() - 1]);
                Ok(vec![true; entries.len() - 1])
            }
            BusResponse::NoResponse => Err(SendError("silent".into())),
            BusResponse::NoResponseAfterTakingAll => {
                take(entries);
                Err(SendError("silent".into()))
            }
        }
    }
}

/// A dead-letter queue that is unreachable.
struct Unreachable;

impl DeadLetters for Unreachable {
    async fn add(&self, _: DeadLetter) -> Result<(), SendError> {
        Err(SendError("unreachable".into()))
    }
}

fn record(number: usize, events: &Value) -> EventRecord {
    serde_json::from_value(json!({
        "eventID": format!("event-{number}"),
        "eventName": "MODIFY",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "Keys": { "id": { "S": "it" }, "part": { "S": "state" } },
            "NewImage": { "id": { "S": "it" }, "part": { "S": "state" }, "events": events },
            "SequenceNumber": number.to_string(),
            "SizeBytes": 100,
            "StreamViewType": "NEW_IMAGE",
        },
    }))
    .unwrap()
}

fn envelope(name: &str, data: Value) -> Envelope<RawEvent> {
    Envelope {
        id: uuid::Uuid::nil(),
        schema_version: 1,
        occurred_at: jiff::Timestamp::UNIX_EPOCH,
        correlation_id: uuid::Uuid::nil(),
        causation_id: uuid::Uuid::nil(),
        subject: "it".to_owned(),
        sequence: 1,
        trace: Default::default(),
        event: RawEvent { kind: name.to_owned(), data },
    }
}

/// A record of events with these names, and with data of this many bytes.
fn changed(number: usize, events: &[(&str, usize)]) -> EventRecord {
    let envelopes: Vec<_> =
        events.iter().map(|(name, bytes)| envelope(name, json!("x".repeat(*bytes)))).collect();
    record(number, &json!({ "S": serde_json::to_string(&envelopes).unwrap() }))
}

fn poison(number: usize) -> EventRecord {
    record(number, &json!({ "S": "[{" }))
}

fn batch(records: Vec<EventRecord>) -> Event {
    let mut event = Event::default();
    event.records = records;
    event
}

fn named(names: &[&str]) -> Event {
    let records = names.iter().enumerate().map(|(number, name)| changed(number, &[(name, 10)]));
    batch(records.collect())
}

/// Publishes; returns the sequence number from which the stream must deliver again.
async fn run(bus: &impl Bus, dead_letters: &impl DeadLetters, batch: Event) -> Option<usize> {
    let events_of = |record: &EventRecord| events_of_change("somewhere", record);
    let response = publish(batch.records, events_of, bus, dead_letters).await;
    assert!(response.batch_item_failures.len() <= 1);
    let failed = response.batch_item_failures.into_iter().next();
    failed.map(|it| it.item_identifier.unwrap().parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn events_are_published_in_the_order_of_the_stream() {
    let bus = Strict::default();
    let batch =
        batch(vec![changed(0, &[("a", 1), ("b", 1)]), changed(1, &[]), changed(2, &[("c", 1)])]);
    assert_eq!(run(&bus, &Unreachable, batch).await, None);
    assert_eq!(bus.names(), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_record_without_events_makes_no_call() {
    let bus = Strict::default();
    assert_eq!(run(&bus, &Unreachable, batch(vec![])).await, None);
    assert_eq!(run(&bus, &Unreachable, batch(vec![changed(0, &[])])).await, None);
    assert_eq!(bus.sizes(), [0; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_call_takes_ten_entries() {
    let bus = Strict::default();
    let events = [("a", 1); 23];
    assert_eq!(run(&bus, &Unreachable, batch(vec![changed(0, &events)])).await, None);
    assert_eq!(bus.sizes(), [10, 10, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_call_takes_256_kilobytes() {
    let bus = Strict::default();
    let records = (0..4).map(|number| changed(number, &[("a", 100_000)]));
    assert_eq!(run(&bus, &Unreachable, batch(records.collect())).await, None);
    assert_eq!(bus.sizes(), [2, 2]);
}

#[tokio::test(start_paused = true)]
async fn only_a_rejected_entry_is_sent_again() {
    let bus = Strict::responding(vec![BusResponse::Rejects(1)]);
    assert_eq!(run(&bus, &Unreachable, named(&["a", "b", "c"])).await, None);
    assert_eq!(bus.names(), ["a", "c", "b"]);
    assert_eq!(bus.sizes(), [3, 1]);
}

#[tokio::test(start_paused = true)]
async fn an_entry_without_a_result_counts_as_rejected() {
    let bus = Strict::responding(vec![BusResponse::IsShort]);
    assert_eq!(run(&bus, &Unreachable, named(&["a", "b", "c"])).await, None);
    assert_eq!(bus.names(), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_does_not_respond_is_retried_and_may_receive_duplicates() {
    let bus =
        Strict::responding(vec![BusResponse::NoResponse, BusResponse::NoResponseAfterTakingAll]);
    assert_eq!(run(&bus, &Unreachable, named(&["a", "b"])).await, None);
    assert_eq!(bus.names(), ["a", "b", "a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn the_batch_is_redelivered_from_the_first_record_whose_entries_stay_rejected() {
    let bus = Strict::responding(vec![
        BusResponse::Rejects(2),
        BusResponse::Rejects(0),
        BusResponse::Rejects(0),
    ]);
    assert_eq!(run(&bus, &Unreachable, named(&["a", "b", "c", "d"])).await, Some(2));
    assert_eq!(bus.names(), ["a", "b", "d"]);
}

#[tokio::test(start_paused = true)]
async fn a_record_is_only_done_when_all_its_events_are() {
    let bus = Strict::responding(vec![
        BusResponse::Rejects(2),
        BusResponse::NoResponse,
        BusResponse::NoResponse,
    ]);
    let batch = batch(vec![changed(5, &[("a", 1)]), changed(6, &[("b", 1), ("c", 1)])]);
    assert_eq!(run(&bus, &Unreachable, batch).await, Some(6));
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_never_responds_fails_the_whole_batch() {
    let bus = Strict::responding(vec![BusResponse::NoResponse; 3]);
    assert_eq!(run(&bus, &Unreachable, named(&["a", "b"])).await, Some(0));
    assert_eq!(bus.sizes(), [2, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_poison_record_is_dead_lettered_with_its_cause_and_the_others_are_published() {
    let (bus, dead_letters) = (MemoryBus::default(), MemoryDeadLetters::default());
    let batch = batch(vec![changed(0, &[("a", 1)]), poison(1), changed(2, &[("b", 1)])]);
    assert_eq!(run(&bus, &dead_letters, batch).await, None);
    assert_eq!(bus.published().len(), 2);
    let dead_letters = dead_letters.records();
    let [letter] = dead_letters.as_slice() else { panic!("one poison, one letter") };
    assert_eq!(letter.sequence_number, "1");
    assert!(letter.reason.contains("unreadable"), "{}", letter.reason);
    assert!(letter.key.contains(r#""id":"it""#), "{}", letter.key);
    let image = &letter.record.as_ref().unwrap().change.new_image;
    assert_eq!(image.get("events"), Some(&serde_dynamo::AttributeValue::S("[{".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn a_poison_record_that_cannot_be_dead_lettered_is_redelivered_and_those_before_it_are_published()
 {
    let bus = MemoryBus::default();
    let batch = batch(vec![changed(0, &[("a", 1)]), poison(1), changed(2, &[("b", 1)])]);
    assert_eq!(run(&bus, &Unreachable, batch).await, Some(1));
    assert_eq!(bus.published().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_earliest_of_several_failures_is_reported() {
    let bus = Strict::responding(vec![BusResponse::NoResponse; 3]);
    let records = vec![changed(3, &[]), changed(4, &[("a", 1)]), poison(5)];
    assert_eq!(run(&bus, &Unreachable, batch(records)).await, Some(4));
}

#[tokio::test(start_paused = true)]
async fn an_entry_over_the_limits_of_the_bus_is_poison() {
    let long = "x".repeat(129);
    for events in [[("large", 260_000)], [("", 1)], [(long.as_str(), 1)]] {
        let (bus, dead_letters) = (Strict::default(), MemoryDeadLetters::default());
        let batch = batch(vec![changed(0, &events), changed(1, &[("b", 1)])]);
        assert_eq!(run(&bus, &dead_letters, batch).await, None);
        assert_eq!(bus.names(), ["b"]);
        assert_eq!(dead_letters.records().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_over_the_limits_of_the_queue_is_dead_lettered_without_its_content() {
    let (bus, dead_letters) = (MemoryBus::default(), MemoryDeadLetters::default());
    run(&bus, &dead_letters, batch(vec![changed(0, &[("large", 260_000)])])).await;
    let letter = dead_letters.records().remove(0);
    assert!(serde_json::to_string(&letter).unwrap().len() < MAX_AWS_BYTES);
    assert_eq!(letter.record, None);
    assert!(letter.key.contains("it"), "{}", letter.key);
}

#[test]
fn an_expired_item_and_one_without_events_publish_nothing() {
    let mut expired = changed(0, &[("a", 1)]);
    expired.event_name = "REMOVE".to_owned();
    assert_eq!(events_of_change("somewhere", &expired).unwrap(), []);
    let mut tombstone = changed(0, &[]);
    tombstone.change.new_image = serde_json::from_value(json!({ "id": { "S": "it" } })).unwrap();
    assert_eq!(events_of_change("somewhere", &tombstone).unwrap(), []);
}

#[test]
fn a_version_that_moved_without_a_change_publishes_nothing() {
    let mut moved = changed(0, &[("a", 1)]);
    let image = |changed: u64, version: u64, record: &EventRecord| {
        let mut image = serde_json::to_value(&record.change.new_image).unwrap();
        image["changed"] = json!({ "N": changed.to_string() });
        image["version"] = json!({ "N": version.to_string() });
        serde_json::from_value(image).unwrap()
    };
    moved.change.new_image = image(3, 4, &moved);
    assert_eq!(events_of_change("somewhere", &moved).unwrap(), []);
    moved.change.new_image = image(4, 4, &moved);
    assert_eq!(events_of_change("somewhere", &moved).unwrap().len(), 1);
}

#[test]
fn invalid_events_are_poison() {
    for events in
        [json!({ "N": "1" }), json!({ "S": "" }), json!({ "S": "{}" }), json!({ "S": "[{}]" })]
    {
        let read: Result<_, Poison> = events_of_change("somewhere", &record(0, &events));
        assert!(read.is_err(), "{events}");
    }
}

fn any_response() -> impl Strategy<Value = BusResponse> {
    prop_oneof![
        6 => Just(BusResponse::TakesAll),
        2 => (0..10_usize).prop_map(BusResponse::Rejects),
        1 => Just(BusResponse::IsShort),
        1 => Just(BusResponse::NoResponse),
        1 => Just(BusResponse::NoResponseAfterTakingAll),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    /// The stream delivers again from the reported record, until everything is published.
    #[test]
    fn whatever_the_bus_returns_every_event_is_published_and_no_other(
        sizes in prop::collection::vec(prop::collection::vec(1..120_000_usize, 0..4), 1..12),
        responses in prop::collection::vec(any_response(), 0..40),
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let bus = Strict::responding(responses);
            let names = RefCell::new(BTreeSet::new());
            let records: Vec<_> = sizes.iter().enumerate().map(|(number, sizes)| {
                let events: Vec<_> = sizes.iter().enumerate().map(|(place, size)| {
                    let name = format!("{number}/{place}");
                    names.borrow_mut().insert(name.clone());
                    (name, *size)
                }).collect();
                let events: Vec<_> = events.iter().map(|(name, size)| (name.as_str(), *size)).collect();
                changed(number, &events)
            }).collect();
            let mut from = 0;
            while let Some(failed) = run(&bus, &Unreachable, batch(records[from..].to_vec())).await {
                prop_assert!(failed >= from, "the stream goes back");
                from = failed;
            }
            let published: BTreeSet<String> = bus.names().into_iter().collect();
            prop_assert_eq!(published, names.into_inner());
            Ok(())
        })?;
    }
}
