//! Checks of the final state, once the faults have stopped and the platform is quiescent.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use billing::contract::public;
use billing::guarded::BREAKER;
use booking::domain::Booking;
use circuit_breaker::shared_state::State;
use circuit_breaker::store::Store as _;
use contracts::billing::BillStatus;
use contracts::booking::{BookingStatus, FailureReason, Payment, PaymentMode};
use contracts::id::{BillReference, BookingId, SlotId};
use contracts::money::Money;
use cqrs::generation::ProjectionStateStore as _;
use cqrs::memory::MemoryGenerations;
use cqrs::view::{Row, Versioned};
use event_sourcing::store::{EventStore as _, Streams as _};
use futures::FutureExt as _;
use operator_bff::BREAKERS;
use parking::domain::SlotState;

use crate::asl::Ended;
use crate::functions::total;
use crate::invariants::held;
use crate::ports::breakers::settings;
use crate::sagas::{SAGA, UNDO};
use crate::world::World;

/// Checks all that is stored.
pub(crate) fn check(world: &World) {
    let bookings = world.invariants.bookings();
    every_booking_is_final_and_paid_exactly(world, &bookings);
    every_slot_is_free_or_held_by_a_completed_booking(world, &bookings);
    no_circuit_stays_open(world);
    every_bill_has_a_booking_and_is_not_due(world, &bookings);
    every_saga_has_ended(world, &bookings);
    every_event_was_published(world);
    every_effect_happened_once(world);
    every_view_matches_its_source(world, &bookings);
    no_messages_are_left(world);
    customers_read_correct_statuses(world, &bookings);
}

fn every_booking_is_final_and_paid_exactly(world: &World, bookings: &BTreeMap<BookingId, Booking>) {
    let invariants = &world.invariants;
    for (booking_id, booking) in bookings {
        let Some((details, status)) = booking.known() else { continue };
        let held = held(world, details.slot_id, *booking_id);
        let expected = match status {
            BookingStatus::Completed | BookingStatus::CheckedOut => total(),
            BookingStatus::Failed | BookingStatus::Cancelled => Money::ZERO,
            BookingStatus::Pending => {
                invariants.violated(format!("booking {booking_id} stays pending"));
                continue;
            }
        };
        invariants.check(held == expected, || {
            format!("booking {booking_id} is {status:?}, and {held} is held for it")
        });
        let reference = BillReference { slot_id: details.slot_id, booking_id: *booking_id };
        let bill = world.bills.get(&reference.to_string()).state.and_then(|it| it.status());
        let is_right = match status {
            BookingStatus::Completed | BookingStatus::CheckedOut => bill == Some(BillStatus::Paid),
            BookingStatus::Failed | BookingStatus::Cancelled => {
                matches!(bill, None | Some(BillStatus::Refunded | BillStatus::Expired))
            }
            BookingStatus::Pending => false,
        };
        invariants
            .check(is_right, || format!("booking {booking_id} is {status:?}, its bill {bill:?}"));
        if let Some(reason) = booking.reason() {
            let is_possible = reason_is_possible(world, &details.payment, reason);
            invariants.check(is_possible, || {
                format!("booking {booking_id} failed with {reason:?}: {:?}", details.payment)
            });
        }
    }
}

/// A circuit that is not closed admits a probe soon, and no operator's override is left.
fn no_circuit_stays_open(world: &World) {
    let skew = Duration::from_millis(2 * world.plan.skew_ms);
    let latest = world.now() + Duration::from_millis(settings(0).open_max_ms) + skew;
    for (name, _) in BREAKERS {
        let stored = world.breakers.load(name).now_or_never().expect("memory does not wait");
        let Ok(Some(circuit)) = stored else { continue };
        world.invariants.check(circuit.active_override.is_none(), || {
            format!("circuit {name} is overridden after the run: {:?}", circuit.active_override)
        });
        let until = match &circuit.state {
            State::Closed | State::PendingOpen { .. } | State::HalfOpen { probe: None, .. } => None,
            State::Open { until, .. } => Some(*until),
            State::HalfOpen { probe: Some(probe), .. } => Some(probe.until),
        };
        world.invariants.check(until.is_none_or(|it| it <= latest), || {
            format!("circuit {name} stays open until {until:?}")
        });
    }
}

/// A declined card is never reported as unreachable, and a working card never as declined.
fn reason_is_possible(world: &World, payment: &Payment, reason: FailureReason) -> bool {
    let token = match payment {
        Payment::Instant { token } => Some(token.as_str()),
        Payment::Invoice { .. } => None,
    };
    let is_declined = matches!(token, Some("tok_declined" | "tok_insufficient_funds"));
    let is_fault_free = world.plan.is_fault_free();
    match reason {
        FailureReason::SlotUnavailable => true,
        FailureReason::PaymentDeclined => is_declined,
        FailureReason::PaymentUnavailable => {
            let was_rejected = world.invariants.has_rejected(BREAKER);
            token == Some("tok_down") || token.is_some() && (!is_fault_free || was_rejected)
        }
        FailureReason::PaymentOverdue => token.is_none(),
        FailureReason::SagaTimeout => token.is_some() && !is_fault_free,
        FailureReason::Cancelled => false,
    }
}

fn every_slot_is_free_or_held_by_a_completed_booking(
    world: &World,
    bookings: &BTreeMap<BookingId, Booking>,
) {
    let invariants = &world.invariants;
    let mut reserved: BTreeMap<SlotId, BookingId> = BTreeMap::new();
    for (id, (_, slot)) in world.slots.all() {
        match slot.state {
            SlotState::Blocked { booking_id } => {
                invariants.violated(format!("slot {id} stays blocked by {booking_id}"));
            }
            SlotState::Reserved { booking_id } => {
                let status = bookings.get(&booking_id).and_then(|it| it.known()).map(|it| it.1);
                invariants.check(status == Some(BookingStatus::Completed), || {
                    format!("slot {id} is held by {booking_id}, which is {status:?}")
                });
                if let Ok(slot_id) = id.parse() {
                    reserved.insert(slot_id, booking_id);
                }
            }
            SlotState::Absent | SlotState::Available | SlotState::Closed => {}
        }
    }
    for (booking_id, booking) in bookings {
        if let Some((details, BookingStatus::Completed)) = booking.known() {
            invariants.check(reserved.get(&details.slot_id) == Some(booking_id), || {
                format!("booking {booking_id} is complete and has no slot")
            });
        }
    }
}

fn every_bill_has_a_booking_and_is_not_due(world: &World, bookings: &BTreeMap<BookingId, Booking>) {
    for (id, (_, bill)) in world.bills.all() {
        let known = bookings.get(&bill.reference.booking_id).and_then(|it| it.known());
        world
            .invariants
            .check(known.is_some_and(|it| it.0.slot_id == bill.reference.slot_id), || {
                format!("bill {id} has no booking")
            });
        let due = bill.reconcile_at();
        world.invariants.check(due.is_none(), || format!("bill {id} is still due at {due:?}"));
    }
}

fn every_saga_has_ended(world: &World, bookings: &BTreeMap<BookingId, Booking>) {
    let invariants = &world.invariants;
    let executions = world.executions.all();
    for ((machine, name), ended) in &executions {
        // The name of a recovery execution has a number after the booking's id.
        let booking_id = name.get(..36).unwrap_or_default();
        let status = booking_id.parse().ok().and_then(|id: BookingId| bookings.get(&id)?.known());
        let Some((details, status)) = status else {
            invariants.violated(format!("saga {name} has no booking"));
            continue;
        };
        invariants.check(details.payment.mode() == PaymentMode::Instant, || {
            format!("saga {name} belongs to an invoice")
        });
        let is_right = match ended {
            Some(Ended::Succeeded { .. }) => status != BookingStatus::Failed,
            Some(Ended::Failed { error, .. }) if error == "BookingFailed" => {
                matches!(status, BookingStatus::Failed | BookingStatus::Cancelled)
            }
            Some(Ended::Failed { .. } | Ended::TimedOut) => {
                has_recovery(&executions, machine, name)
            }
            None => false,
        };
        invariants
            .check(is_right, || format!("saga {name} ended as {ended:?}, its booking {status:?}"));
    }
    for (booking_id, booking) in bookings {
        let Some((details, status)) = booking.known() else { continue };
        let needs_saga = details.payment.mode() == PaymentMode::Instant
            // A booking that was cancelled immediately has none.
            && status != BookingStatus::Cancelled;
        invariants
            .check(!needs_saga || executions.contains_key(&(SAGA, booking_id.to_string())), || {
                format!("booking {booking_id} has no saga")
            });
    }
}

/// Whether there is a recovery execution for the booking that this one left incomplete.
fn has_recovery(
    executions: &BTreeMap<(&'static str, String), Option<Ended>>,
    machine: &str,
    name: &str,
) -> bool {
    let number: u32 = match name.get(37..) {
        _ if machine == SAGA => 0,
        Some(number) => number.parse().unwrap_or(u32::MAX),
        None => return false,
    };
    let booking_id = name.get(..36).unwrap_or_default();
    executions.contains_key(&(UNDO, format!("{booking_id}-{}", number.saturating_add(1))))
}

fn every_event_was_published(world: &World) {
    if world.invariants.trimmed() > 0 {
        // State-stored aggregates can republish only the events of their last change.
        return;
    }
    let mut events = world.slots.event_ids();
    events.extend(world.bills.event_ids());
    for stream in streams(world) {
        let commits = world.bookings.load(&stream, 0).now_or_never();
        let mut version = 0;
        for commit in commits.and_then(Result::ok).unwrap_or_default() {
            world.invariants.check(commit.version == version + 1, || {
                format!("booking {stream} has a gap after {version}")
            });
            version = commit.last_version();
            events.extend(commit.events.iter().map(|it| it.id));
        }
    }
    for event in events {
        world.invariants.check(world.queues.has_published(event), || {
            format!("event {event} was committed and never published")
        });
    }
}

fn streams(world: &World) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = world.bookings.streams(after.as_deref()).now_or_never().and_then(Result::ok);
        let Some(page) = page else { return all };
        all.extend(page.streams);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

/// An event may be delivered several times, but its effect happens once.
fn every_effect_happened_once(world: &World) {
    let mut had = BTreeSet::new();
    let mut rejected = BTreeSet::new();
    let mut sequences = BTreeSet::new();
    for envelope in world.slots.outbox().iter().chain(&world.bills.outbox()) {
        world.invariants.check(
            sequences.insert((envelope.subject.clone(), envelope.sequence, envelope.id)),
            || format!("{envelope:?} is twice in an outbox"),
        );
        let of = envelope.event.data.get("bookingId").cloned().unwrap_or_default().to_string();
        // The event may be republished, but the decision must not be reversed.
        let is_refusal = envelope.event.kind == "SlotUnavailable";
        let is_grant = envelope.event.kind == "SlotReserved";
        if is_refusal {
            rejected.insert((envelope.subject.clone(), of.clone()));
        }
        world.invariants.check(
            !(is_grant && rejected.contains(&(envelope.subject.clone(), of.clone()))),
            || format!("{envelope:?} was rejected before"),
        );
        let once = [
            "SlotCreated",
            "SlotReserved",
            "SlotReleased",
            "BillIssued",
            "BillPaid",
            "BillRefunded",
            "BillExpired",
        ];
        if once.contains(&envelope.event.kind.as_str()) {
            let effect = (envelope.subject.clone(), envelope.event.kind.clone(), of);
            world.invariants.check(had.insert(effect), || format!("{envelope:?} happened twice"));
        }
    }
}

fn every_view_matches_its_source(world: &World, bookings: &BTreeMap<BookingId, Booking>) {
    let rows = bookings.keys().filter_map(|booking_id| {
        let commits = world.bookings.load(&booking_id.to_string(), 0).now_or_never()?.ok()?;
        let (version, row) = booking::view::fold(*booking_id, &commits)?;
        Some((booking_id.to_string(), Versioned { version, row }))
    });
    compare(world, "bookings", &world.booking_views, &rows.collect());
    let rows = world.slots.all().into_iter().filter_map(|(id, (version, slot))| {
        let row = parking::contract::published(id.parse().ok()?, version, &slot)?;
        Some((id, Versioned { version, row: parking::view::SlotRow(row) }))
    });
    compare(world, "slots", &world.slot_views, &rows.collect());
    let bills = world.bills.all().into_iter().filter_map(|(id, (version, bill))| {
        Some((id, Versioned { version, row: billing::view::BillRow(public(&bill, version)?) }))
    });
    let expected: BTreeMap<_, _> = bills.collect();
    let shown = world.bill_view.rows();
    world.invariants.check(shown == expected, || format!("bills are {shown:?}, not {expected:?}"));
}

/// A tombstone increments the version without changing the row, so a row may lag behind by such versions.
fn compare<R>(
    world: &World,
    name: &str,
    views: &MemoryGenerations<R>,
    expected: &BTreeMap<String, Versioned<R>>,
) where
    R: Row + std::fmt::Debug + PartialEq,
{
    use cqrs::generation::Generations as _;
    let control = views.state().now_or_never().and_then(Result::ok);
    let Some((control, _)) = control else { return };
    for number in control.retained() {
        let shown = views.generation(number).rows();
        world.invariants.check(shown == *expected, || {
            format!("generation {number} of {name} is {shown:?}, not {expected:?}")
        });
    }
    world.invariants.check(control.rebuild.is_none(), || {
        format!("the rebuild of {name} is unfinished: {:?}", control.rebuild)
    });
}

fn no_messages_are_left(world: &World) {
    let invariants = &world.invariants;
    for message in world.queues.dead() {
        invariants.violated(format!("{} has a dead letter: {}", message.queue, message.body));
    }
    let left = world.queues.left();
    invariants.check(left == 0, || format!("{left} messages are left in the queues"));
}

fn customers_read_correct_statuses(world: &World, bookings: &BTreeMap<BookingId, Booking>) {
    for (booking_id, seen) in world.invariants.all_seen() {
        let status = bookings.get(&booking_id).and_then(|it| it.known()).map(|it| it.1);
        for seen in seen {
            let is_true = match seen {
                BookingStatus::Pending => status.is_some(),
                BookingStatus::Completed => matches!(
                    status,
                    Some(
                        BookingStatus::Completed
                            | BookingStatus::Cancelled
                            | BookingStatus::CheckedOut
                    )
                ),
                BookingStatus::Failed | BookingStatus::Cancelled | BookingStatus::CheckedOut => {
                    status == Some(seen)
                }
            };
            world.invariants.check(is_true, || {
                format!("booking {booking_id} was shown as {seen:?}, and is {status:?}")
            });
        }
    }
}
