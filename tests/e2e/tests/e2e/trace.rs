//! `cargo xtask trace` and `cargo xtask logs --booking`: the trace of one booking.

use std::process::Output;

use platform::{Platform, eventually, xtask};
use serde_json::json;
use uuid::Uuid;

async fn run(arguments: &[&str]) -> Output {
    xtask().args(arguments).output().await.unwrap()
}

async fn output(arguments: &[&str]) -> String {
    let output = run(arguments).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = String::from_utf8(output.stdout).unwrap();
    // Neither a payment token nor, without a terminal, a colour.
    assert!(!output.contains("tok_") && !output.contains('\x1b'), "{output}");
    output
}

/// Whether the lines occur in this order; others may be between them.
fn in_order(output: &str, lines: &[&[&str]]) -> bool {
    let mut rest = output.lines();
    lines.iter().all(|wanted| rest.any(|line| wanted.iter().all(|it| line.contains(it))))
}

#[tokio::test]
async fn a_booking_is_traced_across_functions_events_the_saga_and_the_money() {
    let platform = Platform::up();
    let (operator, customer) = (platform.operator().await, platform.customer().await);
    let slot = platform.slot().await;
    platform.slot_appears(&slot).await;
    // Refunded after the charge: the slot is closed while the provider is slow.
    let booking = customer.book_instant(&slot, "tok_slow").await;
    platform.slot_becomes(&slot, "blocked").await;
    operator.post(&format!("/operator/slots/{slot}/close"), &json!({})).await.expect(200);
    assert_eq!(customer.settled(&booking).await["status"], "failed");
    // The last log lines may not have arrived yet.
    eventually("the trace is complete", async || {
        let output = output(&["trace", &booking]).await;
        in_order(
            &output,
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
    let drawn = output(&["trace", &booking, "--mermaid"]).await;
    assert!(drawn.starts_with("sequenceDiagram\n"), "{drawn}");
    assert!(in_order(
        &drawn,
        &[&["saga->>billing: AuthorisePayment"], &["billing->>provider: charge"]]
    ));
}

#[tokio::test]
async fn an_invoice_is_traced_by_its_events_with_its_own_logs() {
    let platform = Platform::up();
    let customer = platform.customer().await;
    let slot = platform.slot().await;
    let booking = customer.book_invoice(&slot).await;
    let reference = format!("{slot}:{booking}");
    customer.pay_when_issued(&booking, &reference, "100.00", "tok_visa").await.expect(201);
    assert_eq!(customer.settled(&booking).await["status"], "completed");
    eventually("the trace is complete", async || {
        let output = output(&["trace", &booking]).await;
        in_order(
            &output,
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
    let lines = output(&["logs", "--booking", &booking, "--since", "10m"]).await;
    assert!(lines.lines().count() >= 4, "{lines}");
    assert!(lines.lines().all(|line| line.contains(&booking)), "{lines}");
    let of_one = output(&["logs", "parking-react", "--booking", &booking]).await;
    assert_eq!(of_one.lines().count(), 1, "{of_one}");
}

#[tokio::test]
async fn tracing_an_unknown_booking_is_an_error() {
    Platform::up();
    let unknown = Uuid::new_v4().to_string();
    let output = run(&["trace", &unknown]).await;
    assert!(!output.status.success());
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains(&format!("there is no booking {unknown}")), "{message}");
    assert!(message.contains("try") && message.contains("GET /operator/bookings"), "{message}");
}
