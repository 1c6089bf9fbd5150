//! `/operator/circuit-breakers` and what lies below it.

use serde_json::{Value, json};

use super::{access, api, bad_bodies, media_types, responses};
use crate::responses::{Case, commands_down};
use crate::support::{OperatorRequest as _, Sent};

fn list() -> Sent {
    Sent::new("GET", "/operator/circuit-breakers", &[])
}

fn force(name: &str, word: &str) -> Sent {
    of(name).body(&json!({"override": word}))
}

fn of(name: &str) -> Sent {
    Sent::new("POST", "/operator/circuit-breakers/{name}", &[("name", name)])
}

fn reset(name: &str) -> Sent {
    Sent::new("POST", "/operator/circuit-breakers/{name}/reset", &[("name", name)])
}

#[tokio::test]
async fn in_a_list() {
    let cases =
        access(list).into_iter().chain([api("billing is down", list()).with(commands_down)]);
    insta::assert_snapshot!(responses(cases).await);
}

#[tokio::test]
async fn forcing() {
    let billing = || force("payment-provider", "open");
    let body = |title: &str, body: &Value| api(title, of("parking-query").body(body)).down();
    let mut cases: Vec<Case> = access(billing);
    cases.extend(bad_bodies(|| of("parking-query")));
    cases.extend(media_types(billing));
    cases.extend([
        api("one of the backends open", force("parking-query", "open")).down(),
        api("one of the backends closed", force("parking-query", "closed")).down(),
        api("one of the backends out of use", force("parking-query", "disabled")).down(),
        api("an unknown one", force("cars", "open")).down(),
        body("an unknown override", &json!({"override": "ajar"})),
        body("no override", &json!({"override": null})),
        body("an unknown field beside it", &json!({"override": "open", "x": 1})),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}

#[tokio::test]
async fn resetting() {
    let cases = access(|| reset("payment-provider")).into_iter().chain([
        api("one of the backends", reset("parking-query")).down(),
        api("an unknown one", reset("cars")).down(),
        api("an empty object", reset("parking-query").body(&json!({}))).down(),
        api("a body", reset("parking-query").body(&json!({"why": "rain"}))).down(),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}
