//! `/operator/overview`.

use serde_json::Value;

use super::{access, api, responses};
use crate::console::well;
use crate::responses::{commands_down, most_queues};
use crate::routes::down;
use crate::support::{OperatorRequest as _, Sent};

fn overview() -> Sent {
    Sent::new("GET", "/operator/overview", &[])
}

fn without_slots(function: &str, request: &Value) -> bff::memory::Reply {
    if function == "parking-query" { down() } else { well(function, request) }
}

#[tokio::test]
async fn at_a_glance() {
    let cases = access(overview).into_iter().chain([
        api("one queue cannot be reached", overview()).queues(most_queues),
        api("billing is down", overview()).with(commands_down),
        api("parking is down", overview()).with(without_slots),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}
