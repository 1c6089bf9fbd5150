//! The port to the ledger of entries, and the loop that changes them.

use std::error::Error as StdError;
use std::future::Future;

use jiff::Timestamp;

use crate::domain::{Decision, Entry, Key, Pace, Reference, Rejection, Request, decide};

/// The maximum number of lost races. Each one is the progress of another request, so after this many the client should
/// retry later.
const RACES_MAX: u32 = 32;

/// The number of changes of an entry; 0 if there is no entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Revision(pub u64);

/// Stores one entry for each key of a reference.
///
/// An implementation must
/// - bind a key to the first reference that claims it, and to no other;
/// - save an entry only if its revision is the expected one, so that of two writers one wins;
/// - read its own writes;
/// - return every entry of a reference, however many there are.
///
/// The adapters' tests check all four.
pub trait Ledger: Send + Sync {
    /// Binds a key to a reference, unless it is bound already. Returns whether it is bound to this one.
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

/// Why an operation of the ledger failed.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Another request has changed the entry.
    #[error("entry has changed meanwhile")]
    Conflict,
    /// The table is unavailable. A retry may succeed.
    #[error("ledger is unreachable")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
    /// The stored entry is unreadable.
    #[error("entry is unreadable")]
    Corrupt(#[source] Box<dyn StdError + Send + Sync>),
}

/// Processes a request once, also when several requests with the same key arrive concurrently.
///
/// Crash points: after `bind`, the key has its reference and the card is not charged, so a retry starts again. After `save`,
/// only the response is missing, and a retry returns it.
///
/// # Errors
///
/// Fails when the ledger fails. Whether the request took effect is unknown then; a retry returns the result.
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
            return Ok(rejected(Rejection::KeyReused));
        }
        let decision = decide(&entry, request.clone(), now);
        let Some(next) = &decision.write else { return Ok(decision) };
        match ledger.save(reference, key, next, revision).await {
            Ok(()) => return Ok(decision),
            Err(LedgerError::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(rejected(Rejection::Unavailable))
}

fn rejected(rejection: Rejection) -> Decision {
    Decision { write: None, response: Err(rejection), pace: Pace::Prompt }
}
