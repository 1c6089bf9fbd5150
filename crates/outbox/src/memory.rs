//! In-memory ports for tests, examples and simulation.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::bus::{Bus, Entry, SendError};
use crate::dead_letters::{DeadLetter, DeadLetterRecord, DeadLetters};
use crate::envelope::{Envelope, RawEvent};
use crate::republish::{Page, Republish, RepublishQueue, RepublishSource, SourceError};
use crate::state::{
    Aggregate, Change, ListedState, Loaded, StateStore, States, StatesPage, StoreError,
};

/// A small page, so that a test with a few aggregates reads several pages.
const STATES_PER_PAGE: usize = 10;

/// Stores aggregates and their outbox in memory.
#[derive(Debug)]
pub struct MemoryStore<S> {
    inner: Mutex<Inner<S>>,
}

#[derive(Debug)]
struct Inner<S> {
    aggregates: HashMap<String, StoredAggregate<S>>,
    tombstones: HashSet<(String, String)>,
    outbox: Vec<Envelope<RawEvent>>,
}

#[derive(Debug)]
struct StoredAggregate<S> {
    version: u64,
    change: Option<Uuid>,
    state: Option<S>,
    /// The events of the last change.
    events: Vec<Envelope<RawEvent>>,
}

impl<S> Default for MemoryStore<S> {
    fn default() -> Self {
        let inner =
            Inner { aggregates: HashMap::new(), tombstones: HashSet::new(), outbox: Vec::new() };
        Self { inner: Mutex::new(inner) }
    }
}

impl<S> MemoryStore<S> {
    /// Every event that was stored for publishing, in order.
    #[must_use]
    pub fn outbox(&self) -> Vec<Envelope<RawEvent>> {
        self.lock().outbox.clone()
    }

    /// Every state by its id.
    #[must_use]
    pub fn states(&self) -> BTreeMap<String, S>
    where
        S: Clone,
    {
        let inner = self.lock();
        let stored = inner.aggregates.iter();
        stored.filter_map(|(id, it)| Some((id.clone(), it.state.clone()?))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner<S>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Aggregate> StateStore<S> for MemoryStore<S> {
    async fn load(&self, id: &str, holder: Option<&str>) -> Result<Loaded<S>, StoreError> {
        let inner = self.lock();
        let has_tombstone = holder
            .is_some_and(|holder| inner.tombstones.contains(&(id.to_owned(), holder.to_owned())));
        let stored = inner.aggregates.get(id);
        Ok(Loaded {
            version: stored.map_or(0, |it| it.version),
            state: stored.and_then(|it| it.state.clone()),
            has_tombstone,
        })
    }

    async fn save(&self, id: &str, change: Change<S>) -> Result<(), StoreError> {
        let mut inner = self.lock();
        let stored = inner.aggregates.entry(id.to_owned()).or_insert(StoredAggregate {
            version: 0,
            change: None,
            state: None,
            events: Vec::new(),
        });
        if stored.change == Some(change.id) {
            return Ok(());
        }
        if stored.version != change.expected {
            return Err(StoreError::Conflict);
        }
        *stored = StoredAggregate {
            version: change.expected + 1,
            change: Some(change.id),
            state: Some(change.state),
            events: change.events.clone(),
        };
        inner.outbox.extend(change.events);
        Ok(())
    }

    async fn set_tombstone(&self, id: &str, holder: &str) -> Result<(), StoreError> {
        let mut inner = self.lock();
        if !inner.tombstones.insert((id.to_owned(), holder.to_owned())) {
            return Ok(());
        }
        let stored = inner.aggregates.entry(id.to_owned()).or_insert(StoredAggregate {
            version: 0,
            change: None,
            state: None,
            events: Vec::new(),
        });
        stored.version += 1;
        Ok(())
    }
}

impl<S: Aggregate> States<S> for MemoryStore<S> {
    async fn states(&self, after: Option<&str>) -> Result<StatesPage<S>, StoreError> {
        let inner = self.lock();
        let listed = inner.aggregates.iter().filter_map(|(id, it)| {
            Some(ListedState { id: id.clone(), version: it.version, state: Ok(it.state.clone()?) })
        });
        let mut states: Vec<ListedState<S>> =
            listed.filter(|it| after.is_none_or(|after| it.id.as_str() > after)).collect();
        states.sort_by(|a, b| a.id.cmp(&b.id));
        let more = states.len() > STATES_PER_PAGE;
        states.truncate(STATES_PER_PAGE);
        let next = states.last().filter(|_| more).map(|it| it.id.clone());
        Ok(StatesPage { states, next })
    }
}

/// A bus that records its entries, and rejects those that a test chooses.
#[derive(Debug, Default)]
pub struct MemoryBus {
    published: Mutex<Vec<Entry>>,
    rejections: Mutex<Vec<usize>>,
    calls: Mutex<usize>,
}

impl MemoryBus {
    /// A bus that rejects these entries, counted from 0 over all calls.
    #[must_use]
    pub fn rejecting(rejections: Vec<usize>) -> Self {
        Self { rejections: Mutex::new(rejections), ..Self::default() }
    }

    /// The accepted entries, in order.
    #[must_use]
    pub fn published(&self) -> Vec<Entry> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Bus for MemoryBus {
    async fn put(&self, entries: &[Entry]) -> Result<Vec<bool>, SendError> {
        let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        let rejections = self.rejections.lock().unwrap_or_else(PoisonError::into_inner);
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let accepted = entries.iter().map(|entry| {
            let accepted = !rejections.contains(&calls);
            *calls += 1;
            if accepted {
                published.push(entry.clone());
            }
            accepted
        });
        Ok(accepted.collect())
    }
}

/// A dead-letter queue in memory.
#[derive(Debug, Default)]
pub struct MemoryDeadLetters {
    letters: Mutex<Vec<DeadLetter>>,
}

impl MemoryDeadLetters {
    /// The dead letters, in order.
    #[must_use]
    pub fn messages(&self) -> Vec<DeadLetter> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The dead-lettered stream records, in order.
    #[must_use]
    pub fn records(&self) -> Vec<DeadLetterRecord> {
        self.messages().iter().filter_map(|it| serde_json::from_str(&it.body).ok()).collect()
    }
}

impl DeadLetters for MemoryDeadLetters {
    async fn add(&self, letter: DeadLetter) -> Result<(), SendError> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner).push(letter);
        Ok(())
    }
}

/// A publisher's own queue in memory.
#[derive(Debug, Default)]
pub struct MemoryRepublishQueue {
    sent: Mutex<Vec<Republish>>,
}

impl MemoryRepublishQueue {
    /// Takes the requests that were sent.
    #[must_use]
    pub fn take(&self) -> Vec<Republish> {
        std::mem::take(&mut self.sent.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl RepublishQueue for MemoryRepublishQueue {
    async fn send(&self, request: &Republish) -> Result<(), SendError> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        Ok(())
    }
}

impl<S: Aggregate> RepublishSource for MemoryStore<S> {
    async fn events_of(&self, aggregate: &str) -> Result<Vec<Envelope<RawEvent>>, SourceError> {
        let inner = self.lock();
        Ok(inner.aggregates.get(aggregate).map_or_else(Vec::new, |it| it.events.clone()))
    }

    async fn page(&self, after: Option<&str>) -> Result<Page, SourceError> {
        let inner = self.lock();
        let mut ids: Vec<&String> = inner.aggregates.keys().collect();
        ids.sort();
        ids.retain(|id| after.is_none_or(|after| id.as_str() > after));
        let more = ids.len() > STATES_PER_PAGE;
        ids.truncate(STATES_PER_PAGE);
        let next = ids.last().filter(|_| more).map(ToString::to_string);
        let events = ids.iter().flat_map(|id| inner.aggregates[*id].events.clone()).collect();
        Ok(Page { events, next })
    }
}
