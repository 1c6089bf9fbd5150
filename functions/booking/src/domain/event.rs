//! What has happened to a booking. Stored for ever: names and fields never change.

use contracts::booking::{FailureReason, Payment};
use contracts::id::{CustomerId, SlotId};
use event_sourcing::upcast::Upcast;
use serde::{Deserialize, Serialize};

/// A fact in a booking's stream. Each names the slot, so that it can be published without the ones before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum BookingEvent {
    /// A customer wants a slot.
    BookingCreated {
        /// By whom.
        customer: CustomerId,
        /// What is wanted.
        slot_id: SlotId,
        /// How it is paid.
        payment: Payment,
    },
    /// The slot is the booking's.
    BookingReserved {
        /// Its slot.
        slot_id: SlotId,
    },
    /// Slot and money are there.
    BookingCompleted {
        /// Its slot.
        slot_id: SlotId,
    },
    /// It did not come about.
    BookingFailed {
        /// What was wanted.
        slot_id: SlotId,
        /// Why.
        reason: FailureReason,
    },
    /// The customer gave it up.
    BookingCancelled {
        /// What was booked.
        slot_id: SlotId,
    },
    /// The customer has left.
    BookingCheckedOut {
        /// The slot that is free again.
        slot_id: SlotId,
    },
}

// The vocabulary is in its first version; `contracts/samples` keeps what was ever written in each.
impl Upcast for BookingEvent {}
