//! `GET /web`: the slots, and the latest bookings.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bff::memory::{Memory, Reply};
use serde_json::{Value, json};

use super::{access, all_down, case, record, responses, without_bookings, without_parking};
use crate::support::{Routes as _, Sent, World, down, rejected, slot, well};

fn get() -> Sent {
    Sent::get("/web")
}

fn all_taken(function: &str, request: &Value) -> Reply {
    match (function, request["query"].as_str()) {
        ("parking-query", Some("slots")) if request["status"].is_null() => {
            Reply::Response(json!({"items": [slot()]}))
        }
        ("parking-query", Some("slots")) => Reply::Response(json!({"items": []})),
        _ => well(function, request),
    }
}

fn no_slots(function: &str, request: &Value) -> Reply {
    match function {
        "parking-query" => Reply::Response(json!({"items": []})),
        _ => well(function, request),
    }
}

/// Parking, which did not issue the cursor.
fn other_cursor(function: &str, request: &Value) -> Reply {
    match function {
        "parking-query" => rejected("validation", "cursor is not one of ours"),
        _ => well(function, request),
    }
}

fn broken(_: &str, _: &Value) -> Reply {
    Reply::Failure(service_error::ServiceError::permanent("no table"))
}

#[tokio::test]
async fn who_may_see_it() {
    insta::assert_snapshot!(responses(access::page(get)).await);
}

#[tokio::test]
async fn what_is_requested() {
    let bad = |title: &str, name: &str, value: &str| case(title, get().query(name, value)).json();
    insta::assert_snapshot!(
        responses([
            case("without a slash at the end", get().path("/web")),
            case("all slots from a cursor", get().query("show", "all").query("cursor", "c1")),
            case("the end of the list", get().query("cursor", "c9")).with(no_slots),
            case("an unknown choice", get().query("show", "some")),
            bad("an unknown choice, a program", "show", "some"),
            bad("an empty cursor, a program", "cursor", ""),
            bad("a cursor that is too long, a program", "cursor", &"c".repeat(1025)),
            bad("a limit, a program", "limit", "5"),
            case("a parameter twice, a program", get().twice("show", ["all", "all"])).json(),
            case("a cursor of another list", get().query("cursor", "zzz")).with(other_cursor),
            case("a cursor of another list, a program", get().query("cursor", "zzz"))
                .with(other_cursor)
                .json(),
            case("to resume without a kept form", get().query("resume", "form")),
            case("to resume something else", get().query("resume", "x")),
            case("a correlation id that is none", get().header("X-Correlation-Id", "<script>")),
            case("a bad page with a correlation id that is none", get().query("show", "some"))
                .header("X-Correlation-Id", "<script>"),
        ])
        .await
    );
}

#[tokio::test]
async fn what_is_missing() {
    insta::assert_snapshot!(
        responses([
            case("no slot is free", get()).with(all_taken),
            case("there are no slots", get()).with(no_slots),
            case("there are no slots at all", get().query("show", "all")).with(no_slots),
            case("parking is down", get()).with(without_parking),
            case("booking is down", get()).with(without_bookings),
            case("everything is down", get()).with(all_down),
            case("everything is down, a program", get()).with(all_down).json(),
            case("everything is broken", get()).with(broken),
        ])
        .await
    );
}

#[tokio::test]
async fn slots_that_were_seen_before() {
    let is_down = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&is_down);
    let services = move |function: &str, request: &Value| {
        if switch.load(Ordering::Relaxed) { down() } else { well(function, request) }
    };
    let world = World::new(Memory::new(services));
    let mut record = record();
    record.add("while all is well", &world.by_ada(get()).await);
    is_down.store(true, Ordering::Relaxed);
    record.add("after it went down", &world.by_ada(get()).await);
    insta::assert_snapshot!(record.into_text());
}
