//! Queue to command.

use super::*;

fn slot_event(kind: &str) -> (&'static str, Value) {
    ("parkade.parking", json!({ "type": kind, "data": { "slotId": SLOT, "bookingId": BOOKING } }))
}

fn created(mode: &str) -> (&'static str, Value) {
    let data = json!({ "bookingId": BOOKING, "slotId": SLOT, "customer": "ann", "payment": { "mode": mode } });
    ("parkade.booking", json!({ "type": "BookingCreated", "data": data }))
}

fn expired() -> (&'static str, Value) {
    let data =
        json!({ "reference": format!("{SLOT}:{BOOKING}"), "slotId": SLOT, "bookingId": BOOKING });
    ("parkade.billing", json!({ "type": "BillExpired", "data": data }))
}

async fn deliver(store: &Store, sagas: &CountedSagas, events: &[(&str, Value)]) -> Vec<String> {
    let letters = MemoryDeadLetters::default();
    let response = react::handle(store, sagas, &letters, queue_batch(events), now, new_id).await;
    assert_eq!(letters.messages(), [], "nothing of this is poison");
    response.batch_item_failures.into_iter().map(|it| it.item_identifier).collect()
}

#[tokio::test]
async fn an_instant_booking_starts_one_saga_however_often_its_event_arrives() {
    let (store, sagas) = (Store::default(), CountedSagas::default());
    send(&store, create(card())).await.unwrap();
    let failed = deliver(&store, &sagas, &[created("instant"), created("instant")]).await;
    assert!(failed.is_empty());
    let started = sagas.started.lock().unwrap();
    assert_eq!(started.len(), 1);
    assert_eq!(started[0].token, "tok_visa");
}

#[tokio::test]
async fn a_saga_that_may_not_have_been_started_is_started_again() {
    let (store, sagas) = (Store::default(), CountedSagas::default());
    sagas.responses_to_lose.store(1, Ordering::Relaxed);
    send(&store, create(card())).await.unwrap();
    assert_eq!(deliver(&store, &sagas, &[created("instant")]).await, ["message-0"]);
    assert!(deliver(&store, &sagas, &[created("instant")]).await.is_empty());
    assert_eq!(sagas.started.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_booking_that_has_ended_starts_no_saga() {
    let (store, sagas) = (Store::default(), CountedSagas::default());
    send(&store, create(card())).await.unwrap();
    send(&store, cancel()).await.unwrap();
    assert!(deliver(&store, &sagas, &[created("instant")]).await.is_empty());
    assert!(sagas.started.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_invoice_booking_starts_none() {
    let (store, sagas) = (Store::default(), CountedSagas::default());
    send(&store, create(invoice())).await.unwrap();
    assert!(deliver(&store, &sagas, &[created("invoice")]).await.is_empty());
    assert!(sagas.started.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_reserved_slot_completes_an_invoice_booking_once() {
    let (store, sagas) = (Store::default(), CountedSagas::default());
    send(&store, create(invoice())).await.unwrap();
    let twice = [slot_event("SlotReserved"), slot_event("SlotReserved")];
    assert!(deliver(&store, &sagas, &twice).await.is_empty());
    assert_eq!(
        event_names(&store).await,
        ["BookingCreated", "BookingReserved", "BookingCompleted"]
    );
}

#[tokio::test]
async fn a_reserved_slot_does_not_complete_an_instant_booking() {
    let (store, sagas) = (Store::default(), CountedSagas::default());
    send(&store, create(card())).await.unwrap();
    assert!(deliver(&store, &sagas, &[slot_event("SlotReserved")]).await.is_empty());
    assert_eq!(event_names(&store).await, ["BookingCreated"]);
}

#[tokio::test]
async fn a_late_event_does_not_change_a_completed_booking() {
    let (store, sagas) = (Store::default(), CountedSagas::default());
    send(&store, create(invoice())).await.unwrap();
    deliver(&store, &sagas, &[slot_event("SlotReserved")]).await;
    let late = [slot_event("SlotUnavailable"), expired()];
    assert!(deliver(&store, &sagas, &late).await.is_empty());
    assert_eq!(event_names(&store).await.len(), 3);
}

#[tokio::test]
async fn each_failing_event_has_its_reason() {
    for (news, reason) in [
        (slot_event("SlotUnavailable"), FailureReason::SlotUnavailable),
        (expired(), FailureReason::PaymentOverdue),
    ] {
        let (store, sagas) = (Store::default(), CountedSagas::default());
        send(&store, create(invoice())).await.unwrap();
        assert!(deliver(&store, &sagas, &[news]).await.is_empty());
        let read = json!({ "command": "readHistory", "bookingId": BOOKING, "version": 2 });
        let CommandResponse::BookingAtVersion(booking_at_version) =
            send(&store, read).await.unwrap()
        else {
            panic!("the booking at a version was requested")
        };
        assert_eq!(booking_at_version.reason, Some(reason));
    }
}

#[tokio::test]
async fn a_poison_message_is_dead_lettered_and_the_others_are_handled() {
    let (store, sagas) = (Store::default(), CountedSagas::default());
    send(&store, create(invoice())).await.unwrap();
    let mut batch = queue_batch(&[slot_event("SlotUnavailable"), slot_event("SlotReserved")]);
    batch.records[0].body = Some("{ no JSON".to_owned());
    let letters = MemoryDeadLetters::default();
    let response = react::handle(&store, &sagas, &letters, batch, now, new_id).await;
    assert_eq!(response.batch_item_failures, []);
    let [letter] = letters.messages().try_into().unwrap();
    assert_eq!(letter.body, "{ no JSON");
    assert!(letter.reason.contains("line 1"), "{}", letter.reason);
    assert_eq!(event_names(&store).await.len(), 3);
}

#[tokio::test]
async fn an_event_of_an_unknown_kind_is_ignored() {
    let (store, sagas) = (Store::default(), CountedSagas::default());
    let unknown =
        ("parkade.parking", json!({ "type": "SlotRepainted", "data": { "colour": "red" } }));
    assert!(deliver(&store, &sagas, &[unknown]).await.is_empty());
}
