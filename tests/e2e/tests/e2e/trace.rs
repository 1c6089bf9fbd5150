//! `cargo xtask trace`, `logs`, `status` and `outputs` on the running platform.

use std::process::{Output, Stdio};

use platform::{Platform, eventually, xtask};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use uuid::Uuid;

async fn run(arguments: &[&str]) -> Output {
    xtask().args(arguments).output().await.unwrap()
}

async fn stdout(arguments: &[&str]) -> String {
    let output = run(arguments).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    // Neither a payment token nor, where stdout is no terminal, a colour.
    assert!(!printed.contains("tok_") && !printed.contains('\x1b'), "{printed}");
    printed
}

/// Whether the lines come one after the other; others may stand between them.
fn in_order(printed: &str, lines: &[&[&str]]) -> bool {
    let mut rest = printed.lines();
    lines.iter().all(|wanted| rest.any(|line| wanted.iter().all(|it| line.contains(it))))
}

#[tokio::test]
async fn a_booking_is_traced_across_functions_events_the_saga_and_the_money() {
    let platform = Platform::up();
    let (operator, customer) = (platform.operator().await, platform.customer().await);
    let slot = platform.slot().await;
    platform.slot_appears(&slot).await;
    // The slot is closed while the card is charged, so the charge is refunded.
    let booking = customer.book_instant(&slot, "tok_slow").await;
    platform.slot_becomes(&slot, "blocked").await;
    operator.post(&format!("/operator/slots/{slot}/close"), &json!({})).await.expect(200);
    assert_eq!(customer.finished(&booking).await["status"], "failed");
    // The last lines may arrive late.
    eventually("the timeline is complete", async || {
        let table = stdout(&["trace", &booking]).await;
        in_order(
            &table,
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
    let short = &booking[booking.len() - 8..];
    let by_short_id = stdout(&["trace", short]).await;
    assert_eq!(by_short_id.lines().next(), stdout(&["trace", &booking]).await.lines().next());
    let document: Value = serde_json::from_str(&stdout(&["trace", short, "--json"]).await).unwrap();
    assert_eq!(document["bookingId"], booking.as_str());
    assert_eq!(document["saga"], "failed");
    let entries = document["entries"].as_array().unwrap();
    let refund = entries.iter().find(|it| it["what"] == "refund of 100.00").unwrap();
    assert_eq!((&refund["kind"], &refund["severity"]), (&json!("money"), &json!("compensated")));
    let drawn = stdout(&["trace", &booking, "--mermaid"]).await;
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
    assert_eq!(customer.finished(&booking).await["status"], "completed");
    eventually("the timeline is complete", async || {
        let table = stdout(&["trace", &booking]).await;
        in_order(
            &table,
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
    let short = &booking[booking.len() - 8..];
    let lines = stdout(&["logs", "--booking", short, "--since", "10m"]).await;
    assert!(lines.lines().count() >= 4, "{lines}");
    assert!(lines.lines().all(|line| line.contains(" INFO ")), "{lines}");
    assert!(
        lines
            .lines()
            .any(|line| line.contains("parking-react") && line.contains("event=SlotReserved"))
    );
    let of_one = stdout(&["logs", "parking-react", "--booking", &booking]).await;
    assert_eq!(of_one.lines().count(), 1, "{of_one}");
    let raw = stdout(&["logs", "--booking", &booking, "--json"]).await;
    assert_eq!(raw.lines().count(), lines.lines().count());
    for line in raw.lines() {
        assert!(line.contains(&booking), "{line}");
        assert!(serde_json::from_str::<Value>(line).unwrap()["function"].is_string(), "{line}");
    }
    let none = run(&["logs", "--booking", &booking, "--level", "error"]).await;
    assert!(none.status.success() && none.stdout.is_empty());
    let said = String::from_utf8(none.stderr).unwrap();
    assert!(said.contains("No log records") && said.contains("--since"), "{said}");
}

#[tokio::test]
async fn the_trace_of_a_request_is_in_the_logs_of_services_behind_the_bus_and_their_queues() {
    let platform = Platform::up();
    let customer = platform.customer().await;
    let slot = platform.slot().await;
    platform.slot_appears(&slot).await;
    let (trace_id, key) = (Uuid::new_v4().simple().to_string(), Uuid::new_v4().to_string());
    let traceparent = format!("00-{trace_id}-00f067aa0ba902b7-01");
    let headers = [("traceparent", traceparent.as_str()), ("idempotency-key", key.as_str())];
    let body = json!({ "slotId": slot, "payment": { "mode": "invoice" } }).to_string();
    let booked = customer.send(Method::POST, "/mobile/bookings", &headers, Some(body)).await;
    let booking = booked.expect(202)["bookingId"].as_str().unwrap().to_owned();
    // The command's own log, then that of the service that its event reaches: stream, bus, queue.
    for (function, message) in [("booking-command", "done"), ("billing-react", "event stored")] {
        let what = format!("{function} has logged the trace");
        let line = eventually(&what, async || {
            let logs = stdout(&["logs", function, "--booking", &booking, "--json"]).await;
            let lines = logs.lines().map(|it| serde_json::from_str::<Value>(it).unwrap());
            lines.into_iter().find(|it| it["message"] == message)
        })
        .await;
        let handler = line["spans"].as_array().unwrap().iter().find(|it| it["name"] == "handler");
        let handler = handler.unwrap_or_else(|| unreachable!("{line} is in no handler"));
        assert_eq!(handler["traceId"], trace_id, "{line}");
        assert_eq!(handler["correlationId"], booking, "{line}");
    }
}

#[tokio::test]
async fn an_unknown_booking_is_reported() {
    Platform::up();
    let unknown = Uuid::new_v4().to_string();
    let output = run(&["trace", &unknown]).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(said.contains(&format!("there is no booking {unknown}")), "{said}");
    assert!(said.contains("try") && said.contains("GET /operator/bookings"), "{said}");
}

#[tokio::test]
async fn what_is_wrong_with_an_id_is_reported() {
    Platform::up();
    let output = run(&["trace", "not-an-id"]).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(said.contains("last eight characters"), "{said}");
    let output = run(&["trace", "00000000"]).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("no booking whose id begins or ends with 00000000"), "{said}");
}

#[tokio::test]
async fn ctrl_c_ends_followed_logs_without_an_error() {
    let platform = Platform::up();
    platform.slot().await;
    let mut follow = xtask()
        .args(["logs", "--follow"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = follow.id().unwrap().to_string();
    let mut first = [0; 1];
    // It shows something, so it listens for signals by now.
    follow.stdout.as_mut().unwrap().read_exact(&mut first).await.unwrap();
    assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
    let ended = follow.wait_with_output().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
    assert!(ended.status.success(), "{}", ended.status);
}

#[tokio::test]
async fn status_and_outputs_are_json_too() {
    let platform = Platform::up();
    let status: Value = serde_json::from_str(&stdout(&["status", "--json"]).await).unwrap();
    assert_eq!(status["up"], true);
    assert_eq!(status["outputs"]["ApiUrl"], platform.api());
    let is_listed = |it: &Value| it["name"] == "booking-command" && it["pids"].is_array();
    assert!(status["functions"].as_array().unwrap().iter().any(is_listed), "{status}");
    let outputs: Value = serde_json::from_str(&stdout(&["outputs", "--json"]).await).unwrap();
    assert_eq!(outputs, status["outputs"]);
    assert_eq!(stdout(&["outputs", "ApiUrl"]).await.trim(), platform.api());
    assert!(!run(&["outputs", "Nothing"]).await.status.success());
}

#[tokio::test]
async fn the_addresses_are_short_and_the_same_after_every_start() {
    let platform = Platform::up();
    let outputs: Value = serde_json::from_str(&stdout(&["outputs", "--json"]).await).unwrap();
    let cloud = outputs["CloudUrl"].as_str().unwrap();
    assert_eq!(platform.api(), format!("{cloud}/parkade/v1"));
    assert_eq!(outputs["PaymentProviderUrl"], format!("{cloud}/payment-provider/v1"));
}
