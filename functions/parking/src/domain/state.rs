//! The state that the rules need, and how each event changes it. It is stored, so serialised names never change.

use contracts::id::BookingId;
use serde::{Deserialize, Serialize};

use super::SlotEvent;

/// A slot, folded from its events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Slot {
    /// The name; empty if the slot was never created.
    pub name: String,
    /// Whether the slot is available, and which booking holds it.
    #[serde(flatten)]
    pub state: SlotState,
    /// The last paid booking that was refused the slot, so that a repetition publishes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<BookingId>,
}

/// The states of a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum SlotState {
    /// The slot was never created.
    #[default]
    Absent,
    /// No booking holds the slot.
    Available,
    /// A booking holds the slot while its payment is authorised.
    Blocked {
        /// The booking that holds it.
        booking_id: BookingId,
    },
    /// A booking has the slot.
    Reserved {
        /// The booking that has it.
        booking_id: BookingId,
    },
    /// The slot is out of service.
    Closed,
}

/// Applies one event. It checks no rule, because the event has occurred.
#[must_use]
pub fn evolve(mut slot: Slot, event: &SlotEvent) -> Slot {
    match event {
        SlotEvent::Created { name } => {
            slot.name.clone_from(name);
            slot.state = SlotState::Available;
        }
        SlotEvent::Blocked { booking_id } => {
            slot.state = SlotState::Blocked { booking_id: *booking_id };
        }
        SlotEvent::Reserved { booking_id } => {
            slot.state = SlotState::Reserved { booking_id: *booking_id };
        }
        SlotEvent::Unblocked { .. } | SlotEvent::Released { .. } | SlotEvent::Reopened => {
            slot.state = SlotState::Available;
        }
        SlotEvent::Closed => slot.state = SlotState::Closed,
        SlotEvent::Unavailable { booking_id } => slot.refused = Some(*booking_id),
    }
    slot
}
