//! Invoice bookings: services react to each other's events.

use std::time::Duration;

use platform::{Caller, Platform, eventually, within};
use serde_json::json;
use uuid::Uuid;

async fn booked() -> (Platform, Caller, String, String, String) {
    let platform = Platform::up();
    let customer = platform.customer().await;
    let slot = platform.slot().await;
    let booking = customer.book_invoice(&slot).await;
    let reference = format!("{slot}:{booking}");
    customer.bill_becomes(&booking, "pending").await;
    (platform, customer, slot, booking, reference)
}

#[tokio::test]
async fn a_paid_bill_completes_the_booking() {
    let (platform, customer, slot, booking, reference) = booked().await;
    let paid = customer.pay(&reference, "100.00", "tok_visa").await.expect(201);
    assert_eq!(
        paid,
        json!({ "reference": reference, "status": "paid", "total": "100.00", "paid": "100.00" })
    );
    assert_eq!(customer.finished(&booking).await["status"], "completed");
    platform.slot_becomes(&slot, "reserved").await;
    assert_eq!(platform.net(&reference).await, 10_000);
}

#[tokio::test]
async fn an_unpaid_booking_holds_no_slot() {
    let (platform, customer, slot, booking, _) = booked().await;
    customer.bill_becomes(&booking, "pending").await;
    let other = platform.customer().await;
    let instant = other.book_instant(&slot, "tok_visa").await;
    assert_eq!(other.finished(&instant).await["status"], "completed");
}

#[tokio::test]
async fn a_bill_is_paid_in_parts_and_never_over_its_total() {
    let (platform, customer, _, booking, reference) = booked().await;
    let part = customer.pay(&reference, "30.00", "tok_visa").await.expect(201);
    assert_eq!((&part["status"], &part["paid"]), (&"pending".into(), &"30.00".into()));
    customer.pay(&reference, "70.01", "tok_visa").await.expect_problem(409, "conflict");
    customer.pay(&reference, "20.00", "tok_declined").await.expect_problem(402, "payment-declined");
    let rest = customer.pay(&reference, "70.00", "tok_visa").await.expect(201);
    assert_eq!((&rest["status"], &rest["paid"]), (&"paid".into(), &"100.00".into()));
    assert_eq!(customer.finished(&booking).await["status"], "completed");
    customer.pay(&reference, "0.01", "tok_visa").await.expect_problem(409, "conflict");
    let (charges, refunds) = platform.money(&reference).await;
    assert_eq!((charges.len(), charges.iter().sum::<i64>(), refunds), (2, 10_000, vec![]));
}

#[tokio::test]
async fn the_same_key_pays_once() {
    let (platform, customer, _, _, reference) = booked().await;
    let path = format!("/mobile/bills/{reference}/payments");
    let key = Uuid::new_v4().to_string();
    let part = json!({ "amount": "30.00", "token": "tok_visa" });
    let first = customer.post_with_key(&path, &key, &part).await.expect(201);
    assert_eq!(first["paid"], "30.00");
    let again = customer.post_with_key(&path, &key, &part).await.expect(201);
    assert_eq!(again["paid"], "30.00");
    let other = json!({ "amount": "40.00", "token": "tok_visa" });
    let other = customer.post_with_key(&path, &key, &other).await;
    other.expect_problem(422, "idempotency-key-reused");
    customer.post(&path, &part).await.expect_problem(400, "validation");
    assert_eq!(platform.net(&reference).await, 3_000);
}

#[tokio::test]
async fn a_payment_of_unknown_outcome_charges_once() {
    Platform::up().hold_provider_circuit().await;
    for token in ["tok_timeout", "tok_flaky", "tok_slow"] {
        let (platform, customer, _, booking, reference) = booked().await;
        let paid = customer.pay(&reference, "100.00", token).await.expect(201);
        assert_eq!(paid["status"], "paid");
        assert_eq!(customer.finished(&booking).await["status"], "completed");
        assert_eq!(platform.money(&reference).await, (vec![10_000], vec![]));
    }
}

#[tokio::test]
async fn amounts_are_decimals_with_two_places() {
    let (platform, customer, _, _, reference) = booked().await;
    let path = format!("/mobile/bills/{reference}/payments");
    for amount in [
        json!(100),
        json!(100.0),
        json!("100"),
        json!("100.0"),
        json!("100.000"),
        json!("-1.00"),
        json!("0.00"),
        json!("1e2"),
        json!(" 1.00"),
        json!(null),
    ] {
        let body = json!({ "amount": amount, "token": "tok_visa" });
        customer.post_once(&path, &body).await.expect_problem(400, "validation");
    }
    assert_eq!(platform.net(&reference).await, 0);
}

#[tokio::test]
async fn the_second_to_pay_for_a_slot_is_refunded() {
    let (platform, first, slot, _, reference) = booked().await;
    let second = platform.customer().await;
    let late = second.book_invoice(&slot).await;
    let late_reference = format!("{slot}:{late}");
    first.pay(&reference, "100.00", "tok_visa").await.expect(201);
    platform.slot_becomes(&slot, "reserved").await;
    second.pay_when_issued(&late, &late_reference, "100.00", "tok_visa").await.expect(201);
    let finished = second.finished(&late).await;
    assert_eq!(
        (&finished["status"], &finished["reason"]),
        (&"failed".into(), &"slot_unavailable".into())
    );
    second.bill_becomes(&late, "refunded").await;
    assert_eq!(platform.money(&late_reference).await, (vec![10_000], vec![10_000]));
    assert_eq!(platform.net(&reference).await, 10_000);
}

#[tokio::test]
async fn cancelling_before_payment_closes_the_bill() {
    let (platform, customer, slot, booking, reference) = booked().await;
    customer.cancel(&booking).await.expect(202);
    customer.bill_becomes(&booking, "expired").await;
    customer.pay(&reference, "100.00", "tok_visa").await.expect_problem(409, "conflict");
    assert_eq!(platform.net(&reference).await, 0);
    assert_eq!(platform.slot_status(&slot).await, "available");
}

#[tokio::test]
async fn cancelling_after_payment_refunds_and_releases() {
    let (platform, customer, slot, booking, reference) = booked().await;
    customer.pay(&reference, "100.00", "tok_visa").await.expect(201);
    assert_eq!(customer.finished(&booking).await["status"], "completed");
    customer.cancel(&booking).await.expect(202);
    customer.bill_becomes(&booking, "refunded").await;
    platform.slot_becomes(&slot, "available").await;
    assert_eq!(platform.net(&reference).await, 0);
}

#[tokio::test]
async fn checking_out_frees_the_slot() {
    let (platform, customer, slot, booking, reference) = booked().await;
    customer.check_out(&booking).await.expect_problem(409, "conflict");
    customer.pay(&reference, "100.00", "tok_visa").await.expect(201);
    customer.finished(&booking).await;
    customer.check_out(&booking).await.expect(202);
    platform.slot_becomes(&slot, "available").await;
    customer.bill_becomes(&booking, "paid").await;
}

#[tokio::test]
async fn an_overdue_bill_expires_and_its_partial_payments_are_refunded() {
    let (platform, customer, slot, booking, reference) = booked().await;
    let (_, other, _, unpaid, _) = booked().await;
    customer.pay(&reference, "40.00", "tok_visa").await.expect(201);
    let due = eventually("the bill says when it is due", async || {
        Some(customer.booking(&booking).await["bill"].clone()).filter(|bill| !bill.is_null())
    });
    due.await;
    // The tests deploy with bills that expire after seconds; the reconciliation expires them within another 60 seconds.
    let overdue = async |caller: &Caller, booking: &str| {
        within(Duration::from_secs(100), "the bill has expired", async || {
            let found = caller.booking(booking).await;
            (found["status"] != "pending").then_some(found)
        })
        .await
    };
    for finished in [overdue(&customer, &booking).await, overdue(&other, &unpaid).await] {
        assert_eq!(
            (&finished["status"], &finished["reason"]),
            (&"failed".into(), &"payment_overdue".into())
        );
    }
    customer.bill_becomes(&booking, "refunded").await;
    other.bill_becomes(&unpaid, "expired").await;
    assert_eq!(platform.money(&reference).await, (vec![4_000], vec![4_000]));
    customer.pay(&reference, "60.00", "tok_visa").await.expect_problem(409, "conflict");
    assert_eq!(platform.slot_status(&slot).await, "available");
}
