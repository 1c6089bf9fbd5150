//! Guarantees for customers, whichever way they pay.

use platform::{Platform, eventually};
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

#[tokio::test]
async fn the_same_key_gives_the_same_booking() {
    let platform = Platform::up();
    let customer = platform.customer().await;
    let slot = platform.slot().await;
    let key = Uuid::new_v4().to_string();
    let request = json!({ "slotId": slot, "payment": { "mode": "instant", "token": "tok_visa" } });
    let first = customer.post_with_key("/mobile/bookings", &key, &request).await;
    let location = first.header("location").unwrap();
    let first = first.expect(202);
    let booking = first["bookingId"].as_str().unwrap();
    assert!(location.ends_with(&format!("/mobile/bookings/{booking}")), "{location}");
    assert_eq!(first["status"], "pending");
    assert_eq!(first["version"], 1);
    customer.finished(booking).await;

    let again = customer.post_with_key("/mobile/bookings", &key, &request).await.expect(202);
    assert_eq!(again, first);
    let other = json!({ "slotId": slot, "payment": { "mode": "invoice" } });
    let other = customer.post_with_key("/mobile/bookings", &key, &other).await;
    other.expect_problem(422, "idempotency-key-reused");
    let (charges, _) = platform.money(&format!("{slot}:{booking}")).await;
    assert_eq!(charges, [10_000]);
}

#[tokio::test]
async fn the_same_key_sent_concurrently_books_once() {
    let platform = Platform::up();
    let customer = platform.customer().await;
    let slot = platform.slot().await;
    let request = json!({ "slotId": slot, "payment": { "mode": "instant", "token": "tok_visa" } });
    let key = Uuid::new_v4().to_string();
    let posts = (0..8).map(|_| customer.post_with_key("/mobile/bookings", &key, &request));
    let replies = futures::future::join_all(posts).await;
    let first = replies[0].body["bookingId"].clone();
    for reply in replies {
        assert_eq!(reply.expect(202)["bookingId"], first);
    }
    let booking = first.as_str().unwrap();
    assert_eq!(customer.finished(booking).await["status"], "completed");
    assert_eq!(platform.net(&format!("{slot}:{booking}")).await, 10_000);
}

#[tokio::test]
async fn the_same_key_from_two_customers_is_two_bookings() {
    let platform = Platform::up();
    let (ann, bob) = (platform.customer().await, platform.customer().await);
    let request = json!({ "slotId": platform.slot().await, "payment": { "mode": "invoice" } });
    let anns = ann.post_with_key("/mobile/bookings", "k", &request).await.expect(202);
    let bobs = bob.post_with_key("/mobile/bookings", "k", &request).await.expect(202);
    assert_ne!(anns["bookingId"], bobs["bookingId"]);
}

#[tokio::test]
async fn bookings_and_bills_of_other_customers_are_not_found() {
    let platform = Platform::up();
    let (ann, bob) = (platform.customer().await, platform.customer().await);
    let slot = platform.slot().await;
    let booking = ann.book_invoice(&slot).await;
    ann.bill_becomes(&booking, "pending").await;
    bob.get(&format!("/mobile/bookings/{booking}")).await.expect_problem(404, "not-found");
    bob.cancel(&booking).await.expect_problem(404, "not-found");
    bob.check_out(&booking).await.expect_problem(404, "not-found");
    let paid = bob.pay(&format!("{slot}:{booking}"), "100.00", "tok_visa").await;
    paid.expect_problem(404, "not-found");
    assert_eq!(ann.booking(&booking).await["status"], "pending");
    assert_eq!(platform.money(&format!("{slot}:{booking}")).await, (vec![], vec![]));
}

#[tokio::test]
async fn own_bookings_are_listed_newest_first_page_by_page() {
    let platform = Platform::up();
    let customer = platform.customer().await;
    let slot = platform.slot().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(customer.book_invoice(&slot).await);
        // The view contains it before the next is created.
        customer.booking(made.last().unwrap()).await;
    }
    made.reverse();
    let (mut seen, mut path) = (Vec::new(), "/mobile/bookings?limit=2".to_owned());
    loop {
        let page = customer.get(&path).await.expect(200);
        for item in page["items"].as_array().unwrap() {
            seen.push(item["bookingId"].as_str().unwrap().to_owned());
        }
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        path = format!("/mobile/bookings?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, made);

    let page = customer.get("/mobile/bookings?limit=2").await.expect(200);
    let cursor = page["nextCursor"].as_str().unwrap();
    let stranger = platform.customer().await;
    let stolen = stranger.get(&format!("/mobile/bookings?limit=2&cursor={cursor}")).await;
    stolen.expect_problem(400, "validation");
}

#[tokio::test]
async fn an_unchanged_booking_is_not_sent_again() {
    let platform = Platform::up();
    let customer = platform.customer().await;
    let booking = customer.book_instant(&platform.slot().await, "tok_visa").await;
    customer.finished(&booking).await;
    customer.bill_becomes(&booking, "paid").await;
    let path = format!("/mobile/bookings/{booking}");
    let first = customer.get(&path).await;
    let tag = first.header("etag").unwrap();
    let sent = [("if-none-match", tag.as_str())];
    let second = customer.send(Method::GET, &path, &sent, None).await;
    assert_eq!(second.status, 304);
    assert_eq!(second.text, "");
    customer.check_out(&booking).await.expect(202);
    let changed = eventually("the tag no longer matches", async || {
        let reply = customer.send(Method::GET, &path, &sent, None).await;
        (reply.status == 200).then_some(reply)
    });
    assert_ne!(changed.await.header("etag").unwrap(), tag);
}
