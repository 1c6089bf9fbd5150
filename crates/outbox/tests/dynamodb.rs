//! The DynamoDB store passes the conformance suite, also under network faults, and costs what its docs say.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod support;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use dynoxide_client::Fault;
use jiff::Timestamp;
use outbox::conformance::schedule::every_order;
use outbox::conformance::{self, ANN, Thing, change, release_hold, take};
use outbox::dynamodb::DynamoStore;
use outbox::envelope::{Envelope, RawEvent};
use outbox::record::events_of_change;
use outbox::record::read_image;
use outbox::state::{Change, Loaded, StateStore, StoreError};
use support::{Network, TABLE};
use uuid::Uuid;

fn now() -> Timestamp {
    Timestamp::from_second(1_767_268_800).unwrap()
}

fn store(client: Client) -> DynamoStore {
    DynamoStore::new(client, TABLE.to_owned(), now)
}

async fn load(store: &DynamoStore, holder: Option<&str>) -> Result<Loaded<Thing>, StoreError> {
    store.load("it", holder).await
}

async fn tombstone(store: &DynamoStore) -> Result<(), StoreError> {
    StateStore::<Thing>::set_tombstone(store, "it", ANN).await
}

#[tokio::test]
async fn the_dynamodb_store_conforms() {
    conformance::all(&store(Network::default().client())).await;
}

#[tokio::test]
async fn a_put_whose_response_is_lost_is_recognised() {
    let network = Network::default();
    let store = store(network.client());
    for expected in [0, 1] {
        network.dynamodb.order("PutItem", Fault::ResponseLost);
        store.save("it", change(expected, "mine")).await.unwrap();
        assert_eq!(load(&store, None).await.unwrap().version, expected + 1);
    }
    assert_eq!(network.calls("PutItem"), 4, "the SDK has sent none again");
}

#[tokio::test]
async fn an_unknown_outcome_is_never_reported_as_a_conflict() {
    for fault in [Fault::Throttled, Fault::RequestLost, Fault::ResponseLost] {
        let network = Network::default();
        let store = store(network.without_retries());
        network.dynamodb.order("PutItem", fault);
        let unknown = store.save("it", change(0, "mine")).await;
        assert!(matches!(unknown, Err(StoreError::Unavailable(_))), "{fault:?}: {unknown:?}");
        network.dynamodb.order("GetItem", fault);
        let unread = load(&store, None).await;
        assert!(matches!(unread, Err(StoreError::Unavailable(_))), "{fault:?}: {unread:?}");
    }
}

#[tokio::test]
async fn a_fault_that_the_sdk_retries_leaves_one_tombstone_and_one_change() {
    for fault in [Fault::Throttled, Fault::RequestLost, Fault::ResponseLost] {
        for operation in ["GetItem", "PutItem", "UpdateItem"] {
            let network = Network::default();
            let store = store(network.client());
            network.dynamodb.order(operation, fault);
            store.save("it", change(0, "mine")).await.unwrap();
            tombstone(&store).await.unwrap();
            let loaded = load(&store, Some(ANN)).await.unwrap();
            assert!(loaded.has_tombstone, "{operation} {fault:?}");
            assert_eq!(loaded.state.unwrap().text, "mine", "{operation} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_change_is_one_write_and_a_load_one_read() {
    let network = Network::default();
    let store = store(network.client());
    let events = (0..10).map(event).collect();
    store.save("it", Change { events, ..change(0, "it") }).await.unwrap();
    assert_eq!(network.counted(), [("PutItem", 1)]);
    load(&store, None).await.unwrap();
    assert_eq!(network.counted(), [("GetItem", 1)]);
    load(&store, Some(ANN)).await.unwrap();
    assert_eq!(network.counted(), [("GetItem", 2)]);
}

#[tokio::test]
async fn a_tombstone_is_three_writes_and_none_when_it_is_set_again() {
    let network = Network::default();
    let store = store(network.client());
    tombstone(&store).await.unwrap();
    assert_eq!(network.counted(), [("GetItem", 1), ("PutItem", 2), ("UpdateItem", 1)]);
    tombstone(&store).await.unwrap();
    assert_eq!(network.counted(), [("GetItem", 1)]);
}

#[tokio::test]
async fn a_tombstone_expires_after_every_queue_has_dropped_its_messages() {
    let network = Network::default();
    tombstone(&store(network.client())).await.unwrap();
    let tombstone = network.item("it", "bar#ann").await.unwrap();
    let days = 60 * 24 * 60 * 60;
    assert_eq!(tombstone["expires_at"], AttributeValue::N((now().as_second() + days).to_string()));
}

/// Requests to the table, one by one, in every order.
#[tokio::test]
async fn in_every_order_of_their_requests_a_step_has_no_effect_after_its_compensation() {
    let orders =
        every_order_of_a_step_and(async |_, store, id| release_hold(store, id).await).await;
    assert!(orders > 100, "{orders} orders");
}

/// A compensation that crashed between two of its requests promises nothing; its repetition does.
#[tokio::test]
async fn a_compensation_that_is_repeated_after_a_crash_rejects_a_step_in_flight() {
    for crashes_before in 0..5 {
        every_order_of_a_step_and(async |network, store, id| {
            let dead = DynamoStore::new(network.crashing(crashes_before), TABLE.to_owned(), now);
            // It crashes or fails; in either case no response arrives.
            drop(StateStore::<Thing>::set_tombstone(&dead, id, ANN).await);
            release_hold(store, id).await;
        })
        .await;
    }
}

async fn every_order_of_a_step_and(
    compensate: impl AsyncFn(&Network, &DynamoStore, &str),
) -> usize {
    let network = Network::default();
    let store = store(network.client());
    every_order(
        async |gate| {
            let id = Uuid::now_v7().to_string();
            store.save(&id, change(0, "it")).await.unwrap();
            network.open_gate(gate);
            let task = |does: bool| {
                let (network, store, compensate, id) = (&network, &store, &compensate, id.clone());
                async move {
                    if does {
                        take(store, &id).await
                    } else {
                        compensate(network, store, &id).await
                    }
                }
            };
            let tasks = vec![task(true), task(false)];
            (id, tasks)
        },
        async |id, _, order| {
            network.close_gate();
            let left: Loaded<Thing> = store.load(&id, Some(ANN)).await.unwrap();
            assert!(left.has_tombstone, "{order:?}");
            assert_eq!(left.state.unwrap().holder, None, "{order:?}");
            take(&store, &id).await;
            let left: Loaded<Thing> = store.load(&id, None).await.unwrap();
            assert_eq!(left.state.unwrap().holder, None, "{order:?}");
        },
    )
    .await
}

#[tokio::test]
async fn the_stream_shows_a_change_with_its_events_and_a_tombstone_without_them() {
    let network = Network::default();
    let store = store(network.client());
    let change = Change { events: vec![event(1), event(2)], ..change(0, "it") };
    store.save("it", change.clone()).await.unwrap();
    let record = network.record("it").await;
    let entries = events_of_change("somewhere", &record).unwrap();
    let names: Vec<_> = entries.iter().map(|it| it.detail_type.as_str()).collect();
    assert_eq!(names, ["Happened1", "Happened2"]);
    let state = read_image::<Thing>(&record).unwrap().unwrap();
    assert_eq!((state.id.as_str(), state.version, &state.state), ("it", 1, &change.state));

    tombstone(&store).await.unwrap();
    let record = network.record("it").await;
    assert_eq!(events_of_change("somewhere", &record).unwrap(), []);
    assert_eq!(read_image::<Thing>(&record).unwrap().unwrap().version, 2);
}

#[tokio::test]
async fn the_stream_shows_no_aggregate_where_only_a_version_is() {
    let network = Network::default();
    tombstone(&store(network.client())).await.unwrap();
    assert_eq!(read_image::<Thing>(&network.record("it").await).unwrap(), None);
}

#[tokio::test]
async fn what_is_stored_still_reads() {
    let network = Network::default();
    network
        .put(serde_json::json!({
            "id": { "S": "it" },
            "part": { "S": "state" },
            "version": { "N": "7" },
            "change": { "S": "0191f7a4-0000-7000-8000-000000000001" },
            "state": { "S": r#"{"holder":"ann","text":"it"}"# },
            "events": { "S": "[]" },
        }))
        .await;
    network
        .put(serde_json::json!({
            "id": { "S": "it" },
            "part": { "S": "bar#ann" },
            "expires_at": { "N": "1767268800" },
        }))
        .await;
    let state = Thing { holder: Some("ann".to_owned()), text: "it".to_owned() };
    let loaded = load(&store(network.client()), Some(ANN)).await.unwrap();
    assert_eq!(loaded, Loaded { version: 7, state: Some(state), has_tombstone: true });
}

#[tokio::test]
async fn what_cannot_be_read_is_corrupt_and_not_absent() {
    for broken in [
        serde_json::json!({ "version": { "N": "1" }, "state": { "S": "{" } }),
        serde_json::json!({ "version": { "N": "-1" }, "state": { "S": "{}" } }),
        serde_json::json!({ "state": { "S": r#"{"holder":null,"text":"it"}"# } }),
    ] {
        let network = Network::default();
        let mut item = broken.clone();
        item["id"] = serde_json::json!({ "S": "it" });
        item["part"] = serde_json::json!({ "S": "state" });
        network.put(item).await;
        let loaded = load(&store(network.client()), None).await;
        assert!(matches!(loaded, Err(StoreError::Corrupt(_))), "{broken}: {loaded:?}");
    }
}

#[tokio::test]
async fn warming_up_reads_and_writes_nothing() {
    let network = Network::default();
    store(network.client()).warm_up().await.unwrap();
    assert_eq!(network.counted(), [("GetItem", 1)]);
}

fn event(number: u64) -> Envelope<RawEvent> {
    Envelope {
        id: Uuid::from_u128(u128::from(number)),
        schema_version: 1,
        occurred_at: now(),
        correlation_id: Uuid::nil(),
        causation_id: Uuid::nil(),
        subject: "it".to_owned(),
        sequence: number,
        trace: Default::default(),
        event: RawEvent { kind: format!("Happened{number}"), data: serde_json::json!({}) },
    }
}
