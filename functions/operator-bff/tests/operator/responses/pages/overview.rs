//! `GET /operator`: the overview.

use super::{access, page, responses};
use crate::responses::{commands_down, most_queues};
use crate::support::{OperatorRequest as _, Sent};

fn get() -> Sent {
    Sent::new("GET", "/operator", &[])
}

#[tokio::test]
async fn the_overview() {
    let cases = access(get).into_iter().chain([
        page("without a slash at the end", get().path("/operator")),
        page("one queue cannot be reached", get()).queues(most_queues),
        page("billing is down", get()).with(commands_down),
        page("a correlation id that is none", get()).header("X-Correlation-Id", "<script>").down(),
    ]);
    insta::assert_snapshot!(responses(cases).await);
}
