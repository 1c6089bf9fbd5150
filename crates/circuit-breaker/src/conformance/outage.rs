//! A test suite for a store under a fleet in an outage: a probe whose instance crashes, a late result, failures of a single
//! instance, and an operator's overrides.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! use circuit_breaker::conformance::outage;
//! use circuit_breaker::memory::MemoryStore;
//!
//! outage::all(&MemoryStore::default(), 1).await;
//! # });
//! ```

use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::join_all;
use jiff::Timestamp;

use crate::breaker::{Breaker, CircuitOpen, Environment, Event};
use crate::call_outcome::CallOutcome;
use crate::control::Control;
use crate::settings::{Refresh, Settings};
use crate::shared_state::{
    Actor, EffectiveState, LocalTrip, Override, Probe, Proposal, Reason, SharedState, State,
    Transition,
};
use crate::store::{Store, StoreError, Swapped};

/// The number of instances of the fleet.
pub const FLEET: usize = 50;

/// The start of the fleet's clock. Any time is possible, since the suite advances the clock.
const BEGIN_MS: i64 = 1_767_268_800_000;

/// Runs the whole suite. `seed` determines the names and the jitter, so that runs with different seeds can share a table.
///
/// # Panics
///
/// Panics if the store breaks a rule.
pub async fn all(store: &(impl Store + Sync), seed: u64) {
    let name = |test: &str| format!("{test}-{seed:016x}");
    a_breaker_that_was_never_written_has_no_state(store, &name("nothing")).await;
    the_longest_state_is_read_as_it_was_written(store, &name("whole")).await;
    a_repeated_write_loses_after_a_later_write(store, &name("followed")).await;
    one_of_32_concurrent_writers_wins(store, &name("race")).await;
    concurrent_writers_lose_no_write(store, &name("racing")).await;
    a_fleet_survives_an_outage(store, &name("fleet"), seed).await;
}

/// A breaker has no state before its first failures.
pub async fn a_breaker_that_was_never_written_has_no_state(store: &impl Store, name: &str) {
    assert_eq!(load(store, name).await, None);
    let lost = swap(store, name, 3, &next(&SharedState::default(), 1)).await;
    assert_eq!(
        lost,
        Swapped::Lost(Box::default()),
        "a write expects a version, but none is stored"
    );
    assert_eq!(load(store, name).await, None);
}

/// The state has the largest numbers, votes and a full history.
pub async fn the_longest_state_is_read_as_it_was_written(store: &impl Store, name: &str) {
    let settings = Settings { quorum: 100, window_ms: u64::MAX, ..Settings::default() };
    let mut shared = SharedState::default();
    for write in 0..60 {
        shared = next(&shared, u64::MAX - write);
    }
    shared = apply(&shared, &Proposal::Reset, u64::MAX, &settings);
    for instance in 0..60 {
        let vote = Proposal::Vote(LocalTrip {
            instance: u64::MAX - instance,
            since: Timestamp::UNIX_EPOCH,
            until: Timestamp::from_second(253_402_207_200).unwrap_or_default(),
            failures_permille: u32::MAX,
            slow_permille: u32::MAX,
        });
        shared = apply(&shared, &vote, u64::MAX - instance, &settings);
    }
    shared.version = 1;
    assert_eq!(swap(store, name, 0, &shared).await, Swapped::Done);
    assert_eq!(load(store, name).await, Some(shared));
}

/// The write took effect, but its state is no longer the stored one.
pub async fn a_repeated_write_loses_after_a_later_write(store: &impl Store, name: &str) {
    let first = next(&SharedState::default(), 1);
    let second = next(&first, 2);
    assert_eq!(swap(store, name, 0, &first).await, Swapped::Done);
    assert_eq!(swap(store, name, 1, &second).await, Swapped::Done);
    let lost = swap(store, name, 0, &first).await;
    assert_eq!(lost, Swapped::Lost(Box::new(second)));
}

/// Both without and with a stored state. Each loser receives the winner's state.
pub async fn one_of_32_concurrent_writers_wins(store: &impl Store, name: &str) {
    let mut shared = SharedState::default();
    for round in 0..2 {
        let all: Vec<_> = (1..=32).map(|it| next(&shared, round * 100 + it)).collect();
        let swaps = all.iter().map(|next| swap(store, name, shared.version, next));
        let swapped = join_all(swaps).await;
        let stored = load(store, name).await.expect("one writer has won");
        for (next, swapped) in all.iter().zip(swapped) {
            let expected = match *next == stored {
                true => Swapped::Done,
                false => Swapped::Lost(Box::new(stored.clone())),
            };
            assert_eq!(swapped, expected);
        }
        shared = stored;
    }
}

/// Each version results from the previous one.
pub async fn concurrent_writers_lose_no_write(store: &impl Store, name: &str) {
    let writers = (1..=8_u64).map(|writer| async move {
        for round in 0..4 {
            let mut known = SharedState::default();
            loop {
                let next = next(&known, writer * 100 + round);
                match swap(store, name, known.version, &next).await {
                    Swapped::Done => break,
                    Swapped::Lost(winner) => known = *winner,
                }
            }
        }
    });
    join_all(writers).await;
    let stored = load(store, name).await.expect("it was written");
    assert_eq!((stored.version, stored.generation), (32, 32), "a write is lost");
}

/// Fifty instances in an outage: the store is not used while calls succeed, no transition is written twice, and no open
/// period has two probes.
pub async fn a_fleet_survives_an_outage(store: &(impl Store + Sync), name: &str, seed: u64) {
    for refresh in [Refresh::OnFailure, Refresh::Concurrent] {
        let name = format!("{name}-{refresh:?}");
        let fleet = Fleet::new(store, &name, refresh, seed);
        fleet.run().await;
    }
}

struct Fleet<'a, S: Store> {
    world: Arc<World>,
    store: Counted<'a, S>,
    name: &'a str,
    refresh: Refresh,
    breakers: Vec<Breaker<Counted<'a, S>, Arc<World>>>,
}

impl<'a, S: Store + Sync> Fleet<'a, S> {
    fn new(store: &'a S, name: &'a str, refresh: Refresh, seed: u64) -> Self {
        let settings = Settings {
            refresh,
            window_ms: 10_000,
            calls_min: 5,
            quorum: 3,
            open_ms: 10_000,
            lease_ms: 5_000,
            // In real time: requests to a local cloud on a busy machine are slower than those of a deployed function.
            store_deadline_ms: 5_000,
            ..Settings::default()
        };
        let world = Arc::new(World::new(seed));
        let store = Counted { store, requests: Arc::default() };
        let breakers = (0..FLEET)
            .map(|_| Breaker::new(name, settings.clone(), store.clone(), Arc::clone(&world)));
        let breakers = breakers.collect();
        Self { world, store, name, refresh, breakers }
    }

    async fn run(&self) {
        // The dependency is available.
        let healthy = self.calls(100, CallOutcome::Success).await;
        assert_eq!(healthy.rejected, 0);
        let requests = self.store.requests();
        assert_eq!((requests.writes.len(), requests.lost), (0, 0), "healthy calls write nothing");
        match self.refresh {
            Refresh::OnFailure => assert_eq!(requests.loads, 0, "healthy calls read nothing"),
            // Five seconds, in which each instance reads twice a second.
            Refresh::Concurrent => assert!(requests.loads <= 11 * FLEET, "{}", requests.loads),
        }

        // The dependency fails, and the earlier successes leave the window. Each instance trips, or reads that the circuit
        // is open.
        self.world.advance(10_000);
        let failing = self.calls(8, CallOutcome::Failure).await;
        assert_eq!(self.load().await.effective_state(), EffectiveState::Open);
        assert!(failing.made <= 8 * FLEET);
        let rejected = self.calls(3, CallOutcome::Failure).await;
        assert_eq!(rejected.made, 0, "an instance does not know that the circuit is open");

        // Probes fail.
        for _ in 0..3 {
            let until = self.until(open_until).await;
            self.world.set(until + 1_100);
            let probing = self.calls(3, CallOutcome::Failure).await;
            assert_eq!(probing.made, 1, "one probe per open period");
            assert_eq!(self.load().await.effective_state(), EffectiveState::Open);
        }

        // The instance of a probe crashes. Another probe replaces it after the lease.
        let until = self.until(open_until).await;
        self.world.set(until + 1_100);
        let permits = join_all(self.breakers.iter().map(Breaker::acquire_permit)).await;
        let mut probes: Vec<_> = permits.into_iter().flatten().collect();
        assert_eq!(probes.len(), 1, "one probe per open period");
        assert_eq!(self.calls(3, CallOutcome::Success).await.made, 0, "its lease is not over");
        let until = self.until(lease_until).await;
        self.world.set(until + 1_100);
        let closing = self.calls(1, CallOutcome::Success).await;
        assert!(closing.made >= 1);
        assert_eq!(self.load().await.effective_state(), EffectiveState::Closed);
        // A late result of the first probe is ignored.
        if let Some(probe) = probes.pop() {
            probe.run(|_| CallOutcome::Failure, async {}).await;
        }
        assert_eq!(self.load().await.effective_state(), EffectiveState::Closed);
        self.world.advance(1_100);
        assert_eq!(self.calls(10, CallOutcome::Success).await.rejected, 0, "it is closed for all");

        // Calls of a single instance fail. The others veto its vote, if they read it.
        if self.refresh == Refresh::Concurrent {
            let before = self.load().await.history.len();
            for _ in 0..30 {
                self.world.advance(500);
                let [failing, healthy @ ..] = self.breakers.as_slice() else { return };
                call(failing, CallOutcome::Failure).await.unwrap_or(());
                for breaker in healthy {
                    let result = call(breaker, CallOutcome::Success).await;
                    assert_eq!(result, Ok(()), "one instance opened it for all");
                }
            }
            assert_eq!(self.load().await.history.len(), before);
        }

        // An operator sets an override, which applies to all instances that read it.
        if self.refresh == Refresh::Concurrent {
            let control = Control::new(&self.store, Arc::clone(&self.world));
            for (kind, is_rejected) in [(Override::Open, true), (Override::Disabled, false)] {
                control.set_override(self.name, kind, "operator").await.expect("it is written");
                self.world.advance(1_100);
                // The override applies to the first call of an instance, however long that was idle.
                let first = self.calls(1, CallOutcome::Success).await;
                let rejected = if is_rejected { FLEET } else { 0 };
                assert_eq!(first.rejected, rejected, "{kind:?}");
            }
            control.reset(self.name, "operator").await.expect("it is written");
            self.world.advance(1_100);
            assert_eq!(self.calls(1, CallOutcome::Success).await.rejected, 0);
        }
        self.check_writes().await;
    }

    /// Checks for one write per transition, one observation per transition, and one probe per open period.
    async fn check_writes(&self) {
        let shared = self.load().await;
        let mut written = self.store.requests().writes;
        written.sort_by_key(|it| it.version);
        let versions: Vec<_> = written.iter().map(|it| it.version).collect();
        let all: Vec<_> = (1..=shared.version).collect();
        assert_eq!(versions, all, "a write for each version, and none lost");
        let mut transitions: Vec<&Transition> = Vec::new();
        for write in &written {
            transitions.extend(write.history.last().filter(|it| transitions.last() != Some(it)));
        }
        let history: Vec<_> = shared.history.iter().collect();
        assert!(transitions.ends_with(&history), "the history has exactly what was written");
        let observed = self.world.transitions();
        assert_eq!(observed.len(), transitions.len());
        let is_observed = transitions.iter().all(|it| observed.contains(it));
        assert!(is_observed, "each transition is observed once");
        assert_eq!(self.world.failures.load(Ordering::Relaxed), 0, "the store has failed");
        // No more probes than claims. A second claim in one period is due to the lost probe.
        let claims = transitions.iter().filter(|it| it.to == EffectiveState::HalfOpen).count();
        assert_eq!(self.world.probes(), claims);
        let lost = transitions.iter().filter(|it| it.reason == Reason::ProbeLost).count();
        assert_eq!(lost, 1);
    }

    /// Calls by all instances at once, several times.
    async fn calls(&self, times: usize, outcome: CallOutcome) -> Calls {
        let mut calls = Calls::default();
        for _ in 0..times {
            self.world.advance(50);
            for result in join_all(self.breakers.iter().map(|it| call(it, outcome))).await {
                match result {
                    Ok(()) => calls.made += 1,
                    Err(_) => calls.rejected += 1,
                }
            }
        }
        calls
    }

    async fn load(&self) -> SharedState {
        load(self.store.store, self.name).await.unwrap_or_default()
    }

    async fn until(&self, of: fn(&State) -> Option<Timestamp>) -> i64 {
        let shared = self.load().await;
        of(&shared.state).expect("it is in that state").as_millisecond()
    }
}

#[derive(Debug, Default)]
struct Calls {
    made: usize,
    rejected: usize,
}

async fn call<S: Store, E: Environment>(
    breaker: &Breaker<S, E>,
    outcome: CallOutcome,
) -> Result<(), CircuitOpen> {
    breaker.call(|()| outcome, async {}).await
}

fn open_until(state: &State) -> Option<Timestamp> {
    let State::Open { until, .. } = state else { return None };
    Some(*until)
}

fn lease_until(state: &State) -> Option<Timestamp> {
    let State::HalfOpen { probe: Some(Probe { until, .. }), .. } = state else { return None };
    Some(*until)
}

async fn load(store: &impl Store, name: &str) -> Option<SharedState> {
    store.load(name).await.expect("store can be read")
}

async fn swap(store: &impl Store, name: &str, expected: u64, next: &SharedState) -> Swapped {
    store.swap(name, expected, next).await.expect("store can be written")
}

/// Another version, by a proposal that always applies.
fn next(shared: &SharedState, write: u64) -> SharedState {
    apply(shared, &Proposal::Reset, write, &Settings::default())
}

fn apply(
    shared: &SharedState,
    proposal: &Proposal,
    write: u64,
    settings: &Settings,
) -> SharedState {
    let now = Timestamp::from_millisecond(BEGIN_MS).unwrap_or_default();
    let actor = Actor { by: "conformance", write, now };
    shared.apply(proposal, &actor, settings).expect("the proposal applies")
}

/// A store that records its requests.
#[derive(Debug)]
struct Counted<'a, S> {
    store: &'a S,
    requests: Arc<Mutex<Requests>>,
}

#[derive(Clone, Debug, Default)]
struct Requests {
    loads: usize,
    writes: Vec<SharedState>,
    lost: usize,
}

impl<S> Counted<'_, S> {
    fn requests(&self) -> Requests {
        lock(&self.requests).clone()
    }
}

impl<S> Clone for Counted<'_, S> {
    fn clone(&self) -> Self {
        Self { store: self.store, requests: Arc::clone(&self.requests) }
    }
}

impl<S: Store + Sync> Store for Counted<'_, S> {
    async fn load(&self, name: &str) -> Result<Option<SharedState>, StoreError> {
        lock(&self.requests).loads += 1;
        self.store.load(name).await
    }

    async fn swap(
        &self,
        name: &str,
        expected: u64,
        next: &SharedState,
    ) -> Result<Swapped, StoreError> {
        let swapped = self.store.swap(name, expected, next).await?;
        let mut requests = lock(&self.requests);
        match &swapped {
            Swapped::Done => requests.writes.push(next.clone()),
            Swapped::Lost(_) => requests.lost += 1,
        }
        Ok(swapped)
    }
}

/// The environment of all instances: a clock that the suite advances, seeded random numbers, and what was observed.
#[derive(Debug)]
struct World {
    now_ms: AtomicI64,
    rng: AtomicU64,
    transitions: Mutex<Vec<Transition>>,
    probes: AtomicUsize,
    failures: AtomicUsize,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            now_ms: AtomicI64::new(BEGIN_MS),
            rng: AtomicU64::new(seed),
            transitions: Mutex::default(),
            probes: AtomicUsize::new(0),
            failures: AtomicUsize::new(0),
        }
    }

    fn set(&self, now_ms: i64) {
        self.now_ms.store(now_ms, Ordering::Relaxed);
    }

    fn advance(&self, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::Relaxed);
    }

    fn transitions(&self) -> Vec<Transition> {
        lock(&self.transitions).clone()
    }

    fn probes(&self) -> usize {
        self.probes.load(Ordering::Relaxed)
    }
}

impl Environment for Arc<World> {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now_ms.load(Ordering::Relaxed)).unwrap_or_default()
    }

    /// `SplitMix64`.
    fn random(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let seed = self.rng.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn observe(&self, _: &str, event: &Event<'_>) {
        match event {
            Event::StateChanged(transition) => {
                lock(&self.transitions).push((*transition).clone());
            }
            Event::Probing { is_elected: true } => {
                self.probes.fetch_add(1, Ordering::Relaxed);
            }
            Event::StoreFailed(_) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
            }
            Event::Probing { is_elected: false } | Event::Rejected | Event::Tripped => {}
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
