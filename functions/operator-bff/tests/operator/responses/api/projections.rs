//! `/operator/projections/{name}`, and what lies below it.

use serde_json::{Value, json};

use super::{access, api, bad_bodies, media_types, refusals, responses};
use crate::responses::{Case, conflict};
use crate::support::{OperatorRequest as _, Sent};

fn of(method: &str, name: &str, what: &str) -> Sent {
    Sent::new(method, &format!("/operator/projections/{{name}}{what}"), &[("name", name)])
}

#[tokio::test]
async fn one_by_one() {
    let cases = access(|| of("GET", "bookings", "")).into_iter().chain([
        api("of slots", of("GET", "slots", "")),
        api("an unknown one", of("GET", "bills", "")).down(),
        api("one in upper case", of("GET", "Bookings", "")).down(),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}

#[tokio::test]
async fn rebuilding() {
    let sent = || of("POST", "bookings", "/rebuild");
    let kinds = [("a conflict", conflict as super::Services)];
    let cases = access(sent).into_iter().chain(refusals(sent, &kinds)).chain([
        api("of slots", of("POST", "slots", "/rebuild")),
        api("an unknown one", of("POST", "bills", "/rebuild")).down(),
        api("an empty object", sent().body(&json!({}))),
        api("a body", sent().body(&json!({"why": "rain"}))).down(),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}

#[tokio::test]
async fn rolling_back() {
    let to = |name: &str, generation: Value| {
        of("POST", name, "/rollback").body(&json!({"generation": generation}))
    };
    let sent = || to("bookings", json!(1));
    let kinds = [("a generation that is not kept", conflict as super::Services)];
    let mut cases: Vec<Case> = access(sent);
    cases.extend(bad_bodies(|| of("POST", "bookings", "/rollback")));
    cases.extend(media_types(sent));
    cases.extend(refusals(sent, &kinds));
    cases.extend([
        api("of slots", to("slots", json!(1))),
        api("an unknown one", to("bills", json!(1))).down(),
        api("a generation that is a text", to("slots", json!("1"))).down(),
        api("a negative generation", to("slots", json!(-1))).down(),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}
