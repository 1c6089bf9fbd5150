//! Generations of a view: the live one, the one that a rebuild builds, and the one retained for a rollback.
//!
//! Every row carries the number of its generation, so that generations share one table and no query can mix them. One
//! [`ProjectionState`] says what each number is for. Promoting a generation is one conditional write of it.
//!
//! Why a rebuild needs neither a pause of the writers nor a wait for the stream:
//!
//! - A projector reads the state once per batch, strongly consistent, and writes each row to every retained generation,
//!   including the one that is being built.
//! - A batch that read the state *before* the rebuild started writes the old generations only. Its changes were committed
//!   before their delivery, so before the rebuild started. The rebuild reads the source later, and finds them there.
//! - A batch that read the state *after* that writes the new generation too.
//! - So each change reaches the new generation in at least one of the two ways. The order does not matter, because a row
//!   is only overwritten by a newer version.
//!
//! After a promotion the previous generation is still written. A query that reads it for another moment therefore
//! finds rows as fresh as the new ones, and a rollback loses nothing.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::lag::{Lag, LagReport};
use crate::view::{Row, View, ViewError};

/// How long a reader may cache the live generation. This saves a read for each query, and delays a promotion by a second.
pub const CACHE: Duration = Duration::from_secs(1);
/// After this time no reader and no projector uses the state from before a promotion: it was cached for a second, a query
/// or a batch takes at most 6 seconds (the functions' timeout), and one second is for differing clocks.
pub const PROPAGATED_AFTER: SignedDuration = SignedDuration::from_secs(8);
/// How long a worker's lease lasts. A worker renews it with every page, which takes a few seconds at most.
pub const LEASE_DURATION: SignedDuration = SignedDuration::from_secs(60);

/// What the generations of a view are for: the metadata document of a projection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectionState {
    /// The number of changes of this document. Each change is conditional on the revision before it.
    pub revision: u64,
    /// The highest generation number ever assigned. No number is assigned twice.
    pub newest: u64,
    /// The generation that queries read.
    pub live: u64,
    /// The generation that was live before, which projectors keep up to date for a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<u64>,
    /// When queries were last switched to another generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switched_at: Option<Timestamp>,
    /// The rebuild that is running, or that was abandoned before its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuild: Option<Rebuild>,
    /// The counts of the last finished rebuild.
    #[serde(default)]
    pub counts: Counts,
}

/// A rebuild of the view into a new generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rebuild {
    /// The number of the new generation.
    pub generation: u64,
    /// When the rebuild was requested first.
    #[serde(rename = "begunAt")]
    pub started_at: Timestamp,
    /// The current phase.
    pub phase: Phase,
    /// The token of the next page within the phase; absent at its first page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// The counts up to the checkpoint.
    pub counts: Counts,
    /// The worker that holds the lease; absent until one claims it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// When the lease expires. A worker that has not renewed it by then counts as crashed.
    pub leased_until: Timestamp,
    /// Why the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// The two phases of a rebuild.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Rows are built from the source.
    Copy,
    /// The new rows are compared with the live ones.
    Compare,
}

/// The progress of a rebuild in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Aggregates whose rows were built from the source.
    pub applied: u64,
    /// Aggregates that were unreadable in the source.
    pub unreadable: u64,
    /// Live rows that were compared.
    pub compared: u64,
    /// Rows that were behind the live ones, and were backfilled from the source.
    #[serde(rename = "healed")]
    pub backfilled: u64,
    /// Rows whose content differs from the live row of the same version, and live rows whose aggregate does not exist in the
    /// source.
    pub different: u64,
}

/// The status of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// No rebuild exists.
    Live,
    /// A worker is building a new generation.
    Rebuilding,
    /// A rebuild was started, and no worker holds its lease. The live generation is complete.
    Failed,
}

/// The state of a rebuild's lease, as one worker sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lease {
    /// The worker holds the lease.
    Held,
    /// The worker may take the lease, by storing this state.
    Available(Box<ProjectionState>),
    /// Another worker holds the lease, and it has not expired.
    HeldByOther,
    /// There is no rebuild.
    None,
}

/// Why a rollback is not possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RollbackRejection {
    /// The generation is not the one that was live before.
    #[error("this generation is not retained")]
    NotRetained,
    /// Some reader may not use the promoted generation yet; retry after [`PROPAGATED_AFTER`].
    #[error("the last promotion is not propagated yet")]
    NotPropagated,
}

impl Default for ProjectionState {
    fn default() -> Self {
        Self {
            revision: 0,
            newest: 1,
            live: 1,
            previous: None,
            switched_at: None,
            rebuild: None,
            counts: Counts::default(),
        }
    }
}

impl ProjectionState {
    /// The generations that exist, in no particular order.
    #[must_use]
    pub fn retained(&self) -> Vec<u64> {
        let building = self.rebuild.as_ref().map(|it| it.generation);
        [Some(self.live), self.previous, building].into_iter().flatten().collect()
    }

    /// The generations that a projector must write, in order.
    ///
    /// At a promotion a reader moves from one generation to another, and must not find an older row there. So a row is written
    /// last to the generation that readers come from. Before a promotion that is the live one; shortly after it, it is the
    /// previous one, because some readers still use it.
    #[must_use]
    pub fn write_targets(&self, now: Timestamp) -> Vec<u64> {
        let mut order = self.retained();
        let last = if self.is_propagated(now) { Some(self.live) } else { self.previous };
        order.sort_by_key(|it| Some(*it) == last);
        order
    }

    /// Whether every reader uses the live generation of this state.
    #[must_use]
    pub fn is_propagated(&self, now: Timestamp) -> bool {
        self.propagated_at().is_none_or(|at| at <= now)
    }

    /// When every reader will use the live generation of this state; absent if there was no promotion.
    #[must_use]
    pub fn propagated_at(&self) -> Option<Timestamp> {
        self.switched_at.map(|at| at + PROPAGATED_AFTER)
    }

    /// The status of the view.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> Status {
        match &self.rebuild {
            None => Status::Live,
            Some(rebuild) if rebuild.leased_until > now => Status::Rebuilding,
            Some(_) => Status::Failed,
        }
    }

    /// Starts a rebuild, or continues an abandoned one. Returns nothing if one is running.
    #[must_use]
    pub fn start_rebuild(&self, now: Timestamp) -> Option<Self> {
        let leased_until = now + LEASE_DURATION;
        let next = match (self.status(now), &self.rebuild) {
            (Status::Rebuilding, _) => return None,
            (Status::Failed | Status::Live, Some(rebuild)) => Self {
                rebuild: Some(Rebuild {
                    worker: None,
                    leased_until,
                    failure: None,
                    ..rebuild.clone()
                }),
                ..self.clone()
            },
            (Status::Failed | Status::Live, None) => {
                let generation = self.newest + 1;
                let rebuild = Rebuild {
                    generation,
                    started_at: now,
                    phase: Phase::Copy,
                    checkpoint: None,
                    counts: Counts::default(),
                    worker: None,
                    leased_until,
                    failure: None,
                };
                Self { newest: generation, rebuild: Some(rebuild), ..self.clone() }
            }
        };
        Some(next.revised())
    }

    /// Claims the lease of the rebuild for a worker.
    ///
    /// A worker that returns under the same name after its lease expired has crashed in between, so it claims the lease again.
    #[must_use]
    pub fn claim(&self, worker: &str, now: Timestamp) -> Lease {
        let Some(rebuild) = &self.rebuild else { return Lease::None };
        let is_ours = rebuild.worker.as_deref() == Some(worker);
        let is_alive = rebuild.leased_until > now;
        match &rebuild.worker {
            Some(_) if is_ours && is_alive => Lease::Held,
            Some(_) if !is_ours && is_alive => Lease::HeldByOther,
            Some(_) | None => Lease::Available(Box::new(self.with(|it| {
                it.worker = Some(worker.to_owned());
                it.leased_until = now + LEASE_DURATION;
                it.failure = None;
            }))),
        }
    }

    /// Stores a finished page. `next` is the token of the following page; without one the phase ends.
    #[must_use]
    pub fn checkpoint(&self, counts: Counts, next: Option<String>, now: Timestamp) -> Self {
        self.with(|it| {
            it.phase = if next.is_some() { it.phase } else { Phase::Compare };
            it.checkpoint = next;
            it.counts = counts;
            it.leased_until = now + LEASE_DURATION;
        })
    }

    /// Releases the lease after a failure, so that the next worker need not wait until it expires.
    #[must_use]
    pub fn abandon(&self, failure: String, now: Timestamp) -> Self {
        self.with(|it| {
            it.leased_until = now;
            it.failure = Some(failure);
        })
    }

    /// Makes the new generation live and retains the one before it. An older one is dropped; no reader has used it for long.
    ///
    /// Returns nothing until the last promotion is propagated.
    #[must_use]
    pub fn promote(&self, counts: Counts, now: Timestamp) -> Option<Self> {
        let rebuild = self.rebuild.as_ref().filter(|_| self.is_propagated(now))?;
        let next = Self {
            live: rebuild.generation,
            previous: Some(self.live),
            switched_at: Some(now),
            rebuild: None,
            counts,
            ..self.clone()
        };
        Some(next.revised())
    }

    /// Makes the previous generation, given by its number, live again. Returns nothing if it is live already.
    ///
    /// # Errors
    ///
    /// [`RollbackRejection`], if it is not the previous generation, or the last promotion is not propagated yet.
    pub fn roll_back(&self, to: u64, now: Timestamp) -> Result<Option<Self>, RollbackRejection> {
        if self.live == to {
            return Ok(None);
        }
        if self.previous != Some(to) {
            return Err(RollbackRejection::NotRetained);
        }
        if !self.is_propagated(now) {
            return Err(RollbackRejection::NotPropagated);
        }
        let next =
            Self { live: to, previous: Some(self.live), switched_at: Some(now), ..self.clone() };
        Ok(Some(next.revised()))
    }

    fn with(&self, change: impl FnOnce(&mut Rebuild)) -> Self {
        let mut next = self.clone();
        if let Some(rebuild) = &mut next.rebuild {
            change(rebuild);
        }
        next.revised()
    }

    fn revised(self) -> Self {
        Self { revision: self.revision + 1, ..self }
    }
}

/// Stores the state of one projection, and the lag that its projectors report.
///
/// An implementation must
/// - return everything that was written before a read began;
/// - update the state only if its revision is the next one, and recognise its own update if the response was lost;
/// - never let a lag report and an update overwrite each other;
/// - delete only rows of the generations that it was given, and end.
///
/// `conformance` checks all of these.
pub trait ProjectionStateStore {
    /// Reads the state and the lag of the projection.
    ///
    /// # Errors
    ///
    /// If the table can't be read.
    fn state(&self) -> impl Future<Output = Result<(ProjectionState, Lag), ViewError>> + Send;

    /// Writes the next revision of the state; returns whether it was stored, `false` if another writer was first.
    ///
    /// # Errors
    ///
    /// If the table can't be written; the same call may be made again.
    fn update_state(
        &self,
        next: &ProjectionState,
    ) -> impl Future<Output = Result<bool, ViewError>> + Send;

    /// Stores what a projector reports about its lag.
    ///
    /// # Errors
    ///
    /// If the table can't be written; the next report replaces this one.
    fn report_lag(&self, report: &LagReport) -> impl Future<Output = Result<(), ViewError>> + Send;

    /// Deletes, on one page of the table, the rows of generations up to `newest` that are not in `kept`. Returns the token of
    /// the next page.
    ///
    /// # Errors
    ///
    /// If the table can't be written; the same call may be made again.
    fn collect_garbage(
        &self,
        retained: &[u64],
        newest: u64,
        after: Option<&str>,
    ) -> impl Future<Output = Result<Option<String>, ViewError>> + Send;
}

/// Stores several generations of one view.
///
/// An implementation must
/// - keep the rows and the indexes of the generations apart;
/// - list every row of a generation that existed when the first page was read, in that version or a later one.
///
/// `conformance` checks both.
pub trait Generations<R: Row>: ProjectionStateStore + Sync {
    /// One generation as a view.
    type View: View<R> + Send + Sync;

    /// The view of one generation.
    fn generation(&self, number: u64) -> Self::View;

    /// Reads a page of a generation's rows, in no particular order. `after` is the `next` of the previous page.
    ///
    /// # Errors
    ///
    /// If the table can't be read.
    fn rows(
        &self,
        generation: u64,
        after: Option<&str>,
    ) -> impl Future<Output = Result<RowsPage<R>, ViewError>> + Send;
}

/// A page of a generation's rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowsPage<R> {
    /// The rows. A page may be empty without being the last.
    pub rows: Vec<ListedRow<R>>,
    /// The token of the next page; absent on the last page.
    pub next: Option<String>,
}

/// One row of a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRow<R> {
    /// The id of the aggregate.
    pub id: String,
    /// The version of the aggregate that the row shows.
    pub version: u64,
    /// The row; absent if it is unreadable.
    pub row: Option<R>,
}
