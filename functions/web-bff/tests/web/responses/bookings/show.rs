//! `GET /web/bookings/{bookingId}`: a booking, as a page and as JSON.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bff::memory::{Memory, Reply};
use serde_json::{Value, json};

use crate::responses::{
    Case, Sender, access, all_down, case, record, responses, without_billing, without_bookings,
    without_parking,
};
use crate::support::{
    BOOKING, Routes as _, Sent, World, bill, booking, down, event, not_found, slot, well,
};

fn get() -> Sent {
    Sent::booking("GET", "")
}

fn without_history(function: &str, request: &Value) -> Reply {
    if function == "booking-command" { down() } else { well(function, request) }
}

fn booking_alone(function: &str, request: &Value) -> Reply {
    if function == "booking-query" { well(function, request) } else { down() }
}

fn no_bill(function: &str, request: &Value) -> Reply {
    if function == "billing-query" { not_found() } else { well(function, request) }
}

fn no_booking(function: &str, request: &Value) -> Reply {
    if function == "booking-query" { not_found() } else { well(function, request) }
}

/// A booking that has its slot, and is paid.
fn completed(function: &str, request: &Value) -> Reply {
    Reply::Response(match function {
        "booking-query" => {
            let mut booking = booking();
            booking["status"] = json!("completed");
            booking["mode"] = json!("instant");
            booking["version"] = json!(2);
            booking
        }
        "booking-command" => {
            json!({"events": [event(1, "BookingCreated"), event(2, "BookingCompleted")]})
        }
        "billing-query" => {
            let mut bill = bill();
            bill["status"] = json!("paid");
            bill["paid"] = json!("100.00");
            bill
        }
        "parking-query" => {
            let mut slot = slot();
            slot["status"] = json!("reserved");
            slot
        }
        _ => return well(function, request),
    })
}

/// A booking whose card was declined, and that has no bill.
fn failed(function: &str, request: &Value) -> Reply {
    Reply::Response(match function {
        "booking-query" => {
            let mut booking = booking();
            booking["status"] = json!("failed");
            booking["reason"] = json!("payment_declined");
            booking["mode"] = json!("instant");
            booking["version"] = json!(2);
            booking
        }
        "booking-command" => {
            json!({"events": [event(1, "BookingCreated"), event(2, "BookingFailed")]})
        }
        "billing-query" => return not_found(),
        "billing-command" => Value::Null,
        _ => return well(function, request),
    })
}

#[tokio::test]
async fn who_may_see_it() {
    insta::assert_snapshot!(responses(access::page(get)).await);
}

#[tokio::test]
async fn what_is_requested() {
    let bad = |title: &str, name: &str, value: &str| {
        case(title, get().query(name, value)).with(all_down).json()
    };
    let other = |id: &str| Sent::new("GET", "/web/bookings/{bookingId}", &[("bookingId", id)]);
    insta::assert_snapshot!(
        responses([
            case("at a version", get().query("minVersion", "1")),
            case("with a slash at the end", get().path(&format!("/web/bookings/{BOOKING}/"))),
            case("version 0", get().query("minVersion", "0")).with(all_down),
            bad("version 0, a program", "minVersion", "0"),
            bad("a version that is no number, a program", "minVersion", "+1"),
            bad("a cursor, a program", "cursor", "c1"),
            case("a parameter twice, a program", get().twice("minVersion", ["1", "2"])).json(),
            case("to resume without a kept form", get().query("resume", "form")),
            case("an id that is none", other("7")).with(all_down),
            case("an id that is none, a program", other("7")).with(all_down).json(),
            case("an id that is none, signed out", other("7")).by(Sender::SignedOut).with(all_down),
            case("an id in upper case", other(&BOOKING.to_uppercase())),
            case("an unknown booking", get()).with(no_booking),
            case("an unknown booking, a program", get()).with(no_booking).json(),
        ])
        .await
    );
}

#[tokio::test]
async fn what_is_missing() {
    insta::assert_snapshot!(
        responses([
            case("it has its slot", get()).with(completed),
            case("it failed", get()).with(failed),
            case("no bill", get()).with(no_bill),
            case("billing is down", get()).with(without_billing),
            case("parking is down", get()).with(without_parking),
            case("its history is missing", get()).with(without_history),
            case("all else is down", get()).with(booking_alone),
            case("booking is down", get()).with(without_bookings),
        ])
        .await
    );
}

#[tokio::test]
async fn as_json() {
    let json = |title: &str| case(title, get().json());
    let tagged = |title: &str, tag: &'static str| json(title).header("If-None-Match", tag);
    let accepting =
        |title: &str, accept: &'static str| -> Case { case(title, get()).header("Accept", accept) };
    insta::assert_snapshot!(
        responses([
            json("a booking"),
            json("from a page of another origin").header("Origin", "https://evil.example"),
            tagged("any is known", "*"),
            tagged("another is known", "\"x\""),
            accepting("JSON and HTML", "application/json, text/html"),
            accepting("JSON, but no HTML", "application/json, text/html;q=0"),
            accepting("any media type", "*/*"),
            accepting("no media type", ""),
            json("it has its slot").with(completed),
            json("it failed").with(failed),
            json("no bill").with(no_bill),
            json("billing is down").with(without_billing),
            json("all else is down").with(booking_alone),
            json("all else is down, and any is known")
                .with(booking_alone)
                .header("If-None-Match", "*"),
            json("booking is down").with(without_bookings),
        ])
        .await
    );
}

#[tokio::test]
async fn what_was_seen_before() {
    let is_down = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&is_down);
    let services = move |function: &str, request: &Value| match function {
        "booking-query" => well(function, request),
        _ if switch.load(Ordering::Relaxed) => down(),
        _ => well(function, request),
    };
    let world = World::new(Memory::new(services));
    let mut record = record();
    let first = world.by_ada(get().json()).await;
    let tag = first.headers["ETag"].clone();
    record.add("while all is well", &first);
    let known = || get().json().header("If-None-Match", &tag);
    record.add("it is known", &world.by_ada(known()).await);
    is_down.store(true, Ordering::Relaxed);
    record.add("after all else went down", &world.by_ada(known()).await);
    record.add("after all else went down, a page", &world.by_ada(get()).await);
    insta::assert_snapshot!(record.into_text());
}
