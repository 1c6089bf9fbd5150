//! An in-memory store for tests, examples and simulation.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, PoisonError};

use crate::store::{Commit, CommitsPage, EventStore, Log, StoreError, Streams, StreamsPage};

/// A small page, so that a test with a few streams reads several pages.
const STREAMS_PER_PAGE: usize = 10;

/// Stores streams in memory.
#[derive(Debug)]
pub struct MemoryStore<E> {
    streams: Mutex<BTreeMap<String, Vec<Commit<E>>>>,
}

impl<E> Default for MemoryStore<E> {
    fn default() -> Self {
        Self { streams: Mutex::default() }
    }
}

impl<E: Clone + Send + Sync> EventStore<E> for MemoryStore<E> {
    async fn load(&self, stream: &str, after: u64) -> Result<Vec<Commit<E>>, StoreError> {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let commits = streams.get(stream).map(Vec::as_slice).unwrap_or_default();
        Ok(commits.iter().filter(|commit| commit.version > after).cloned().collect())
    }

    async fn load_back(
        &self,
        stream: &str,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Commit<E>>, StoreError> {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let commits = streams.get(stream).map(Vec::as_slice).unwrap_or_default();
        let back = commits.iter().rev().filter(|commit| commit.version <= from);
        Ok(back.take(limit).cloned().collect())
    }

    async fn append(&self, stream: &str, commit: Commit<E>) -> Result<(), StoreError> {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let commits = streams.get(stream).map(Vec::as_slice).unwrap_or_default();
        if commits.iter().any(|it| it.is_same(&commit)) {
            return Ok(());
        }
        let version = commits.last().map_or(0, Commit::last_version);
        if commit.version != version + 1 {
            return Err(StoreError::Conflict);
        }
        // Only now, because reading a stream must not create it.
        streams.entry(stream.to_owned()).or_default().push(commit);
        Ok(())
    }
}

impl<E: Clone + Send + Sync> Streams for MemoryStore<E> {
    async fn streams(&self, after: Option<&str>) -> Result<StreamsPage, StoreError> {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = streams.range::<str, _>((begin, Bound::Unbounded));
        let page: Vec<_> = range.take(STREAMS_PER_PAGE).map(|(name, _)| name.clone()).collect();
        let next = page.last().filter(|_| page.len() == STREAMS_PER_PAGE).cloned();
        Ok(StreamsPage { streams: page, next })
    }
}

impl<E: Clone + Send + Sync> Log<E> for MemoryStore<E> {
    async fn commits(&self, after: Option<&str>) -> Result<CommitsPage<E>, StoreError> {
        let StreamsPage { streams: names, next } = self.streams(after).await?;
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let commits = names.into_iter().flat_map(|name| {
            let commits = streams.get(&name).cloned().unwrap_or_default();
            commits.into_iter().map(move |commit| (name.clone(), commit))
        });
        Ok(CommitsPage { commits: commits.collect(), next })
    }
}
