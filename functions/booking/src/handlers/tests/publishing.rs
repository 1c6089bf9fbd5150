//! Stream to bus.

use outbox::memory::MemoryRepublishQueue;

use super::*;
use crate::republish_source::BookingEvents;

#[tokio::test]
async fn every_committed_event_is_published_in_order() {
    let store = Store::default();
    send(&store, create(card())).await.unwrap();
    send(&store, complete()).await.unwrap();
    let (bus, dead_letters) = (MemoryBus::default(), MemoryDeadLetters::default());
    let batch = stream_batch(&commits(&store).await);
    let (source, republish_queue) = (BookingEvents(&store), MemoryRepublishQueue::default());
    let response =
        publish::handle(&source, &bus, &republish_queue, &dead_letters, batch.into()).await;
    assert!(response.into_stream().unwrap().batch_item_failures.is_empty());
    let published: Vec<Value> =
        bus.published().iter().map(|it| serde_json::from_str(&it.detail).unwrap()).collect();
    let names: Vec<_> = published
        .iter()
        .map(|it| (it["type"].as_str().unwrap(), it["sequence"].as_u64().unwrap()))
        .collect();
    assert_eq!(names, [("BookingCreated", 1), ("BookingReserved", 2), ("BookingCompleted", 3)]);
    assert_eq!(published[0]["data"]["payment"], json!({ "mode": "instant" }));
}
