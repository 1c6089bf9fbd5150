//! The pages of the operator console, and the forms on them.

mod bookings;
mod circuit_breakers;
mod dead_letters;
mod overview;
mod projections;
mod routes;
mod sign_in;
mod slots;

use super::CsrfField::{Missing, OfAnotherSession, OfAnotherUser};
use super::Sender::{
    Customer, Expired, ExpiredByBearer, OperatorByBearer, OperatorByTwoBearers,
    OperatorInNewBrowser, SignedOut,
};
use super::{Case, FOREIGN, page, responses};
use crate::support::{OperatorRequest as _, Sent};

const OWN: &str = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com";

/// A page, as operators, customers and strangers ask for it.
fn access(sent: impl Fn() -> Sent) -> Vec<Case> {
    let refused = |title: &str, sent: Sent| page(title, sent).down();
    vec![
        page("by cookie", sent()),
        page("by cookie, in a browser without a secret", sent()).by(OperatorInNewBrowser),
        page("by bearer token", sent()).by(OperatorByBearer),
        page("by bearer token, a program", sent()).by(OperatorByBearer).json(),
        refused("signed out", sent()).by(SignedOut),
        refused("signed out, a program", sent()).by(SignedOut).json(),
        refused("signed out, any media type", sent()).by(SignedOut).header("Accept", "*/*"),
        refused("expired", sent()).by(Expired),
        refused("expired, a program", sent()).by(ExpiredByBearer).json(),
        refused("a bad bearer token beside a good cookie", sent())
            .header("Authorization", "Bearer x")
            .json(),
        refused("two good bearer tokens", sent()).by(OperatorByTwoBearers).json(),
        refused("a customer", sent()).by(Customer),
        refused("a customer, a program", sent()).by(Customer).json(),
        refused("an unknown parameter", sent().query("colour", "red")),
        refused("an unknown parameter, a program", sent().query("colour", "red")).json(),
        page("from a page of another origin", sent()).header("Origin", FOREIGN),
        refused("all is down", sent()),
        refused("all is down, a program", sent()).json(),
    ]
}

/// A form that is good, from everywhere that it may come from and may not.
fn form(sent: impl Fn() -> Sent, fields: &[(&str, &str)]) -> Vec<Case> {
    let form = |title: &str| page(title, sent()).fields(fields);
    let refused = |title: &str| form(title).down();
    let long = "x".repeat(64 * 1024);
    vec![
        form("by cookie"),
        form("by cookie, a program").json(),
        form("by cookie, from the own origin")
            .header("Origin", OWN)
            .header("Sec-Fetch-Site", "same-origin"),
        form("by bearer token").by(OperatorByBearer),
        form("by bearer token from another origin").by(OperatorByBearer).header("Origin", FOREIGN),
        refused("signed out").by(SignedOut),
        refused("signed out, a program").by(SignedOut).json(),
        refused("a customer").by(Customer),
        refused("a customer, a program").by(Customer).json(),
        refused("without a CSRF token").csrf(Missing),
        refused("without a CSRF token, a program").csrf(Missing).json(),
        refused("with the CSRF token of another session").csrf(OfAnotherSession),
        refused("with the CSRF token of another session, a program").csrf(OfAnotherSession).json(),
        refused("with the CSRF token of another user").csrf(OfAnotherUser),
        refused("from another origin").header("Origin", FOREIGN),
        refused("from another origin, a program").header("Origin", FOREIGN).json(),
        refused("from no origin").header("Origin", "null"),
        refused("from another site").header("Sec-Fetch-Site", "cross-site"),
        refused("an unknown field").and("colour", "red"),
        refused("an unknown field, a program").and("colour", "red").json(),
        refused("a field twice").and("extra", "1").and("extra", "2"),
        refused("a field twice, a program").and("extra", "1").and("extra", "2").json(),
        refused("too large").and("extra", &long),
        refused("too large, a program").and("extra", &long).json(),
        refused("another media type").header("Content-Type", "text/plain"),
        refused("JSON, a program").header("Content-Type", "application/json").json(),
        page("no body, a program", sent()).down().json(),
        page("an unknown parameter", sent().query("colour", "red")).fields(fields).down(),
        page("an unknown parameter, a program", sent().query("colour", "red"))
            .fields(fields)
            .down()
            .json(),
        refused("all is down"),
        refused("all is down, a program").json(),
    ]
}

/// The address of a form, asked for by other methods.
fn address_of_form(resource: &str, parameters: &[(&str, &str)]) -> Vec<Case> {
    let of =
        |title: &str, method: &str| page(title, Sent::new(method, resource, parameters)).down();
    let all = vec![
        of("GET", "GET"),
        of("GET, signed out", "GET").by(SignedOut),
        of("GET, signed out, a program", "GET").by(SignedOut).json(),
        of("HEAD", "HEAD"),
        of("HEAD, signed out", "HEAD").by(SignedOut),
        of("PUT", "PUT"),
        of("PUT, signed out", "PUT").by(SignedOut),
        of("DELETE, a program", "DELETE").by(OperatorByBearer).json(),
        of("OPTIONS", "OPTIONS"),
        of("OPTIONS from another origin", "OPTIONS")
            .by(SignedOut)
            .header("Origin", FOREIGN)
            .header("Access-Control-Request-Method", "POST"),
    ];
    all.into_iter().map(|it| it.titled(resource)).collect()
}
