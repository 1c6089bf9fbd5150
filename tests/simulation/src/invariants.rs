//! What must always be true, after every step of the world, and what became of the day.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use billing::domain::Bill;
use booking::domain::{Booking, BookingEvent};
use circuit_breaker::breaker::{Shared, State};
use contracts::booking::{BookingStatus, FailureReason, PaymentMode};
use contracts::id::{BillReference, BookingId, SlotId};
use contracts::money::Money;
use event_sourcing::decider::Decider as _;
use event_sourcing::store::Commit;
use futures::FutureExt as _;
use parking::domain::{Slot, Standing};
use payment_provider::domain::{MovementKind, Reference};
use payment_provider::ledger::Ledger as _;
use tokio::sync::Notify;

use crate::functions::total;
use crate::line::Fate;
use crate::world::World;

/// Holds the day against the laws, and keeps what it was like.
#[derive(Debug, Default)]
pub(crate) struct Laws {
    inner: Mutex<Inner>,
    is_broken: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    broken: Vec<String>,
    faults: BTreeMap<String, u64>,
    redriven: u64,
    circuits: BTreeMap<String, u64>,
    refused: BTreeMap<String, u64>,
    forgotten: u64,
    bookings: BTreeMap<BookingId, Booking>,
    completed: BTreeMap<SlotId, BTreeSet<BookingId>>,
    seen: BTreeMap<BookingId, BTreeSet<BookingStatus>>,
}

impl Laws {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a law is broken.
    pub(crate) fn broken(&self, what: impl Into<String>) {
        self.lock().broken.push(what.into());
        self.is_broken.notify_one();
    }

    /// Notes that a law is broken, unless it holds.
    pub(crate) fn hold(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.broken(what());
        }
    }

    pub(crate) fn is_broken(&self) -> bool {
        !self.lock().broken.is_empty()
    }

    /// Waits until a law is broken.
    pub(crate) async fn until_broken(&self) {
        self.is_broken.notified().await;
    }

    pub(crate) fn all_broken(&self) -> Vec<String> {
        self.lock().broken.clone()
    }

    pub(crate) fn count_fault(&self, fate: Fate) {
        *self.lock().faults.entry(format!("{fate:?}")).or_default() += 1;
    }

    /// A call was refused by a breaker.
    pub(crate) fn count_refusal(&self, breaker: &str) {
        *self.lock().refused.entry(breaker.to_owned()).or_default() += 1;
    }

    pub(crate) fn has_refused(&self, breaker: &str) -> bool {
        self.lock().refused.contains_key(breaker)
    }

    /// Somebody has written how a circuit stands.
    pub(crate) fn circuit_moved(&self, world: &World, name: &str, before: &Shared, after: &Shared) {
        if let (
            State::HalfOpen { probe: Some(old), .. },
            State::HalfOpen { probe: Some(new), .. },
        ) = (&before.state, &after.state)
        {
            // Whoever claims it may be ahead of whoever has, by twice the most that a clock is wrong.
            let skew = Duration::from_millis(2 * world.plan.skew_ms);
            self.hold(new.since + skew >= old.until, || {
                format!("circuit {name} has two probes at once: {old:?}, {new:?}")
            });
        }
        if before.stand() != after.stand() {
            let step = format!("{:?}", after.stand());
            *self.lock().circuits.entry(step).or_default() += 1;
        }
    }

    /// How often circuits have taken which step, and how many calls were refused.
    pub(crate) fn circuits(&self) -> BTreeMap<String, u64> {
        let inner = self.lock();
        let mut circuits = inner.circuits.clone();
        let refused: u64 = inner.refused.values().sum();
        if refused > 0 {
            circuits.insert("Refused".to_owned(), refused);
        }
        circuits
    }

    pub(crate) fn count_outage(&self) {
        *self.lock().faults.entry("ProviderDown".to_owned()).or_default() += 1;
    }

    pub(crate) fn faults(&self) -> BTreeMap<String, u64> {
        self.lock().faults.clone()
    }

    /// So many messages were brought back by an operator.
    pub(crate) fn brought_back(&self, messages: usize) {
        self.lock().redriven += messages as u64;
    }

    pub(crate) fn redriven(&self) -> u64 {
        self.lock().redriven
    }

    /// A stream has forgotten a change before its publisher has read it.
    pub(crate) fn forgot(&self) {
        let mut inner = self.lock();
        inner.forgotten += 1;
        *inner.faults.entry("Forgotten".to_owned()).or_default() += 1;
    }

    pub(crate) fn forgotten(&self) -> u64 {
        self.lock().forgotten
    }

    /// Every booking as its events have left it.
    pub(crate) fn bookings(&self) -> BTreeMap<BookingId, Booking> {
        self.lock().bookings.clone()
    }

    /// A customer has read this of a booking.
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
        self.hold(commit.version == before + 1, || {
            format!("booking {stream} goes from version {before} to {}", commit.version)
        });
        let Ok(booking_id) = stream.parse::<BookingId>() else {
            return self.broken(format!("{stream} is no booking"));
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
            return self.broken(format!("booking {stream} has events and does not exist"));
        };
        self.hold(may_follow(before, after), || {
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
            self.hold(others.is_empty(), || {
                format!("slot {slot_id} is booked twice: by {booking_id} and by {others:?}")
            });
            let standing = world.slots.get(&slot_id.to_string()).state.map(|it| it.standing);
            self.hold(standing == Some(Standing::Reserved { booking_id }), || {
                format!("booking {booking_id} is complete, and its slot is {standing:?}")
            });
            self.hold(held(world, slot_id, booking_id) == total(), || {
                format!("booking {booking_id} is complete, and not paid")
            });
        }
    }

    /// What the saga undoes, it undoes before it says that the booking has failed.
    fn failed(&self, world: &World, booking_id: BookingId, slot_id: SlotId, reason: FailureReason) {
        // Whether it was complete is for the booking to say, so there its word comes first.
        if !matches!(
            reason,
            FailureReason::SlotUnavailable
                | FailureReason::PaymentDeclined
                | FailureReason::PaymentUnavailable
        ) {
            return;
        }
        let held = held(world, slot_id, booking_id);
        self.hold(held.is_zero(), || {
            format!("booking {booking_id} failed of {reason:?}, and {held} are still held")
        });
        let standing = world.slots.get(&slot_id.to_string()).state.map(|it| it.standing);
        let holders = [Standing::Blocked { booking_id }, Standing::Reserved { booking_id }];
        self.hold(standing.is_none_or(|it| !holders.contains(&it)), || {
            format!("booking {booking_id} failed of {reason:?}, and its slot is still {standing:?}")
        });
    }

    /// A slot was written.
    pub(crate) fn slot_changed(&self, id: &str, before: Option<&Slot>, after: &Slot) {
        let holder = |slot: &Slot| match slot.standing {
            Standing::Blocked { booking_id } | Standing::Reserved { booking_id } => {
                Some(booking_id)
            }
            Standing::Absent | Standing::Available | Standing::Closed => None,
        };
        let (was, is) = (before.and_then(holder), holder(after));
        self.hold(was == is || was.is_none() || is.is_none(), || {
            format!("slot {id} goes from {was:?} to {is:?} at once")
        });
        self.hold(
            is.is_none()
                || is != after.refused
                || before.is_some_and(|it| it.refused == after.refused),
            || format!("slot {id} is refused to {is:?}, who holds it"),
        );
        let was_reserved =
            before.is_some_and(|it| matches!(it.standing, Standing::Reserved { .. }));
        if let Some(loser) = was.filter(|_| was_reserved && is.is_none()) {
            let status = self.status(loser);
            self.hold(status != Some(BookingStatus::Completed), || {
                format!("slot {id} is taken from {loser}, which is complete")
            });
        }
        if let Some(winner) = is.filter(|_| was != is) {
            let status = self.status(winner);
            self.hold(status.is_some(), || format!("slot {id} is held by {winner}, which is none"));
        }
    }

    /// A bill was written.
    pub(crate) fn bill_changed(&self, id: &str, before: Option<&Bill>, after: &Bill) {
        self.hold(after.paid() <= total(), || format!("bill {id} is paid over its total"));
        let was = before.and_then(Bill::status);
        let is = after.status();
        let is_final = |it| {
            use contracts::billing::BillStatus::{Expired, Paid, Pending, Refunded};
            match it {
                Some(Expired | Refunded) => true,
                Some(Paid | Pending) | None => false,
            }
        };
        self.hold(!is_final(was) || was == is, || format!("bill {id} goes from {was:?} to {is:?}"));
    }

    /// The provider has taken money or given it back.
    pub(crate) fn money_moved(&self, world: &World, reference: &Reference) {
        let (charged, refunded) = moved(world, reference);
        let net = charged.checked_sub(refunded);
        self.hold(net.is_some_and(|net| net <= total()), || {
            format!("{reference}: {charged} were charged and {refunded} given back")
        });
        let booking_id = reference.to_string().parse().ok().map(|it: BillReference| it.booking_id);
        let Some(booking_id) = booking_id else {
            return self.broken(format!("money moves for {reference}, which is no bill"));
        };
        let status = self.status(booking_id);
        self.hold(status.is_some(), || format!("money moves for {reference}, which is no booking"));
        let is_kept = matches!(status, Some(BookingStatus::Completed | BookingStatus::CheckedOut));
        self.hold(!is_kept || net == Some(total()), || {
            format!("{reference} is {status:?}, and {charged} less {refunded} are paid for it")
        });
    }

    fn status(&self, booking_id: BookingId) -> Option<BookingStatus> {
        self.lock().bookings.get(&booking_id).and_then(|it| it.known().map(|it| it.1))
    }
}

/// Whether a booking may go from one state to another.
fn may_follow(before: Option<BookingStatus>, after: BookingStatus) -> bool {
    use BookingStatus::{Cancelled, CheckedOut, Completed, Failed, Pending};
    match before {
        None => after == Pending,
        Some(Pending) => matches!(after, Completed | Failed | Cancelled),
        Some(Completed) => matches!(after, Cancelled | CheckedOut),
        Some(Failed | Cancelled | CheckedOut) => false,
    }
}

/// What was charged for a bill, and what was given back.
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

/// The money that the provider holds for a booking.
pub(crate) fn held(world: &World, slot_id: SlotId, booking_id: BookingId) -> Money {
    let reference = BillReference { slot_id, booking_id }.to_string();
    let reference = reference.parse().expect("a bill's name is a reference");
    let (charged, refunded) = moved(world, &reference);
    charged.checked_sub(refunded).unwrap_or_default()
}
