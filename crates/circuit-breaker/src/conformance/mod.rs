//! What every store must do, and what a fleet must be able to rely on with it.
//!
//! A suite fails by a panic that says which rule is broken.

pub mod outage;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use futures::future::join_all;
use jiff::Timestamp;

use crate::breaker::{Breaker, Event, Host};
use crate::outcome::Outcome;
use crate::settings::Settings;
use crate::shared_state::{Shared, Stand};
use crate::store::{Store, StoreError, Swapped};

/// So many instances make a fleet.
const FLEET: usize = 50;

/// A state as somebody has written it.
fn written(version: u64, write: u64) -> Shared {
    Shared { version, write, ..Shared::default() }
}

/// Holds a store to its rules; the names begin with `prefix` and must never have been used.
///
/// # Panics
///
/// If it breaks one.
pub async fn store(store: &impl Store, prefix: &str) {
    let (one, other) = (format!("{prefix}-one"), format!("{prefix}-other"));
    let load = async |name: &str| store.load(name).await.expect("it answers");
    let swap = async |name: &str, expected, next: &Shared| {
        store.swap(name, expected, next).await.expect("it answers")
    };
    assert_eq!(load(&one).await, None, "nobody has written it");

    let first = written(1, 11);
    assert_eq!(swap(&one, 0, &first).await, Swapped::Done);
    assert_eq!(load(&one).await, Some(first.clone()), "what was written is shown");
    assert_eq!(load(&other).await, None, "names are kept apart");

    let lost = Swapped::Lost(Box::new(first.clone()));
    assert_eq!(swap(&one, 0, &written(1, 12)).await, lost, "the first write was another's");
    assert_eq!(swap(&one, 7, &written(8, 13)).await, lost, "nobody has written version 7");
    assert_eq!(load(&one).await, Some(first), "who has lost changes nothing");

    let second = written(2, 21);
    assert_eq!(swap(&one, 1, &second).await, Swapped::Done);
    assert_eq!(swap(&one, 1, &second).await, Swapped::Done, "a repeat is no lost race");
    let lost = Swapped::Lost(Box::new(second));
    assert_eq!(swap(&one, 1, &written(2, 22)).await, lost, "the winner is shown");

    let rivals: Vec<Shared> = (0..8).map(|rival| written(3, 30 + rival)).collect();
    let swapped = join_all(rivals.iter().map(|rival| swap(&one, 2, rival))).await;
    let winners = swapped.iter().filter(|it| **it == Swapped::Done).count();
    assert_eq!(winners, 1, "of writers at once one wins");
    let stored = load(&one).await.expect("somebody has won");
    for (rival, swapped) in rivals.iter().zip(&swapped) {
        let is_winner = rival.write == stored.write;
        assert_eq!(is_winner, *swapped == Swapped::Done, "{swapped:?}, but {stored:?} is stored");
    }
}

/// The clock of all instances, moved by hand; counts what happens.
#[derive(Clone, Debug, Default)]
struct World {
    now: Arc<AtomicI64>,
    random: Arc<AtomicU64>,
    steps: Arc<AtomicUsize>,
    probes: Arc<AtomicUsize>,
}

impl World {
    fn pass(&self, ms: u64) {
        self.now.fetch_add(i64::try_from(ms).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

impl Host for World {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now.load(Ordering::SeqCst)).unwrap_or_default()
    }

    fn random(&self) -> u64 {
        self.random.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn observe(&self, _: &str, event: &Event<'_>) {
        match event {
            Event::Stepped(_) => self.steps.fetch_add(1, Ordering::SeqCst),
            Event::Probing { is_elected: true } => self.probes.fetch_add(1, Ordering::SeqCst),
            Event::Probing { is_elected: false }
            | Event::Tripped
            | Event::Refused
            | Event::StoreFailed(_) => 0,
        };
    }
}

/// Counts the calls of a store, and the writes that took effect.
#[derive(Clone, Debug)]
struct Counted<S> {
    store: S,
    calls: Arc<AtomicUsize>,
    writes: Arc<AtomicUsize>,
}

impl<S: Store + Sync> Store for Counted<S> {
    async fn load(&self, name: &str) -> Result<Option<Shared>, StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.store.load(name).await
    }

    async fn swap(&self, name: &str, expected: u64, next: &Shared) -> Result<Swapped, StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let swapped = self.store.swap(name, expected, next).await?;
        if swapped == Swapped::Done {
            self.writes.fetch_add(1, Ordering::SeqCst);
        }
        Ok(swapped)
    }
}

/// Lets fifty instances share a breaker of this name, which must never have been used: the table costs nothing while all is
/// well, a step is one write however many see it, and one instance at most probes in a period.
///
/// # Panics
///
/// If it is otherwise.
pub async fn fleet(store: impl Store + Clone + Sync, name: &str) {
    let settings = Settings {
        calls_min: 2,
        // The fleet comes at once, and the store is to be heard, however slow it is.
        store_deadline_ms: 30_000,
        lease_ms: 60_000,
        ..Settings::default()
    };
    let world = World::default();
    world.pass(1_000_000);
    let (calls, writes) = (Arc::default(), Arc::default());
    let store = Counted { store, calls, writes };
    let instances: Vec<_> = (0..FLEET)
        .map(|_| Breaker::new(name, settings.clone(), store.clone(), world.clone()))
        .collect();
    let all = async |outcome: Outcome| {
        let calls = instances.iter().map(|it| it.call(|_| outcome, async {}));
        join_all(calls).await.iter().filter(|it| it.is_ok()).count()
    };
    let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
    let stored =
        async || store.store.load(name).await.expect("it answers").expect("it was written");

    for _ in 0..20 {
        assert_eq!(all(Outcome::Success).await, FLEET);
        world.pass(700);
    }
    assert_eq!(count(&store.calls), 0, "a healthy call costs nothing");

    world.pass(settings.window_ms * 2);
    for _ in 0..4 {
        all(Outcome::Failure).await;
        world.pass(10);
    }
    assert_eq!(stored().await.stand(), Stand::Open);
    assert_eq!(stored().await.history.len(), 1, "it was opened once");
    assert!(count(&store.writes) <= settings.quorum, "{} writes opened it", count(&store.writes));
    assert_eq!(all(Outcome::Success).await, 0, "an open circuit refuses every call");

    // A probe that fails, and one that succeeds.
    for (period, (outcome, stand)) in
        [(Outcome::Failure, Stand::Open), (Outcome::Success, Stand::Closed)].into_iter().enumerate()
    {
        let (before, probes) = (count(&store.writes), count(&world.probes));
        // Long enough for the second time, which is twice as long; then patience runs out for all.
        world.pass(settings.open_ms * 2 + settings.cache_ms);
        let passed = all(outcome).await;
        assert_eq!(count(&world.probes) - probes, 1, "one probe a period");
        let steps = &stored().await.history[1 + 2 * period..];
        let steps: Vec<_> = steps.iter().map(|it| it.to).collect();
        assert_eq!(steps, [Stand::HalfOpen, stand]);
        assert_eq!(count(&store.writes) - before, 2, "two steps, two writes");
        // Whoever comes after the probe's answer may pass as well.
        assert!(stand == Stand::Closed || passed == 1, "{passed} calls passed");
    }
    world.pass(settings.cache_ms * 2);
    for _ in 0..3 {
        all(Outcome::Success).await;
        world.pass(settings.cache_ms * 2);
    }
    assert_eq!(all(Outcome::Success).await, FLEET, "all have heard that it is closed");
    assert_eq!(count(&world.steps), stored().await.history.len(), "each step was told once");
}
