//! `/operator/dead-letters`, and what lies below it.

use serde_json::{Value, json};

use super::{access, api, bad_bodies, media_types, responses};
use crate::responses::{Case, most_queues};
use crate::support::{OperatorRequest as _, Sent, Shelf};

fn list() -> Sent {
    Sent::new("GET", "/operator/dead-letters", &[])
}

fn redrive(queue: &str) -> Sent {
    Sent::new("POST", "/operator/dead-letters/{queue}/redrive", &[("queue", queue)])
}

fn discard(queue: &str) -> Sent {
    Sent::new("POST", "/operator/dead-letters/{queue}/discard", &[("queue", queue)])
}

#[tokio::test]
async fn in_a_list() {
    let cases = access(list).into_iter().chain([
        api("one queue cannot be reached", list()).queues(most_queues),
        api("there are none", list()).queues(Shelf::default),
        api("a limit", list().query("limit", "5")).down(),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}

#[tokio::test]
async fn redriving() {
    let cases = access(|| redrive("booking")).into_iter().chain([
        api("an unknown queue", redrive("cars")).down(),
        api("the queue of the dead letters", redrive("booking-dead-letters")).down(),
        api("a queue that cannot be reached", redrive("parking-publish")).queues(most_queues),
        api("an empty object", redrive("booking").body(&json!({}))),
        api("a body", redrive("booking").body(&json!({"why": "rain"}))).down(),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}

#[tokio::test]
async fn discarding() {
    let good = || json!({"messageId": "m2", "reason": "the slot never existed"});
    let sent = || discard("booking").body(&good());
    let body = |title: &str, body: &Value| api(title, discard("booking").body(body));
    let reason = |reason: &str| json!({"messageId": "m2", "reason": reason});
    let mut cases: Vec<Case> = access(sent);
    cases.extend(bad_bodies(|| discard("booking")));
    cases.extend(media_types(sent));
    cases.extend([
        body("an unknown message", &json!({"messageId": "m7", "reason": "why not"})),
        body("a message without an id", &json!({"messageId": "", "reason": "why not"})),
        body("no reason", &json!({"messageId": "m2"})),
        body("a reason of blanks", &reason(" ")),
        body("a reason of two lines", &reason("a\nb")),
        body("a reason that is too long", &reason(&"x".repeat(501))),
        body("an unknown field", &json!({"messageId": "m2", "reason": "x", "force": true})),
        api("an unknown queue", discard("cars").body(&good())),
        api("a queue that cannot be reached", discard("parking-publish").body(&good()))
            .queues(most_queues),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}
