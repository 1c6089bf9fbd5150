//! Maps parking's own events to the published contract, and other services' events to commands.

use contracts::booking::PaymentMode;
use contracts::id::SlotId;
use contracts::parking::{Event, Slot as PublishedSlot, SlotStatus};
use contracts::projection::{Projection, ProjectionStatus};
use contracts::{billing, booking};
use cqrs::generation::Status;
use cqrs::rebuild::Progress;
use outbox::consume::Delivery;

use crate::domain::{Slot, SlotCommand, SlotEvent, SlotState};

/// The schema version of the published events.
pub const SCHEMA_VERSION: u32 = 1;

/// The published form of one event.
#[must_use]
pub fn event(slot_id: SlotId, event: &SlotEvent) -> Event {
    match event.clone() {
        SlotEvent::Created { name } => Event::SlotCreated { slot_id, name },
        SlotEvent::Blocked { booking_id } => Event::SlotBlocked { slot_id, booking_id },
        SlotEvent::Unblocked { booking_id } => Event::SlotUnblocked { slot_id, booking_id },
        SlotEvent::Reserved { booking_id } => Event::SlotReserved { slot_id, booking_id },
        SlotEvent::Unavailable { booking_id } => Event::SlotUnavailable { slot_id, booking_id },
        SlotEvent::Released { booking_id } => Event::SlotReleased { slot_id, booking_id },
        SlotEvent::Closed => Event::SlotClosed { slot_id },
        SlotEvent::Reopened => Event::SlotReopened { slot_id },
    }
}

/// The published form of a slot; nothing if it was never created.
#[must_use]
pub fn published(slot_id: SlotId, version: u64, slot: &Slot) -> Option<PublishedSlot> {
    let (status, holder) = match slot.state {
        SlotState::Absent => return None,
        SlotState::Available => (SlotStatus::Available, None),
        SlotState::Blocked { booking_id } => (SlotStatus::Blocked, Some(booking_id)),
        SlotState::Reserved { booking_id } => (SlotStatus::Reserved, Some(booking_id)),
        SlotState::Closed => (SlotStatus::Closed, None),
    };
    Some(PublishedSlot { slot_id, name: slot.name.clone(), status, holder, version })
}

/// The command that another service's event leads to; nothing if it does not concern parking.
///
/// # Errors
///
/// If an event that concerns parking can't be decoded.
pub fn command(delivery: &Delivery) -> Result<Option<(SlotId, SlotCommand)>, serde_json::Error> {
    let event = &delivery.detail.event;
    match (delivery.source.as_str(), event.kind.as_str()) {
        (billing::SOURCE, "BillPaid") => Ok(paid(&event.decode()?)),
        (booking::SOURCE, "BookingFailed" | "BookingCancelled" | "BookingCheckedOut") => {
            Ok(over(&event.decode()?))
        }
        _ => Ok(None),
    }
}

/// A paid invoice reserves the slot. The slot of an instant booking is reserved by its saga.
fn paid(event: &billing::Event) -> Option<(SlotId, SlotCommand)> {
    let billing::Event::BillPaid { slot_id, booking_id, mode: PaymentMode::Invoice, .. } = event
    else {
        return None;
    };
    Some((*slot_id, SlotCommand::ReservePaid { booking_id: *booking_id }))
}

/// A booking that has ended releases what it holds.
fn over(event: &booking::Event) -> Option<(SlotId, SlotCommand)> {
    match event {
        booking::Event::BookingFailed { slot_id, booking_id, .. }
        | booking::Event::BookingCancelled { slot_id, booking_id }
        | booking::Event::BookingCheckedOut { slot_id, booking_id } => {
            Some((*slot_id, SlotCommand::Unblock { booking_id: *booking_id }))
        }
        booking::Event::BookingCreated { .. }
        | booking::Event::BookingReserved { .. }
        | booking::Event::BookingCompleted { .. } => None,
    }
}

/// The published form of a view's progress.
#[must_use]
pub fn projection(progress: Progress) -> Projection {
    let Progress { status, live, previous, rebuild, counts, switched_at, lag_seconds } = progress;
    let status = match status {
        Status::Live => ProjectionStatus::Live,
        Status::Rebuilding => ProjectionStatus::Rebuilding,
        Status::Failed => ProjectionStatus::Failed,
    };
    Projection {
        status,
        applied: counts.applied,
        lag_seconds,
        generation: live,
        previous,
        building: rebuild.as_ref().map(|it| it.generation),
        compared: counts.compared,
        backfilled: counts.backfilled,
        different: counts.different,
        failure: rebuild.and_then(|it| it.failure),
        switched_at,
    }
}
