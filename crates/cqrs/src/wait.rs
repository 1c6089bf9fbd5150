//! Read your writes: a query that waits for the view to catch up.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::view::{Reader, Row, Versioned, ViewError};

/// The first pause between two reads. A projection takes about 10 ms on a laptop, and 200 ms on AWS.
const PAUSE: Duration = Duration::from_millis(10);
/// The longest pause between two reads, because each read costs money.
const MAX_PAUSE: Duration = Duration::from_millis(100);

/// Which version a reader needs, and how long it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitPolicy {
    /// The lowest acceptable version; 1 accepts any row.
    pub min_version: u64,
    /// The maximum time to wait.
    pub timeout: Duration,
}

/// Reads a row as soon as it has the required version, or whatever exists when the time is up.
///
/// # Errors
///
/// If the view can't be read.
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
        // Cap the pause, so that the last read happens at the deadline.
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
    async fn the_wait_ends_with_the_version_that_exists() {
        let view = MemoryView::default();
        view.upsert_if_newer("hall", 2, &Lamp).await.unwrap();
        let began = Instant::now();
        let found = get(&view, "hall", WaitPolicy { min_version: 3, timeout: TWO_SECONDS }).await;
        assert_eq!(found.unwrap().unwrap().version, 2);
        assert_eq!(began.elapsed().as_secs(), 2);
    }
}
