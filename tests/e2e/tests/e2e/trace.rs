//! `cargo xtask trace` and `cargo xtask logs --booking`: what was done for one booking, and why.

use std::process::Output;

use platform::{Platform, eventually, xtask};
use serde_json::json;
use uuid::Uuid;

async fn run(arguments: &[&str]) -> Output {
    xtask().args(arguments).output().await.unwrap()
}

async fn told(arguments: &[&str]) -> String {
    let output = run(arguments).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8(output.stdout).unwrap();
    // Neither a payment's token nor, where nobody sits before a terminal, a colour.
    assert!(!told.contains("tok_") && !told.contains('\x1b'), "{told}");
    told
}

/// Whether the lines come one after the other; others may stand between them.
fn in_order(told: &str, lines: &[&[&str]]) -> bool {
    let mut rest = told.lines();
    lines.iter().all(|wanted| rest.any(|line| wanted.iter().all(|it| line.contains(it))))
}

#[tokio::test]
async fn a_booking_is_traced_across_functions_events_the_saga_and_the_money() {
    let platform = Platform::up();
    let (operator, customer) = (platform.operator().await, platform.customer().await);
    let slot = platform.slot().await;
    platform.slot_appears(&slot).await;
    // Taken back after the money was: the slot is closed while the bank takes its time.
    let booking = customer.book_instant(&slot, "tok_slow").await;
    platform.slot_becomes(&slot, "blocked").await;
    operator.post(&format!("/operator/slots/{slot}/close"), &json!({})).await.expect(200);
    assert_eq!(customer.settled(&booking).await["status"], "failed");
    // The last lines may still be on their way.
    eventually("the whole story is told", async || {
        let told = told(&["trace", &booking]).await;
        in_order(
            &told,
            &[
                &["booking-command", "BookingCreated: instant", "request"],
                &["booking-react", "StartSaga", "BookingCreated"],
                &["parking-command", "SlotBlocked", "step BlockSlot"],
                &["payment-provider", "charge of 100.00", "billing"],
                &["billing-command", "BillPaid", "step AuthorisePayment"],
                &["saga", "ReserveSlot failed: Rejected: slot-unavailable"],
                &["payment-provider", "refund of 100.00"],
                &["billing-command", "BillRefunded", "step RefundPayment"],
                &["booking-command", "BookingFailed: slot_unavailable", "step FailBooking"],
            ],
        )
        .then_some(())
    })
    .await;
    let drawn = told(&["trace", &booking, "--mermaid"]).await;
    assert!(drawn.starts_with("sequenceDiagram\n"), "{drawn}");
    assert!(in_order(
        &drawn,
        &[&["saga->>billing: AuthorisePayment"], &["billing->>provider: charge"]]
    ));
}

#[tokio::test]
async fn an_invoice_is_traced_event_by_event_and_its_logs_are_its_own() {
    let platform = Platform::up();
    let customer = platform.customer().await;
    let slot = platform.slot().await;
    let booking = customer.book_invoice(&slot).await;
    let reference = format!("{slot}:{booking}");
    customer.pay_when_issued(&booking, &reference, "100.00", "tok_visa").await.expect(201);
    assert_eq!(customer.settled(&booking).await["status"], "completed");
    eventually("the whole story is told", async || {
        let told = told(&["trace", &booking]).await;
        in_order(
            &told,
            &[
                &["billing-react", "BillIssued", "BookingCreated"],
                &["billing-command", "BillPaid", "request"],
                &["parking-react", "SlotReserved", "BillPaid"],
                &["booking-react", "BookingCompleted", "SlotReserved"],
            ],
        )
        .then_some(())
    })
    .await;
    let lines = told(&["logs", "--booking", &booking, "--since", "10m"]).await;
    assert!(lines.lines().count() >= 4, "{lines}");
    assert!(lines.lines().all(|line| line.contains(&booking)), "{lines}");
    let of_one = told(&["logs", "parking-react", "--booking", &booking]).await;
    assert_eq!(of_one.lines().count(), 1, "{of_one}");
}

#[tokio::test]
async fn a_booking_that_is_not_there_is_said_to_be_so() {
    Platform::up();
    let unknown = Uuid::new_v4().to_string();
    let output = run(&["trace", &unknown]).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(said.contains(&format!("there is no booking {unknown}")), "{said}");
    assert!(said.contains("try") && said.contains("GET /operator/bookings"), "{said}");
}
