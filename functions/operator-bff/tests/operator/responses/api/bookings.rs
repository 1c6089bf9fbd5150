//! `/operator/bookings` and what lies below it.

use bff::memory::Reply;
use serde_json::{Value, json};

use super::{access, api, responses};
use crate::console::well;
use crate::responses::{invalid, missing};
use crate::support::{AT, BOOKING, OperatorRequest as _, SLOT, Sent};

fn list() -> Sent {
    Sent::new("GET", "/operator/bookings", &[])
}

fn of(id: &str, what: &str) -> Sent {
    Sent::new("GET", &format!("/operator/bookings/{{bookingId}}/{what}"), &[("bookingId", id)])
}

fn events() -> Sent {
    of(BOOKING, "events")
}

fn saga() -> Sent {
    of(BOOKING, "saga")
}

/// Booking reconstructs a state, at a time as well as at a version.
fn at_a_time(function: &str, request: &Value) -> Reply {
    let mut request = request.clone();
    request["version"] = json!(1);
    well(function, &request)
}

#[tokio::test]
async fn in_a_list() {
    let asked = |title: &str, name: &str, value: &str| api(title, list().query(name, value));
    let cases = access(list).into_iter().chain([
        asked("those that were checked out", "status", "checked_out"),
        asked("some from a cursor", "cursor", "c1"),
        asked("an unknown status", "status", "reserved").down(),
        asked("a limit of 0", "limit", "0").down(),
        asked("a limit of 101", "limit", "101").down(),
        asked("an empty cursor", "cursor", "").down(),
        asked("a cursor of another list", "cursor", "zzz").with(invalid),
        api("a parameter twice", list().twice("status", ["failed", "failed"])).down(),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}

#[tokio::test]
async fn their_events() {
    let asked = |title: &str, name: &str, value: &str| api(title, events().query(name, value));
    let cases = access(events).into_iter().chain([
        asked("at a version", "version", "1"),
        asked("at a time", "at", AT).with(at_a_time),
        asked("at version 0", "version", "0").down(),
        asked("at a version that is no number", "version", "x").down(),
        asked("at a time that is none", "at", "yesterday").down(),
        asked("at a day", "at", "2025-03-12").down(),
        api("at both", events().query("version", "1").query("at", AT)).down(),
        api("an id that is none", of("x", "events")).down(),
        api("an unknown booking", events()).with(missing),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}

#[tokio::test]
async fn their_sagas() {
    let cases = access(saga).into_iter().chain([
        api("a booking without a saga", of(SLOT, "saga")),
        api("an id that is none", of("x", "saga")).down(),
        api("the workflow is down", saga()).without_sagas(),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}
