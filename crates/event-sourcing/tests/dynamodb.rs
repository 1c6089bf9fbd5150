//! The DynamoDB adapter passes the conformance suite against a strict in-process DynamoDB, and costs what its docs say.

use aws_sdk_dynamodb::types::AttributeValue;
use dynoxide_client::{DynamoDb, Fault};
use event_sourcing::conformance::{self, Noted};
use event_sourcing::decider::Decider;
use event_sourcing::dynamodb::DynamoStore;
use event_sourcing::execute::{ExecuteError, Metadata, execute};
use event_sourcing::snapshot::Snapshots;
use event_sourcing::state::{StateAtVersion, latest};
use event_sourcing::store::{Commit, EventStore, Recorded, StoreError};
use event_sourcing::upcast::Upcast;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

const TABLE: &str = r#"{
    "TableName": "streams",
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [
        { "AttributeName": "stream", "AttributeType": "S" },
        { "AttributeName": "version", "AttributeType": "N" }
    ],
    "KeySchema": [
        { "AttributeName": "stream", "KeyType": "HASH" },
        { "AttributeName": "version", "KeyType": "RANGE" }
    ]
}"#;

fn database() -> DynamoDb {
    let database = DynamoDb::new();
    database.create_table(TABLE);
    database
}

fn store(database: &DynamoDb) -> DynamoStore {
    DynamoStore::new(database.client(), "streams".to_owned())
}

fn commit<E>(version: u64, events: impl IntoIterator<Item = E>) -> Commit<E> {
    Commit {
        version,
        command_id: Uuid::now_v7(),
        occurred_at: Timestamp::UNIX_EPOCH,
        correlation_id: Uuid::nil(),
        causation_id: Uuid::nil(),
        trace: Default::default(),
        events: events.into_iter().map(|event| Recorded { id: Uuid::now_v7(), event }).collect(),
        snapshot: None,
    }
}

#[tokio::test]
async fn the_dynamodb_store_conforms() {
    conformance::all(&store(&database())).await;
}

mod faults {
    use super::*;

    #[tokio::test]
    async fn an_append_whose_response_is_lost_is_recognised() {
        let database = database();
        let store = store(&database);
        // The SDK retries the put; the condition of the retry fails because of the first attempt.
        database.order("PutItem", Fault::ResponseLost);
        let commit = commit(1, [Noted("made".to_owned())]);
        store.append("s", commit.clone()).await.expect("it is our own");
        assert_eq!(store.load("s", 0).await.expect("readable"), vec![commit]);
    }

    #[tokio::test]
    async fn the_errors_of_an_append_are_distinguished() {
        let database = database().without_retries();
        let store = store(&database);
        let append = async |version, fault| {
            if let Some(fault) = fault {
                database.order("PutItem", fault);
            }
            store.append("s", commit(version, [Noted("made".to_owned())])).await
        };
        append(1, None).await.expect("stream is new");
        assert!(matches!(append(1, None).await, Err(StoreError::Conflict)));
        let held = append(1, Some(Fault::TransactionConflict)).await;
        assert!(matches!(held, Err(StoreError::TransactionConflict(_))), "{held:?}");
        let throttled = append(1, Some(Fault::Throttled)).await;
        assert!(matches!(throttled, Err(StoreError::Throttled(_))), "{throttled:?}");
        for lost in [Fault::RequestLost, Fault::ResponseLost] {
            let lost = append(2, Some(lost)).await;
            assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
        }
    }

    #[tokio::test]
    async fn the_errors_of_a_read_are_distinguished() {
        let database = database().without_retries();
        let store = store(&database);
        database.order("Query", Fault::Throttled);
        let throttled = EventStore::<Noted>::load(&store, "s", 0).await;
        assert!(matches!(throttled, Err(StoreError::Throttled(_))), "{throttled:?}");
        database.order("Query", Fault::RequestLost);
        let lost = EventStore::<Noted>::load_back(&store, "s", 1, 1).await;
        assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
    }

    #[tokio::test]
    async fn only_a_conflict_is_decided_again() {
        let database = database().without_retries();
        let store = store(&database);
        for fault in [Fault::TransactionConflict, Fault::Throttled, Fault::RequestLost] {
            database.order("PutItem", fault);
            let refused = add(&store, "s", Uuid::now_v7(), 1).await;
            assert!(
                !matches!(
                    refused,
                    Ok(_)
                        | Err(ExecuteError::Rejected(_) | ExecuteError::Store(StoreError::Conflict))
                ),
                "{refused:?}"
            );
            let spent = database.spent();
            assert_eq!(spent.calls("Query"), 1, "{fault:?}");
            assert_eq!(EventStore::<Added>::load(&store, "s", 0).await.expect("readable"), []);
            assert_eq!(database.spent().calls("Query"), 1);
        }
    }
}

/// A sum of the added numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Sum(u64);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Added {
    cents: u64,
}

#[derive(Debug, PartialEq)]
struct IsNothing;

impl Decider for Sum {
    type Command = u64;
    type Event = Added;
    type Rejection = IsNothing;

    const SNAPSHOTS: Option<Snapshots<Self>> = Some(Snapshots::every(100));

    fn decide(&self, cents: &u64) -> Result<Vec<Added>, IsNothing> {
        if *cents == 0 { Err(IsNothing) } else { Ok(vec![Added { cents: *cents }]) }
    }

    fn evolve(self, event: &Added) -> Self {
        Self(self.0 + event.cents)
    }
}

impl Upcast for Sum {}

impl Upcast for Added {
    const VERSION: u32 = 3;

    fn upcast(version: u32, mut document: Value) -> Option<Value> {
        match version {
            // Version 1 was a bare number of euros, version 2 named them.
            1 => Some(json!({ "euros": document.as_u64()? })),
            2 => {
                let euros = document.as_object_mut()?.remove("euros")?.as_u64()?;
                document["cents"] = Value::from(euros.checked_mul(100)?);
                Some(document)
            }
            _ => None,
        }
    }
}

async fn add(
    store: &DynamoStore,
    stream: &str,
    command_id: Uuid,
    cents: u64,
) -> Result<StateAtVersion<Sum>, ExecuteError<IsNothing>> {
    let metadata = Metadata::new(command_id, Timestamp::UNIX_EPOCH);
    execute::<Sum>(store, stream, &cents, &metadata, Uuid::now_v7).await
}

mod cost {
    use super::*;

    #[tokio::test]
    async fn an_append_is_one_write_unit_whatever_the_number_of_its_events() {
        let database = database();
        let store = store(&database);
        for (version, count) in [(1, 1), (2, 2), (4, 6)] {
            let events = (0..count).map(|_| Added { cents: 1 });
            store.append("s", commit(version, events)).await.expect("version is free");
            let spent = database.spent();
            assert_eq!((spent.calls("PutItem"), spent.units("PutItem")), (1, 1.0), "{count}");
        }
    }

    #[tokio::test]
    async fn a_command_is_one_read_and_one_write_and_its_repetition_one_read() {
        let database = database();
        let store = store(&database);
        let command = Uuid::now_v7();
        for written in [1, 0] {
            add(&store, "s", command, 5).await.expect("taken");
            let spent = database.spent();
            assert_eq!((spent.calls("Query"), spent.calls("PutItem")), (1, written));
        }
    }

    #[tokio::test]
    async fn a_stream_of_ten_thousand_events_is_read_from_its_last_snapshot() {
        let database = database();
        let store = store(&database);
        for version in (1..=9_990).step_by(10) {
            let events = [const { Added { cents: 1 } }; 10];
            store.append("s", commit(version, events)).await.expect("version is free");
        }
        // No snapshot yet.
        assert_eq!(add(&store, "s", Uuid::now_v7(), 1).await.expect("taken").version, 9_991);
        assert!(database.spent().items("Query") >= 999);
        for version in 9_992..=10_100 {
            let loaded = add(&store, "s", Uuid::now_v7(), 1).await.expect("taken");
            assert_eq!((loaded.version, loaded.state), (version, Sum(version)));
            let spent = database.spent();
            assert_eq!(spent.calls("Query"), 1);
            assert!(spent.items("Query") <= 100, "{} items", spent.items("Query"));
            assert!(spent.units("Query") <= 25.0, "{} units", spent.units("Query"));
            // A snapshot of this state has 60 bytes, and its command ids have 2.2 KB.
            let units_max = if version == 10_091 { 3.0 } else { 1.0 };
            assert!(spent.units("PutItem") <= units_max, "{version}: {}", spent.units("PutItem"));
        }
    }
}

mod upcasting {
    use super::*;

    async fn put(database: &DynamoDb, version: u64, schema: Option<u32>, events: &[Value]) {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let number = |number: u64| AttributeValue::N(number.to_string());
        let nil = Uuid::nil().to_string();
        let events: Vec<_> =
            events.iter().map(|it| json!({ "id": Uuid::now_v7(), "event": it })).collect();
        let put = database.client().put_item().table_name("streams");
        let put = put
            .item("stream", text("s"))
            .item("version", number(version))
            .item("last", number(version + events.len() as u64 - 1))
            .item("command", text(&nil))
            .item("at", text("2026-01-02T03:04:05Z"))
            .item("correlation", text(&nil))
            .item("causation", text(&nil))
            .item("events", text(&Value::from(events).to_string()));
        let put = match schema {
            Some(schema) => put.item("schema", number(u64::from(schema))),
            None => put,
        };
        put.send().await.expect("written");
    }

    #[tokio::test]
    async fn every_schema_version_is_upcast_to_the_current_one() {
        let database = database();
        let store = store(&database);
        put(&database, 1, None, &[json!(5), json!(6)]).await;
        put(&database, 3, Some(2), &[json!({ "euros": 7 })]).await;
        put(&database, 4, Some(3), &[json!({ "cents": 8 })]).await;
        let read: Vec<Commit<Added>> = store.load("s", 0).await.expect("readable");
        let cents: Vec<_> =
            read.iter().flat_map(|it| &it.events).map(|it| it.event.cents).collect();
        assert_eq!(cents, [500, 600, 700, 8]);
        let loaded = add(&store, "s", Uuid::now_v7(), 1).await.expect("taken");
        assert_eq!((loaded.version, loaded.state), (5, Sum(1809)));
        // Stored events stay as they are, and new ones have the new version.
        let written = store.as_written("s").await.expect("readable");
        let schemas: Vec<_> = written.iter().map(|it| it.schema).collect();
        assert_eq!(schemas, [1, 2, 3, 3]);
        assert!(written[0].events.contains(r#""event":5"#));
    }

    #[tokio::test]
    async fn a_newer_schema_version_and_an_unreadable_event_are_errors() {
        for (schema, event) in [(4, json!({ "cents": 1 })), (2, json!(5)), (0, json!(5))] {
            let database = database();
            put(&database, 1, Some(schema), &[event]).await;
            let read = latest::<Sum>(&store(&database), "s").await;
            assert!(matches!(read, Err(StoreError::Corrupt(_))), "{read:?}");
        }
    }

    #[tokio::test]
    async fn a_gap_in_a_stream_is_an_error() {
        let database = database();
        put(&database, 1, Some(3), &[json!({ "cents": 1 })]).await;
        put(&database, 3, Some(3), &[json!({ "cents": 1 })]).await;
        let read = latest::<Sum>(&store(&database), "s").await;
        assert!(matches!(read, Err(StoreError::Corrupt(_))), "{read:?}");
    }
}
