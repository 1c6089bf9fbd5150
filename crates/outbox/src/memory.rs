//! Fakes for tests, examples and simulation: nothing outlives the process.

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

/// Few, so that a test of a handful of aggregates reads several pages.
const STATES_PER_PAGE: usize = 10;

/// Keeps aggregates in memory, and all that they would have published.
#[derive(Debug)]
pub struct MemoryStore<S> {
    inner: Mutex<Inner<S>>,
}

#[derive(Debug)]
struct Inner<S> {
    aggregates: HashMap<String, Stored<S>>,
    tombstones: HashSet<(String, String)>,
    outbox: Vec<Envelope<RawEvent>>,
}

#[derive(Debug)]
struct Stored<S> {
    version: u64,
    change: Option<Uuid>,
    state: Option<S>,
    /// Those of the last change.
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
    /// Everything that was stored to be published, in order.
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
        let stored = inner.aggregates.entry(id.to_owned()).or_insert(Stored {
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
        *stored = Stored {
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
        let stored = inner.aggregates.entry(id.to_owned()).or_insert(Stored {
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

/// A bus that keeps what it was given, and refuses what a test wants refused.
#[derive(Debug, Default)]
pub struct MemoryBus {
    published: Mutex<Vec<Entry>>,
    refusals: Mutex<Vec<usize>>,
    calls: Mutex<usize>,
}

impl MemoryBus {
    /// A bus that refuses these entries, counted from 0 over all that it is ever given.
    #[must_use]
    pub fn refusing(refusals: Vec<usize>) -> Self {
        Self { refusals: Mutex::new(refusals), ..Self::default() }
    }

    /// What was taken, in order.
    #[must_use]
    pub fn published(&self) -> Vec<Entry> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Bus for MemoryBus {
    async fn put(&self, entries: &[Entry]) -> Result<Vec<bool>, SendError> {
        let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        let refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = entries.iter().map(|entry| {
            let taken = !refusals.contains(&calls);
            *calls += 1;
            if taken {
                published.push(entry.clone());
            }
            taken
        });
        Ok(taken.collect())
    }
}

/// Dead letters that stay in memory.
#[derive(Debug, Default)]
pub struct MemoryDeadLetters {
    letters: Mutex<Vec<DeadLetter>>,
}

impl MemoryDeadLetters {
    /// What was put aside, in order.
    #[must_use]
    pub fn messages(&self) -> Vec<DeadLetter> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The records that were put aside, in order.
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

/// RepublishQueue to publish again that nobody has carried out yet.
#[derive(Debug, Default)]
pub struct MemoryRepublishQueue {
    sent: Mutex<Vec<Republish>>,
}

impl MemoryRepublishQueue {
    /// Takes what was sent.
    #[must_use]
    pub fn take(&self) -> Vec<Republish> {
        std::mem::take(&mut self.sent.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl RepublishQueue for MemoryRepublishQueue {
    async fn send(&self, wish: &Republish) -> Result<(), SendError> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(wish.clone());
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
