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

#[tokio::test]
async fn an_event_is_published_with_the_trace_of_the_request_that_caused_it() {
    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let store = Store::default();
    let mut request = create(card());
    request["traceparent"] = json!(TRACE);
    request["tracestate"] = json!("a=1");
    send(&store, request).await.unwrap();
    let (bus, dead_letters) = (MemoryBus::default(), MemoryDeadLetters::default());
    let batch = stream_batch(&commits(&store).await);
    let (source, republish_queue) = (BookingEvents(&store), MemoryRepublishQueue::default());
    publish::handle(&source, &bus, &republish_queue, &dead_letters, batch.into()).await;
    let published: Value = serde_json::from_str(&bus.published()[0].detail).unwrap();
    assert_eq!(
        (&published["traceparent"], &published["tracestate"]),
        (&json!(TRACE), &json!("a=1"))
    );
}

#[tokio::test]
async fn a_malformed_trace_rejects_no_command() {
    for malformed in [json!(null), json!(7), json!({}), json!("x")] {
        let mut request = create(card());
        request["traceparent"] = malformed;
        send(&Store::default(), request).await.unwrap();
    }
}
