//! The port of an event store: streams of commits.

use std::error::Error as StdError;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trace_context::TraceFields;
use uuid::Uuid;

/// What one command has led to: one or more events, stored atomically.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit<E> {
    /// The version of the first event, from 1. The append is conditional on the stream ending just before it.
    pub version: u64,
    /// The id of the command that led to the commit. A command never leads to two commits.
    pub command_id: Uuid,
    /// When the events occurred.
    pub occurred_at: Timestamp,
    /// The id of the business transaction that the commit belongs to.
    pub correlation_id: Uuid,
    /// The id of the command or event that caused the commit.
    pub causation_id: Uuid,
    /// The trace that the commit belongs to. Commits that were stored before there was one have none.
    pub trace: TraceFields,
    /// The events, in order; never empty.
    pub events: Vec<Recorded<E>>,
    /// The state after the commit, in some commits, as `snapshot` writes it. It is redundant and only saves time.
    pub snapshot: Option<String>,
}

/// An event with its global id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded<E> {
    /// The id of the event (UUIDv7).
    pub id: Uuid,
    /// The event.
    pub event: E,
}

impl<E> Commit<E> {
    /// The version of the last event, which is the version of the stream after this commit.
    #[must_use]
    pub fn last_version(&self) -> u64 {
        self.version + self.events.len() as u64 - 1
    }

    /// Whether the other is a retry of the same commit. No two events share an id.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let ids = |commit: &Self| commit.events.iter().map(|it| it.id).collect::<Vec<_>>();
        self.version == other.version && ids(self) == ids(other)
    }

    /// Every event with its version.
    pub fn versioned(&self) -> impl Iterator<Item = (u64, &Recorded<E>)> {
        (self.version..).zip(&self.events)
    }
}

/// Stores streams of commits.
///
/// An implementation must
/// - append all events of a commit or none of them;
/// - reject a commit whose version is taken, with [`StoreError::Conflict`];
/// - return `Ok` for a commit that it has stored already (the same event ids), also if the first response was lost;
/// - return every commit of a stream, in order, whatever its length, including those just appended;
/// - store a commit's snapshot unchanged, or omit it if there is no room for it.
///
/// `conformance` checks all of these. A caller must take `version` from what it has loaded: a store need not notice a
/// commit that leaves a gap.
pub trait EventStore<E> {
    /// Reads the commits of a stream after version `after`, which must be the end of a commit; 0 reads all of them.
    ///
    /// # Errors
    ///
    /// If the store can't be read.
    fn load(
        &self,
        stream: &str,
        after: u64,
    ) -> impl Future<Output = Result<Vec<Commit<E>>, StoreError>> + Send;

    /// Reads backwards from version `from`: at most `limit` commits that begin at or before it, the latest first.
    ///
    /// There may be fewer, but at least one if any exist. The commit with version 1 is the last.
    ///
    /// # Errors
    ///
    /// If the store can't be read.
    fn load_back(
        &self,
        stream: &str,
        from: u64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Commit<E>>, StoreError>> + Send;

    /// Appends a commit to a stream.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] if another writer was first.
    fn append(
        &self,
        stream: &str,
        commit: Commit<E>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Lists the streams of a store, for a rebuild of everything that is derived from them.
///
/// An implementation must
/// - list every stream once that had a commit when the first page was read; a stream created later may be missing;
/// - end: the last page has no `next`.
pub trait Streams {
    /// Reads a page of stream names, in no particular order. `after` is the `next` of the previous page.
    ///
    /// # Errors
    ///
    /// If the store can't be read, or `after` is not one of its tokens.
    fn streams(
        &self,
        after: Option<&str>,
    ) -> impl Future<Output = Result<StreamsPage, StoreError>> + Send;
}

/// A page of a store's streams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamsPage {
    /// The names of the streams. A page may be empty without being the last.
    pub streams: Vec<String>,
    /// The token of the next page; absent on the last page.
    pub next: Option<String>,
}

/// Lists every commit of a store, of all streams, for republishing.
///
/// An implementation must
/// - list every commit once that existed when the first page was read; one added later may be missing;
/// - skip an unreadable commit, and log it;
/// - end: the last page has no `next`.
pub trait Log<E> {
    /// Reads a page of commits, in no particular order. `after` is the `next` of the previous page.
    ///
    /// # Errors
    ///
    /// If the store can't be read, or `after` is not one of its tokens.
    fn commits(
        &self,
        after: Option<&str>,
    ) -> impl Future<Output = Result<CommitsPage<E>, StoreError>> + Send;
}

/// A page of a store's commits, each with the name of its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitsPage<E> {
    /// The commits. A page may be empty without being the last.
    pub commits: Vec<(String, Commit<E>)>,
    /// The token of the next page; absent on the last page.
    pub next: Option<String>,
}

/// Why a call of a store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another writer was first: read the new commits and decide again.
    #[error("stream has moved past the expected version")]
    Conflict,
    /// A transaction holds the item. No version has changed, so retry the same call.
    #[error("a transaction holds the item")]
    TransactionConflict(#[source] Box<dyn StdError + Send + Sync>),
    /// The table throttled the call. Retry the same call later.
    #[error("event store throttles requests")]
    Throttled(#[source] Box<dyn StdError + Send + Sync>),
    /// The store did not respond; it is unknown whether an append took effect. Retry the same call.
    #[error("event store is unavailable")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
    /// A stored event is unreadable. An operator must investigate.
    #[error("stored event is unreadable")]
    Corrupt(#[source] Box<dyn StdError + Send + Sync>),
}
