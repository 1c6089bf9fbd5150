//! The results of queries.

use super::*;

async fn view_of(bookings: u128) -> MemoryView<BookingRow> {
    use cqrs::view::View as _;

    let view = MemoryView::default();
    for number in 0..bookings {
        let booking_id = contracts::id::BookingId(uuid::Uuid::from_u128(number));
        let row = BookingRow(contracts::booking::Booking {
            booking_id,
            slot_id: SLOT,
            customer: ann(),
            status: if number % 2 == 0 { BookingStatus::Pending } else { BookingStatus::Failed },
            reason: None,
            mode: contracts::booking::PaymentMode::Invoice,
            version: 1,
            created_at: now() + jiff::SignedDuration::from_secs(i64::try_from(number).unwrap()),
            updated_at: now(),
        });
        view.upsert_if_newer(&booking_id.to_string(), 1, &row).await.unwrap();
    }
    view
}

async fn send(view: &MemoryView<BookingRow>, query: Value) -> Result<Value, ServiceError> {
    let request: Request<Query> = serde_json::from_value(query).unwrap();
    let controls = MemoryGenerations::<BookingRow>::default();
    let response = query::handle(view, &controls, &Cursors::new("secret"), request, now()).await?;
    Ok(serde_json::to_value(response).unwrap())
}

#[tokio::test]
async fn the_booking_of_another_customer_is_not_found() {
    let view = view_of(1).await;
    let id = uuid::Uuid::from_u128(0);
    let mine = json!({ "query": "booking", "bookingId": id, "customer": "ann" });
    assert_eq!(send(&view, mine).await.unwrap()["status"], "pending");
    let yours = json!({ "query": "booking", "bookingId": id, "customer": "bob" });
    assert_eq!(send(&view, yours).await.unwrap_err().slug(), "not-found");
}

#[tokio::test(start_paused = true)]
async fn an_older_version_than_required_is_never_returned() {
    let view = view_of(1).await;
    let id = uuid::Uuid::from_u128(0);
    let query = json!({ "query": "booking", "bookingId": id, "minVersion": 2 });
    assert_eq!(send(&view, query).await.unwrap_err().kind(), ErrorKind::Transient);
    let unknown = json!({ "query": "booking", "bookingId": uuid::Uuid::from_u128(9) });
    assert_eq!(send(&view, unknown).await.unwrap_err().slug(), "not-found");
}

#[tokio::test]
async fn pages_are_newest_first_and_complete() {
    let view = view_of(23).await;
    for list in [
        json!({ "query": "bookings", "limit": 5 }),
        json!({ "query": "customerBookings", "customer": "ann", "limit": 5 }),
    ] {
        let (mut seen, mut query) = (Vec::new(), list);
        loop {
            let page = send(&view, query.clone()).await.unwrap();
            for item in page["items"].as_array().unwrap() {
                seen.push(item["bookingId"].as_str().unwrap().to_owned());
            }
            let Some(next) = page["nextCursor"].as_str() else { break };
            query["cursor"] = json!(next);
        }
        let expected: Vec<_> =
            (0..23).rev().map(|number| uuid::Uuid::from_u128(number).to_string()).collect();
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn a_cursor_serves_only_the_list_that_it_came_from() {
    let view = view_of(23).await;
    let all = send(&view, json!({ "query": "bookings", "limit": 5 })).await.unwrap();
    let mut other = json!({ "query": "bookings", "status": "pending", "limit": 5 });
    other["cursor"] = all["nextCursor"].clone();
    assert_eq!(send(&view, other).await.unwrap_err().slug(), "validation");
}

#[tokio::test]
async fn a_limit_out_of_range_is_rejected() {
    let view = view_of(1).await;
    for limit in [0, 101] {
        let query = json!({ "query": "bookings", "limit": limit });
        assert_eq!(send(&view, query).await.unwrap_err().slug(), "validation");
    }
}
