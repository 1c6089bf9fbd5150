//! Own events, as others may know them; others' events, as own commands.

use contracts::booking::PaymentMode;
use contracts::id::SlotId;
use contracts::parking::{Event, Slot as PublishedSlot, SlotStatus};
use contracts::projection::{Projection, ProjectionStatus};
use contracts::{billing, booking};
use cqrs::generation::Status;
use cqrs::rebuild::Progress;
use outbox::consume::Delivery;
use outbox::envelope::RawEvent;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::{Slot, SlotCommand, SlotEvent, SlotState};

/// Version of the shape in which events are published.
pub const SCHEMA_VERSION: u32 = 1;

/// One event, as it is published.
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

/// A slot, as others may see it; nothing if nobody has added it.
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

/// What another service's event leads to; nothing if it is no concern of parking's.
///
/// # Errors
///
/// If it is one that parking must understand, and does not.
pub fn command(delivery: &Delivery) -> Result<Option<(SlotId, SlotCommand)>, serde_json::Error> {
    let event = &delivery.detail.event;
    match (delivery.source.as_str(), event.kind.as_str()) {
        (billing::SOURCE, "BillPaid") => Ok(paid(&read(event)?)),
        (booking::SOURCE, "BookingFailed" | "BookingCancelled" | "BookingCheckedOut") => {
            Ok(over(&read(event)?))
        }
        _ => Ok(None),
    }
}

/// The first to pay an invoice gets the slot. An instant booking's slot is its saga's affair.
fn paid(event: &billing::Event) -> Option<(SlotId, SlotCommand)> {
    let billing::Event::BillPaid { slot_id, booking_id, mode: PaymentMode::Invoice, .. } = event
    else {
        return None;
    };
    Some((*slot_id, SlotCommand::ReservePaid { booking_id: *booking_id }))
}

/// A booking that is over gives back what it holds.
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

/// Own event to the form in which the outbox carries it.
///
/// # Errors
///
/// If it can't be written as JSON.
pub fn unread(event: &impl Serialize) -> Result<RawEvent, serde_json::Error> {
    serde_json::from_value(serde_json::to_value(event)?)
}

fn read<E: DeserializeOwned>(event: &RawEvent) -> Result<E, serde_json::Error> {
    serde_json::from_value(serde_json::to_value(event)?)
}

/// How the view fares, as others may know it.
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
        healed: counts.healed,
        different: counts.different,
        failure: rebuild.and_then(|it| it.failure),
        switched_at,
    }
}
