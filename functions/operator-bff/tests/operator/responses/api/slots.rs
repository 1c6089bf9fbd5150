//! `/operator/slots` and what lies below it.

use serde_json::{Value, json};

use super::{access, api, bad_bodies, media_types, refusals, responses};
use crate::console::well;
use crate::responses::{Case, conflict, invalid, missing};
use crate::routes::down;
use crate::support::{OperatorRequest as _, SLOT, Sent};

fn list() -> Sent {
    Sent::new("GET", "/operator/slots", &[])
}

fn create(name: &str) -> Sent {
    Sent::new("POST", "/operator/slots", &[]).body(&json!({"name": name}))
}

fn read() -> Sent {
    Sent::new("GET", "/operator/slots/{slotId}", &[("slotId", SLOT)])
}

fn then(what: &str) -> Sent {
    Sent::new("POST", &format!("/operator/slots/{{slotId}}/{what}"), &[("slotId", SLOT)])
}

fn without_view(function: &str, request: &Value) -> bff::memory::Reply {
    if function == "parking-query" { down() } else { well(function, request) }
}

#[tokio::test]
async fn in_a_list() {
    let asked = |title: &str, name: &str, value: &str| api(title, list().query(name, value));
    let refused = |title: &str, name: &str, value: &str| asked(title, name, value).down();
    let cases = access(list).into_iter().chain([
        asked("closed ones", "status", "closed"),
        asked("some from a cursor", "cursor", "c1"),
        asked("100 of them", "limit", "100"),
        refused("an unknown status", "status", "free"),
        refused("an empty status", "status", ""),
        refused("a limit of 0", "limit", "0"),
        refused("a limit of 101", "limit", "101"),
        refused("a limit that is no number", "limit", "-1"),
        refused("an empty cursor", "cursor", ""),
        refused("a cursor that is too long", "cursor", &"c".repeat(1025)),
        asked("a cursor of another list", "cursor", "zzz").with(invalid),
        api("a parameter twice", list().twice("limit", ["1", "2"])).down(),
        api("with a slash at the end", list().path("/operator/slots/")),
        api("all are known", list()).header("If-None-Match", "*"),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}

#[tokio::test]
async fn adding_one() {
    let named = |title: &str, name: &str| api(title, create(name)).down();
    let body = |title: &str, body: &Value| {
        api(title, Sent::new("POST", "/operator/slots", &[]).body(body)).down()
    };
    let good = || create("Level 2, 14 é");
    let mut cases: Vec<Case> = access(good);
    cases.extend(bad_bodies(|| Sent::new("POST", "/operator/slots", &[])));
    cases.extend(media_types(good));
    cases.extend(refusals(good, &[("a conflict", conflict), ("invalid", invalid)]));
    cases.extend([
        named("an empty name", ""),
        named("a name of blanks", " "),
        named("a name of two lines", "a\nb"),
        named("a name that is too long", &"é".repeat(101)),
        body("a name that is a number", &json!({"name": 1})),
        body("no name", &json!({"name": null})),
        body("an unknown field beside the name", &json!({"name": "A", "x": 1})),
        api("the view is down", good()).with(without_view),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}

#[tokio::test]
async fn one_by_one() {
    let other = Sent::new("GET", "/operator/slots/{slotId}", &[("slotId", "x")]);
    let cases = access(read).into_iter().chain([
        api("at a version", read().query("minVersion", "3")),
        api("at version 0", read().query("minVersion", "0")).down(),
        api("at a version that is no number", read().query("minVersion", "x")).down(),
        api("an id that is none", other).down(),
        api("an unknown one", read()).with(missing),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}

#[tokio::test]
async fn closing_and_reopening() {
    let mut cases = Vec::new();
    for what in ["close", "reopen"] {
        let resource = format!("/operator/slots/{{slotId}}/{what}");
        let other = Sent::new("POST", &resource, &[("slotId", "x")]);
        let kinds = [("a conflict", conflict as super::Services), ("no such slot", missing)];
        let all = access(|| then(what)).into_iter().chain(refusals(|| then(what), &kinds)).chain([
            api("an empty object", then(what).body(&json!({}))),
            api("a body", then(what).body(&json!({"why": "rain"}))).down(),
            api("a body that is no JSON", then(what).text("{")).down(),
            api("an id that is none", other).down(),
            api("the view is down", then(what)).with(without_view),
        ]);
        cases.extend(all.map(|it| it.titled(what)));
    }
    insta::assert_snapshot!(responses(cases).await);
}
