//! Where entries are kept, and the one loop that changes them.

use std::error::Error as StdError;
use std::future::Future;

use jiff::Timestamp;

use crate::domain::{Decision, Entry, Key, Pace, Reference, Refusal, Request, decide};

/// Each lost race is somebody else's progress, so this many mean a crowd that should come back later.
const RACES_MAX: u32 = 32;

/// Counts the changes of an entry; 0 means that there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Revision(pub u64);

/// Keeps one entry for each key of a reference.
///
/// An implementation must
/// - bind a key to the first reference that claims it, and to no other;
/// - save an entry only if its revision is the expected one, so that of two writers one wins;
/// - read its own writes;
/// - return every entry of a reference, however many there are.
///
/// The adapters' tests check all four.
pub trait Ledger: Send + Sync {
    /// Binds a key to a reference, unless it is bound already. Says whether it is bound to this one.
    fn bind(
        &self,
        key: &Key,
        reference: &Reference,
    ) -> impl Future<Output = Result<bool, LedgerError>> + Send;

    /// Reads the entry of a key.
    fn load(
        &self,
        reference: &Reference,
        key: &Key,
    ) -> impl Future<Output = Result<(Entry, Revision), LedgerError>> + Send;

    /// Writes the entry of a key, unless it has changed since it had this revision.
    fn save(
        &self,
        reference: &Reference,
        key: &Key,
        entry: &Entry,
        expected: Revision,
    ) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// Reads all entries of a reference.
    fn entries(
        &self,
        reference: &Reference,
    ) -> impl Future<Output = Result<Vec<(Key, Entry)>, LedgerError>> + Send;
}

/// The ledger did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Somebody else was faster.
    #[error("entry has changed meanwhile")]
    Conflict,
    /// Not now.
    #[error("ledger is out of reach")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
    /// What is stored cannot be read.
    #[error("entry is unreadable")]
    Corrupt(#[source] Box<dyn StdError + Send + Sync>),
}

/// Carries out a request, however many ask for the same at once.
///
/// Crash points: after `bind`, the key has its reference and nothing has been taken, so a repeat starts anew; after `save`,
/// everything is done but the answer, and a repeat finds it.
///
/// # Errors
///
/// Fails when the ledger does; what was asked for may then be done or not, and asking again tells.
pub async fn carry_out<L: Ledger>(
    ledger: &L,
    reference: &Reference,
    key: &Key,
    request: Request,
    now: Timestamp,
) -> Result<Decision, LedgerError> {
    for _ in 0..RACES_MAX {
        let (entry, revision) = ledger.load(reference, key).await?;
        // An entry that exists has been bound before.
        if revision == Revision::default() && !ledger.bind(key, reference).await? {
            return Ok(refused(Refusal::KeyReused));
        }
        let decision = decide(&entry, request.clone(), now);
        let Some(next) = &decision.write else { return Ok(decision) };
        match ledger.save(reference, key, next, revision).await {
            Ok(()) => return Ok(decision),
            Err(LedgerError::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(refused(Refusal::Unavailable))
}

fn refused(refusal: Refusal) -> Decision {
    Decision { write: None, answer: Err(refusal), pace: Pace::Prompt }
}
