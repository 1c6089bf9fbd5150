//! A store that counts its calls, and fails the next append on demand.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Noted;
use crate::store::{Commit, EventStore, StoreError};

/// Another store, with counters.
pub(super) struct ObservedStore<'a, S> {
    store: &'a S,
    fault: Mutex<Option<Fault>>,
    pub(super) reads: AtomicUsize,
    pub(super) commits_read: AtomicUsize,
    pub(super) appends: AtomicUsize,
}

/// What happens to the next append.
pub(super) enum Fault {
    /// The request is lost.
    RequestLost,
    /// The append takes effect, and its response is lost.
    ResponseLost,
    /// This commit is appended first.
    Rival(Commit<Noted>),
}

impl<'a, S> ObservedStore<'a, S> {
    pub(super) fn new(store: &'a S) -> Self {
        Self {
            store,
            fault: Mutex::default(),
            reads: AtomicUsize::new(0),
            commits_read: AtomicUsize::new(0),
            appends: AtomicUsize::new(0),
        }
    }

    pub(super) fn fail_next(self, fault: Fault) -> Self {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
        self
    }

    /// The number of reads, of commits read, and of appends.
    pub(super) fn seen(&self) -> [usize; 3] {
        [&self.reads, &self.commits_read, &self.appends].map(|it| it.load(Ordering::Relaxed))
    }

    fn count(&self, commits: &[Commit<Noted>]) {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.commits_read.fetch_add(commits.len(), Ordering::Relaxed);
    }
}

impl<S: EventStore<Noted> + Sync> EventStore<Noted> for ObservedStore<'_, S> {
    async fn load(&self, stream: &str, after: u64) -> Result<Vec<Commit<Noted>>, StoreError> {
        self.store.load(stream, after).await.inspect(|commits| self.count(commits))
    }

    async fn load_back(
        &self,
        stream: &str,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Commit<Noted>>, StoreError> {
        let page = self.store.load_back(stream, from, limit).await;
        page.inspect(|commits| self.count(commits))
    }

    async fn append(&self, stream: &str, commit: Commit<Noted>) -> Result<(), StoreError> {
        self.appends.fetch_add(1, Ordering::Relaxed);
        let order = self.fault.lock().unwrap_or_else(PoisonError::into_inner).take();
        match order {
            None => self.store.append(stream, commit).await,
            Some(Fault::RequestLost) => Err(lost()),
            Some(Fault::ResponseLost) => {
                self.store.append(stream, commit).await?;
                Err(lost())
            }
            Some(Fault::Rival(rival)) => {
                self.store.append(stream, rival).await?;
                self.store.append(stream, commit).await
            }
        }
    }
}

fn lost() -> StoreError {
    StoreError::Unavailable("lost, as ordered".into())
}
