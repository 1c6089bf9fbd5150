//! The port of a state store: an aggregate's state and the events of its last change, written atomically.

use std::error::Error as StdError;

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::envelope::{Envelope, RawEvent};

/// An aggregate that is stored as its state, not as its events.
pub trait Aggregate: Serialize + DeserializeOwned + Clone + Send + Sync {
    /// The attributes that secondary indexes need, apart from the state: name and value.
    fn index(&self) -> Vec<(&'static str, IndexValue)> {
        Vec::new()
    }
}

/// The value of an index attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexValue {
    /// A string, as a partition key.
    Text(String),
    /// An integer, as a sort key.
    Number(i64),
}

/// An aggregate as it was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded<S> {
    /// The number of changes so far; 0 if the aggregate does not exist. A tombstone counts as a change.
    pub version: u64,
    /// The state; absent if the aggregate does not exist.
    pub state: Option<S>,
    /// Whether a tombstone exists for the holder that it was loaded for.
    pub has_tombstone: bool,
}

/// A change of one aggregate.
#[derive(Clone, Debug, PartialEq)]
pub struct Change<S> {
    /// The version that the decision was based on.
    pub expected: u64,
    /// The id of the change, by which a store recognises a retry of its own write.
    pub id: Uuid,
    /// The state after the change.
    pub state: S,
    /// The events of the change. They are published because they were stored.
    pub events: Vec<Envelope<RawEvent>>,
}

/// Stores aggregates with an outbox.
///
/// An implementation must
/// - store state and events together or not at all;
/// - reject a change whose `expected` version is not the current one, with [`StoreError::Conflict`];
/// - return `Ok` for a change that it has stored already, also if the first response was lost. If another change followed
///   in between it returns a conflict, and a caller that decides again finds its own change in the state;
/// - return everything that was stored before a load began;
/// - reject a change that was decided before a tombstone was set: setting one increments the version, and a load reads
///   the tombstone after it has read the version, never before;
/// - write nothing when an existing, complete tombstone is set again, and never treat a partially written one as complete.
///
/// `conformance` checks all of these.
pub trait StateStore<S> {
    /// Reads an aggregate, and whether a tombstone exists for `holder`.
    ///
    /// # Errors
    ///
    /// If the store can't be read.
    fn load(
        &self,
        id: &str,
        holder: Option<&str>,
    ) -> impl Future<Output = Result<Loaded<S>, StoreError>> + Send;

    /// Writes the next version of an aggregate and its events.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] if the aggregate has moved past `expected`.
    fn save(
        &self,
        id: &str,
        change: Change<S>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Sets a tombstone for `holder`: a command on its behalf that arrives from now on finds it, and must be rejected.
    ///
    /// It works whether or not the aggregate exists, and is idempotent. A compensation sets the tombstone first, then loads the
    /// aggregate and releases what `holder` has. A change that was decided before the tombstone is either loaded and
    /// released, or fails.
    ///
    /// # Errors
    ///
    /// If the store can't be written; the tombstone may or may not exist.
    fn set_tombstone(
        &self,
        id: &str,
        holder: &str,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Lists the aggregates of a store, for a rebuild of everything that is derived from them.
///
/// An implementation must
/// - list every aggregate once that had a state when the first page was read, in that version or a later one; one that is
///   created later may be missing;
/// - end: the last page has no `next`.
pub trait States<S> {
    /// Reads a page, in no particular order. `after` is the `next` of the previous page.
    ///
    /// # Errors
    ///
    /// If the store can't be read, or `after` is not one of its tokens.
    fn states(
        &self,
        after: Option<&str>,
    ) -> impl Future<Output = Result<StatesPage<S>, StoreError>> + Send;
}

/// A page of a store's aggregates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatesPage<S> {
    /// The aggregates. A page may be empty without being the last.
    pub states: Vec<ListedState<S>>,
    /// The token of the next page; absent on the last page.
    pub next: Option<String>,
}

/// One aggregate of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedState<S> {
    /// The key of the aggregate.
    pub id: String,
    /// The number of changes so far.
    pub version: u64,
    /// The state, or why it is unreadable. An unreadable one must not block the others.
    pub state: Result<S, String>,
}

/// Why a call of a store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another writer was first: load the aggregate and decide again.
    #[error("aggregate has moved past the expected version")]
    Conflict,
    /// The store did not respond or throttled the call; it is unknown whether a write took effect. Retry.
    #[error("store is unavailable")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
    /// A stored item is unreadable. An operator must investigate.
    #[error("stored item is unreadable")]
    Corrupt(#[source] Box<dyn StdError + Send + Sync>),
}
