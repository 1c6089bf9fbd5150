//! Online rebuild: a new generation from the source, beside the live one, while writes and queries go on.
//!
//! `begin` names the new generation, from when on the projectors write to it; `work` makes its rows from the source,
//! compares them with the live ones, and switches. Why nothing is missed is told in [`generation`](crate::generation).
//!
//! Where it can die, and what is left:
//!
//! - before `begin` has written the control: nothing has begun;
//! - after it, or between two pages: the lease ends, the status says `failed`, and whoever comes next goes on from the
//!   last checkpoint. A page that was half done is done again; its rows only move forward;
//! - at the switch: it is one write, done or not done;
//! - after it: rows of a dropped generation lie about, and the next worker sweeps them away. Nobody reads them.

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

/// Rows on their way at once: a rebuild must not be slow, nor take the table from those who work with it.
const CONCURRENCY: usize = 8;
/// So often a race for the control may be lost before the caller is told to come back.
const MAX_ATTEMPTS: usize = 5;

/// What a view is made from, read whole.
///
/// An implementation must
/// - name every aggregate that was there when the first page was asked for;
/// - show what was committed before a read began.
pub trait RebuildSource<R>: Sync {
    /// Reads a page of aggregates, folded into rows; `after` is the `next` of the page before, by whoever it was read.
    ///
    /// # Errors
    ///
    /// Fails when the source cannot be read.
    fn page(
        &self,
        after: Option<&str>,
    ) -> impl Future<Output = Result<SourcePage<R>, SourceError>> + Send;

    /// Reads one aggregate, folded into its row.
    ///
    /// # Errors
    ///
    /// Fails when the source cannot be read.
    fn load(&self, id: &str) -> impl Future<Output = Result<SourceRow<R>, SourceError>> + Send;
}

/// Some aggregates of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcePage<R> {
    /// Their ids, and what is told of them; a page may be empty, and not the last.
    pub rows: Vec<(String, SourceRow<R>)>,
    /// Where the next page begins; nothing after the last.
    pub next: Option<String>,
}

/// What a source tells of an aggregate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceRow<R> {
    /// What a view shows of it.
    Row(Versioned<R>),
    /// There is nothing to show.
    Absent,
    /// Nobody can read it, for this reason.
    Unreadable(String),
}

/// The source did not answer; ask again.
#[derive(Debug, thiserror::Error)]
#[error("source did not answer")]
pub struct SourceError(#[source] pub Box<dyn StdError + Send + Sync>);

/// How far a view and its rebuild are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How the view fares.
    pub status: Status,
    /// Generation that queries read.
    pub live: u64,
    /// Generation that is kept to go back to.
    pub previous: Option<u64>,
    /// The rebuild that is under way, or was given up.
    pub rebuild: Option<Rebuild>,
    /// What this rebuild has done so far, or the last one has done in all.
    pub counts: Counts,
    /// When queries were last pointed to another generation.
    pub switched_at: Option<Timestamp>,
    /// Seconds by which the view is behind its source.
    pub lag_seconds: u64,
}

impl Progress {
    /// What the table tells.
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

/// What became of a worker's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkOutcome {
    /// Nothing is left to do, by whomever it was done.
    Done,
    /// Another worker is at it.
    LeasedElsewhere,
}

/// Why a rebuild has come to a halt.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The view's table did not answer, or is unreadable.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The source did not answer.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A row is shown of what the source does not tell in words that can be read: it would be lost.
    #[error("`{id}` is shown, and unreadable at its source: {cause}")]
    Unreadable {
        /// The aggregate.
        id: String,
        /// What is wrong with it.
        cause: String,
    },
}

/// Why the generations were not swapped.
#[derive(Debug, thiserror::Error)]
pub enum RollbackError {
    /// A rule says no.
    #[error(transparent)]
    Refused(#[from] RollbackRejection),
    /// The view's table did not answer.
    #[error(transparent)]
    View(#[from] ViewError),
}

/// What it means for the caller of a function.
impl From<RebuildError> for ServiceError {
    fn from(error: RebuildError) -> Self {
        match error {
            RebuildError::View(error) => error.into(),
            RebuildError::Source(_) => Self::transient("the view's source can't be reached", error),
            RebuildError::Unreadable { .. } => Self::permanent(error),
        }
    }
}

/// What it means for the caller of a function.
impl From<RollbackError> for ServiceError {
    fn from(error: RollbackError) -> Self {
        match error {
            RollbackError::Refused(reason @ RollbackRejection::NotKept) => {
                Self::rejected("conflict", reason.to_string())
            }
            RollbackError::Refused(reason @ RollbackRejection::NotPropagated) => {
                Self::transient("the last switch was only a moment ago", reason)
            }
            RollbackError::View(error) => error.into(),
        }
    }
}

/// Tells how far a view and its rebuild are.
///
/// # Errors
///
/// Fails when the view's table cannot be read.
pub async fn progress(
    views: &impl ProjectionStateStore,
    now: Timestamp,
) -> Result<Progress, ViewError> {
    let (state, lag) = views.state().await?;
    Ok(Progress::of(state, &lag, now))
}

/// Begins a rebuild, or takes up one that was given up; one that is under way is left alone. Somebody must [`work`] then.
///
/// # Errors
///
/// Fails when the view's table does not answer; the same call may be made again.
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
    Err(raced())
}

/// Makes the previous generation, named by its number, live again. Asked twice, it does so once.
///
/// # Errors
///
/// If it is not kept, or the last switch was only a moment ago; or the view's table does not answer.
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
    Err(raced().into())
}

/// Works on the rebuild that was begun until it is done, and sweeps away what is dropped.
///
/// `worker` names this attempt and its repetitions, so that a repetition need not wait for its own lease to end.
///
/// # Errors
///
/// If it can't go on; the status says `failed` at once, and the same call goes on from the last checkpoint.
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
                give_up(views, worker, &error, clock()).await;
                return Err(error);
            }
        }
    }
}

/// One page, or whatever comes next; answers what became of the work when there is no next.
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
            // Won or lost: the next step sees.
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
            let switched = loop {
                if let Some(switched) = state.promote(counts, clock()) {
                    break switched;
                }
                // Less than a lease: the last switch was a moment ago, and some may still read the generation before it.
                tokio::time::sleep(Duration::from_millis(100)).await;
            };
            if views.update_state(&switched).await? {
                tracing::info!(generation = switched.live, ?counts, "view switched");
                // What was stuck when this began is in the new generation. What still is will say so again.
                let old = lag.blocked.into_iter().filter(|(_, since)| *since < rebuild.begun_at);
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

/// Holds live rows against the new ones. The live ones were read before: whatever they show, the new ones show by now, or
/// will once the projector has come to them.
async fn compare<R: Row>(
    view: &impl View<R>,
    source: &impl RebuildSource<R>,
    rows: Vec<ListedRow<R>>,
    counts: &mut Counts,
) -> Result<(), RebuildError> {
    let compared = stream::iter(rows).map(async |live| {
        let found = match view.get(&live.id).await? {
            Some(found) if found.version >= live.version => found,
            // Not there, or behind: the source has it, or the live row is wrong.
            Some(_) | None => match source.load(&live.id).await? {
                SourceRow::Row(told) => {
                    view.upsert_if_newer(&live.id, told.version, &told.row).await?;
                    if told.version >= live.version {
                        return Ok::<_, RebuildError>((1, 0));
                    }
                    told
                }
                SourceRow::Absent => {
                    tracing::warn!(id = live.id, "row of nothing");
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
    for (healed, different) in compared {
        counts.compared += 1;
        counts.healed += healed;
        counts.different += different;
    }
    Ok(())
}

/// Rows need not be comparable, but they can all be written down.
fn is_same<R: Row>(one: Option<&R>, other: Option<&R>) -> bool {
    let written = |row| serde_json::to_value(row).ok();
    one.map(written) == other.map(written)
}

/// A number is never given twice, so what is not kept now will not be kept again.
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

async fn give_up(
    views: &impl ProjectionStateStore,
    worker: &str,
    error: &RebuildError,
    now: Timestamp,
) {
    tracing::error!(error = error as &dyn StdError, "rebuild halted");
    let given_up = async {
        let (state, _) = views.state().await?;
        if state.claim(worker, now) == Lease::Held {
            views.update_state(&state.abandon(error.to_string(), now)).await?;
        }
        Ok::<_, ViewError>(())
    };
    if let Err(error) = given_up.await {
        // The lease will end by itself.
        tracing::warn!(error = &error as &dyn StdError, "lease not given up");
    }
}

fn raced() -> ViewError {
    ViewError::Unavailable("others were first, again and again".into())
}
