//! A fleet's longer day, and what is asked of a store in it: a probe that dies, one that comes late, one instance that is sick
//! alone, an operator.
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

use crate::breaker::{Breaker, Event, Host, Refused};
use crate::control::Control;
use crate::outcome::Outcome;
use crate::settings::{Settings, Watch};
use crate::shared_state::{
    Asker, LocalTrip, Probe, Question, Reason, Shared, Stand, State, Transition, Word,
};
use crate::store::{Store, StoreError, Swapped};

/// So many instances make the fleet.
pub const FLEET: usize = 50;

/// Any time will do, since the fleet's clock is moved by hand.
const BEGIN_MS: i64 = 1_767_268_800_000;

/// Runs the whole suite. `seed` makes the names and the luck, so that runs with different seeds can share a table.
///
/// # Panics
///
/// When the store does not do what it must.
pub async fn all(store: &(impl Store + Sync), seed: u64) {
    let name = |test: &str| format!("{test}-{seed:016x}");
    what_was_never_written_is_nothing(store, &name("nothing")).await;
    the_longest_state_comes_back_whole(store, &name("whole")).await;
    the_same_write_again_has_lost_once_another_has_followed(store, &name("followed")).await;
    of_32_writers_of_one_version_one_wins(store, &name("race")).await;
    racing_writers_lose_nothing(store, &name("racing")).await;
    a_fleet_agrees(store, &name("fleet"), seed).await;
}

/// No breaker is made before it is in trouble.
pub async fn what_was_never_written_is_nothing(store: &impl Store, name: &str) {
    assert_eq!(load(store, name).await, None);
    let lost = swap(store, name, 3, &next(&Shared::default(), 1)).await;
    assert_eq!(lost, Swapped::Lost(Box::default()), "something is expected of nothing");
    assert_eq!(load(store, name).await, None);
}

/// With the largest numbers, votes and a full history.
pub async fn the_longest_state_comes_back_whole(store: &impl Store, name: &str) {
    let settings = Settings { quorum: 100, window_ms: u64::MAX, ..Settings::default() };
    let mut shared = Shared::default();
    for write in 0..60 {
        shared = next(&shared, u64::MAX - write);
    }
    shared = answer(&shared, &Question::Reset, u64::MAX, &settings);
    for instance in 0..60 {
        let vote = Question::Vote(LocalTrip {
            instance: u64::MAX - instance,
            since: Timestamp::UNIX_EPOCH,
            until: Timestamp::from_second(253_402_207_200).unwrap_or_default(),
            failures_permille: u32::MAX,
            slow_permille: u32::MAX,
        });
        shared = answer(&shared, &vote, u64::MAX - instance, &settings);
    }
    shared.version = 1;
    assert_eq!(swap(store, name, 0, &shared).await, Swapped::Done);
    assert_eq!(load(store, name).await, Some(shared));
}

/// It was heeded, but is not how things stand.
pub async fn the_same_write_again_has_lost_once_another_has_followed(
    store: &impl Store,
    name: &str,
) {
    let first = next(&Shared::default(), 1);
    let second = next(&first, 2);
    assert_eq!(swap(store, name, 0, &first).await, Swapped::Done);
    assert_eq!(swap(store, name, 1, &second).await, Swapped::Done);
    let lost = swap(store, name, 0, &first).await;
    assert_eq!(lost, Swapped::Lost(Box::new(second)));
}

/// From nothing, and from something; each loser is shown the winner.
pub async fn of_32_writers_of_one_version_one_wins(store: &impl Store, name: &str) {
    let mut shared = Shared::default();
    for round in 0..2 {
        let all: Vec<_> = (1..=32).map(|it| next(&shared, round * 100 + it)).collect();
        let swaps = all.iter().map(|next| swap(store, name, shared.version, next));
        let swapped = join_all(swaps).await;
        let stored = load(store, name).await.expect("one has won");
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

/// Each version follows from the one before.
pub async fn racing_writers_lose_nothing(store: &impl Store, name: &str) {
    let writers = (1..=8_u64).map(|writer| async move {
        for round in 0..4 {
            let mut known = Shared::default();
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

/// Fifty instances live through an outage: the store is not asked anything while all is well, no transition is written
/// twice, and no period has two probes.
pub async fn a_fleet_agrees(store: &(impl Store + Sync), name: &str, seed: u64) {
    for watch in [Watch::OnTrouble, Watch::Beside] {
        let name = format!("{name}-{watch:?}");
        let fleet = Fleet::new(store, &name, watch, seed);
        fleet.live_through_an_outage().await;
    }
}

struct Fleet<'a, S: Store> {
    world: Arc<World>,
    store: Counted<'a, S>,
    name: &'a str,
    watch: Watch,
    breakers: Vec<Breaker<Counted<'a, S>, Arc<World>>>,
}

impl<'a, S: Store + Sync> Fleet<'a, S> {
    fn new(store: &'a S, name: &'a str, watch: Watch, seed: u64) -> Self {
        let settings = Settings {
            watch,
            window_ms: 10_000,
            calls_min: 5,
            quorum: 3,
            open_ms: 10_000,
            lease_ms: 5_000,
            // Real time, which a fleet over a local cloud on a busy machine needs more of than one in a function.
            store_deadline_ms: 5_000,
            ..Settings::default()
        };
        let world = Arc::new(World::new(seed));
        let store = Counted { store, spent: Arc::default() };
        let breakers = (0..FLEET)
            .map(|_| Breaker::new(name, settings.clone(), store.clone(), Arc::clone(&world)));
        let breakers = breakers.collect();
        Self { world, store, name, watch, breakers }
    }

    async fn live_through_an_outage(&self) {
        // A day begins.
        let healthy = self.calls(100, Outcome::Success).await;
        assert_eq!(healthy.refused, 0);
        let spent = self.store.spent();
        assert_eq!((spent.writes.len(), spent.lost), (0, 0), "all is well");
        match self.watch {
            Watch::OnTrouble => assert_eq!(spent.loads, 0, "nobody asks while all is well"),
            // Five seconds, in which each instance reads twice a second.
            Watch::Beside => assert!(spent.loads <= 11 * FLEET, "{}", spent.loads),
        }

        // Nobody answers any more, and what was well before is soon out of sight. Each instance finds out, or hears of it.
        self.world.go_on(10_000);
        let begun = self.calls(8, Outcome::Failure).await;
        assert_eq!(self.load().await.stand(), Stand::Open);
        assert!(begun.made <= 8 * FLEET);
        let refused = self.calls(3, Outcome::Failure).await;
        assert_eq!(refused.made, 0, "somebody has not heard of it");

        // It is probed until somebody answers.
        for _ in 0..3 {
            let until = self.until(open_until).await;
            self.world.set(until + 1_100);
            let probing = self.calls(3, Outcome::Failure).await;
            assert_eq!(probing.made, 1, "one probe for a period");
            assert_eq!(self.load().await.stand(), Stand::Open);
        }

        // A probe dies with its instance, and is replaced once its lease is over.
        let until = self.until(open_until).await;
        self.world.set(until + 1_100);
        let permits = join_all(self.breakers.iter().map(Breaker::enter)).await;
        let mut probes: Vec<_> = permits.into_iter().flatten().collect();
        assert_eq!(probes.len(), 1, "one probe for a period");
        assert_eq!(self.calls(3, Outcome::Success).await.made, 0, "its lease is not over");
        let until = self.until(lease_until).await;
        self.world.set(until + 1_100);
        let closing = self.calls(1, Outcome::Success).await;
        assert!(closing.made >= 1);
        assert_eq!(self.load().await.stand(), Stand::Closed);
        // What the dead one would have said is of no account.
        if let Some(probe) = probes.pop() {
            probe.run(|_| Outcome::Failure, async {}).await;
        }
        assert_eq!(self.load().await.stand(), Stand::Closed);
        self.world.go_on(1_100);
        assert_eq!(self.calls(10, Outcome::Success).await.refused, 0, "it is closed for all");

        // One is sick alone: the others doubt it, if they look.
        if self.watch == Watch::Beside {
            let before = self.load().await.history.len();
            for _ in 0..30 {
                self.world.go_on(500);
                let [sick, well @ ..] = self.breakers.as_slice() else { return };
                call(sick, Outcome::Failure).await.unwrap_or(());
                for breaker in well {
                    assert_eq!(
                        call(breaker, Outcome::Success).await,
                        Ok(()),
                        "one opens it for all"
                    );
                }
            }
            assert_eq!(self.load().await.history.len(), before);
        }

        // An operator speaks, and is heard by all who look.
        if self.watch == Watch::Beside {
            let control = Control::new(&self.store, Arc::clone(&self.world));
            for (word, is_refused) in [(Word::Open, true), (Word::Disabled, false)] {
                control.force(self.name, word, "operator").await.expect("it is written");
                self.world.go_on(1_100);
                // However long an instance was idle, its first call obeys.
                let first = self.calls(1, Outcome::Success).await;
                let refused = if is_refused { FLEET } else { 0 };
                assert_eq!(first.refused, refused, "{word:?}");
            }
            control.reset(self.name, "operator").await.expect("it is written");
            self.world.go_on(1_100);
            assert_eq!(self.calls(1, Outcome::Success).await.refused, 0);
        }
        self.check_writes().await;
    }

    /// One write a transition, each told of once, and one probe a period.
    async fn check_writes(&self) {
        let shared = self.load().await;
        let mut written = self.store.spent().writes;
        written.sort_by_key(|it| it.version);
        let versions: Vec<_> = written.iter().map(|it| it.version).collect();
        let all: Vec<_> = (1..=shared.version).collect();
        assert_eq!(versions, all, "a write for each version, and none lost");
        let mut steps: Vec<&Transition> = Vec::new();
        for write in &written {
            steps.extend(write.history.last().filter(|it| steps.last() != Some(it)));
        }
        let history: Vec<_> = shared.history.iter().collect();
        assert!(steps.ends_with(&history), "the history is of what was written");
        let told = self.world.told();
        assert_eq!(told.len(), steps.len());
        assert!(steps.iter().all(|it| told.contains(it)), "each step is told of once");
        assert_eq!(self.world.failures.load(Ordering::Relaxed), 0, "the store has failed");
        // No more probes than claims, and of two claims of one period the first was lost.
        let claims = steps.iter().filter(|it| it.to == Stand::HalfOpen).count();
        assert_eq!(self.world.probes(), claims);
        let lost = steps.iter().filter(|it| it.reason == Reason::ProbeLost).count();
        assert_eq!(lost, 1);
    }

    /// All instances at once, several times.
    async fn calls(&self, times: usize, outcome: Outcome) -> Calls {
        let mut calls = Calls::default();
        for _ in 0..times {
            self.world.go_on(50);
            for result in join_all(self.breakers.iter().map(|it| call(it, outcome))).await {
                match result {
                    Ok(()) => calls.made += 1,
                    Err(_) => calls.refused += 1,
                }
            }
        }
        calls
    }

    async fn load(&self) -> Shared {
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
    refused: usize,
}

async fn call<S: Store, H: Host>(breaker: &Breaker<S, H>, outcome: Outcome) -> Result<(), Refused> {
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

async fn load(store: &impl Store, name: &str) -> Option<Shared> {
    store.load(name).await.expect("store can be read")
}

async fn swap(store: &impl Store, name: &str, expected: u64, next: &Shared) -> Swapped {
    store.swap(name, expected, next).await.expect("store can be written")
}

/// Another version, by a question that is never moot.
fn next(shared: &Shared, write: u64) -> Shared {
    answer(shared, &Question::Reset, write, &Settings::default())
}

fn answer(shared: &Shared, question: &Question, write: u64, settings: &Settings) -> Shared {
    let now = Timestamp::from_millisecond(BEGIN_MS).unwrap_or_default();
    let asker = Asker { by: "conformance", write, now };
    shared.answer(question, &asker, settings).expect("not moot")
}

/// A store whose requests are counted.
#[derive(Debug)]
struct Counted<'a, S> {
    store: &'a S,
    spent: Arc<Mutex<Spent>>,
}

#[derive(Clone, Debug, Default)]
struct Spent {
    loads: usize,
    writes: Vec<Shared>,
    lost: usize,
}

impl<S> Counted<'_, S> {
    fn spent(&self) -> Spent {
        lock(&self.spent).clone()
    }
}

impl<S> Clone for Counted<'_, S> {
    fn clone(&self) -> Self {
        Self { store: self.store, spent: Arc::clone(&self.spent) }
    }
}

impl<S: Store + Sync> Store for Counted<'_, S> {
    async fn load(&self, name: &str) -> Result<Option<Shared>, StoreError> {
        lock(&self.spent).loads += 1;
        self.store.load(name).await
    }

    async fn swap(&self, name: &str, expected: u64, next: &Shared) -> Result<Swapped, StoreError> {
        let swapped = self.store.swap(name, expected, next).await?;
        let mut spent = lock(&self.spent);
        match &swapped {
            Swapped::Done => spent.writes.push(next.clone()),
            Swapped::Lost(_) => spent.lost += 1,
        }
        Ok(swapped)
    }
}

/// A clock that is moved by hand, dice that fall the same each time, and what was observed.
#[derive(Debug)]
struct World {
    now_ms: AtomicI64,
    dice: AtomicU64,
    told: Mutex<Vec<Transition>>,
    probes: AtomicUsize,
    failures: AtomicUsize,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            now_ms: AtomicI64::new(BEGIN_MS),
            dice: AtomicU64::new(seed),
            told: Mutex::default(),
            probes: AtomicUsize::new(0),
            failures: AtomicUsize::new(0),
        }
    }

    fn set(&self, now_ms: i64) {
        self.now_ms.store(now_ms, Ordering::Relaxed);
    }

    fn go_on(&self, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::Relaxed);
    }

    fn told(&self) -> Vec<Transition> {
        lock(&self.told).clone()
    }

    fn probes(&self) -> usize {
        self.probes.load(Ordering::Relaxed)
    }
}

impl Host for Arc<World> {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now_ms.load(Ordering::Relaxed)).unwrap_or_default()
    }

    /// `SplitMix64`.
    fn random(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let seed = self.dice.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn observe(&self, _: &str, event: &Event<'_>) {
        match event {
            Event::Stepped(step) => lock(&self.told).push((*step).clone()),
            Event::Probing { is_elected: true } => {
                self.probes.fetch_add(1, Ordering::Relaxed);
            }
            Event::StoreFailed(_) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
            }
            Event::Probing { is_elected: false } | Event::Refused | Event::Tripped => {}
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
