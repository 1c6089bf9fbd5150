//! The simulated world of a run: the parts of AWS that the handlers use, one clock, and the run's plan.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use billing::domain::Bill;
use billing::view::BillRow;
use booking::domain::BookingEvent;
use booking::view::BookingRow;
use cqrs::memory::{MemoryGenerations, MemoryView};
use event_sourcing::memory::MemoryStore;
use jiff::Timestamp;
use parking::domain::Slot;
use parking::view::SlotRow;
use payment_provider::adapters::memory::MemoryLedger;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::asl::Machine;
use crate::event_log::EventLog;
use crate::invariants::Invariants;
use crate::lambda::Environments;
use crate::plan::{BURST_FACTOR, Plan};
use crate::queues::Queues;
use crate::rng::SeededRng;
use crate::sagas::Executions;
use crate::streams::Streams;
use crate::tables::StateTable;
use crate::wiring::Wiring;

/// 2026-01-01T00:00:00Z, the start of every run.
const START: i64 = 1_767_225_600;

/// A run makes some thousands of calls.
const MAX_CALLS: usize = 80_000;
/// The highest fault rate in a burst, so that some calls still succeed.
const MAX_BURST_RATE: u64 = 500;

/// How the platform is built and wired: the same for every run.
#[derive(Debug)]
pub(crate) struct Platform {
    pub(crate) wiring: Wiring,
    /// The state machines, by stack and logical name.
    pub(crate) machines: BTreeMap<String, Machine>,
}

/// The state of one run.
#[derive(Debug)]
pub(crate) struct World {
    this: Weak<Self>,
    began: Instant,
    running: AtomicUsize,
    is_over: AtomicBool,
    was_quiescent: AtomicBool,
    calls: AtomicUsize,
    counts: Mutex<BTreeMap<String, u64>>,
    pub(crate) platform: &'static Platform,
    pub(crate) rng: SeededRng,
    pub(crate) plan: Plan,
    pub(crate) log: EventLog,
    pub(crate) invariants: Invariants,
    pub(crate) bookings: MemoryStore<BookingEvent>,
    pub(crate) slots: StateTable<Slot>,
    pub(crate) bills: StateTable<Bill>,
    #[cfg(test)]
    pub(crate) things: StateTable<outbox::conformance::Thing>,
    pub(crate) booking_views: MemoryGenerations<BookingRow>,
    pub(crate) slot_views: MemoryGenerations<SlotRow>,
    pub(crate) bill_view: MemoryView<BillRow>,
    pub(crate) ledger: MemoryLedger,
    pub(crate) breakers: circuit_breaker::memory::MemoryStore,
    pub(crate) streams: Streams,
    pub(crate) queues: Queues,
    pub(crate) environments: Environments,
    pub(crate) executions: Executions,
}

/// Counts a background task as running while it exists.
#[derive(Debug)]
struct TaskGuard(Arc<World>);

impl Drop for TaskGuard {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl World {
    /// The world of a seed at the start of its run; must be created on a paused clock.
    pub(crate) fn new(platform: &'static Platform, seed: u64, log: EventLog) -> Arc<Self> {
        Self::with(platform, seed, log, |rng| Plan::draw(rng, &platform.wiring))
    }

    /// The world of a run with this plan.
    pub(crate) fn with(
        platform: &'static Platform,
        seed: u64,
        log: EventLog,
        plan: impl FnOnce(&SeededRng) -> Plan,
    ) -> Arc<Self> {
        let rng = SeededRng::new(seed);
        let plan = plan(&rng);
        Arc::new_cyclic(|this| Self {
            this: this.clone(),
            began: Instant::now(),
            running: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
            was_quiescent: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
            counts: Mutex::default(),
            platform,
            rng,
            plan,
            log,
            invariants: Invariants::default(),
            bookings: MemoryStore::default(),
            slots: StateTable::default(),
            bills: StateTable::default(),
            #[cfg(test)]
            things: StateTable::default(),
            booking_views: MemoryGenerations::default(),
            slot_views: MemoryGenerations::default(),
            bill_view: MemoryView::default(),
            ledger: MemoryLedger::default(),
            breakers: circuit_breaker::memory::MemoryStore::default(),
            streams: Streams::new(&platform.wiring),
            queues: Queues::new(&platform.wiring),
            environments: Environments::default(),
            executions: Executions::default(),
        })
    }

    /// A shared handle to this world, for tasks that outlive a call.
    pub(crate) fn arc(&self) -> Arc<Self> {
        self.this.upgrade().expect("a caller holds the world")
    }

    /// The time since the start of the run.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// The correct time; the clocks of processes may differ from it.
    pub(crate) fn now(&self) -> Timestamp {
        let start = Timestamp::from_second(START).expect("a year of this century");
        start + self.elapsed()
    }

    pub(crate) fn now_millis(&self) -> u64 {
        u64::try_from(self.now().as_millisecond()).expect("a year of this century")
    }

    pub(crate) fn new_id(&self) -> Uuid {
        self.rng.id(self.now_millis())
    }

    /// Counts a call. Too many calls are an invariant violation: the platform would never stop working.
    pub(crate) fn count_call(&self) {
        if self.calls.fetch_add(1, Ordering::Relaxed) == MAX_CALLS {
            self.invariants.violated("the platform makes calls without end");
        }
    }

    /// Counts a billable operation by its label.
    pub(crate) fn count(&self, what: &str) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.get_mut(what) {
            Some(count) => *count += 1,
            None => drop(counts.insert(what.to_owned(), 1)),
        }
    }

    /// The counts since the last reset.
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn reset_counts(&self) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Whether the injection of faults has ended.
    pub(crate) fn faults_have_ended(&self) -> bool {
        self.elapsed() >= self.plan.faults_end
    }

    /// Whether to inject a fault of this rate now.
    pub(crate) fn injects(&self, mille: u64) -> bool {
        if self.faults_have_ended() {
            return false;
        }
        let at = self.elapsed();
        let is_burst = self.plan.bursts.iter().any(|(from, until)| (*from..*until).contains(&at));
        self.rng.per_mille(if is_burst {
            (mille * BURST_FACTOR).min(MAX_BURST_RATE)
        } else {
            mille
        })
    }

    /// The latency of a message or a call.
    pub(crate) fn latency(&self) -> Duration {
        if self.injects(self.plan.slow) {
            self.rng.millis(200..=2_500)
        } else {
            self.rng.millis(1..=9)
        }
    }

    /// Runs a background task; the run does not end before it is done.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + 'static) {
        self.running.fetch_add(1, Ordering::Relaxed);
        let running = TaskGuard(self.arc());
        drop(tokio::task::spawn_local(async move {
            work.await;
            drop(running);
        }));
    }

    /// Whether no background task is running.
    pub(crate) fn is_quiescent(&self) -> bool {
        self.running.load(Ordering::Relaxed) == 0
    }

    /// Waits until no background task is running; returns whether that happened within this time.
    pub(crate) async fn becomes_quiescent(&self, within: Duration) -> bool {
        let until = Instant::now() + within;
        while !self.is_quiescent() && !self.invariants.is_violated() {
            if Instant::now() >= until {
                return false;
            }
            sleep(Duration::from_secs(1)).await;
        }
        self.was_quiescent.store(true, Ordering::Relaxed);
        true
    }

    /// Whether the platform has been quiescent once since the faults stopped.
    pub(crate) fn was_quiescent(&self) -> bool {
        self.was_quiescent.load(Ordering::Relaxed)
    }

    /// Ends the run, and drops the environments, which hold references to the world.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.environments.clear();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}
