//! `/operator/room/slots`: the page, and the forms that add, close and reopen slots.

use super::{access, address_of_form, form, page, responses};
use crate::responses::{
    Case, commands_conflict, commands_down, commands_invalid, commands_missing, invalid,
};
use crate::support::{OperatorRequest as _, SLOT, Sent};

const FIELDS: [(&str, &str); 2] = [("slot", SLOT), ("name", "Level 2, 14")];
const PARAMETERS: [(&str, &str); 1] = [("slotId", SLOT)];

fn list() -> Sent {
    Sent::new("GET", "/operator/room/slots", &[])
}

fn add() -> Sent {
    Sent::new("POST", "/operator/room/slots", &[])
}

fn then(what: &str) -> Sent {
    Sent::new("POST", &format!("/operator/room/slots/{{slotId}}/{what}"), &PARAMETERS)
}

#[tokio::test]
async fn in_a_list() {
    let asked = |title: &str, name: &str, value: &str| page(title, list().query(name, value));
    let cases = access(list).into_iter().chain([
        asked("closed ones", "status", "closed"),
        asked("some from a cursor", "cursor", "c1"),
        asked("after one was added", "done", "created"),
        asked("after one was closed", "done", "closed"),
        asked("after one was reopened", "done", "reopened"),
        asked("after something unknown", "done", "x").down(),
        asked("after something unknown, a program", "done", "x").down().json(),
        asked("an unknown status, a program", "status", "free").down().json(),
        asked("an empty cursor, a program", "cursor", "").down().json(),
        asked("a cursor of another list", "cursor", "zzz").with(invalid),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}

#[tokio::test]
async fn adding_one() {
    let add_with = |title: &str| page(title, add()).fields(&FIELDS);
    let mut cases: Vec<Case> = form(add, &FIELDS);
    cases.extend([
        add_with("a name of blanks").but("name", " "),
        add_with("a name of blanks, a program").but("name", " ").json(),
        add_with("a name of two lines").but("name", "a\nb"),
        add_with("a name of blanks, and all is down").but("name", " ").down(),
        add_with("no slot's id").but("slot", "x").down(),
        add_with("no slot's id, a program").but("slot", "x").down().json(),
        add_with("without a name, a program").without("name").down().json(),
        add_with("without a slot, a program").without("slot").down().json(),
        add_with("a conflict").with(commands_conflict),
        add_with("parking calls it invalid").with(commands_invalid),
        add_with("no response").with(commands_down),
        add_with("no response, a program").with(commands_down).json(),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}

fn changes(what: &str) -> Vec<Case> {
    let change = |title: &str| page(title, then(what)).fields(&[]);
    let resource = format!("/operator/room/slots/{{slotId}}/{what}");
    let other = || Sent::new("POST", &resource, &[("slotId", "x")]);
    let mut cases: Vec<Case> = form(|| then(what), &[]);
    cases.extend([
        change("a conflict").with(commands_conflict),
        change("a conflict, a program").with(commands_conflict).json(),
        change("no such slot").with(commands_missing),
        change("no such slot, a program").with(commands_missing).json(),
        change("no response").with(commands_down),
        page("an id that is none", other()).fields(&[]).down(),
        page("an id that is none, a program", other()).fields(&[]).down().json(),
    ]);
    cases
}

#[tokio::test]
async fn closing_one() {
    insta::assert_snapshot!(responses(changes("close")).await);
}

#[tokio::test]
async fn reopening_one() {
    insta::assert_snapshot!(responses(changes("reopen")).await);
}

#[tokio::test]
async fn addresses_of_forms() {
    let of =
        |what| address_of_form(&format!("/operator/room/slots/{{slotId}}/{what}"), &PARAMETERS);
    insta::assert_snapshot!(responses(of("close").into_iter().chain(of("reopen"))).await);
}
