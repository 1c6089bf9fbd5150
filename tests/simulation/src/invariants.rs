//! The invariants that are checked after every step, and the statistics of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use billing::domain::Bill;
use booking::domain::{Booking, BookingEvent};
use circuit_breaker::shared_state::{SharedState, State};
use contracts::booking::{BookingStatus, FailureReason, PaymentMode};
use contracts::id::{BillReference, BookingId, SlotId};
use contracts::money::Money;
use event_sourcing::decider::Decider as _;
use event_sourcing::store::Commit;
use futures::FutureExt as _;
use parking::domain::{Slot, SlotState};
use payment_provider::domain::{MovementKind, Reference};
use payment_provider::ledger::Ledger as _;
use tokio::sync::Notify;

use crate::functions::total;
use crate::transport::Fault;
use crate::world::World;

/// Checks the invariants of a run, and collects its statistics.
#[derive(Debug, Default)]
pub(crate) struct Invariants {
    inner: Mutex<Inner>,
    is_violated: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    violations: Vec<String>,
    faults: BTreeMap<String, u64>,
    redriven: u64,
    circuits: BTreeMap<String, u64>,
    rejected: BTreeMap<String, u64>,
    trimmed: u64,
    bookings: BTreeMap<BookingId, Booking>,
    completed: BTreeMap<SlotId, BTreeSet<BookingId>>,
    seen: BTreeMap<BookingId, BTreeSet<BookingStatus>>,
}

impl Invariants {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a violation.
    pub(crate) fn violated(&self, what: impl Into<String>) {
        self.lock().violations.push(what.into());
        self.is_violated.notify_one();
    }

    /// Records a violation unless the condition holds.
    pub(crate) fn check(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.violated(what());
        }
    }

    pub(crate) fn is_violated(&self) -> bool {
        !self.lock().violations.is_empty()
    }

    /// Waits until an invariant is violated.
    pub(crate) async fn until_violated(&self) {
        self.is_violated.notified().await;
    }

    pub(crate) fn all_violations(&self) -> Vec<String> {
        self.lock().violations.clone()
    }

    pub(crate) fn count_fault(&self, fault: Fault) {
        *self.lock().faults.entry(format!("{fault:?}")).or_default() += 1;
    }

    /// Counts a call that an open circuit rejected.
    pub(crate) fn count_rejection(&self, breaker: &str) {
        *self.lock().rejected.entry(breaker.to_owned()).or_default() += 1;
    }

    pub(crate) fn has_rejected(&self, breaker: &str) -> bool {
        self.lock().rejected.contains_key(breaker)
    }

    /// The stored state of a circuit has changed.
    pub(crate) fn circuit_changed(
        &self,
        world: &World,
        name: &str,
        before: &SharedState,
        after: &SharedState,
    ) {
        if let (
            State::HalfOpen { probe: Some(old), .. },
            State::HalfOpen { probe: Some(new), .. },
        ) = (&before.state, &after.state)
        {
            // The clock of the claiming process may be ahead of the other's, by twice the maximal clock error.
            let skew = Duration::from_millis(2 * world.plan.skew_ms);
            self.check(new.since + skew >= old.until, || {
                format!("circuit {name} has two probes at once: {old:?}, {new:?}")
            });
        }
        if before.effective_state() != after.effective_state() {
            let step = format!("{:?}", after.effective_state());
            *self.lock().circuits.entry(step).or_default() += 1;
        }
    }

    /// The number of circuit transitions by state, and of rejected calls.
    pub(crate) fn circuits(&self) -> BTreeMap<String, u64> {
        let inner = self.lock();
        let mut circuits = inner.circuits.clone();
        let rejected: u64 = inner.rejected.values().sum();
        if rejected > 0 {
            circuits.insert("Rejected".to_owned(), rejected);
        }
        circuits
    }

    pub(crate) fn count_outage(&self) {
        *self.lock().faults.entry("ProviderDown".to_owned()).or_default() += 1;
    }

    pub(crate) fn faults(&self) -> BTreeMap<String, u64> {
        self.lock().faults.clone()
    }

    /// Counts messages that an operator redrove.
    pub(crate) fn count_redriven(&self, messages: usize) {
        self.lock().redriven += messages as u64;
    }

    pub(crate) fn redriven(&self) -> u64 {
        self.lock().redriven
    }

    /// Counts a stream record that was trimmed before its publisher read it.
    pub(crate) fn count_trimmed(&self) {
        let mut inner = self.lock();
        inner.trimmed += 1;
        *inner.faults.entry("Trimmed".to_owned()).or_default() += 1;
    }

    pub(crate) fn trimmed(&self) -> u64 {
        self.lock().trimmed
    }

    /// Every booking, folded from its events.
    pub(crate) fn bookings(&self) -> BTreeMap<BookingId, Booking> {
        self.lock().bookings.clone()
    }

    /// A customer has read this status of a booking.
    pub(crate) fn seen(&self, booking_id: BookingId, status: BookingStatus) {
        self.lock().seen.entry(booking_id).or_default().insert(status);
    }

    pub(crate) fn all_seen(&self) -> BTreeMap<BookingId, BTreeSet<BookingStatus>> {
        self.lock().seen.clone()
    }

    /// A commit was appended.
    pub(crate) fn booking_changed(
        &self,
        world: &World,
        stream: &str,
        before: u64,
        commit: &Commit<BookingEvent>,
    ) {
        self.check(commit.version == before + 1, || {
            format!("booking {stream} goes from version {before} to {}", commit.version)
        });
        let Ok(booking_id) = stream.parse::<BookingId>() else {
            return self.violated(format!("stream {stream} is not a booking"));
        };
        let (was, is) = {
            let mut inner = self.lock();
            let was = inner.bookings.get(&booking_id).cloned().unwrap_or_default();
            let events = commit.events.iter().map(|it| &it.event);
            let is = events.fold(was.clone(), Booking::evolve);
            inner.bookings.insert(booking_id, is.clone());
            (was, is)
        };
        let (before, after) = (was.known().map(|it| it.1), is.known());
        let Some((details, after)) = after else {
            return self.violated(format!("booking {stream} has events and does not exist"));
        };
        self.check(is_valid_transition(before, after), || {
            format!("booking {booking_id} goes from {before:?} to {after:?}")
        });
        let slot_id = details.slot_id;
        if let Some(reason) = is.reason().filter(|_| details.payment.mode() == PaymentMode::Instant)
        {
            self.failed(world, booking_id, slot_id, reason);
        }
        let others: Vec<BookingId> = {
            let mut inner = self.lock();
            let completed = inner.completed.entry(slot_id).or_default();
            if after == BookingStatus::Completed {
                completed.insert(booking_id);
            } else {
                completed.remove(&booking_id);
            }
            completed.iter().copied().filter(|it| *it != booking_id).collect()
        };
        if after == BookingStatus::Completed {
            self.check(others.is_empty(), || {
                format!("slot {slot_id} is booked twice: by {booking_id} and by {others:?}")
            });
            let slot_state = world.slots.get(&slot_id.to_string()).state.map(|it| it.state);
            self.check(slot_state == Some(SlotState::Reserved { booking_id }), || {
                format!("booking {booking_id} is complete, and its slot is {slot_state:?}")
            });
            self.check(held(world, slot_id, booking_id) == total(), || {
                format!("booking {booking_id} is complete, and not paid")
            });
        }
    }

    /// The saga must run its compensations before it marks the booking as failed.
    fn failed(&self, world: &World, booking_id: BookingId, slot_id: SlotId, reason: FailureReason) {
        // For other reasons, the booking itself decides whether it was complete, so it is called before the
        // compensations.
        if !matches!(
            reason,
            FailureReason::SlotUnavailable
                | FailureReason::PaymentDeclined
                | FailureReason::PaymentUnavailable
        ) {
            return;
        }
        let held = held(world, slot_id, booking_id);
        self.check(held.is_zero(), || {
            format!("booking {booking_id} failed with {reason:?}, and {held} is still held")
        });
        let slot_state = world.slots.get(&slot_id.to_string()).state.map(|it| it.state);
        let holders = [SlotState::Blocked { booking_id }, SlotState::Reserved { booking_id }];
        self.check(slot_state.is_none_or(|it| !holders.contains(&it)), || {
            format!(
                "booking {booking_id} failed with {reason:?}, and its slot is still {slot_state:?}"
            )
        });
    }

    /// A slot was written.
    pub(crate) fn slot_changed(&self, id: &str, before: Option<&Slot>, after: &Slot) {
        let holder = |slot: &Slot| match slot.state {
            SlotState::Blocked { booking_id } | SlotState::Reserved { booking_id } => {
                Some(booking_id)
            }
            SlotState::Absent | SlotState::Available | SlotState::Closed => None,
        };
        let (was, is) = (before.and_then(holder), holder(after));
        self.check(was == is || was.is_none() || is.is_none(), || {
            format!("slot {id} goes from {was:?} to {is:?} at once")
        });
        self.check(
            is.is_none()
                || is != after.refused
                || before.is_some_and(|it| it.refused == after.refused),
            || format!("slot {id} is rejected for {is:?}, which holds it"),
        );
        let was_reserved = before.is_some_and(|it| matches!(it.state, SlotState::Reserved { .. }));
        if let Some(loser) = was.filter(|_| was_reserved && is.is_none()) {
            let status = self.status(loser);
            self.check(status != Some(BookingStatus::Completed), || {
                format!("slot {id} is taken from {loser}, which is complete")
            });
        }
        if let Some(winner) = is.filter(|_| was != is) {
            let status = self.status(winner);
            self.check(status.is_some(), || {
                format!("slot {id} is held by {winner}, which does not exist")
            });
        }
    }

    /// A bill was written.
    pub(crate) fn bill_changed(&self, id: &str, before: Option<&Bill>, after: &Bill) {
        self.check(after.paid() <= total(), || format!("bill {id} is paid over its total"));
        let was = before.and_then(Bill::status);
        let is = after.status();
        let is_final = |it| {
            use contracts::billing::BillStatus::{Expired, Paid, Pending, Refunded};
            match it {
                Some(Expired | Refunded) => true,
                Some(Paid | Pending) | None => false,
            }
        };
        self.check(!is_final(was) || was == is, || {
            format!("bill {id} goes from {was:?} to {is:?}")
        });
    }

    /// The provider has charged or refunded money.
    pub(crate) fn money_moved(&self, world: &World, reference: &Reference) {
        let (charged, refunded) = moved(world, reference);
        let net = charged.checked_sub(refunded);
        self.check(net.is_some_and(|net| net <= total()), || {
            format!("{reference}: {charged} were charged and {refunded} refunded")
        });
        let booking_id = reference.to_string().parse().ok().map(|it: BillReference| it.booking_id);
        let Some(booking_id) = booking_id else {
            return self.violated(format!("money moves for {reference}, which is no bill"));
        };
        let status = self.status(booking_id);
        self.check(status.is_some(), || {
            format!("money moves for {reference}, which is no booking")
        });
        let is_kept = matches!(status, Some(BookingStatus::Completed | BookingStatus::CheckedOut));
        self.check(!is_kept || net == Some(total()), || {
            format!("{reference} is {status:?}, and {charged} less {refunded} is paid for it")
        });
    }

    fn status(&self, booking_id: BookingId) -> Option<BookingStatus> {
        self.lock().bookings.get(&booking_id).and_then(|it| it.known().map(|it| it.1))
    }
}

/// Whether a booking may go from one status to the other.
fn is_valid_transition(before: Option<BookingStatus>, after: BookingStatus) -> bool {
    use BookingStatus::{Cancelled, CheckedOut, Completed, Failed, Pending};
    match before {
        None => after == Pending,
        Some(Pending) => matches!(after, Completed | Failed | Cancelled),
        Some(Completed) => matches!(after, Cancelled | CheckedOut),
        Some(Failed | Cancelled | CheckedOut) => false,
    }
}

/// The total charged for a bill, and the total refunded.
pub(crate) fn moved(world: &World, reference: &Reference) -> (Money, Money) {
    let entries = world.ledger.entries(reference).now_or_never().and_then(Result::ok);
    let movements = entries.into_iter().flatten().flat_map(|(_, entry)| entry.movements());
    movements.fold((Money::ZERO, Money::ZERO), |(charged, refunded), it| {
        let add = |sum: Money| sum.checked_add(it.amount).unwrap_or(Money::MAX);
        match it.kind {
            MovementKind::Charge => (add(charged), refunded),
            MovementKind::Refund => (charged, add(refunded)),
        }
    })
}

/// The amount that the provider holds for a booking.
pub(crate) fn held(world: &World, slot_id: SlotId, booking_id: BookingId) -> Money {
    let reference = BillReference { slot_id, booking_id }.to_string();
    let reference = reference.parse().expect("a bill's name is a reference");
    let (charged, refunded) = moved(world, &reference);
    charged.checked_sub(refunded).unwrap_or_default()
}
