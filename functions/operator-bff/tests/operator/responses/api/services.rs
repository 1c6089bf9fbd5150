//! `/operator/services/{service}/republish`.

use serde_json::{Value, json};

use super::{access, api, bad_bodies, media_types, responses};
use crate::responses::{Case, most_queues};
use crate::support::{AT, BOOKING, OperatorRequest as _, Sent};

fn republish(service: &str) -> Sent {
    Sent::new("POST", "/operator/services/{service}/republish", &[("service", service)])
}

#[tokio::test]
async fn republishing() {
    let one = || republish("booking").body(&json!({"aggregate": BOOKING}));
    let later = "2025-03-12T20:00:00Z";
    let body = |title: &str, body: &Value| api(title, republish("booking").body(body));
    let mut cases: Vec<Case> = access(one);
    cases.extend(bad_bodies(|| republish("booking")));
    cases.extend(media_types(one));
    cases.extend([
        api("of a time", republish("parking").body(&json!({"from": AT, "until": later}))),
        api("of billing", republish("billing").body(&json!({"aggregate": "a"}))),
        api("an unknown service", republish("customers").body(&json!({"aggregate": "a"}))).down(),
        api(
            "a queue that cannot be reached",
            republish("parking").body(&json!({"aggregate": "a"})),
        )
        .queues(most_queues),
        body("an empty aggregate", &json!({"aggregate": ""})).down(),
        body("an aggregate that is too long", &json!({"aggregate": "a".repeat(101)})).down(),
        body("an aggregate and a time", &json!({"aggregate": BOOKING, "from": AT})).down(),
        body("a time without an end", &json!({"from": AT})).down(),
        body("a time that ends as it begins", &json!({"from": AT, "until": AT})).down(),
        body("a time that is none", &json!({"from": "monday", "until": AT})).down(),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}
