//! The events of a slot. They are stored with the state, and kept until its next change.

use contracts::id::BookingId;

/// An event of a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotEvent {
    /// The slot was created.
    Created {
        /// The name of the slot.
        name: String,
    },
    /// A booking holds the slot while its payment is authorised.
    Blocked {
        /// The booking that holds it.
        booking_id: BookingId,
    },
    /// The hold was released before it became final.
    Unblocked {
        /// The booking that held it.
        booking_id: BookingId,
    },
    /// The slot is reserved.
    Reserved {
        /// The booking that has it.
        booking_id: BookingId,
    },
    /// A paid booking can't have the slot.
    Unavailable {
        /// The booking that was refused.
        booking_id: BookingId,
    },
    /// The reservation was released.
    Released {
        /// The booking that had it.
        booking_id: BookingId,
    },
    /// The slot is closed.
    Closed,
    /// The slot was reopened.
    Reopened,
}
