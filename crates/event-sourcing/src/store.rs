//! Where events are kept: streams of commits.

use std::error::Error as StdError;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What one command has led to: one or more events, stored together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit<E> {
    /// Version of its first event, from 1; the append is conditional on the stream ending just before.
    pub version: u64,
    /// The command that led to it; the same command never leads to two.
    pub command_id: Uuid,
    /// When.
    pub occurred_at: Timestamp,
    /// The business transaction that it belongs to.
    pub correlation_id: Uuid,
    /// What set it off.
    pub causation_id: Uuid,
    /// What happened, in order; never empty.
    pub events: Vec<Recorded<E>>,
    /// The state after it, as `snapshot` writes it, in some commits. It saves time, and is never the only one to know.
    pub snapshot: Option<String>,
}

/// An event with the id under which it is known everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded<E> {
    /// Its id (UUIDv7).
    pub id: Uuid,
    /// What happened.
    pub event: E,
}

impl<E> Commit<E> {
    /// Version of the last event: that of the stream after this commit.
    #[must_use]
    pub fn last_version(&self) -> u64 {
        self.version + self.events.len() as u64 - 1
    }

    /// Whether it is this very commit, sent once more: no two events share an id.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let ids = |commit: &Self| commit.events.iter().map(|it| it.id).collect::<Vec<_>>();
        self.version == other.version && ids(self) == ids(other)
    }

    /// Every event with its version.
    pub fn versioned(&self) -> impl Iterator<Item = (u64, &Recorded<E>)> {
        (self.version..).zip(&self.events)
    }
}

/// Keeps streams of commits.
///
/// An implementation must
/// - append all events of a commit or none of them;
/// - refuse a commit whose version is taken, by [`StoreError::Conflict`];
/// - answer `Ok` to a commit that it has stored already, event ids and all, also when the first answer was lost;
/// - return every commit of a stream, in order, however long it is, and what was appended at once;
/// - keep a commit's snapshot as it is, or leave it out if it has no room for it.
///
/// `conformance` checks all of these. A caller must take `version` from what it has loaded: a store need not notice a
/// commit that leaves a gap.
pub trait EventStore<E> {
    /// Reads the commits of a stream after version `after`, at which a commit has ended; 0 for all of them.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be read.
    fn load(
        &self,
        stream: &str,
        after: u64,
    ) -> impl Future<Output = Result<Vec<Commit<E>>, StoreError>> + Send;

    /// Reads back from version `from`: at most `limit` commits that begin at or before it, the latest first.
    ///
    /// There may be fewer, but if there are any, at least one; version 1 is the last.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be read.
    fn load_back(
        &self,
        stream: &str,
        from: u64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Commit<E>>, StoreError>> + Send;

    /// Adds a commit to the end of a stream.
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

/// Names the streams of a store, so that whatever is made from them can be made again.
///
/// An implementation must
/// - name every stream once that had a commit when the first page was asked for; one that begins meanwhile may be missing;
/// - end: the last page has no `next`.
pub trait Streams {
    /// Reads a page of names, in no order that means anything; `after` is the `next` of the page before.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be read, and on an `after` that is not its own.
    fn streams(
        &self,
        after: Option<&str>,
    ) -> impl Future<Output = Result<StreamsPage, StoreError>> + Send;
}

/// Some of the streams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamsPage {
    /// Their names; a page may be empty, and not the last.
    pub streams: Vec<String>,
    /// Where the next page begins; nothing after the last.
    pub next: Option<String>,
}

/// Lists all that a store holds, whatever stream it is of, so that it can be told again.
///
/// An implementation must
/// - list every commit once that was there when the first page was asked for; one that comes meanwhile may be missing;
/// - pass over a commit that can't be read, and log it: the others are not to blame;
/// - end: the last page has no `next`.
pub trait Log<E> {
    /// Reads a page of commits, in no order that means anything; `after` is the `next` of the page before.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be read, and on an `after` that is not its own.
    fn commits(
        &self,
        after: Option<&str>,
    ) -> impl Future<Output = Result<CommitsPage<E>, StoreError>> + Send;
}

/// Some of the commits, each with the name of its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitsPage<E> {
    /// The commits; a page may be empty, and not the last.
    pub commits: Vec<(String, Commit<E>)>,
    /// Where the next page begins; nothing after the last.
    pub next: Option<String>,
}

/// Why a store could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another writer was first; read the tail and decide anew.
    #[error("stream has moved past the expected version")]
    Conflict,
    /// A transaction holds the item. This says nothing about versions or rules: ask the same again.
    #[error("a transaction holds what was to be written")]
    TransactionConflict(#[source] Box<dyn StdError + Send + Sync>),
    /// Too much is asked of the store. Ask the same again, later.
    #[error("event store is overloaded")]
    Throttled(#[source] Box<dyn StdError + Send + Sync>),
    /// The store did not answer; whether an append took effect is unknown. Ask the same again.
    #[error("event store is unavailable")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
    /// A stored event cannot be read; a person has to look at it.
    #[error("stored event is unreadable")]
    Corrupt(#[source] Box<dyn StdError + Send + Sync>),
}
