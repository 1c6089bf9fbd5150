//! Where the shared state of breakers is kept: the port.

use std::error::Error as StdError;

use crate::shared_state::Shared;

/// Keeps one state for each breaker.
///
/// An implementation must
/// - show what was written to every `load` that begins afterwards;
/// - carry out a swap only if the stored version is the expected one, 0 standing for no state at all;
/// - let one of several writers win who expect the same version, and show each of the others the winner's state;
/// - answer `Done` to the repeat of a write that is still the last one, as `Shared::write` tells: a write whose answer
///   was lost has not lost against itself;
/// - keep breakers of different names apart.
///
/// `conformance` checks all of these.
pub trait Store {
    /// Reads the state of a breaker; none was ever written for one that was never in trouble.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be read.
    fn load(&self, name: &str) -> impl Future<Output = Result<Option<Shared>, StoreError>> + Send;

    /// Writes the state of a breaker if it is still at the expected version.
    ///
    /// # Errors
    ///
    /// Fails when the store did not answer; whether the write took effect, or still will, is unknown.
    fn swap(
        &self,
        name: &str,
        expected: u64,
        next: &Shared,
    ) -> impl Future<Output = Result<Swapped, StoreError>> + Send;
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swapped {
    /// It is the state now.
    Done,
    /// It is not: this is. So who loses need not read.
    Lost(Box<Shared>),
}

/// Why a store could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Too much is asked of it; nothing was done.
    #[error("breaker store is overloaded")]
    Throttled(#[source] Box<dyn StdError + Send + Sync>),
    /// It did not answer; whether a write took effect is unknown.
    #[error("breaker store is unavailable")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
    /// It did not answer within the deadline; whether a write took effect, or still will, is unknown.
    #[error("breaker store is too slow")]
    Late,
    /// What is stored can't be read; a person has to look at it.
    #[error("stored breaker is unreadable")]
    Corrupt(#[source] Box<dyn StdError + Send + Sync>),
    /// Others kept on writing, so that an operator's word did not get through.
    #[error("breaker changes too fast to be written")]
    Contended,
}

impl<S: Store> Store for &S {
    fn load(&self, name: &str) -> impl Future<Output = Result<Option<Shared>, StoreError>> + Send {
        (**self).load(name)
    }

    fn swap(
        &self,
        name: &str,
        expected: u64,
        next: &Shared,
    ) -> impl Future<Output = Result<Swapped, StoreError>> + Send {
        (**self).swap(name, expected, next)
    }
}
