//! `/operator/room/projections`: the page, and the forms that rebuild a projection and roll it back.

use super::{access, address_of_form, form, page, responses};
use crate::responses::{Case, commands_conflict, commands_down};
use crate::support::{OperatorRequest as _, Sent};

const FIELDS: [(&str, &str); 1] = [("generation", "1")];

fn list() -> Sent {
    Sent::new("GET", "/operator/room/projections", &[])
}

fn rebuild(name: &str) -> Sent {
    Sent::new("POST", "/operator/room/projections/{name}/rebuild", &[("name", name)])
}

fn roll_back(name: &str) -> Sent {
    Sent::new("POST", "/operator/room/projections/{name}/rollback", &[("name", name)])
}

#[tokio::test]
async fn in_a_list() {
    let done = |title: &str, word: &str| page(title, list().query("done", word));
    let cases = access(list).into_iter().chain([
        done("after a rebuild began", "rebuilding"),
        done("after one was rolled back", "rolled-back"),
        done("after something unknown", "x").down(),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}

#[tokio::test]
async fn rebuilding() {
    let mut cases: Vec<Case> = form(|| rebuild("bookings"), &[]);
    cases.extend([
        page("of slots", rebuild("slots")).fields(&[]),
        page("an unknown one", rebuild("bills")).fields(&[]).down(),
        page("an unknown one, a program", rebuild("bills")).fields(&[]).down().json(),
        page("a conflict", rebuild("bookings")).fields(&[]).with(commands_conflict),
        page("no response", rebuild("bookings")).fields(&[]).with(commands_down),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}

#[tokio::test]
async fn rolling_back() {
    let with = |title: &str| page(title, roll_back("bookings")).fields(&FIELDS);
    let mut cases: Vec<Case> = form(|| roll_back("bookings"), &FIELDS);
    cases.extend([
        page("of slots", roll_back("slots")).fields(&FIELDS),
        page("an unknown one", roll_back("bills")).fields(&FIELDS).down(),
        with("a generation that is none").but("generation", "x").down(),
        with("a generation that is none, a program").but("generation", "x").down().json(),
        with("without a generation, a program").without("generation").down().json(),
        with("a generation that is not kept").with(commands_conflict),
        with("a generation that is not kept, a program").with(commands_conflict).json(),
        with("no response").with(commands_down),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}

#[tokio::test]
async fn addresses_of_forms() {
    let of = |what| {
        let resource = format!("/operator/room/projections/{{name}}/{what}");
        address_of_form(&resource, &[("name", "bookings")])
    };
    insta::assert_snapshot!(responses(of("rebuild").into_iter().chain(of("rollback"))).await);
}
