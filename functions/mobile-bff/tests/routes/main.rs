//! Every route, and every error of the contract, with events as the gateway sends them.

mod responses;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bff::memory::{Memory, Reply};
use serde_json::{Value, json};
use service_error::ServiceError;
use support::{AT, BOOKING, CORRELATION, SLOT, Sent, json_of, problem};

fn booking() -> Value {
    json!({
        "bookingId": BOOKING, "slotId": SLOT, "customer": "alice", "status": "pending", "mode": "invoice",
        "version": 1, "createdAt": AT, "updatedAt": AT,
    })
}

fn bill() -> Value {
    json!({
        "reference": format!("{SLOT}:{BOOKING}"), "customer": "alice", "total": "100.00", "paid": "40.00",
        "status": "pending", "dueAt": AT, "version": 2,
    })
}

fn slot() -> Value {
    json!({"slotId": SLOT, "name": "A1", "status": "available", "version": 1})
}

/// Services at their best.
fn well(function: &str, request: &Value) -> Reply {
    Reply::Response(match (function, request["command"].as_str().or(request["query"].as_str())) {
        ("parking-query", Some("slots")) => json!({"items": [slot()], "nextCursor": "c2"}),
        ("parking-query", Some("slot")) => slot(),
        ("booking-query", Some("customerBookings")) => json!({"items": [booking()]}),
        ("booking-query", Some("booking")) => booking(),
        ("booking-command", _) => {
            json!({"bookingId": request["bookingId"], "status": "pending", "version": 1})
        }
        ("billing-query", _) | ("billing-command", _) => bill(),
        other => unreachable!("unexpected call: {other:?}"),
    })
}

fn not_found() -> Reply {
    Reply::Failure(ServiceError::rejected("not-found", "it does not exist"))
}

fn down() -> Reply {
    Reply::Failure(ServiceError::transient("not now", "connection refused"))
}

fn book() -> Sent {
    Sent::new("POST", "/mobile/bookings", &[]).key("k1").body(&json!({
        "slotId": SLOT, "payment": {"mode": "instant", "token": "tok_visa"},
    }))
}

fn read() -> Sent {
    Sent::new("GET", "/mobile/bookings/{bookingId}", &[("bookingId", BOOKING)])
}

fn pay() -> Sent {
    let reference = format!("{SLOT}:{BOOKING}");
    Sent::new("POST", "/mobile/bills/{reference}/payments", &[("reference", &reference)])
        .key("k1")
        .body(&json!({"amount": "40.00", "token": "tok_visa"}))
}

#[tokio::test]
async fn health_needs_no_token_and_calls_no_service() {
    let services = Memory::new(|_, _| down());
    let response =
        Sent::new("GET", "/health", &[]).caller(json!(null)).query("any", "1").to(&services).await;
    assert_eq!(response.status_code, 200);
    assert_eq!(json_of(&response), json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}));
    assert!(services.calls().is_empty());
}

#[tokio::test]
async fn without_a_caller_every_other_route_is_401_and_without_the_role_403() {
    let services = Memory::new(|_, _| down());
    for (caller, expected) in [
        (json!(null), (401, "unauthenticated".to_owned())),
        (json!({"sub": "olga", "role": "operator"}), (403, "forbidden".to_owned())),
    ] {
        assert_eq!(problem(&read().caller(caller).to(&services).await), expected);
    }
}

#[tokio::test]
async fn slots_come_in_pages_and_without_what_a_customer_does_not_need() {
    let services = Memory::new(well);
    let sent = Sent::new("GET", "/mobile/slots", &[]).query("status", "available");
    let response = sent.query("limit", "1").query("cursor", "c1").to(&services).await;
    assert_eq!(response.status_code, 200);
    assert_eq!(
        json_of(&response),
        json!({
            "items": [{"slotId": SLOT, "name": "A1", "status": "available"}], "nextCursor": "c2",
        })
    );
    let (_, request) = services.calls().remove(0);
    assert_eq!(
        request,
        json!({"query": "slots", "status": "available", "limit": 1, "cursor": "c1"})
    );
}

#[tokio::test]
async fn a_filter_a_limit_or_a_parameter_that_means_nothing_is_400() {
    let services = Memory::new(well);
    for (name, value) in [
        ("status", "free"),
        ("status", ""),
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "ten"),
        ("cursor", ""),
        ("colour", "red"),
    ] {
        let response =
            Sent::new("GET", "/mobile/slots", &[]).query(name, value).to(&services).await;
        assert_eq!(problem(&response), (400, "validation".to_owned()), "{name}={value}");
    }
    let refuses = |_: &str, _: &Value| {
        Reply::Failure(ServiceError::rejected("validation", "cursor is not one of this list's"))
    };
    let sent = Sent::new("GET", "/mobile/bookings", &[]).query("cursor", "forged");
    assert_eq!(problem(&sent.to(&Memory::new(refuses)).await), (400, "validation".to_owned()));
    assert!(services.calls().is_empty());
}

#[tokio::test]
async fn a_booking_is_accepted_and_says_where_it_will_be() {
    let services = Memory::new(well);
    let response = book().to(&services).await;
    assert_eq!(response.status_code, 202, "{}", response.body);
    let accepted = json_of(&response);
    let id = accepted["bookingId"].as_str().unwrap();
    assert_eq!(accepted, json!({"bookingId": id, "status": "pending", "version": 1}));
    assert_eq!(response.headers["Location"], format!("../mobile/bookings/{id}"));
    let (function, request) = services.calls().remove(1);
    assert_eq!(function, "booking-command");
    assert_eq!(
        request,
        json!({
            "command": "createBooking", "bookingId": id, "customer": "alice", "slotId": SLOT,
            "payment": {"mode": "instant", "token": "tok_visa"}, "cause": CORRELATION,
        })
    );
}

#[tokio::test]
async fn the_same_key_is_the_same_booking_and_anothers_key_is_another() {
    let services = Memory::new(well);
    let bob = json!({"sub": "bob", "role": "customer"});
    let mut ids = Vec::new();
    for sent in [book(), book(), book().key("k2"), book().caller(bob)] {
        ids.push(json_of(&sent.to(&services).await)["bookingId"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    assert!(ids[0] != ids[2] && ids[0] != ids[3] && ids[2] != ids[3]);
}

#[tokio::test]
async fn what_booking_refuses_reaches_the_client_under_its_slug() {
    for (slug, status) in
        [("idempotency-key-reused", 422), ("conflict", 409), ("not-found", 404), ("odd", 409)]
    {
        let refuses = move |function: &str, request: &Value| match function {
            "booking-command" => Reply::Failure(ServiceError::rejected(slug, "no")),
            _ => well(function, request),
        };
        let slug = if slug == "odd" { "conflict" } else { slug };
        for sent in [book(), read_then("cancel"), read_then("check-out")] {
            let response = sent.to(&Memory::new(refuses)).await;
            assert_eq!(problem(&response), (status, slug.to_owned()));
        }
    }
}

fn read_then(what: &str) -> Sent {
    let resource = format!("/mobile/bookings/{{bookingId}}/{what}");
    Sent::new("POST", &resource, &[("bookingId", BOOKING)])
}

#[tokio::test]
async fn a_slot_that_does_not_exist_is_404_and_a_key_that_booked_another_is_422() {
    for (history, expected) in [
        (not_found as fn() -> Reply, (404, "not-found")),
        (|| Reply::Response(json!({"events": []})), (422, "idempotency-key-reused")),
        (down, (503, "service-unavailable")),
    ] {
        let services = Memory::new(move |function: &str, request: &Value| match function {
            "parking-query" => not_found(),
            "parking-command" => {
                assert_eq!(request["command"], "readSlot");
                not_found()
            }
            _ => {
                assert_eq!(request["command"], "readHistory");
                history()
            }
        });
        let (status, slug) = problem(&book().to(&services).await);
        assert_eq!((status, slug.as_str()), expected);
    }
}

#[tokio::test]
async fn a_slot_that_the_view_does_not_show_yet_is_booked() {
    for parking in [(|| Reply::Response(slot())) as fn() -> Reply, down] {
        let services = Memory::new(move |function: &str, request: &Value| match function {
            "parking-query" => not_found(),
            "parking-command" => parking(),
            _ => well(function, request),
        });
        assert_eq!(book().to(&services).await.status_code, 202);
    }
}

#[tokio::test(start_paused = true)]
async fn a_booking_does_not_wait_for_parking() {
    for parking in
        [(|| Reply::Late(Duration::from_secs(60), slot())) as fn() -> Reply, down, || {
            Reply::Failure(ServiceError::permanent("no table"))
        }]
    {
        let services = Memory::new(move |function: &str, request: &Value| match function {
            "parking-query" => parking(),
            _ => well(function, request),
        });
        assert_eq!(book().to(&services).await.status_code, 202);
    }
}

#[tokio::test]
async fn a_malformed_request_is_rejected_without_calling_a_service() {
    let services = Memory::new(|_, _| down());
    let token =
        |token: &str| json!({"slotId": SLOT, "payment": {"mode": "instant", "token": token}});
    for body in [
        json!({}),
        json!([]),
        json!("text"),
        json!({"slotId": SLOT}),
        json!({"slotId": "x", "payment": {"mode": "invoice"}}),
        json!({"slotId": SLOT.to_uppercase(), "payment": {"mode": "invoice"}}),
        json!({"slotId": SLOT, "payment": {"mode": "barter"}}),
        json!({"slotId": SLOT, "payment": {"mode": "instant"}}),
        json!({"slotId": SLOT, "payment": {"mode": "invoice", "token": "tok_visa"}}),
        json!({"slotId": SLOT, "payment": {"mode": "instant", "token": 7}}),
        json!({"slotId": SLOT, "payment": {"mode": "instant", "token": "t", "x": 1}}),
        json!({"slotId": SLOT, "payment": {"mode": "invoice"}, "x": 1}),
        token(""),
        token("a b"),
        token(&"t".repeat(201)),
    ] {
        let response = book().body(&body).to(&services).await;
        assert_eq!(problem(&response), (400, "validation".to_owned()), "{body}");
    }
    for body in ["", "{", "\u{0}", "{\"slotId\":\"\\ud800\"}"] {
        let response = book().raw_body(body).to(&services).await;
        assert_eq!(problem(&response), (400, "validation".to_owned()), "{body:?}");
    }
    let long = " ".repeat(64 * 1024 + 1);
    let response = book().raw_body(&long).to(&services).await;
    assert_eq!(problem(&response), (413, "payload-too-large".to_owned()));
    for sent in [book().key(""), book().key("a b"), book().key(&"k".repeat(256)), pay().key("é")] {
        assert_eq!(problem(&sent.to(&services).await), (400, "validation".to_owned()));
    }
    let keyless = Sent::new("POST", "/mobile/bookings", &[])
        .body(&json!({"slotId": SLOT, "payment": {"mode": "invoice"}}));
    assert_eq!(problem(&keyless.to(&services).await), (400, "validation".to_owned()));
    assert!(services.calls().is_empty());
}

#[tokio::test]
async fn a_booking_comes_with_its_bill() {
    let services = Memory::new(well);
    let response = read().query("minVersion", "1").to(&services).await;
    assert_eq!(response.status_code, 200);
    let reference = format!("{SLOT}:{BOOKING}");
    assert_eq!(
        json_of(&response),
        json!({
            "bookingId": BOOKING, "slotId": SLOT, "status": "pending", "payment": {"mode": "invoice"},
            "bill": {"reference": reference, "total": "100.00", "paid": "40.00", "status": "pending"},
            "version": 1, "updatedAt": AT,
        })
    );
    let calls = services.calls();
    assert_eq!(
        calls[0].1,
        json!({"query": "booking", "bookingId": BOOKING, "customer": "alice", "minVersion": 1})
    );
    assert_eq!(calls[1].1, json!({"query": "bill", "reference": reference}));
}

#[tokio::test]
async fn a_failed_booking_says_why_and_one_without_a_bill_has_none() {
    let services = Memory::new(move |function: &str, _: &Value| match function {
        "booking-query" => {
            let mut failed = booking();
            failed["status"] = json!("failed");
            failed["reason"] = json!("slot_unavailable");
            Reply::Response(failed)
        }
        _ => not_found(),
    });
    let shown = json_of(&read().to(&services).await);
    assert_eq!(shown["reason"], "slot_unavailable");
    assert!(shown.get("bill").is_none() && shown.get("degraded").is_none());
}

#[tokio::test(start_paused = true)]
async fn without_billing_a_booking_is_shown_as_far_as_it_is_known() {
    for billing in [
        (|| Reply::Late(Duration::from_secs(60), bill())) as fn() -> Reply,
        down,
        || Reply::Failure(ServiceError::permanent("no table")),
        || Reply::Failure(ServiceError::rejected("odd", "odd")),
        || Reply::Response(json!("odd")),
    ] {
        let services = Memory::new(move |function: &str, request: &Value| match function {
            "billing-query" => billing(),
            _ => well(function, request),
        });
        let response = read().to(&services).await;
        let shown = json_of(&response);
        assert_eq!((response.status_code, &shown["degraded"]), (200, &json!(["billing"])));
        assert!(shown.get("bill").is_none());
    }
}

#[tokio::test]
async fn what_a_client_has_already_is_not_sent_again() {
    let services = Memory::new(well);
    let first = read().to(&services).await;
    let tag = first.headers["ETag"].clone();
    assert!(first.headers["Server-Timing"].starts_with("booking;dur="));
    let again = read().header("If-None-Match", &tag).to(&services).await;
    assert_eq!((again.status_code, again.body.as_str()), (304, ""));
    assert_eq!(again.headers["ETag"], tag);
    assert_eq!(again.headers["X-Correlation-Id"], CORRELATION);
    let degraded = Memory::new(move |function: &str, request: &Value| match function {
        "billing-query" => down(),
        _ => well(function, request),
    });
    let other = read().header("If-None-Match", &tag).to(&degraded).await;
    assert_eq!(other.status_code, 200);
}

#[tokio::test]
async fn a_client_may_name_what_it_has_in_several_lines() {
    let services = Memory::new(well);
    let tag = read().to(&services).await.headers["ETag"].clone();
    for lines in [["\"x\"", tag.as_str()], [tag.as_str(), "\"x\""]] {
        let again = read().lines("If-None-Match", &lines).to(&services).await;
        assert_eq!((again.status_code, again.body.as_str()), (304, ""), "{lines:?}");
    }
}

#[tokio::test]
async fn of_two_keys_none_counts() {
    let services = Memory::new(|_, _| down());
    let response = book().lines("Idempotency-Key", &["k1", "k2"]).to(&services).await;
    assert_eq!(problem(&response), (400, "validation".to_owned()));
}

#[tokio::test]
async fn a_slash_at_the_end_changes_nothing_but_the_location_which_still_resolves() {
    let services = Memory::new(well);
    let response = book().slash().to(&services).await;
    assert_eq!(response.status_code, 202, "{}", response.body);
    let id = json_of(&response)["bookingId"].as_str().unwrap().to_owned();
    // Relative to /v1/mobile/bookings/.
    assert_eq!(response.headers["Location"], format!("../../mobile/bookings/{id}"));
    assert_eq!(read().slash().to(&services).await.status_code, 200);
    assert_eq!(read_then("cancel").slash().to(&services).await.status_code, 202);
}

#[tokio::test]
async fn a_token_that_has_run_out_opens_nothing_though_its_policy_is_cached() {
    let services = Memory::new(well);
    // The event was received at 1741808785.
    for (expiry, status) in [("1741808786", 200), ("1741808785", 401), ("1741808784", 401)] {
        let caller = json!({"sub": "alice", "role": "customer", "exp": expiry});
        assert_eq!(read().caller(caller).to(&services).await.status_code, status, "{expiry}");
    }
}

#[tokio::test]
async fn a_request_with_headers_that_are_no_http_gets_a_response_too() {
    let services = Memory::new(well);
    for (name, value) in
        [("Host", "a b\u{7f}"), ("X-Anything", "\u{0}\n\u{fc}"), ("\u{fc} :", "x"), ("", "")]
    {
        let response = read().header(name, value).to(&services).await;
        assert_eq!(response.status_code, 200, "{name:?}: {value:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn booking_is_not_optional() {
    for (reply, expected) in [
        (not_found as fn() -> Reply, (404, "not-found")),
        (down, (503, "service-unavailable")),
        (|| Reply::Failure(ServiceError::permanent("no table")), (503, "service-unavailable")),
        (|| Reply::Late(Duration::from_secs(60), booking()), (503, "service-unavailable")),
        (|| Reply::Response(json!("odd")), (503, "service-unavailable")),
    ] {
        let services = Memory::new(move |_: &str, _: &Value| reply());
        let (status, slug) = problem(&read().query("minVersion", "9").to(&services).await);
        assert_eq!((status, slug.as_str()), expected);
    }
}

#[tokio::test]
async fn a_version_is_a_positive_number_and_a_text_that_is_no_id_is_the_id_of_nothing() {
    let services = Memory::new(|_, _| down());
    for version in ["0", "-1", "1.5", "", "x", "18446744073709551616"] {
        let response = read().query("minVersion", version).to(&services).await;
        assert_eq!(problem(&response), (400, "validation".to_owned()), "{version}");
    }
    for id in ["x", "%00", "0191f7a4", "../../etc/passwd", &BOOKING.to_uppercase()] {
        let sent = Sent::new("GET", "/mobile/bookings/{bookingId}", &[("bookingId", id)]);
        assert_eq!(problem(&sent.to(&services).await), (404, "not-found".to_owned()), "{id}");
    }
    assert!(services.calls().is_empty());
}

#[tokio::test]
async fn bookings_come_newest_first_and_without_bills() {
    let services = Memory::new(well);
    let response = Sent::new("GET", "/mobile/bookings", &[]).to(&services).await;
    assert_eq!(response.status_code, 200);
    let list = json_of(&response);
    assert_eq!(list["items"][0]["bookingId"], BOOKING);
    assert!(list["items"][0].get("bill").is_none() && list.get("nextCursor").is_none());
    assert_eq!(
        services.calls()[0].1,
        json!({"query": "customerBookings", "customer": "alice", "limit": 20})
    );
}

#[tokio::test]
async fn cancelling_and_checking_out_are_accepted() {
    for (what, command) in [("cancel", "cancelBooking"), ("check-out", "checkOutBooking")] {
        let services = Memory::new(well);
        let response = read_then(what).to(&services).await;
        assert_eq!(response.status_code, 202);
        assert_eq!(
            json_of(&response),
            json!({"bookingId": BOOKING, "status": "pending", "version": 1})
        );
        assert_eq!(
            services.calls()[0].1,
            json!({
                "command": command, "bookingId": BOOKING, "customer": "alice", "cause": CORRELATION,
            })
        );
        let response = read_then(what).body(&json!({"reason": "rain"})).to(&services).await;
        assert_eq!(problem(&response), (400, "validation".to_owned()));
    }
}

#[tokio::test]
async fn a_payment_returns_the_paid_amount() {
    let services = Memory::new(well);
    let reference = format!("{SLOT}:{BOOKING}");
    for spelt in [reference.clone(), reference.replace(':', "%3A")] {
        let sent =
            Sent::new("POST", "/mobile/bills/{reference}/payments", &[("reference", &spelt)])
                .key("k1")
                .body(&json!({"amount": "40.00", "token": "tok_visa"}));
        let response = sent.to(&services).await;
        assert_eq!(response.status_code, 201, "{}", response.body);
        assert_eq!(
            json_of(&response),
            json!({
                "reference": reference, "total": "100.00", "paid": "40.00", "status": "pending",
            })
        );
    }
    let [first, second] = &services.calls()[..] else { panic!("two payments") };
    assert_eq!(first, second, "one key, one payment");
    assert_eq!(first.1["command"], "payBill");
    assert_eq!(first.1["amount"], "40.00");
    assert_eq!(first.1["customer"], "alice");
}

#[tokio::test]
async fn a_payment_that_is_none_is_refused() {
    let services = Memory::new(|_, _| down());
    for body in [
        json!({"amount": "0.00", "token": "t"}),
        json!({"amount": "-1.00", "token": "t"}),
        json!({"amount": "1", "token": "t"}),
        json!({"amount": "1.000", "token": "t"}),
        json!({"amount": 1.00, "token": "t"}),
        json!({"amount": "1e2", "token": "t"}),
        json!({"amount": "1.00"}),
        json!({"amount": "1.00", "token": ""}),
        json!({"amount": "1.00", "token": "t", "currency": "EUR"}),
    ] {
        let response = pay().body(&body).to(&services).await;
        assert_eq!(problem(&response), (400, "validation".to_owned()), "{body}");
    }
    for reference in ["x", SLOT, "a:b"] {
        let sent =
            Sent::new("POST", "/mobile/bills/{reference}/payments", &[("reference", reference)]);
        let sent = sent.key("k").body(&json!({"amount": "1.00", "token": "t"}));
        assert_eq!(
            problem(&sent.to(&services).await),
            (404, "not-found".to_owned()),
            "{reference}"
        );
    }
    assert!(services.calls().is_empty());
}

#[tokio::test]
async fn what_billing_refuses_reaches_the_client_under_its_slug() {
    for (slug, status) in
        [("payment-declined", 402), ("conflict", 409), ("idempotency-key-reused", 422)]
    {
        let refuses = move |_: &str, _: &Value| {
            Reply::Failure(ServiceError::rejected(slug, "insufficient funds"))
        };
        let response = pay().to(&Memory::new(refuses)).await;
        assert_eq!(problem(&response), (status, slug.to_owned()));
        assert_eq!(json_of(&response)["detail"], "insufficient funds");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_payment_is_awaited_until_a_deadline() {
    for (seconds, status) in [(9, 201), (13, 503)] {
        let services = Memory::new(move |_: &str, _: &Value| {
            Reply::Late(Duration::from_secs(seconds), bill())
        });
        assert_eq!(pay().to(&services).await.status_code, status);
    }
}

#[tokio::test(start_paused = true)]
async fn a_bill_that_is_still_to_come_is_waited_for() {
    let tries = Arc::new(AtomicU32::new(0));
    let services = Memory::new(move |function: &str, request: &Value| match function {
        "billing-command" if tries.fetch_add(1, Ordering::Relaxed) < 3 => not_found(),
        _ => well(function, request),
    });
    assert_eq!(pay().to(&services).await.status_code, 201);
    let calls = services.calls();
    assert_eq!(calls.iter().filter(|(function, _)| function == "booking-query").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_bill_that_does_not_come_is_404() {
    for (booking, payments) in [
        (Reply::Response as fn(Value) -> Reply, 21),
        (|_| not_found(), 1),
        (
            |mut booking| {
                booking["mode"] = json!("instant");
                Reply::Response(booking)
            },
            1,
        ),
        (
            |mut booking| {
                booking["status"] = json!("cancelled");
                Reply::Response(booking)
            },
            1,
        ),
        (
            |mut booking| {
                booking["slotId"] = json!(BOOKING);
                Reply::Response(booking)
            },
            1,
        ),
    ] {
        let services = Memory::new(move |function: &str, _: &Value| match function {
            "billing-command" => not_found(),
            _ => booking(self::booking()),
        });
        assert_eq!(problem(&pay().to(&services).await), (404, "not-found".to_owned()));
        let calls = services.calls();
        let paid = calls.iter().filter(|(function, _)| function == "billing-command").count();
        assert_eq!(paid, payments);
    }
}

#[tokio::test]
async fn a_route_that_does_not_exist_is_404() {
    let services = Memory::new(|_, _| down());
    for (method, resource) in
        [("GET", "/mobile/cars"), ("DELETE", "/mobile/bookings"), ("GET", ""), ("POST", "/health")]
    {
        let response = Sent::new(method, resource, &[]).to(&services).await;
        assert_eq!(problem(&response), (404, "not-found".to_owned()), "{method} {resource}");
    }
}

#[tokio::test]
async fn every_operation_of_the_document_is_routed() {
    let document = include_str!("../../../../contracts/openapi.yaml");
    let document: Value = serde_yaml_ng::from_str(document).expect("YAML");
    let services = Memory::new(|_, _| down());
    let mut routed = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let function = operation["x-amazon-apigateway-integration"]["uri"].to_string();
            if !function.contains("MobileBffFunction") {
                continue;
            }
            let response = Sent::new(&method.to_uppercase(), path, &[]).to(&services).await;
            assert!(!response.body.contains("no such route"), "{method} {path}");
            routed += 1;
        }
    }
    assert!(routed > 8, "the document has been read");
}
