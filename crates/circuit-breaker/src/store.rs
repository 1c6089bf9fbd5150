//! The port to the store of shared states.

use std::error::Error as StdError;

use crate::shared_state::SharedState;

/// Stores the shared state of each breaker.
///
/// An implementation must
/// - return what was written from every `load` that starts afterwards;
/// - perform a swap only if the stored version is the expected one, where 0 means that no state is stored;
/// - let exactly one of several writers that expect the same version win, and return the winner's state to the others;
/// - return `Done` for the repetition of a write that is still the last one, which it recognises by `SharedState::write`: a
///   write whose response was lost must not lose against itself;
/// - keep breakers of different names separate.
///
/// `conformance` checks all of these.
pub trait Store {
    /// Reads the state of a breaker; `None` if none was ever written, which is so until its first failures.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be read.
    fn load(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<Option<SharedState>, StoreError>> + Send;

    /// Writes the state of a breaker if it is still at the expected version.
    ///
    /// # Errors
    ///
    /// Fails when the store did not respond; whether the write took effect, or still will, is unknown.
    fn swap(
        &self,
        name: &str,
        expected: u64,
        next: &SharedState,
    ) -> impl Future<Output = Result<Swapped, StoreError>> + Send;
}

/// The result of a conditional write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swapped {
    /// The state was written.
    Done,
    /// The stored version was not the expected one. This is the stored state, so that the writer need not read it.
    Lost(Box<SharedState>),
}

/// Why a request to the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store rejected the request because of throttling. Nothing was written.
    #[error("breaker store is overloaded")]
    Throttled(#[source] Box<dyn StdError + Send + Sync>),
    /// The store did not respond. Whether a write took effect is unknown.
    #[error("breaker store is unavailable")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
    /// The store did not respond within the deadline. Whether a write took effect, or still will, is unknown.
    #[error("breaker store is too slow")]
    Late,
    /// The stored state is unreadable, which requires operator intervention.
    #[error("stored breaker is unreadable")]
    Corrupt(#[source] Box<dyn StdError + Send + Sync>),
    /// An operator's change lost the race against other writers too many times.
    #[error("breaker changes too fast to be written")]
    Contended,
}

impl<S: Store> Store for &S {
    fn load(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<Option<SharedState>, StoreError>> + Send {
        (**self).load(name)
    }

    fn swap(
        &self,
        name: &str,
        expected: u64,
        next: &SharedState,
    ) -> impl Future<Output = Result<Swapped, StoreError>> + Send {
        (**self).swap(name, expected, next)
    }
}
