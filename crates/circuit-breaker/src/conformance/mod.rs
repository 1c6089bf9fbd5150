//! The test suites that every store must pass: the rules of the port, and a fleet over the store.
//!
//! A suite fails with a panic that names the broken rule.

pub mod outage;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use futures::future::join_all;
use jiff::Timestamp;

use crate::breaker::{Breaker, Environment, Event};
use crate::call_outcome::CallOutcome;
use crate::settings::Settings;
use crate::shared_state::{EffectiveState, SharedState};
use crate::store::{Store, StoreError, Swapped};

/// The number of instances of the fleet.
const FLEET: usize = 50;

/// A state as some instance has written it.
fn written(version: u64, write: u64) -> SharedState {
    SharedState { version, write, ..SharedState::default() }
}

/// Checks the rules of [`Store`]. The names start with `prefix` and must never have been used.
///
/// # Panics
///
/// Panics if the store breaks a rule.
pub async fn store(store: &impl Store, prefix: &str) {
    let (one, other) = (format!("{prefix}-one"), format!("{prefix}-other"));
    let load = async |name: &str| store.load(name).await.expect("the store responds");
    let swap = async |name: &str, expected, next: &SharedState| {
        store.swap(name, expected, next).await.expect("the store responds")
    };
    assert_eq!(load(&one).await, None, "no state was written");

    let first = written(1, 11);
    assert_eq!(swap(&one, 0, &first).await, Swapped::Done);
    assert_eq!(load(&one).await, Some(first.clone()), "a load returns what was written");
    assert_eq!(load(&other).await, None, "names are separate");

    let lost = Swapped::Lost(Box::new(first.clone()));
    assert_eq!(swap(&one, 0, &written(1, 12)).await, lost, "another write was first");
    assert_eq!(swap(&one, 7, &written(8, 13)).await, lost, "version 7 was never written");
    assert_eq!(load(&one).await, Some(first), "a lost write changes nothing");

    let second = written(2, 21);
    assert_eq!(swap(&one, 1, &second).await, Swapped::Done);
    assert_eq!(swap(&one, 1, &second).await, Swapped::Done, "a repetition is not a lost race");
    let lost = Swapped::Lost(Box::new(second));
    assert_eq!(swap(&one, 1, &written(2, 22)).await, lost, "the winner's state is returned");

    let rivals: Vec<SharedState> = (0..8).map(|rival| written(3, 30 + rival)).collect();
    let swapped = join_all(rivals.iter().map(|rival| swap(&one, 2, rival))).await;
    let winners = swapped.iter().filter(|it| **it == Swapped::Done).count();
    assert_eq!(winners, 1, "one of the concurrent writers wins");
    let stored = load(&one).await.expect("one writer has won");
    for (rival, swapped) in rivals.iter().zip(&swapped) {
        let is_winner = rival.write == stored.write;
        assert_eq!(is_winner, *swapped == Swapped::Done, "{swapped:?}, but {stored:?} is stored");
    }
}

/// The environment of all instances: a clock that the suite advances, and counters of the events.
#[derive(Clone, Debug, Default)]
struct World {
    now: Arc<AtomicI64>,
    random: Arc<AtomicU64>,
    transitions: Arc<AtomicUsize>,
    probes: Arc<AtomicUsize>,
}

impl World {
    fn advance(&self, ms: u64) {
        self.now.fetch_add(i64::try_from(ms).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

impl Environment for World {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now.load(Ordering::SeqCst)).unwrap_or_default()
    }

    fn random(&self) -> u64 {
        self.random.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn observe(&self, _: &str, event: &Event<'_>) {
        match event {
            Event::StateChanged(_) => self.transitions.fetch_add(1, Ordering::SeqCst),
            Event::Probing { is_elected: true } => self.probes.fetch_add(1, Ordering::SeqCst),
            Event::Probing { is_elected: false }
            | Event::Tripped
            | Event::Rejected
            | Event::StoreFailed(_) => 0,
        };
    }
}

/// A store that counts its requests, and the writes that took effect.
#[derive(Clone, Debug)]
struct Counted<S> {
    store: S,
    calls: Arc<AtomicUsize>,
    writes: Arc<AtomicUsize>,
}

impl<S: Store + Sync> Store for Counted<S> {
    async fn load(&self, name: &str) -> Result<Option<SharedState>, StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.store.load(name).await
    }

    async fn swap(
        &self,
        name: &str,
        expected: u64,
        next: &SharedState,
    ) -> Result<Swapped, StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let swapped = self.store.swap(name, expected, next).await?;
        if swapped == Swapped::Done {
            self.writes.fetch_add(1, Ordering::SeqCst);
        }
        Ok(swapped)
    }
}

/// Runs fifty instances that share a breaker of this name, which must never have been used. The store is not used while
/// calls succeed, a transition costs one write however many instances see its cause, and there is one probe per open period.
///
/// # Panics
///
/// Panics if one of these does not hold.
pub async fn fleet(store: impl Store + Clone + Sync, name: &str) {
    let settings = Settings {
        calls_min: 2,
        // All instances call at once, and every request must complete, however slow the store is.
        store_deadline_ms: 30_000,
        lease_ms: 60_000,
        ..Settings::default()
    };
    let world = World::default();
    world.advance(1_000_000);
    let (calls, writes) = (Arc::default(), Arc::default());
    let store = Counted { store, calls, writes };
    let instances: Vec<_> = (0..FLEET)
        .map(|_| Breaker::new(name, settings.clone(), store.clone(), world.clone()))
        .collect();
    let all = async |outcome: CallOutcome| {
        let calls = instances.iter().map(|it| it.call(|_| outcome, async {}));
        join_all(calls).await.iter().filter(|it| it.is_ok()).count()
    };
    let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
    let stored =
        async || store.store.load(name).await.expect("the store responds").expect("it was written");

    for _ in 0..20 {
        assert_eq!(all(CallOutcome::Success).await, FLEET);
        world.advance(700);
    }
    assert_eq!(count(&store.calls), 0, "a healthy call uses no store");

    world.advance(settings.window_ms * 2);
    for _ in 0..4 {
        all(CallOutcome::Failure).await;
        world.advance(10);
    }
    assert_eq!(stored().await.effective_state(), EffectiveState::Open);
    assert_eq!(stored().await.history.len(), 1, "it opened once");
    assert!(count(&store.writes) <= settings.quorum, "{} writes opened it", count(&store.writes));
    assert_eq!(all(CallOutcome::Success).await, 0, "an open circuit rejects every call");

    // A probe that fails, and one that succeeds.
    for (period, (outcome, state)) in [
        (CallOutcome::Failure, EffectiveState::Open),
        (CallOutcome::Success, EffectiveState::Closed),
    ]
    .into_iter()
    .enumerate()
    {
        let (before, probes) = (count(&store.writes), count(&world.probes));
        // Long enough for the second period, which is twice as long, and for the claim jitter of every instance.
        world.advance(settings.open_ms * 2 + settings.cache_ms);
        let passed = all(outcome).await;
        assert_eq!(count(&world.probes) - probes, 1, "one probe per open period");
        let transitions = &stored().await.history[1 + 2 * period..];
        let transitions: Vec<_> = transitions.iter().map(|it| it.to).collect();
        assert_eq!(transitions, [EffectiveState::HalfOpen, state]);
        assert_eq!(count(&store.writes) - before, 2, "two transitions, two writes");
        // Calls after the result of the probe may be admitted as well.
        assert!(state == EffectiveState::Closed || passed == 1, "{passed} calls passed");
    }
    world.advance(settings.cache_ms * 2);
    for _ in 0..3 {
        all(CallOutcome::Success).await;
        world.advance(settings.cache_ms * 2);
    }
    assert_eq!(all(CallOutcome::Success).await, FLEET, "all instances know that it is closed");
    let transitions = stored().await.history.len();
    assert_eq!(count(&world.transitions), transitions, "each transition is observed once");
}
