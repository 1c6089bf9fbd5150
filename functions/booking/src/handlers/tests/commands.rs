//! The results of commands.

use super::*;

#[tokio::test]
async fn a_booking_is_accepted_as_pending() {
    let store = Store::default();
    let response = send(&store, create(card())).await.unwrap();
    assert_eq!(accepted(response), (BookingStatus::Pending, 1));
}

#[tokio::test]
async fn a_repeated_creation_returns_its_original_result() {
    let store = Store::default();
    send(&store, create(card())).await.unwrap();
    send(&store, complete()).await.unwrap();
    let again = send(&store, create(card())).await.unwrap();
    assert_eq!(accepted(again), (BookingStatus::Pending, 1));
    assert_eq!(event_names(&store).await.len(), 3);
}

#[tokio::test]
async fn a_key_is_not_used_for_two_bookings() {
    let store = Store::default();
    send(&store, create(card())).await.unwrap();
    assert_eq!(slug(send(&store, create(invoice())).await), "idempotency-key-reused");
}

#[tokio::test]
async fn versions_count_events() {
    let store = Store::default();
    send(&store, create(card())).await.unwrap();
    assert_eq!(accepted(send(&store, complete()).await.unwrap()), (BookingStatus::Completed, 3));
    assert_eq!(accepted(send(&store, cancel()).await.unwrap()), (BookingStatus::Cancelled, 4));
    assert_eq!(accepted(send(&store, cancel()).await.unwrap()), (BookingStatus::Cancelled, 4));
}

#[tokio::test]
async fn an_unknown_booking_is_not_found() {
    let store = Store::default();
    assert_eq!(slug(send(&store, cancel()).await), "not-found");
    let history = json!({ "command": "readHistory", "bookingId": BOOKING });
    assert_eq!(slug(send(&store, history).await), "not-found");
}

#[tokio::test]
async fn an_event_carries_its_correlation_and_causation_ids() {
    let store = Store::default();
    let mut request = create(card());
    request["cause"] = json!("0191f7a4-0000-7000-8000-000000000009");
    send(&store, request).await.unwrap();
    let commits = commits(&store).await;
    assert_eq!(commits[0].correlation_id, BOOKING.0);
    assert_eq!(commits[0].causation_id.to_string(), "0191f7a4-0000-7000-8000-000000000009");
}

#[tokio::test]
async fn the_history_contains_every_event_but_no_payment_token() {
    let store = Store::default();
    send(&store, create(card())).await.unwrap();
    send(&store, complete()).await.unwrap();
    let history = json!({ "command": "readHistory", "bookingId": BOOKING });
    let response = serde_json::to_value(send(&store, history).await.unwrap()).unwrap();
    let listed: Vec<_> = response["events"].as_array().unwrap().iter().collect();
    assert_eq!(listed.len(), 3);
    assert_eq!(listed[0]["type"], "BookingCreated");
    assert_eq!(listed[0]["version"], 1);
    assert_eq!(listed[2]["type"], "BookingCompleted");
    assert!(!response.to_string().contains("tok_visa"));
}

#[tokio::test]
async fn a_booking_can_be_read_at_an_earlier_version_or_time() {
    let store = Store::default();
    send(&store, create(card())).await.unwrap();
    send(&store, complete()).await.unwrap();
    let read = async |point: Value| {
        let mut request = json!({ "command": "readHistory", "bookingId": BOOKING });
        request.as_object_mut().unwrap().extend(point.as_object().unwrap().clone());
        send(&store, request).await.map(|it| serde_json::to_value(it).unwrap())
    };
    assert_eq!(read(json!({ "version": 1 })).await.unwrap()["status"], "pending");
    assert_eq!(read(json!({ "version": 3 })).await.unwrap()["status"], "completed");
    assert_eq!(read(json!({ "at": now() })).await.unwrap()["version"], 3);
    assert!(read(json!({ "version": 4 })).await.is_err());
    assert!(read(json!({ "at": "2020-01-01T00:00:00Z" })).await.is_err());
}
