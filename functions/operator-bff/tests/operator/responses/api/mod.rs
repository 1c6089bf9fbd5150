//! The JSON routes, which the gateway's authoriser guards.

mod bookings;
mod circuit_breakers;
mod dead_letters;
mod overview;
mod projections;
mod routes;
mod services;
mod slots;

use super::Sender::{ProgramOf, ProgramWithExpiredToken, ProgramWithoutCaller};
use super::{Case, FOREIGN, Services, api, responses};
use crate::support::{OperatorRequest as _, Sent, token};

/// A request, as operators and others send it.
fn access(sent: impl Fn() -> Sent) -> Vec<Case> {
    let refused = |title: &str, sent: Sent| api(title, sent).down();
    vec![
        api("an operator", sent()),
        api("from a page of another origin", sent()).header("Origin", FOREIGN),
        api("a browser", sent()).header("Accept", "text/html,*/*;q=0.8"),
        api("a customer who is an operator too", sent()).by(ProgramOf("customer operator")),
        refused("no caller", sent()).by(ProgramWithoutCaller),
        refused("no caller, from a page of another origin", sent())
            .by(ProgramWithoutCaller)
            .header("Origin", FOREIGN),
        refused("no caller, a browser", sent())
            .by(ProgramWithoutCaller)
            .header("Accept", "text/html"),
        refused("an expired token", sent()).by(ProgramWithExpiredToken),
        refused("a session cookie", sent().signed_in(&token("olga", "operator"))),
        refused("a customer", sent()).by(ProgramOf("customer")),
        refused("a caller without a role", sent()).by(ProgramOf("")),
        refused("an unknown parameter", sent().query("colour", "red")),
        refused("all is down", sent()),
        refused("a correlation id that is none", sent()).header("X-Correlation-Id", "<script>"),
    ]
}

/// Bodies that no request has.
fn bad_bodies(sent: impl Fn() -> Sent) -> Vec<Case> {
    let long = format!("{{\"x\":\"{}\"}}", "x".repeat(64 * 1024));
    let raw = |title: &str, body: &str| {
        let sent = sent().raw_body(body);
        api(title, sent).header("Content-Type", "application/json").down()
    };
    vec![
        raw("no body", ""),
        raw("blanks", " "),
        raw("no JSON", "{"),
        raw("a list", "[]"),
        raw("null", "null"),
        raw("an empty object", "{}"),
        raw("an unknown field", "{\"colour\":\"red\"}"),
        raw("too large", &long),
    ]
}

/// A good body of other media types.
fn media_types(sent: impl Fn() -> Sent) -> Vec<Case> {
    let of = |title: &str, media_type| api(title, sent()).header("Content-Type", media_type);
    vec![
        of("with a parameter of the media type", "application/json; charset=utf-8"),
        of("a media type in upper case", "Application/JSON"),
        of("an empty media type", "").down(),
        of("text", "text/plain").down(),
        of("a form", "application/x-www-form-urlencoded").down(),
    ]
}

/// What the services refuse.
fn refusals(sent: impl Fn() -> Sent, kinds: &[(&str, Services)]) -> Vec<Case> {
    kinds.iter().map(|(title, services)| api(title, sent()).with(*services)).collect()
}
