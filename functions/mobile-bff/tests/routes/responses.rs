//! The response of each route of the contract to valid and invalid requests: status, headers and body, as a snapshot.

use bff::memory::{Memory, Reply};
use serde_json::{Value, json};
use service_error::ServiceError;

use super::support::{AT, BOOKING, SLOT, Sent, recorded};

fn healthy(function: &str, request: &Value) -> Reply {
    let slot = json!({"slotId": SLOT, "name": "A1", "status": "available", "version": 1});
    let booking = json!({
        "bookingId": BOOKING, "slotId": SLOT, "customer": "alice", "status": "pending", "mode": "invoice",
        "version": 1, "createdAt": AT, "updatedAt": AT,
    });
    let bill = json!({
        "reference": format!("{SLOT}:{BOOKING}"), "customer": "alice", "total": "100.00", "paid": "40.00",
        "status": "pending", "dueAt": AT, "version": 2,
    });
    Reply::Response(match (function, request["command"].as_str().or(request["query"].as_str())) {
        ("parking-query", Some("slots")) => json!({"items": [slot], "nextCursor": "c2"}),
        ("parking-query", Some("slot")) => slot,
        ("booking-query", Some("customerBookings")) => json!({"items": [booking]}),
        ("booking-query", Some("booking")) => booking,
        ("booking-command", _) => {
            json!({"bookingId": request["bookingId"], "status": "pending", "version": 1})
        }
        ("billing-query" | "billing-command", _) => bill,
        other => unreachable!("{other:?} is not called"),
    })
}

fn down(_: &str, _: &Value) -> Reply {
    Reply::Failure(ServiceError::transient("not now", "connection refused"))
}

fn without_billing(function: &str, request: &Value) -> Reply {
    match function {
        "billing-query" => down(function, request),
        _ => healthy(function, request),
    }
}

fn missing(_: &str, _: &Value) -> Reply {
    Reply::Failure(ServiceError::rejected("not-found", "it does not exist"))
}

fn conflict(function: &str, request: &Value) -> Reply {
    match function {
        "booking-command" | "billing-command" => {
            Reply::Failure(ServiceError::rejected("conflict", "it is cancelled"))
        }
        _ => healthy(function, request),
    }
}

fn declined(_: &str, _: &Value) -> Reply {
    Reply::Failure(ServiceError::rejected("payment-declined", "insufficient funds"))
}

type Services = fn(&str, &Value) -> Reply;

/// Sends every request to services that behave like this, and records the responses.
async fn responses(cases: Vec<(&str, Services, Sent)>) -> String {
    let mut text = String::new();
    for (title, services, sent) in cases {
        let response = sent.to(&Memory::new(services)).await;
        text.push_str(&format!("## {title}\n{}\n", recorded(&response)));
    }
    text
}

fn slots() -> Sent {
    Sent::new("GET", "/mobile/slots", &[])
}

fn bookings() -> Sent {
    Sent::new("GET", "/mobile/bookings", &[])
}

fn book(payment: &Value) -> Sent {
    let body = json!({"slotId": SLOT, "payment": payment});
    Sent::new("POST", "/mobile/bookings", &[]).key("k1").body(&body)
}

fn invoice() -> Value {
    json!({"mode": "invoice"})
}

fn read() -> Sent {
    Sent::new("GET", "/mobile/bookings/{bookingId}", &[("bookingId", BOOKING)])
}

fn then(what: &str) -> Sent {
    let resource = format!("/mobile/bookings/{{bookingId}}/{what}");
    Sent::new("POST", &resource, &[("bookingId", BOOKING)])
}

fn pay(amount: &str) -> Sent {
    let reference = format!("{SLOT}:{BOOKING}");
    Sent::new("POST", "/mobile/bills/{reference}/payments", &[("reference", &reference)])
        .key("k1")
        .body(&json!({"amount": amount, "token": "tok_visa"}))
}

#[tokio::test]
async fn health() {
    let health = || Sent::new("GET", "/health", &[]);
    insta::assert_snapshot!(
        responses(vec![
            ("without a token", down, health().caller(json!(null))),
            ("from a page", down, health().header("Origin", "https://a.example")),
            ("without a correlation id", down, health().header("X-Correlation-Id", "<script>")),
        ])
        .await
    );
}

#[tokio::test]
async fn preflights() {
    let mut cases = Vec::new();
    for path in [
        "/health",
        "/mobile/slots",
        "/mobile/bookings",
        "/mobile/bookings/{bookingId}",
        "/mobile/bookings/{bookingId}/cancel",
        "/mobile/bookings/{bookingId}/check-out",
        "/mobile/bills/{reference}/payments",
    ] {
        let sent = Sent::new("OPTIONS", path, &[("bookingId", BOOKING), ("reference", "a:b")]);
        let sent = sent.caller(json!(null)).header("Origin", "https://a.example");
        cases.push((path, down as Services, sent.header("Access-Control-Request-Method", "POST")));
    }
    insta::assert_snapshot!(responses(cases).await);
}

#[tokio::test]
async fn slots_in_a_list() {
    insta::assert_snapshot!(
        responses(vec![
            ("a page", healthy, slots().query("status", "available").query("limit", "1")),
            (
                "from a page of another origin",
                healthy,
                slots().header("Origin", "https://a.example")
            ),
            ("no token", healthy, slots().caller(json!(null))),
            ("an operator", healthy, slots().caller(json!({"sub": "olga", "role": "operator"}))),
            ("an unknown status", healthy, slots().query("status", "free")),
            ("a limit of 0", healthy, slots().query("limit", "0")),
            ("an empty cursor", healthy, slots().query("cursor", "")),
            ("an unknown parameter", healthy, slots().query("colour", "red")),
            ("parking is down", down, slots()),
        ])
        .await
    );
}

#[tokio::test]
async fn bookings_in_a_list() {
    insta::assert_snapshot!(
        responses(vec![
            ("a page", healthy, bookings()),
            ("everything is known", healthy, bookings().header("If-None-Match", "*")),
            ("a limit of 101", healthy, bookings().query("limit", "101")),
            ("booking is down", down, bookings()),
        ])
        .await
    );
}

#[tokio::test]
async fn booking() {
    let keyless = || {
        let body = json!({"slotId": SLOT, "payment": invoice()});
        Sent::new("POST", "/mobile/bookings", &[]).body(&body)
    };
    let card = json!({"mode": "instant", "token": "tok_visa"});
    let unknown_field = json!({"slotId": SLOT, "payment": invoice(), "x": 1});
    let long = " ".repeat(64 * 1024 + 1);
    insta::assert_snapshot!(
        responses(vec![
            ("by card", healthy, book(&card)),
            ("by invoice", healthy, book(&invoice())),
            ("no key", healthy, keyless()),
            ("a key with a blank", healthy, keyless().key("a b")),
            ("an unknown field", healthy, book(&invoice()).body(&unknown_field)),
            ("an unknown mode", healthy, book(&json!({"mode": "barter"}))),
            ("an empty token", healthy, book(&json!({"mode": "instant", "token": ""}))),
            ("no body", healthy, book(&invoice()).raw_body("")),
            ("not JSON", healthy, book(&invoice()).raw_body("{")),
            ("too long", healthy, book(&invoice()).raw_body(&long)),
            ("a form", healthy, book(&invoice()).header("Content-Type", "text/plain")),
            ("a parameter", healthy, book(&invoice()).query("x", "1")),
            ("no token", healthy, book(&invoice()).caller(json!(null))),
            ("an unknown slot", missing, book(&invoice())),
            ("booking is down", down, book(&invoice())),
        ])
        .await
    );
}

#[tokio::test]
async fn one_booking() {
    let tagged = |tag: &str| read().header("If-None-Match", tag);
    let other =
        Sent::new("GET", "/mobile/bookings/{bookingId}", &[("bookingId", "not-a-booking-id")]);
    insta::assert_snapshot!(
        responses(vec![
            ("with its bill", healthy, read().query("minVersion", "1")),
            ("known", healthy, tagged("*")),
            ("another is known", healthy, tagged("\"x\"")),
            ("without its bill", without_billing, read()),
            ("version 0", healthy, read().query("minVersion", "0")),
            ("an unknown parameter", healthy, read().query("x", "1")),
            ("no id", healthy, other),
            ("unknown", missing, read()),
            ("booking is down", down, read()),
        ])
        .await
    );
}

#[tokio::test]
async fn cancelling_and_checking_out() {
    let reason = json!({"reason": "rain"});
    insta::assert_snapshot!(
        responses(vec![
            ("cancel", healthy, then("cancel")),
            ("check out", healthy, then("check-out")),
            ("cancel with an empty body", healthy, then("cancel").body(&json!({}))),
            ("cancel with a reason", healthy, then("cancel").body(&reason)),
            ("cancel with a parameter", healthy, then("cancel").query("x", "1")),
            ("cancel what is cancelled", conflict, then("cancel")),
            ("check out what is cancelled", conflict, then("check-out")),
            ("cancel what is unknown", missing, then("cancel")),
        ])
        .await
    );
}

#[tokio::test]
async fn payments() {
    let reference = [("reference", "not-a-reference")];
    let nothing = Sent::new("POST", "/mobile/bills/{reference}/payments", &reference);
    insta::assert_snapshot!(
        responses(vec![
            ("a part", healthy, pay("40.00")),
            ("nothing", healthy, pay("0.00")),
            ("not money", healthy, pay("1")),
            (
                "no such bill",
                healthy,
                nothing.key("k1").body(&json!({"amount": "1.00", "token": "t"}))
            ),
            ("declined", declined, pay("40.00")),
            ("too late", conflict, pay("40.00")),
            ("billing is down", down, pay("40.00")),
        ])
        .await
    );
}

#[tokio::test]
async fn no_such_route() {
    insta::assert_snapshot!(
        responses(vec![
            ("an unknown path", down, Sent::new("GET", "/mobile/cars", &[])),
            ("another method", down, Sent::new("DELETE", "/mobile/bookings", &[])),
        ])
        .await
    );
}
