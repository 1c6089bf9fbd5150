//! Instant bookings: the state machine completes the booking, or compensates.

use platform::{Caller, Platform, eventually};
use reqwest::Method;
use serde_json::{Value, json};

async fn book(token: &str) -> (Platform, Caller, String, String, Value) {
    let platform = Platform::up();
    if !["tok_visa", "tok_slow"].contains(&token) {
        platform.hold_provider_circuit().await;
    }
    let customer = platform.customer().await;
    let slot = platform.slot().await;
    let booking = customer.book_instant(&slot, token).await;
    let finished = customer.finished(&booking).await;
    (platform, customer, slot, booking, finished)
}

/// The booking has failed: no slot is held, and the payment is refunded.
async fn nothing_remains(token: &str, reason: &str, charged: usize) {
    let (platform, _, slot, booking, finished) = book(token).await;
    assert_eq!(finished["status"], "failed");
    assert_eq!(finished["reason"], reason);
    let (charges, refunds) = platform.money(&format!("{slot}:{booking}")).await;
    assert_eq!(charges.len(), charged);
    assert_eq!(charges.iter().sum::<i64>(), refunds.iter().sum::<i64>());
    platform.slot_becomes(&slot, "available").await;
}

async fn is_booked_and_charged_once(token: &str) {
    let (platform, customer, slot, booking, finished) = book(token).await;
    assert_eq!(finished["status"], "completed", "{finished}");
    let (charges, refunds) = platform.money(&format!("{slot}:{booking}")).await;
    assert_eq!((charges, refunds), (vec![10_000], vec![]));
    platform.slot_becomes(&slot, "reserved").await;
    let bill = customer.bill_becomes(&booking, "paid").await;
    assert_eq!(bill["reference"], format!("{slot}:{booking}"));
    assert_eq!((&bill["total"], &bill["paid"]), (&json!("100.00"), &json!("100.00")));
}

#[tokio::test]
async fn a_working_card_completes_the_booking() {
    is_booked_and_charged_once("tok_visa").await;
}

#[tokio::test]
async fn a_slow_provider_completes_the_booking() {
    is_booked_and_charged_once("tok_slow").await;
}

#[tokio::test]
async fn a_provider_that_charges_without_a_response_charges_once() {
    is_booked_and_charged_once("tok_timeout").await;
}

#[tokio::test]
async fn a_flaky_provider_charges_once() {
    is_booked_and_charged_once("tok_flaky").await;
}

#[tokio::test]
async fn a_declined_card_releases_the_slot() {
    nothing_remains("tok_declined", "payment_declined", 0).await;
}

#[tokio::test]
async fn insufficient_funds_release_the_slot() {
    nothing_remains("tok_insufficient_funds", "payment_declined", 0).await;
}

#[tokio::test]
async fn a_provider_that_is_down_fails_the_booking() {
    nothing_remains("tok_down", "payment_unavailable", 0).await;
}

#[tokio::test]
async fn a_taken_slot_charges_nothing() {
    let (platform, ..) = book("tok_visa").await;
    let (_, _, slot, first, _) = book("tok_visa").await;
    let late = platform.customer().await;
    let booking = late.book_instant(&slot, "tok_visa").await;
    let finished = late.finished(&booking).await;
    assert_eq!(
        (&finished["status"], &finished["reason"]),
        (&"failed".into(), &"slot_unavailable".into())
    );
    assert_eq!(platform.money(&format!("{slot}:{booking}")).await, (vec![], vec![]));
    assert_eq!(platform.slot_status(&slot).await, "reserved");
    assert_eq!(platform.net(&format!("{slot}:{first}")).await, 10_000);
}

#[tokio::test]
async fn a_slot_closed_during_the_saga_is_refunded() {
    let platform = Platform::up();
    let customer = platform.customer().await;
    let slot = platform.slot().await;
    let booking = customer.book_instant(&slot, "tok_slow").await;
    platform.slot_becomes(&slot, "blocked").await;
    let close = format!("/operator/slots/{slot}/close");
    platform.operator().await.send(Method::POST, &close, &[], None).await.expect(200);
    let finished = customer.finished(&booking).await;
    assert_eq!(
        (&finished["status"], &finished["reason"]),
        (&"failed".into(), &"slot_unavailable".into())
    );
    let money = platform.money(&format!("{slot}:{booking}")).await;
    assert_eq!(money, (vec![10_000], vec![10_000]));
    customer.bill_becomes(&booking, "refunded").await;
    assert_eq!(platform.slot_status(&slot).await, "closed");
}

#[tokio::test]
async fn a_reserved_slot_cannot_be_closed() {
    let (platform, _, slot, ..) = book("tok_visa").await;
    let close = format!("/operator/slots/{slot}/close");
    let reply = platform.operator().await.send(Method::POST, &close, &[], None).await;
    reply.expect_problem(409, "conflict");
}

#[tokio::test]
async fn cancelling_refunds_and_releases() {
    let (platform, customer, slot, booking, _) = book("tok_visa").await;
    assert_eq!(customer.cancel(&booking).await.expect(202)["status"], "cancelled");
    customer.bill_becomes(&booking, "refunded").await;
    platform.slot_becomes(&slot, "available").await;
    let money = platform.money(&format!("{slot}:{booking}")).await;
    assert_eq!(money, (vec![10_000], vec![10_000]));
    assert_eq!(customer.cancel(&booking).await.expect(202)["status"], "cancelled");
    customer.check_out(&booking).await.expect_problem(409, "conflict");
}

#[tokio::test]
async fn cancelling_during_the_saga_releases_everything() {
    let platform = Platform::up();
    let customer = platform.customer().await;
    let slot = platform.slot().await;
    let booking = customer.book_instant(&slot, "tok_slow").await;
    platform.slot_becomes(&slot, "blocked").await;
    customer.cancel(&booking).await.expect(202);
    let path = format!("/operator/bookings/{booking}/saga");
    let operator = platform.operator().await;
    eventually("the saga has ended", async || {
        let saga = operator.get(&path).await.expect(200);
        (saga["status"] != "RUNNING").then_some(())
    })
    .await;
    // The saga can end before the view shows the cancellation.
    assert_eq!(customer.finished(&booking).await["status"], "cancelled");
    platform.slot_becomes(&slot, "available").await;
    eventually("the money is back", async || {
        (platform.net(&format!("{slot}:{booking}")).await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn checking_out_frees_the_slot_and_keeps_the_money() {
    let (platform, customer, slot, booking, _) = book("tok_visa").await;
    assert_eq!(customer.check_out(&booking).await.expect(202)["status"], "checked_out");
    platform.slot_becomes(&slot, "available").await;
    assert_eq!(customer.bill_becomes(&booking, "paid").await["paid"], "100.00");
    assert_eq!(platform.net(&format!("{slot}:{booking}")).await, 10_000);
    customer.check_out(&booking).await.expect_problem(409, "conflict");
    customer.cancel(&booking).await.expect_problem(409, "conflict");
    let next = platform.customer().await;
    let again = next.book_instant(&slot, "tok_visa").await;
    assert_eq!(next.finished(&again).await["status"], "completed");
}

#[tokio::test]
async fn a_failed_booking_cannot_be_cancelled_or_checked_out() {
    let (_, customer, _, booking, _) = book("tok_declined").await;
    customer.cancel(&booking).await.expect_problem(409, "conflict");
    customer.check_out(&booking).await.expect_problem(409, "conflict");
}

#[tokio::test]
async fn the_saga_shows_its_steps() {
    let (platform, _, _, booking, _) = book("tok_declined").await;
    let path = format!("/operator/bookings/{booking}/saga");
    let operator = platform.operator().await;
    let saga = eventually("the saga has ended", async || {
        let saga = operator.get(&path).await.expect(200);
        (saga["status"] != "RUNNING").then_some(saga)
    })
    .await;
    let steps = saga["steps"].as_array().unwrap();
    let names: Vec<_> = steps.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(
        names[..5],
        ["BlockSlot", "AuthorisePayment", "RefundPayment", "UnblockSlot", "FailBooking"]
    );
    assert!(steps[1]["error"].is_string() || steps[1]["error"].is_object(), "{saga}");
    for step in &steps[..5] {
        assert!(step["startedAt"].is_string() && step["endedAt"].is_string(), "{step}");
        assert!(step["attempts"].as_u64().unwrap() >= 1);
    }
}
