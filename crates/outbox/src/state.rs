//! The state of an aggregate and the events of its last change, written as one.

use std::error::Error as StdError;

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::envelope::{Envelope, RawEvent};

/// An aggregate that is stored as its state (not as its events).
pub trait Aggregate: Serialize + DeserializeOwned + Clone + Send + Sync {
    /// Attributes that secondary indexes need beside the state: name and value.
    fn index(&self) -> Vec<(&'static str, IndexValue)> {
        Vec::new()
    }
}

/// The value of an index attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexValue {
    /// A text, as a partition key.
    Text(String),
    /// A whole number, as a sort key.
    Number(i64),
}

/// What was found under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded<S> {
    /// Number of changes so far; 0 means that there is nothing.
    pub version: u64,
    /// The state, if there is one.
    pub state: Option<S>,
    /// Whether the one on whose behalf it was loaded has been barred.
    pub has_tombstone: bool,
}

/// A change of one aggregate.
#[derive(Clone, Debug, PartialEq)]
pub struct Change<S> {
    /// The version that the decision was based on.
    pub expected: u64,
    /// Names this change, so that a store recognises its own write.
    pub id: Uuid,
    /// The state after it.
    pub state: S,
    /// What happened; published because it was stored.
    pub events: Vec<Envelope<RawEvent>>,
}

/// Keeps aggregates with an outbox.
///
/// An implementation must
/// - store state and events together or not at all;
/// - refuse a change whose `expected` version is not the current one, by [`StoreError::Conflict`];
/// - answer `Ok` to a change that it has stored already, also when the first answer was lost, unless another change has
///   followed meanwhile: then the answer is a conflict, and who decides anew finds its work in the state;
/// - show what was stored, to the next load at once;
/// - make a change fail that was decided without a bar that is there: setting a bar moves the version, and a load looks
///   for the bar after it has read the version, never before;
/// - let a bar that is there for good cost no write when it is set again, and none that was left half done pass for one.
///
/// `conformance` checks all of these.
pub trait StateStore<S> {
    /// Reads an aggregate, and whether `holder` is barred from it.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be read.
    fn load(
        &self,
        id: &str,
        holder: Option<&str>,
    ) -> impl Future<Output = Result<Loaded<S>, StoreError>> + Send;

    /// Writes the next version of an aggregate and its events.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] if it has moved past `expected`.
    fn save(
        &self,
        id: &str,
        change: Change<S>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Bars `holder` for good: whoever decides on its behalf from now on sees it.
    ///
    /// It works whether or not the aggregate exists, and any number of times. Bar first, then load and give up what
    /// `holder` has: a change that was decided before the bar either is there to be given up, or fails.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be written; the bar may or may not be there.
    fn set_tombstone(
        &self,
        id: &str,
        holder: &str,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Lists the aggregates of a store, so that whatever is made from them can be made again.
///
/// An implementation must
/// - list every aggregate once that had a state when the first page was asked for, as it is or was since; one that is added
///   meanwhile may be missing;
/// - end: the last page has no `next`.
pub trait States<S> {
    /// Reads a page, in no order that means anything; `after` is the `next` of the page before.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be read, and on an `after` that is not its own.
    fn states(
        &self,
        after: Option<&str>,
    ) -> impl Future<Output = Result<StatesPage<S>, StoreError>> + Send;
}

/// Some of the aggregates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatesPage<S> {
    /// The aggregates; a page may be empty, and not the last.
    pub states: Vec<ListedState<S>>,
    /// Where the next page begins; nothing after the last.
    pub next: Option<String>,
}

/// An aggregate of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedState<S> {
    /// Its key.
    pub id: String,
    /// Number of its changes so far.
    pub version: u64,
    /// Its state; or why it cannot be read, which must not keep anybody from the others.
    pub state: Result<S, String>,
}

/// Why a store could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another writer was first; read again and decide anew.
    #[error("aggregate has moved past the expected version")]
    Conflict,
    /// The store did not answer or is overloaded; whether a write took effect is unknown. Ask again.
    #[error("store is unavailable")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
    /// What is stored cannot be read; a person has to look at it.
    #[error("stored item is unreadable")]
    Corrupt(#[source] Box<dyn StdError + Send + Sync>),
}
