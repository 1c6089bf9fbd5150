//! Generations of a view: which one is live, which one is being made, which one is kept to go back to.
//!
//! Every row bears the number of its generation, so that several lie beside each other in one table and no query can mix
//! them. What each number is for stands in one [`ProjectionState`]; a switch is one conditional write of it.
//!
//! Why a rebuild needs no pause in the writing, and no wait for the stream to catch up:
//!
//! - A projector reads the control once per batch, from the table itself, and writes each row to every generation that is
//!   kept, the one that is being made included.
//! - A batch that has read it *before* the rebuild began writes to the old generations alone. Whatever it carries was
//!   committed before it was delivered, so before the rebuild began; the rebuild reads the source afterwards, and sees it.
//! - A batch that has read it *after* that writes to the new generation, too.
//! - So each change reaches the new generation by one of the two ways or by both, and since a row only moves forward, it
//!   does not matter which of them comes first.
//!
//! The generation that was live is written to after a switch as before it. A query that learns of the switch a moment
//! late therefore reads rows that are as fresh as the others, and going back is as safe as going on.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::lag::{Lag, LagReport};
use crate::view::{Row, View, ViewError};

/// How long a reader may go by what it knows of the control: a read less for each query, and a second more for a switch.
pub const CACHE: Duration = Duration::from_secs(1);
/// After a switch, nobody goes by the older control any more: it was cached for a second, and whoever read it then, a query
/// or a batch, is a function of at most 6 seconds. One more is for clocks that differ.
pub const PROPAGATED_AFTER: SignedDuration = SignedDuration::from_secs(8);
/// A worker renews its lease with every page, which takes a few seconds at most. One that was killed is missed after this.
pub const LEASE_DURATION: SignedDuration = SignedDuration::from_secs(60);

/// What the generations of a view are for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectionState {
    /// Number of changes of this document: each is conditional on the one before.
    pub revision: u64,
    /// The highest number that was ever given; none is given twice.
    pub newest: u64,
    /// The generation that queries read.
    pub live: u64,
    /// The one that was live before, and is kept up to date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<u64>,
    /// When queries were last pointed to another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switched_at: Option<Timestamp>,
    /// The rebuild that is under way, or was given up half way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuild: Option<Rebuild>,
    /// What the last finished rebuild has done.
    #[serde(default)]
    pub counts: Counts,
}

/// A generation that is being made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rebuild {
    /// Its number.
    pub generation: u64,
    /// When it was first asked for.
    pub begun_at: Timestamp,
    /// How far it has come.
    pub phase: Phase,
    /// Where the next page of the phase begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// What was done up to there.
    pub counts: Counts,
    /// Who works on it; nobody yet when it was only asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// Who has not renewed the lease by then is taken to be dead.
    pub leased_until: Timestamp,
    /// Why the last attempt came to an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// The two halves of a rebuild.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Rows are made from the source.
    Copy,
    /// The new rows are held against those that are live.
    Compare,
}

/// What a rebuild has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Aggregates whose rows were made from the source.
    pub applied: u64,
    /// Aggregates that nobody could read at their source when their page came.
    pub unreadable: u64,
    /// Rows that were compared.
    pub compared: u64,
    /// Rows that were behind the live ones, and were made again.
    pub healed: u64,
    /// Rows that tell of the same version something else than the live ones, or of nothing what those tell of.
    pub different: u64,
}

/// How a view fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is read and written, and nothing else.
    Live,
    /// A new generation is being made beside it.
    Rebuilding,
    /// A rebuild was begun, and nobody works on it. What is live is whole.
    Failed,
}

/// Who works on a rebuild.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lease {
    /// The one who asked; the control says so already.
    Held,
    /// The one who asked, once the control has been changed into this.
    Available(Box<ProjectionState>),
    /// Somebody else, who is alive as far as one knows.
    HeldByOther,
    /// Nobody, for there is none.
    None,
}

/// Why the generations cannot be swapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RollbackRejection {
    /// It is not the one that was live before.
    #[error("this generation is not kept to go back to")]
    NotKept,
    /// Some may not have heard of the last switch yet.
    #[error("the last switch was only a moment ago")]
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
    /// The generations that are kept, in no order that means anything.
    #[must_use]
    pub fn retained(&self) -> Vec<u64> {
        let building = self.rebuild.as_ref().map(|it| it.generation);
        [Some(self.live), self.previous, building].into_iter().flatten().collect()
    }

    /// The generations that a projector writes, in the order in which it must.
    ///
    /// A reader moves from one generation to another at a switch, and must not find a row older there. So a row is written
    /// first where readers will come to, and last where they come from: before a switch that is the live one, and for a
    /// while after it the previous one, from which some still read.
    #[must_use]
    pub fn write_targets(&self, now: Timestamp) -> Vec<u64> {
        let mut order = self.retained();
        let last = if self.is_propagated(now) { Some(self.live) } else { self.previous };
        order.sort_by_key(|it| Some(*it) == last);
        order
    }

    /// Whether everybody has heard of the last switch.
    #[must_use]
    pub fn is_propagated(&self, now: Timestamp) -> bool {
        self.propagated_at().is_none_or(|at| at <= now)
    }

    /// When everybody will have heard of it.
    #[must_use]
    pub fn propagated_at(&self) -> Option<Timestamp> {
        self.switched_at.map(|at| at + PROPAGATED_AFTER)
    }

    /// How the view fares.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> Status {
        match &self.rebuild {
            None => Status::Live,
            Some(rebuild) if rebuild.leased_until > now => Status::Rebuilding,
            Some(_) => Status::Failed,
        }
    }

    /// A rebuild is asked for: a new one, or the one that was given up. Nothing changes if one is under way.
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
                    begun_at: now,
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

    /// Whether this worker may go on with the rebuild.
    ///
    /// A worker that comes again under the same name has died in between: nobody else bears it.
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

    /// A page of the phase is done; `next` is where the one after it begins, nothing at the phase's end.
    #[must_use]
    pub fn checkpoint(&self, counts: Counts, next: Option<String>, now: Timestamp) -> Self {
        self.with(|it| {
            it.phase = if next.is_some() { it.phase } else { Phase::Compare };
            it.checkpoint = next;
            it.counts = counts;
            it.leased_until = now + LEASE_DURATION;
        })
    }

    /// The worker gives up, for now or for good: whoever comes next need not wait for its lease to end.
    #[must_use]
    pub fn abandon(&self, failure: String, now: Timestamp) -> Self {
        self.with(|it| {
            it.leased_until = now;
            it.failure = Some(failure);
        })
    }

    /// The new generation is live, and the one before it is kept. An older one is dropped: nobody has read it for long.
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

    /// The previous generation, named by its number, is live again; nothing changes if it is already.
    ///
    /// # Errors
    ///
    /// If it is not the previous one, or some may not have heard of the last switch yet.
    pub fn roll_back(&self, to: u64, now: Timestamp) -> Result<Option<Self>, RollbackRejection> {
        if self.live == to {
            return Ok(None);
        }
        if self.previous != Some(to) {
            return Err(RollbackRejection::NotKept);
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

/// Keeps the control of one view, and what its projectors say of themselves.
///
/// An implementation must
/// - show to a read whatever was written before it began;
/// - change the control only if its revision is the one before, and recognise its own change when the answer was lost;
/// - never let a mark and a change get in each other's way;
/// - sweep away rows of no other generations than it was told to, and end.
///
/// `conformance` checks all of these.
pub trait ProjectionStateStore {
    /// Reads the control, and how far the view is behind.
    ///
    /// # Errors
    ///
    /// Fails when the table cannot be read.
    fn state(&self) -> impl Future<Output = Result<(ProjectionState, Lag), ViewError>> + Send;

    /// Writes the next revision of the control; answers whether it is the one that counts.
    ///
    /// # Errors
    ///
    /// Fails when the table cannot be written; the same call may be made again.
    fn update_state(
        &self,
        next: &ProjectionState,
    ) -> impl Future<Output = Result<bool, ViewError>> + Send;

    /// Notes how a projector fares.
    ///
    /// # Errors
    ///
    /// Fails when the table cannot be written; the next mark will do.
    fn report_lag(&self, mark: &LagReport) -> impl Future<Output = Result<(), ViewError>> + Send;

    /// Deletes, on one page of the table, what belongs to generations up to `newest` that are not `kept`. Answers where the
    /// next page begins.
    ///
    /// # Errors
    ///
    /// Fails when the table cannot be written; the same call may be made again.
    fn collect_garbage(
        &self,
        kept: &[u64],
        newest: u64,
        after: Option<&str>,
    ) -> impl Future<Output = Result<Option<String>, ViewError>> + Send;
}

/// Keeps several generations of one view.
///
/// An implementation must
/// - keep the rows and the indexes of each generation apart;
/// - list every row of a generation that was there when the first page was asked for, as it is or was since.
///
/// `conformance` checks both.
pub trait Generations<R: Row>: ProjectionStateStore + Sync {
    /// One generation, as a view of its own.
    type View: View<R> + Send + Sync;

    /// The view of one generation.
    fn generation(&self, number: u64) -> Self::View;

    /// Reads a page of a generation's rows, whatever their order; `after` is the `next` of the page before.
    ///
    /// # Errors
    ///
    /// Fails when the table cannot be read.
    fn rows(
        &self,
        generation: u64,
        after: Option<&str>,
    ) -> impl Future<Output = Result<RowsPage<R>, ViewError>> + Send;
}

/// Some rows of a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowsPage<R> {
    /// The rows; a page may be empty, and not the last.
    pub rows: Vec<ListedRow<R>>,
    /// Where the next page begins; nothing after the last.
    pub next: Option<String>,
}

/// A row of a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRow<R> {
    /// The aggregate's id.
    pub id: String,
    /// The aggregate's version that it shows.
    pub version: u64,
    /// The row, if it can be read.
    pub row: Option<R>,
}
