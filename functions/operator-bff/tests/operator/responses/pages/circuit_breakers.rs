//! `/operator/room/circuit-breakers`: the page, and the forms that force and reset a circuit breaker.

use super::{access, address_of_form, form, page, responses};
use crate::responses::{Case, commands_conflict, commands_down};
use crate::support::{OperatorRequest as _, Sent};

const FIELDS: [(&str, &str); 1] = [("word", "open")];

fn list() -> Sent {
    Sent::new("GET", "/operator/room/circuit-breakers", &[])
}

fn force(name: &str) -> Sent {
    Sent::new("POST", "/operator/room/circuit-breakers/{name}", &[("name", name)])
}

fn reset(name: &str) -> Sent {
    Sent::new("POST", "/operator/room/circuit-breakers/{name}/reset", &[("name", name)])
}

#[tokio::test]
async fn in_a_list() {
    let done = |title: &str, word: &str| page(title, list().query("done", word));
    let cases = access(list).into_iter().chain([
        done("after one was forced", "set"),
        done("after one was reset", "reset"),
        done("after something unknown", "x").down(),
        page("billing is down", list()).with(commands_down),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}

#[tokio::test]
async fn forcing() {
    let force_with = |title: &str| page(title, force("payment-provider")).fields(&FIELDS);
    let mut cases: Vec<Case> = form(|| force("payment-provider"), &FIELDS);
    cases.extend([
        page("one of the backends", force("parking-query")).fields(&FIELDS).down(),
        page("an unknown one", force("cars")).fields(&FIELDS).down(),
        page("an unknown one, a program", force("cars")).fields(&FIELDS).down().json(),
        force_with("closed").but("word", "closed"),
        force_with("out of use").but("word", "disabled"),
        force_with("an unknown word").but("word", "ajar").down(),
        force_with("an unknown word, a program").but("word", "ajar").down().json(),
        force_with("without a word, a program").without("word").down().json(),
        force_with("a conflict").with(commands_conflict),
        force_with("no response").with(commands_down),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}

#[tokio::test]
async fn resetting() {
    let mut cases: Vec<Case> = form(|| reset("payment-provider"), &[]);
    cases.extend([
        page("one of the backends", reset("parking-query")).fields(&[]).down(),
        page("an unknown one", reset("cars")).fields(&[]).down(),
        page("no response", reset("payment-provider")).fields(&[]).with(commands_down),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}

#[tokio::test]
async fn addresses_of_forms() {
    let of = |below| {
        let resource = format!("/operator/room/circuit-breakers/{{name}}{below}");
        address_of_form(&resource, &[("name", "parking-query")])
    };
    insta::assert_snapshot!(responses(of("").into_iter().chain(of("/reset"))).await);
}
