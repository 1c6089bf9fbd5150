//! The plan of a run: everything that a seed decides at the start.

use std::time::Duration;

use crate::rng::SeededRng;
use crate::wiring::Wiring;

/// In a burst, every fault rate is multiplied by this factor.
pub(crate) const BURST_FACTOR: u64 = 8;
/// Low enough for work to get done between faults, and high enough for faults to coincide.
const MAX_RATE: u64 = 60;

/// The fault rates and the workload of one run.
///
/// Each kind of fault occurs in about half of the runs only. If everything failed all the time, a run would reach fewer
/// states.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Requests that do not arrive, per mille of all calls.
    pub(crate) request_lost: u64,
    /// Responses that do not arrive.
    pub(crate) response_lost: u64,
    /// Calls that take effect after their caller has timed out.
    pub(crate) applied_late: u64,
    /// Crashes of the caller before the call.
    pub(crate) crash_before: u64,
    /// Crashes of the caller after the call.
    pub(crate) crash_after: u64,
    /// Calls that a table throttles.
    pub(crate) throttled: u64,
    /// Conditional writes that conflict with a transaction or another writer.
    pub(crate) conflict: u64,
    /// Calls that take a second or two.
    pub(crate) slow: u64,
    /// Deliveries that are repeated.
    pub(crate) duplicated: u64,
    /// Messages that are delayed.
    pub(crate) delayed: u64,
    /// Stream records that are reordered with records of other items.
    pub(crate) reordered: u64,
    /// Changes whose stream record is trimmed before it is published.
    pub(crate) trimmed: u64,
    /// Invocations that start a new process.
    pub(crate) cold_start: u64,
    /// Processes that run a later release, alongside others that do not.
    pub(crate) later_release: u64,
    /// The maximal error of a process's clock, in milliseconds.
    pub(crate) skew_ms: u64,
    /// Intervals in which all fault rates are higher.
    pub(crate) bursts: Vec<(Duration, Duration)>,
    /// Functions that nearly always crash in an interval, as after a bad deployment.
    pub(crate) failing: Vec<FailingFunction>,
    /// Intervals in which the payment provider is down.
    pub(crate) provider_down: Vec<(Duration, Duration)>,
    /// When the faults stop, and the platform has to become quiescent.
    pub(crate) faults_end: Duration,
    /// The number of bookings.
    pub(crate) bookings: u64,
    /// The number of slots.
    pub(crate) slots: u64,
    /// The interval in which the bookings arrive.
    pub(crate) arrivals: Duration,
    /// Bookings paid while booking (instant), per mille.
    pub(crate) instant: u64,
    /// Cards that work at the first attempt, per mille.
    pub(crate) good_cards: u64,
    /// Customers who cancel, per mille.
    pub(crate) cancels: u64,
    /// Requests that are sent twice concurrently, per mille.
    pub(crate) repeats: u64,
    /// How many times an operator closes and reopens a slot.
    pub(crate) closures: u64,
    /// How many times an operator rebuilds a view, or rolls it back.
    pub(crate) rebuilds: u64,
    /// How many times an operator redrives dead letters.
    pub(crate) redrives: u64,
    /// How many times an operator republishes events.
    pub(crate) republishes: u64,
    /// How many times an operator overrides a circuit breaker.
    pub(crate) overrides: u64,
    /// The time until the bill of an invoice expires.
    pub(crate) bill_due: Duration,
}

/// A function that fails for a while.
#[derive(Clone, Debug)]
pub(crate) struct FailingFunction {
    pub(crate) function: String,
    pub(crate) from: Duration,
    pub(crate) until: Duration,
}

impl Plan {
    /// A plan without faults, without customers, and with one slot.
    pub(crate) fn without_faults() -> Self {
        Self {
            request_lost: 0,
            response_lost: 0,
            applied_late: 0,
            crash_before: 0,
            crash_after: 0,
            throttled: 0,
            conflict: 0,
            slow: 0,
            duplicated: 0,
            delayed: 0,
            reordered: 0,
            trimmed: 0,
            cold_start: 0,
            later_release: 0,
            skew_ms: 0,
            bursts: Vec::new(),
            failing: Vec::new(),
            provider_down: Vec::new(),
            faults_end: Duration::ZERO,
            bookings: 0,
            slots: 1,
            arrivals: Duration::ZERO,
            instant: 0,
            good_cards: 1_000,
            cancels: 0,
            repeats: 0,
            closures: 0,
            rebuilds: 0,
            redrives: 0,
            republishes: 0,
            overrides: 0,
            bill_due: Duration::from_secs(20),
        }
    }

    /// The plan of this seed. One run in eight injects no faults.
    pub(crate) fn draw(rng: &SeededRng, wiring: &Wiring) -> Self {
        let is_fault_free = rng.below(8) == 0;
        let functions: Vec<&String> = wiring.functions.keys().collect();
        let rate = |most: u64| {
            if is_fault_free || rng.below(2) == 0 { 0 } else { rng.within(1..=most) }
        };
        // Sometimes long enough for a message to fail until it is dead-lettered.
        let faults_end = rng.within(20..=*rng.one_of(&[60, 150, 150, 600]));
        // Sometimes a service fails for so long that compensations exhaust their retries, and so does an operator's
        // first redrive.
        let has_long_outage = !is_fault_free && rng.below(24) == 0;
        let faults_end = if has_long_outage { rng.within(900..=1_800) } else { faults_end };
        let intervals = |most: u64, seconds: u64| {
            let count = if is_fault_free { 0 } else { rng.below(most + 1) };
            let intervals = (0..count).map(|_| {
                let from = rng.below(faults_end);
                let until = (from + rng.within(2..=seconds)).min(faults_end);
                (Duration::from_secs(from), Duration::from_secs(until))
            });
            intervals.collect()
        };
        let failing = (0..if is_fault_free { 0 } else { rng.below(3) }).map(|_| {
            let function = (*rng.one_of(&functions)).clone();
            // A function that reads a queue may fail for so long that messages are dead-lettered.
            let reads_queue = wiring.queue_sources.iter().any(|it| it.function == function);
            let from = rng.below(faults_end);
            let most = if reads_queue { 400 } else { 40 };
            let until = (from + rng.within(2..=most)).min(faults_end);
            FailingFunction {
                function,
                from: Duration::from_secs(from),
                until: Duration::from_secs(until),
            }
        });
        let mut failing: Vec<FailingFunction> = failing.collect();
        if has_long_outage {
            let function = rng.one_of(&["parking-command", "billing-command", "booking-command"]);
            let (from, until) = (rng.below(20), rng.within(700..=faults_end));
            failing.push(FailingFunction {
                function: (*function).to_owned(),
                from: Duration::from_secs(from),
                until: Duration::from_secs(until),
            });
        }
        let arrivals_s = if has_long_outage { 60 } else { faults_end };
        Self {
            failing,
            bursts: intervals(2, 20),
            provider_down: intervals(2, 60),
            request_lost: rate(MAX_RATE),
            response_lost: rate(MAX_RATE),
            applied_late: rate(MAX_RATE),
            crash_before: rate(MAX_RATE / 2),
            crash_after: rate(MAX_RATE / 2),
            throttled: rate(MAX_RATE),
            conflict: rate(MAX_RATE * 2),
            slow: rate(MAX_RATE / 3),
            duplicated: rate(400),
            delayed: rate(400),
            reordered: rate(500),
            // In few runs: an event that was lost cannot be tested for late or early delivery.
            trimmed: if rng.below(4) == 0 { rate(200) } else { 0 },
            cold_start: rate(500),
            later_release: rate(500),
            skew_ms: rate(1_500),
            faults_end: Duration::from_secs(faults_end),
            bookings: rng.within(1..=*rng.one_of(&[6, 24, 40])),
            slots: *rng.one_of(&[1, 1, 2, 5]),
            // A rush, or the whole run.
            arrivals: Duration::from_millis(
                rng.within(1..=*rng.one_of(&[5_000, arrivals_s * 1_000])),
            ),
            instant: *rng.one_of(&[0, 300, 700, 1_000, 1_000]),
            good_cards: *rng.one_of(&[300, 600, 900, 1_000]),
            cancels: *rng.one_of(&[0, 100, 400]),
            repeats: *rng.one_of(&[0, 100, 400]),
            closures: *rng.one_of(&[0, 0, 3, 30]),
            rebuilds: *rng.one_of(&[0, 1, 5]),
            redrives: if has_long_outage { 3 } else { *rng.one_of(&[0, 2]) },
            republishes: *rng.one_of(&[0, 0, 2]),
            overrides: if is_fault_free { 0 } else { *rng.one_of(&[0, 0, 3]) },
            bill_due: Duration::from_secs(*rng.one_of(&[20, 90, 900])),
        }
    }

    /// Whether the plan injects no faults.
    pub(crate) fn is_fault_free(&self) -> bool {
        let rates = [
            self.request_lost,
            self.response_lost,
            self.applied_late,
            self.crash_before,
            self.crash_after,
            self.throttled,
            self.conflict,
            self.slow,
            self.duplicated,
            self.delayed,
        ];
        rates.iter().all(|rate| *rate == 0)
            && self.provider_down.is_empty()
            && self.failing.is_empty()
            && self.overrides == 0
    }
}
