//! `POST /web/bookings/{bookingId}/cancel` and `…/check-out`: the forms that end a booking.

use bff::memory::Reply;
use serde_json::Value;

use crate::responses::{Case, Sender, access, all_down, case, responses, without_bookings};
use crate::support::{BOOKING, Routes as _, Sent, down, not_found, rejected, well};

fn cancel() -> Sent {
    Sent::booking("POST", "/cancel")
}

fn check_out() -> Sent {
    Sent::booking("POST", "/check-out")
}

/// Booking refuses commands, and tells its history.
fn refusing(function: &str, request: &Value, reply: Reply) -> Reply {
    let is_command = function == "booking-command" && request["command"] != "readHistory";
    if is_command { reply } else { well(function, request) }
}

fn conflict(function: &str, request: &Value) -> Reply {
    refusing(function, request, rejected("conflict", "it is over"))
}

fn missing(function: &str, request: &Value) -> Reply {
    refusing(function, request, not_found())
}

fn invalid(function: &str, request: &Value) -> Reply {
    refusing(function, request, rejected("validation", "it is not valid"))
}

fn commands_down(function: &str, request: &Value) -> Reply {
    refusing(function, request, down())
}

/// The command is carried out or refused; the page is gone.
fn refused_without_a_page(function: &str, request: &Value) -> Reply {
    if function == "booking-query" { down() } else { conflict(function, request) }
}

fn refusals(sent: impl Fn() -> Sent) -> Vec<Case> {
    let form = |title: &str| case(title, sent()).fields(&[]);
    vec![
        form("it is over").with(conflict),
        form("it is over, a program").with(conflict).json(),
        form("it is over, by bearer token").by(Sender::CustomerByBearer).with(conflict),
        form("no such booking").with(missing),
        form("no such booking, a program").with(missing).json(),
        form("booking calls it invalid").with(invalid),
        form("booking is down").with(commands_down),
        form("booking is down, a program").with(commands_down).json(),
        form("the view is down").with(without_bookings),
        form("it is over, and the view is down").with(refused_without_a_page),
        form("everything is down").with(all_down),
        form("everything is down, a program").with(all_down).json(),
    ]
}

fn with_an_id_that_is_none(below: &str) -> Vec<Case> {
    let resource = format!("/web/bookings/{{bookingId}}/{below}");
    let sent = || Sent::new("POST", &resource, &[("bookingId", "7")]);
    vec![
        case("an id that is none", sent()).fields(&[]).with(all_down),
        case("an id that is none, a program", sent()).fields(&[]).with(all_down).json(),
    ]
}

#[tokio::test]
async fn where_a_cancellation_comes_from() {
    insta::assert_snapshot!(responses(access::form(cancel, &[])).await);
}

#[tokio::test]
async fn where_a_check_out_comes_from() {
    insta::assert_snapshot!(responses(access::form(check_out, &[])).await);
}

#[tokio::test]
async fn why_a_cancellation_is_refused() {
    let cases = refusals(cancel).into_iter().chain(with_an_id_that_is_none("cancel"));
    insta::assert_snapshot!(responses(cases).await);
}

#[tokio::test]
async fn why_a_check_out_is_refused() {
    let cases = refusals(check_out).into_iter().chain(with_an_id_that_is_none("check-out"));
    insta::assert_snapshot!(responses(cases).await);
}

#[tokio::test]
async fn their_addresses() {
    let of = |below: &str| {
        let resource = format!("/web/bookings/{{bookingId}}/{below}");
        let cases = access::address_of_form(&resource, &[("bookingId", BOOKING)]).into_iter();
        cases.map(|it| it.titled(below)).collect::<Vec<_>>()
    };
    insta::assert_snapshot!(responses(of("cancel").into_iter().chain(of("check-out"))).await);
}
