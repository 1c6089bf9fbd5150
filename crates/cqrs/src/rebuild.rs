//! Online rebuild: builds a new generation from the source while writes and queries continue.
//!
//! `begin` creates the new generation, and from then on projectors write it. `work` builds its rows from the source,
//! compares them with the live rows, and promotes it. [`generation`](crate::generation) explains why no change is lost.
//!
//! Crash points, and what remains:
//!
//! - before `begin` has stored the state: no rebuild was started;
//! - after it, or between two pages: the lease expires, the status is `failed`, and the next worker continues from the last
//!   checkpoint. It repeats an incomplete page, which overwrites no newer row;
//! - at the promotion: it is one write, stored or not;
//! - after it: rows of a dropped generation remain, which no query reads. The next worker deletes them.

use std::error::Error as StdError;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use service_error::ServiceError;

use crate::generation::{
    Counts, Generations, Lease, ListedRow, Phase, ProjectionState, ProjectionStateStore, Rebuild,
    RollbackRejection, RowsPage, Status,
};
use crate::lag::{Lag, LagReport};
use crate::view::{Row, Versioned, View, ViewError};

/// How many rows are written concurrently: fast enough, without using up the table's capacity.
const CONCURRENCY: usize = 8;
/// How many times an update of the state is tried against other writers before the caller must retry.
const MAX_ATTEMPTS: usize = 5;

/// The source of a view, read as a whole.
///
/// An implementation must
/// - return every aggregate that existed when the first page was read;
/// - return everything that was committed before a read began.
pub trait RebuildSource<R>: Sync {
    /// Reads a page of aggregates, folded into rows. `after` is the `next` of the previous page, whichever worker read it.
    ///
    /// # Errors
    ///
    /// If the source can't be read.
    fn page(
        &self,
        after: Option<&str>,
    ) -> impl Future<Output = Result<SourcePage<R>, SourceError>> + Send;

    /// Reads one aggregate, folded into its row.
    ///
    /// # Errors
    ///
    /// If the source can't be read.
    fn load(&self, id: &str) -> impl Future<Output = Result<SourceRow<R>, SourceError>> + Send;
}

/// A page of a source's aggregates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcePage<R> {
    /// The ids and rows of the aggregates. A page may be empty without being the last.
    pub rows: Vec<(String, SourceRow<R>)>,
    /// The token of the next page; absent on the last page.
    pub next: Option<String>,
}

/// The row of one aggregate in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceRow<R> {
    /// The row that the view should contain.
    Row(Versioned<R>),
    /// The aggregate does not exist, or has no row.
    Absent,
    /// The aggregate is unreadable, for this reason.
    Unreadable(String),
}

/// The source did not respond; retry.
#[derive(Debug, thiserror::Error)]
#[error("source did not respond")]
pub struct SourceError(#[source] pub Box<dyn StdError + Send + Sync>);

/// The progress of a view and its rebuild.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The status of the view.
    pub status: Status,
    /// The generation that queries read.
    pub live: u64,
    /// The generation that is retained for a rollback.
    pub previous: Option<u64>,
    /// The rebuild that is running, or was abandoned.
    pub rebuild: Option<Rebuild>,
    /// The counts of this rebuild so far, or of the last finished one.
    pub counts: Counts,
    /// When queries were last switched to another generation.
    pub switched_at: Option<Timestamp>,
    /// How many seconds the view is behind its source.
    pub lag_seconds: u64,
}

impl Progress {
    /// The progress that a projection's state and lag describe.
    #[must_use]
    pub fn of(state: ProjectionState, lag: &Lag, now: Timestamp) -> Self {
        Self {
            status: state.status(now),
            live: state.live,
            previous: state.previous,
            counts: state.rebuild.as_ref().map_or(state.counts, |it| it.counts),
            rebuild: state.rebuild,
            switched_at: state.switched_at,
            lag_seconds: lag.seconds(now),
        }
    }
}

/// The result of a worker's run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkOutcome {
    /// No work is left, whichever worker did it.
    Done,
    /// Another worker holds the lease.
    LeasedElsewhere,
}

/// Why a rebuild stopped.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The view's table did not respond, or a row is unreadable.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The source did not respond.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A live row's aggregate is unreadable in the source: promoting the new generation would lose the row.
    #[error("`{id}` has a live row, and is unreadable in the source: {cause}")]
    Unreadable {
        /// The id of the aggregate.
        id: String,
        /// Why it is unreadable.
        cause: String,
    },
}

/// Why a rollback failed.
#[derive(Debug, thiserror::Error)]
pub enum RollbackError {
    /// A rule rejects the rollback.
    #[error(transparent)]
    Rejected(#[from] RollbackRejection),
    /// The view's table did not respond.
    #[error(transparent)]
    View(#[from] ViewError),
}

/// What the error means for the caller of a function.
impl From<RebuildError> for ServiceError {
    fn from(error: RebuildError) -> Self {
        match error {
            RebuildError::View(error) => error.into(),
            RebuildError::Source(_) => {
                Self::transient("the source of the view can't be reached", error)
            }
            RebuildError::Unreadable { .. } => Self::permanent(error),
        }
    }
}

/// What the error means for the caller of a function.
impl From<RollbackError> for ServiceError {
    fn from(error: RollbackError) -> Self {
        match error {
            RollbackError::Rejected(reason @ RollbackRejection::NotRetained) => {
                Self::rejected("conflict", reason.to_string())
            }
            RollbackError::Rejected(reason @ RollbackRejection::NotPropagated) => {
                Self::transient("the last promotion is not propagated yet", reason)
            }
            RollbackError::View(error) => error.into(),
        }
    }
}

/// Reads the progress of a view and its rebuild.
///
/// # Errors
///
/// If the view's table can't be read.
pub async fn progress(
    views: &impl ProjectionStateStore,
    now: Timestamp,
) -> Result<Progress, ViewError> {
    let (state, lag) = views.state().await?;
    Ok(Progress::of(state, &lag, now))
}

/// Starts a rebuild, or continues an abandoned one; a running one is unchanged. A worker must then call [`work`].
///
/// # Errors
///
/// If the view's table does not respond; the same call may be made again.
pub async fn begin(
    views: &impl ProjectionStateStore,
    now: Timestamp,
) -> Result<Progress, ViewError> {
    for _ in 0..MAX_ATTEMPTS {
        let (state, lag) = views.state().await?;
        let Some(next) = state.start_rebuild(now) else {
            return Ok(Progress::of(state, &lag, now));
        };
        if views.update_state(&next).await? {
            return Ok(Progress::of(next, &lag, now));
        }
    }
    Err(lost_every_race())
}

/// Makes the previous generation, given by its number, live again. Idempotent.
///
/// # Errors
///
/// If the generation is not retained, the last promotion is not propagated yet, or the view's table does not respond.
pub async fn roll_back(
    views: &impl ProjectionStateStore,
    to: u64,
    now: Timestamp,
) -> Result<Progress, RollbackError> {
    for _ in 0..MAX_ATTEMPTS {
        let (state, lag) = views.state().await?;
        let Some(next) = state.roll_back(to, now)? else {
            return Ok(Progress::of(state, &lag, now));
        };
        if views.update_state(&next).await? {
            return Ok(Progress::of(next, &lag, now));
        }
    }
    Err(lost_every_race().into())
}

/// Runs the started rebuild to its end, and deletes the rows of dropped generations.
///
/// `worker` names this attempt and its retries, so that a retry need not wait for its own lease to expire.
///
/// # Errors
///
/// If the rebuild can't continue. The status is then `failed`, and the same call continues from the last checkpoint.
pub async fn work<R: Row>(
    views: &impl Generations<R>,
    source: &impl RebuildSource<R>,
    worker: &str,
    clock: impl Fn() -> Timestamp,
) -> Result<WorkOutcome, RebuildError> {
    loop {
        match step(views, source, worker, &clock).await {
            Ok(None) => {}
            Ok(Some(worked)) => return Ok(worked),
            Err(error) => {
                abandon(views, worker, &error, clock()).await;
                return Err(error);
            }
        }
    }
}

/// Runs one page, or the next transition; returns the result once no work is left.
async fn step<R: Row>(
    views: &impl Generations<R>,
    source: &impl RebuildSource<R>,
    worker: &str,
    clock: &impl Fn() -> Timestamp,
) -> Result<Option<WorkOutcome>, RebuildError> {
    let (state, lag) = views.state().await?;
    match state.claim(worker, clock()) {
        Lease::None => {
            collect_garbage(views, &state).await?;
            return Ok(Some(WorkOutcome::Done));
        }
        Lease::HeldByOther => return Ok(Some(WorkOutcome::LeasedElsewhere)),
        Lease::Available(next) => {
            // Stored or not, the next step reads the state again.
            views.update_state(&next).await?;
            return Ok(None);
        }
        Lease::Held => {}
    }
    let Some(rebuild) = &state.rebuild else { return Ok(None) };
    let view = views.generation(rebuild.generation);
    let after = rebuild.checkpoint.as_deref();
    let mut counts = rebuild.counts;
    match rebuild.phase {
        Phase::Copy => {
            let page = source.page(after).await?;
            copy(&view, page.rows, &mut counts).await?;
            views.update_state(&state.checkpoint(counts, page.next, clock())).await?;
        }
        Phase::Compare => {
            let RowsPage { rows, next } = views.rows(state.live, after).await?;
            compare(&view, source, rows, &mut counts).await?;
            if next.is_some() {
                views.update_state(&state.checkpoint(counts, next, clock())).await?;
                return Ok(None);
            }
            let promoted = loop {
                if let Some(promoted) = state.promote(counts, clock()) {
                    break promoted;
                }
                // Shorter than a lease: some readers may still use the generation before the live one.
                tokio::time::sleep(Duration::from_millis(100)).await;
            };
            if views.update_state(&promoted).await? {
                tracing::info!(generation = promoted.live, ?counts, "generation promoted");
                // The new generation contains the records that were blocked when the rebuild started. One that still is reports again.
                let old = lag.blocked.into_iter().filter(|(_, since)| *since < rebuild.started_at);
                let unblocked: Vec<String> = old.map(|(record, _)| record).collect();
                if !unblocked.is_empty() {
                    views.report_lag(&LagReport { unblocked, ..LagReport::default() }).await?;
                }
            }
        }
    }
    Ok(None)
}

async fn copy<R: Row>(
    view: &impl View<R>,
    rows: Vec<(String, SourceRow<R>)>,
    counts: &mut Counts,
) -> Result<(), RebuildError> {
    let written = stream::iter(rows).map(async |(id, row)| match row {
        SourceRow::Row(Versioned { version, row }) => {
            view.upsert_if_newer(&id, version, &row).await?;
            Ok::<_, ViewError>((1, 0))
        }
        SourceRow::Absent => Ok((0, 0)),
        SourceRow::Unreadable(cause) => {
            tracing::error!(id, cause, "aggregate is unreadable");
            Ok((0, 1))
        }
    });
    let written: Vec<(u64, u64)> = written.buffer_unordered(CONCURRENCY).try_collect().await?;
    for (applied, unreadable) in written {
        counts.applied += applied;
        counts.unreadable += unreadable;
    }
    Ok(())
}

/// Compares live rows with the new ones. The live rows were read first, so each is in the new generation by now, or its
/// record has not been projected there yet.
async fn compare<R: Row>(
    view: &impl View<R>,
    source: &impl RebuildSource<R>,
    rows: Vec<ListedRow<R>>,
    counts: &mut Counts,
) -> Result<(), RebuildError> {
    let compared = stream::iter(rows).map(async |live| {
        let found = match view.get(&live.id).await? {
            Some(found) if found.version >= live.version => found,
            // The row is missing or behind: the source has the aggregate, or the live row is wrong.
            Some(_) | None => match source.load(&live.id).await? {
                SourceRow::Row(update) => {
                    view.upsert_if_newer(&live.id, update.version, &update.row).await?;
                    if update.version >= live.version {
                        return Ok::<_, RebuildError>((1, 0));
                    }
                    update
                }
                SourceRow::Absent => {
                    tracing::warn!(id = live.id, "live row has no aggregate in the source");
                    return Ok((0, 1));
                }
                SourceRow::Unreadable(cause) => {
                    return Err(RebuildError::Unreadable { id: live.id, cause });
                }
            },
        };
        let differs = found.version < live.version
            || found.version == live.version && !is_same(Some(&found.row), live.row.as_ref());
        if differs {
            tracing::warn!(id = live.id, version = live.version, "rows differ");
        }
        Ok((0, u64::from(differs)))
    });
    let compared: Vec<(u64, u64)> = compared.buffer_unordered(CONCURRENCY).try_collect().await?;
    for (backfilled, different) in compared {
        counts.compared += 1;
        counts.backfilled += backfilled;
        counts.different += different;
    }
    Ok(())
}

/// Compares rows by their JSON, because a row need not be comparable.
fn is_same<R: Row>(one: Option<&R>, other: Option<&R>) -> bool {
    let written = |row| serde_json::to_value(row).ok();
    one.map(written) == other.map(written)
}

/// Deletes dropped generations. No number is assigned twice, so a dropped generation never reappears.
async fn collect_garbage(
    views: &impl ProjectionStateStore,
    state: &ProjectionState,
) -> Result<(), ViewError> {
    let kept = state.retained();
    let mut after = views.collect_garbage(&kept, state.newest, None).await?;
    while let Some(next) = after {
        after = views.collect_garbage(&kept, state.newest, Some(&next)).await?;
    }
    Ok(())
}

async fn abandon(
    views: &impl ProjectionStateStore,
    worker: &str,
    error: &RebuildError,
    now: Timestamp,
) {
    tracing::error!(error = error as &dyn StdError, "rebuild failed");
    let released = async {
        let (state, _) = views.state().await?;
        if state.claim(worker, now) == Lease::Held {
            views.update_state(&state.abandon(error.to_string(), now)).await?;
        }
        Ok::<_, ViewError>(())
    };
    if let Err(error) = released.await {
        // The lease expires on its own.
        tracing::warn!(error = &error as &dyn StdError, "lease was not released");
    }
}

fn lost_every_race() -> ViewError {
    ViewError::Unavailable("other writers were first every time".into())
}
