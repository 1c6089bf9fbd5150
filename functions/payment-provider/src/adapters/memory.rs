//! A ledger for tests: nothing outlives the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::{Entry, Key, Reference};
use crate::ledger::{Ledger, LedgerError, Revision};

/// Stores entries in memory.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    bound: BTreeMap<Key, Reference>,
    entries: BTreeMap<(Reference, Key), (Entry, Revision)>,
}

impl MemoryLedger {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger for MemoryLedger {
    async fn bind(&self, key: &Key, reference: &Reference) -> Result<bool, LedgerError> {
        let mut books = self.books();
        let bound = books.bound.entry(key.clone()).or_insert_with(|| reference.clone());
        Ok(bound == reference)
    }

    async fn load(
        &self,
        reference: &Reference,
        key: &Key,
    ) -> Result<(Entry, Revision), LedgerError> {
        let found = self.books().entries.get(&(reference.clone(), key.clone())).cloned();
        Ok(found.unwrap_or_default())
    }

    async fn save(
        &self,
        reference: &Reference,
        key: &Key,
        entry: &Entry,
        expected: Revision,
    ) -> Result<(), LedgerError> {
        let mut books = self.books();
        let slot = books.entries.entry((reference.clone(), key.clone())).or_default();
        if slot.1 != expected {
            return Err(LedgerError::Conflict);
        }
        *slot = (entry.clone(), Revision(expected.0 + 1));
        Ok(())
    }

    async fn entries(&self, reference: &Reference) -> Result<Vec<(Key, Entry)>, LedgerError> {
        let books = self.books();
        let of_reference = books.entries.iter().filter(|((it, _), _)| it == reference);
        Ok(of_reference.map(|((_, key), (entry, _))| (key.clone(), entry.clone())).collect())
    }
}
