//! `GET /operator/room/bookings`, and a booking's page.

use bff::memory::Reply;
use serde_json::Value;

use super::{access, page, responses};
use crate::console::well;
use crate::responses::{invalid, missing, most_queues};
use crate::routes::down;
use crate::support::{BOOKING, OperatorRequest as _, Sent};

fn list() -> Sent {
    Sent::new("GET", "/operator/room/bookings", &[])
}

fn of(id: &str) -> Sent {
    Sent::new("GET", "/operator/room/bookings/{bookingId}", &[("bookingId", id)])
}

fn one() -> Sent {
    of(BOOKING)
}

fn events_alone(function: &str, request: &Value) -> Reply {
    if function == "booking-command" { well(function, request) } else { down() }
}

fn view_alone(function: &str, request: &Value) -> Reply {
    if function == "booking-query" { well(function, request) } else { down() }
}

#[tokio::test]
async fn in_a_list() {
    let asked = |title: &str, name: &str, value: &str| page(title, list().query(name, value));
    let cases = access(list).into_iter().chain([
        asked("failed ones", "status", "failed"),
        asked("some from a cursor", "cursor", "b1"),
        asked("an unknown status", "status", "reserved").down(),
        asked("an unknown status, a program", "status", "reserved").down().json(),
        asked("a limit, a program", "limit", "5").down().json(),
        asked("an empty cursor, a program", "cursor", "").down().json(),
        asked("a cursor of another list", "cursor", "zzz").with(invalid),
        asked("a cursor of another list, a program", "cursor", "zzz").with(invalid).json(),
        page("a parameter twice, a program", list().twice("cursor", ["a", "b"])).down().json(),
        page("with a slash at the end", list().path("/operator/room/bookings/")),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}

#[tokio::test]
async fn one_by_one() {
    let cases = access(one).into_iter().chain([
        page("at a version", one().query("version", "1")),
        page("at version 0", one().query("version", "0")).down(),
        page("at version 0, a program", one().query("version", "0")).down().json(),
        page("an id that is none", of("x")).down(),
        page("an id that is none, a program", of("x")).down().json(),
        page("an unknown one", one()).with(missing),
        page("an unknown one, a program", one()).with(missing).json(),
        page("one queue cannot be reached", one()).queues(most_queues),
        page("its events alone", one()).down().with(events_alone),
        page("its view alone", one()).down().with(view_alone),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}
