//! Requests that every page, every form, and every address of a form has in common.

use super::CsrfField::{Missing, OfAnotherSession, OfAnotherUser};
use super::Sender::{
    Customer, CustomerByBearer, CustomerByTwoBearers, CustomerInNewBrowser, Expired,
    ExpiredByBearer, Operator, SignedOut,
};
use super::{Case, all_down, case};
use crate::support::{Routes as _, Sent};

const FOREIGN: &str = "https://evil.example";
pub(super) const OWN: &str = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com";

/// A page, as customers, operators and strangers ask for it.
pub(super) fn page(sent: impl Fn() -> Sent) -> Vec<Case> {
    vec![
        case("by cookie", sent()),
        case("by cookie, in a browser without a secret", sent()).by(CustomerInNewBrowser),
        case("by bearer token", sent()).by(CustomerByBearer),
        case("by bearer token, a program", sent()).by(CustomerByBearer).json(),
        case("signed out", sent()).by(SignedOut).with(all_down),
        case("signed out, a program", sent()).by(SignedOut).with(all_down).json(),
        case("signed out, any media type", sent().header("Accept", "*/*")).by(SignedOut),
        case("expired", sent()).by(Expired).with(all_down),
        case("expired, a program", sent()).by(ExpiredByBearer).with(all_down).json(),
        case("a bad bearer token beside a good cookie", sent())
            .header("Authorization", "Bearer x")
            .with(all_down)
            .json(),
        case("two good bearer tokens", sent()).by(CustomerByTwoBearers).with(all_down).json(),
        case("an operator", sent()).by(Operator).with(all_down),
        case("an operator, a program", sent()).by(Operator).with(all_down).json(),
        case("an unknown parameter", sent().query("colour", "red")).with(all_down),
        case("an unknown parameter, a program", sent().query("colour", "red"))
            .with(all_down)
            .json(),
        case("from a page of another origin", sent()).header("Origin", FOREIGN),
    ]
}

/// A form that is good, from everywhere that it may come from and may not.
pub(super) fn form(sent: impl Fn() -> Sent, fields: &[(&str, &str)]) -> Vec<Case> {
    let form = |title: &str| case(title, sent()).fields(fields);
    let refused = |title: &str| form(title).with(all_down);
    let long = "x".repeat(64 * 1024);
    vec![
        form("by cookie"),
        form("by cookie, a program").json(),
        form("by cookie, from the own origin")
            .header("Origin", OWN)
            .header("Sec-Fetch-Site", "same-origin"),
        form("by bearer token").by(CustomerByBearer),
        form("by bearer token from another origin").by(CustomerByBearer).header("Origin", FOREIGN),
        refused("signed out").by(SignedOut),
        refused("signed out, a program").by(SignedOut).json(),
        refused("an operator").by(Operator),
        refused("an operator, a program").by(Operator).json(),
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
        refused("an unknown field, by bearer token")
            .by(CustomerByBearer)
            .and("colour", "red")
            .json(),
        refused("a field twice").and("extra", "1").and("extra", "2"),
        refused("a field twice, a program").and("extra", "1").and("extra", "2").json(),
        refused("too large").and("extra", &long),
        refused("too large, a program").and("extra", &long).json(),
        refused("too large, by bearer token").and("extra", &long).by(CustomerByBearer).json(),
        refused("another media type").header("Content-Type", "text/plain"),
        refused("JSON, a program").header("Content-Type", "application/json").json(),
        refused("JSON, by bearer token")
            .by(CustomerByBearer)
            .header("Content-Type", "application/json")
            .json(),
        refused("a media type with a parameter, without a CSRF token")
            .csrf(Missing)
            .header("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),
        case("no body, a program", sent()).with(all_down).json(),
        case("no UTF-8, a program", sent().raw_body("slot=%ff"))
            .with(all_down)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .json(),
        case("an unknown parameter", sent().query("colour", "red")).fields(fields).with(all_down),
        case("an unknown parameter, a program", sent().query("colour", "red"))
            .fields(fields)
            .with(all_down)
            .json(),
    ]
}

/// The address of a form, asked for by other methods.
pub(super) fn address_of_form(resource: &str, parameters: &[(&str, &str)]) -> Vec<Case> {
    let sent = |method: &str| Sent::new(method, resource, parameters);
    let refused = |title: &str, method: &str| case(title, sent(method)).with(all_down);
    vec![
        refused("GET", "GET"),
        refused("GET, signed out", "GET").by(SignedOut),
        refused("GET, signed out, a program", "GET").by(SignedOut).json(),
        refused("HEAD", "HEAD"),
        refused("HEAD, signed out", "HEAD").by(SignedOut),
        refused("PUT", "PUT"),
        refused("PUT, signed out", "PUT").by(SignedOut),
        refused("DELETE, a program", "DELETE").by(CustomerByBearer).json(),
        refused("OPTIONS", "OPTIONS").by(Customer),
        refused("OPTIONS from another origin", "OPTIONS")
            .by(SignedOut)
            .header("Origin", FOREIGN)
            .header("Access-Control-Request-Method", "POST"),
    ]
}
