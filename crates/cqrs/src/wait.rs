//! Read your writes: a query that waits for the view to catch up.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::view::{Reader, Row, Versioned, ViewError};

/// Between two looks: a projection takes some 10 ms on a laptop, 200 ms on AWS.
const PAUSE: Duration = Duration::from_millis(10);
/// A long wait looks less often: each look is a read that somebody pays for.
const MAX_PAUSE: Duration = Duration::from_millis(100);

/// What a reader can do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitPolicy {
    /// The least version that will do; 1 for any.
    pub min_version: u64,
    /// How long to wait for it.
    pub timeout: Duration,
}

/// Reads a row that has reached the wanted version, or whatever there is when the time is over.
///
/// # Errors
///
/// Fails when the view cannot be read.
pub async fn get<R: Row>(
    view: &impl Reader<R>,
    id: &str,
    policy: WaitPolicy,
) -> Result<Option<Versioned<R>>, ViewError> {
    let deadline = Instant::now() + policy.timeout;
    let mut pause = PAUSE;
    loop {
        let found = view.get(id).await?;
        let reached = found.as_ref().is_some_and(|it| it.version >= policy.min_version);
        if reached || Instant::now() >= deadline {
            return Ok(found);
        }
        // The last look is at the deadline, not before it.
        let waited = timeout_at(deadline, sleep(pause)).await;
        tracing::trace!(early = waited.is_ok(), "view is behind");
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::memory::MemoryView;
    use crate::view::View as _;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Lamp;
    impl Row for Lamp {}

    const TWO_SECONDS: Duration = Duration::from_secs(2);

    #[tokio::test(start_paused = true)]
    async fn a_row_that_arrives_in_time_is_read() {
        let view = MemoryView::default();
        let reader = get(&view, "hall", WaitPolicy { min_version: 3, timeout: TWO_SECONDS });
        let writer = async {
            sleep(Duration::from_millis(900)).await;
            view.upsert_if_newer("hall", 3, &Lamp).await.unwrap();
        };
        let (found, ()) = tokio::join!(reader, writer);
        assert_eq!(found.unwrap().unwrap().version, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_ends_with_what_there_is() {
        let view = MemoryView::default();
        view.upsert_if_newer("hall", 2, &Lamp).await.unwrap();
        let began = Instant::now();
        let found = get(&view, "hall", WaitPolicy { min_version: 3, timeout: TWO_SECONDS }).await;
        assert_eq!(found.unwrap().unwrap().version, 2);
        assert_eq!(began.elapsed().as_secs(), 2);
    }
}
