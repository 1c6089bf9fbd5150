//! `/operator/room/dead-letters`: the page, and the forms that redrive and discard messages.

use super::{access, address_of_form, form, page, responses};
use crate::responses::{Case, most_queues};
use crate::support::{OperatorRequest as _, Sent, Shelf};

const FIELDS: [(&str, &str); 2] = [("message", "m2"), ("reason", "no such slot")];

fn list() -> Sent {
    Sent::new("GET", "/operator/room/dead-letters", &[])
}

fn redrive(queue: &str) -> Sent {
    Sent::new("POST", "/operator/room/dead-letters/{queue}/redrive", &[("queue", queue)])
}

fn discard(queue: &str) -> Sent {
    Sent::new("POST", "/operator/room/dead-letters/{queue}/discard", &[("queue", queue)])
}

#[tokio::test]
async fn in_a_list() {
    let done = |title: &str, word: &str| page(title, list().query("done", word));
    let cases = access(list).into_iter().chain([
        done("after they were redriven", "redriven"),
        done("after one was discarded", "discarded"),
        done("after something unknown", "x").down(),
        done("after something unknown, a program", "x").down().json(),
        page("one queue cannot be reached", list()).queues(most_queues),
        page("there are none", list()).queues(Shelf::default),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}

#[tokio::test]
async fn redriving() {
    let unreachable = || page("a queue that cannot be reached", redrive("parking-publish"));
    let mut cases: Vec<Case> = form(|| redrive("booking-publish"), &[]);
    cases.extend([
        unreachable().fields(&[]).queues(most_queues),
        unreachable().titled("a program").fields(&[]).queues(most_queues).json(),
        page("an unknown queue", redrive("cars")).fields(&[]),
        page("an unknown queue, a program", redrive("cars")).fields(&[]).json(),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}

#[tokio::test]
async fn discarding() {
    let discard_with = |title: &str| page(title, discard("booking")).fields(&FIELDS);
    let mut cases: Vec<Case> = form(|| discard("booking"), &FIELDS);
    cases.extend([
        discard_with("a message that is gone").but("message", "m7"),
        discard_with("a message that is gone, a program").but("message", "m7").json(),
        discard_with("no message's id").but("message", ""),
        discard_with("a reason of blanks").but("reason", " "),
        discard_with("a reason of blanks, a program").but("reason", " ").json(),
        discard_with("a reason that is too long").but("reason", &"x".repeat(501)),
        discard_with("without a message, a program").without("message").json(),
        discard_with("without a reason").without("reason"),
        discard_with("without a reason, a program").without("reason").json(),
        page("a queue that cannot be reached", discard("parking-publish"))
            .fields(&FIELDS)
            .queues(most_queues),
        page("an unknown queue", discard("cars")).fields(&FIELDS),
        page("an unknown queue, a program", discard("cars")).fields(&FIELDS).json(),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}

#[tokio::test]
async fn addresses_of_forms() {
    let of = |what| {
        let resource = format!("/operator/room/dead-letters/{{queue}}/{what}");
        address_of_form(&resource, &[("queue", "booking")])
    };
    insta::assert_snapshot!(responses(of("redrive").into_iter().chain(of("discard"))).await);
}
