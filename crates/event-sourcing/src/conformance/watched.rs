//! A store that is watched, and whose calls go wrong on order.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Noted;
use crate::store::{Commit, EventStore, StoreError};

/// Another store, with what it is asked for.
pub(super) struct Watched<'a, S> {
    store: &'a S,
    order: Mutex<Option<Order>>,
    pub(super) reads: AtomicUsize,
    pub(super) commits_read: AtomicUsize,
    pub(super) appends: AtomicUsize,
}

/// What is to happen to the next append.
pub(super) enum Order {
    /// It never arrives.
    RequestLost,
    /// It takes effect, and its answer never arrives.
    AnswerLost,
    /// This one comes first.
    Rival(Commit<Noted>),
}

impl<'a, S> Watched<'a, S> {
    pub(super) fn new(store: &'a S) -> Self {
        Self {
            store,
            order: Mutex::default(),
            reads: AtomicUsize::new(0),
            commits_read: AtomicUsize::new(0),
            appends: AtomicUsize::new(0),
        }
    }

    pub(super) fn order(self, order: Order) -> Self {
        *self.order.lock().unwrap_or_else(PoisonError::into_inner) = Some(order);
        self
    }

    /// Calls for reading, commits read, and appends.
    pub(super) fn seen(&self) -> [usize; 3] {
        [&self.reads, &self.commits_read, &self.appends].map(|it| it.load(Ordering::Relaxed))
    }

    fn count(&self, commits: &[Commit<Noted>]) {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.commits_read.fetch_add(commits.len(), Ordering::Relaxed);
    }
}

impl<S: EventStore<Noted> + Sync> EventStore<Noted> for Watched<'_, S> {
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
        let order = self.order.lock().unwrap_or_else(PoisonError::into_inner).take();
        match order {
            None => self.store.append(stream, commit).await,
            Some(Order::RequestLost) => Err(lost()),
            Some(Order::AnswerLost) => {
                self.store.append(stream, commit).await?;
                Err(lost())
            }
            Some(Order::Rival(rival)) => {
                self.store.append(stream, rival).await?;
                self.store.append(stream, commit).await
            }
        }
    }
}

fn lost() -> StoreError {
    StoreError::Unavailable("lost, as ordered".into())
}
