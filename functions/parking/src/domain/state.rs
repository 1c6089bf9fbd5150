//! What the rules need to remember, and how each event changes it. Stored: names and fields are frozen.

use contracts::id::BookingId;
use serde::{Deserialize, Serialize};

use super::SlotEvent;

/// A slot as its events have left it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Slot {
    /// Its name; empty if it was never added.
    pub name: String,
    /// Who holds it, if anybody may.
    #[serde(flatten)]
    pub state: SlotState,
    /// The last booking that had paid in vain: a repeat need not be told again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<BookingId>,
}

/// Whether a slot can be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum SlotState {
    /// Nobody has added it.
    #[default]
    Absent,
    /// Free.
    Available,
    /// Held while a payment is authorised.
    Blocked {
        /// By whom.
        booking_id: BookingId,
    },
    /// Taken.
    Reserved {
        /// By whom.
        booking_id: BookingId,
    },
    /// Out of use.
    Closed,
}

/// Applies one event. It checks nothing: the event has happened.
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
