//! The in-memory store passes the conformance suite.

use jiff::Timestamp;
use outbox::conformance::{self, change};
use outbox::envelope::{Envelope, RawEvent};
use outbox::memory::MemoryStore;
use outbox::state::{Change, StateStore};
use uuid::Uuid;

#[tokio::test]
async fn the_memory_store_conforms() {
    conformance::all(&MemoryStore::default()).await;
}

#[tokio::test]
async fn the_events_of_a_change_are_published_once() {
    let store = MemoryStore::default();
    let event = Envelope {
        id: Uuid::now_v7(),
        schema_version: 1,
        occurred_at: Timestamp::UNIX_EPOCH,
        correlation_id: Uuid::nil(),
        causation_id: Uuid::nil(),
        subject: "it".to_owned(),
        sequence: 1,
        trace: Default::default(),
        event: RawEvent { kind: "Made".to_owned(), data: serde_json::json!({}) },
    };
    let change = Change { events: vec![event.clone()], ..change(0, "it") };
    store.save("it", change.clone()).await.unwrap();
    store.save("it", change.clone()).await.unwrap();
    let lost = Change { id: Uuid::now_v7(), ..change };
    assert!(store.save("it", lost).await.is_err());
    store.set_tombstone("it", "ann").await.unwrap();
    assert_eq!(store.outbox(), [event]);
}
