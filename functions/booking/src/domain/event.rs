//! The events of a booking. They are stored permanently, so names and fields never change.

use contracts::booking::{FailureReason, Payment};
use contracts::id::{CustomerId, SlotId};
use event_sourcing::upcast::Upcast;
use serde::{Deserialize, Serialize};

/// An event of a booking's stream. Each contains the slot, so that it can be published without the events before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum BookingEvent {
    /// A customer created the booking.
    BookingCreated {
        /// The customer who books.
        customer: CustomerId,
        /// The slot to book.
        slot_id: SlotId,
        /// How the booking is paid.
        payment: Payment,
    },
    /// The booking has its slot.
    BookingReserved {
        /// The reserved slot.
        slot_id: SlotId,
    },
    /// The booking has its slot, and is paid.
    BookingCompleted {
        /// The reserved slot.
        slot_id: SlotId,
    },
    /// The booking failed.
    BookingFailed {
        /// The slot that it was for.
        slot_id: SlotId,
        /// Why it failed.
        reason: FailureReason,
    },
    /// The customer cancelled the booking.
    BookingCancelled {
        /// The slot that it was for.
        slot_id: SlotId,
    },
    /// The customer left the slot.
    BookingCheckedOut {
        /// The slot that is released.
        slot_id: SlotId,
    },
}

// Schema version 1; `contracts/samples` contains an event of every version that was ever stored.
impl Upcast for BookingEvent {}
