//! The world that the handlers run in: AWS as far as they touch it, one clock, and a plan for the day.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
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
use crate::dice::Dice;
use crate::lambda::Environments;
use crate::laws::Laws;
use crate::plan::{Plan, STORM};
use crate::queues::Queues;
use crate::sagas::Executions;
use crate::story::Story;
use crate::streams::Streams;
use crate::tables::StateTable;
use crate::wiring::Wiring;

/// 2026-01-01T00:00:00Z, when every day begins.
const MIDNIGHT: i64 = 1_767_225_600;

/// A day has some thousands.
const CALLS_MAX: usize = 80_000;
/// Even in a storm some of it comes through.
const STORM_MAX: u64 = 500;

/// How the platform is built and wired: the same for every day.
#[derive(Debug)]
pub(crate) struct Platform {
    pub(crate) wiring: Wiring,
    /// The state machines, by stack and logical name.
    pub(crate) machines: BTreeMap<String, Machine>,
}

/// One day of the platform.
#[derive(Debug)]
pub(crate) struct World {
    me: Weak<Self>,
    began: Instant,
    busy: AtomicUsize,
    is_over: AtomicBool,
    is_at_rest: AtomicBool,
    calls: AtomicUsize,
    pub(crate) platform: &'static Platform,
    pub(crate) dice: Dice,
    pub(crate) plan: Plan,
    pub(crate) story: Story,
    pub(crate) laws: Laws,
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

/// Somebody is at work for as long as it lives.
#[derive(Debug)]
struct Busy(Arc<World>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl World {
    /// The day of a seed, just begun; to be made on a paused clock.
    pub(crate) fn new(platform: &'static Platform, seed: u64, story: Story) -> Arc<Self> {
        let dice = Dice::new(seed);
        let plan = Plan::draw(&dice, &platform.wiring);
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            began: Instant::now(),
            busy: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
            is_at_rest: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
            platform,
            dice,
            plan,
            story,
            laws: Laws::default(),
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

    /// This world, for those that outlive a call.
    pub(crate) fn arc(&self) -> Arc<Self> {
        self.me.upgrade().expect("whoever calls holds the world")
    }

    /// How long the day has lasted.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// What the clocks would show if all went right.
    pub(crate) fn now(&self) -> Timestamp {
        let midnight = Timestamp::from_second(MIDNIGHT).expect("a year of this century");
        midnight + self.elapsed()
    }

    pub(crate) fn now_millis(&self) -> u64 {
        u64::try_from(self.now().as_millisecond()).expect("a year of this century")
    }

    pub(crate) fn new_id(&self) -> Uuid {
        self.dice.id(self.now_millis())
    }

    /// Counts a call. So many have no end, and nobody could wait for it.
    pub(crate) fn count_call(&self) {
        if self.calls.fetch_add(1, Ordering::Relaxed) == CALLS_MAX {
            self.laws.broken("the platform works without end");
        }
    }

    /// Whether the faults have stopped.
    pub(crate) fn is_calm(&self) -> bool {
        self.elapsed() >= self.plan.calm_from
    }

    /// Whether a fault of this rate befalls what happens now.
    pub(crate) fn befalls(&self, mille: u64) -> bool {
        if self.is_calm() {
            return false;
        }
        let at = self.elapsed();
        let is_stormy = self.plan.storms.iter().any(|(from, until)| (*from..*until).contains(&at));
        self.dice.per_mille(if is_stormy { (mille * STORM).min(STORM_MAX) } else { mille })
    }

    /// How long a message or a call is under way.
    pub(crate) fn latency(&self) -> Duration {
        if self.befalls(self.plan.slow) {
            self.dice.millis(200..=2_500)
        } else {
            self.dice.millis(1..=9)
        }
    }

    /// Does something beside all else; the day is not over before it is done.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + 'static) {
        self.busy.fetch_add(1, Ordering::Relaxed);
        let busy = Busy(self.arc());
        drop(tokio::task::spawn_local(async move {
            work.await;
            drop(busy);
        }));
    }

    /// Whether nobody is at work and nothing under way.
    pub(crate) fn is_quiet(&self) -> bool {
        self.busy.load(Ordering::Relaxed) == 0
    }

    /// Waits until nobody is at work; answers whether that came to be within this time.
    pub(crate) async fn comes_to_rest(&self, within: Duration) -> bool {
        let until = Instant::now() + within;
        while !self.is_quiet() && !self.laws.is_broken() {
            if Instant::now() >= until {
                return false;
            }
            sleep(Duration::from_secs(1)).await;
        }
        self.is_at_rest.store(true, Ordering::Relaxed);
        true
    }

    /// Whether nobody has been at work since the faults have stopped, but for those who clear up.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.is_at_rest.load(Ordering::Relaxed)
    }

    /// Nothing happens any more, and those that keep each other alive let go.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.environments.clear();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}
