//! A store in memory, for tests, examples and simulation. Nothing outlives the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::shared_state::SharedState;
use crate::store::{Store, StoreError, Swapped};

/// Stores breakers in memory. Clones share the same breakers.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    breakers: Arc<Mutex<BTreeMap<String, SharedState>>>,
}

impl MemoryStore {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, SharedState>> {
        self.breakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    async fn load(&self, name: &str) -> Result<Option<SharedState>, StoreError> {
        Ok(self.lock().get(name).cloned())
    }

    async fn swap(
        &self,
        name: &str,
        expected: u64,
        next: &SharedState,
    ) -> Result<Swapped, StoreError> {
        let mut breakers = self.lock();
        let stored = breakers.get(name).cloned().unwrap_or_default();
        if stored.version == expected {
            breakers.insert(name.to_owned(), next.clone());
            return Ok(Swapped::Done);
        }
        if stored.write == next.write {
            return Ok(Swapped::Done);
        }
        Ok(Swapped::Lost(Box::new(stored)))
    }
}
