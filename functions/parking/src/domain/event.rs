//! What has happened to a slot. Stored until it is published, and then only published.

use contracts::id::BookingId;

/// A fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotEvent {
    /// It was added.
    Created {
        /// Its name.
        name: String,
    },
    /// A booking holds it while its payment is authorised.
    Blocked {
        /// Who holds it.
        booking_id: BookingId,
    },
    /// The hold was given up before it became final.
    Unblocked {
        /// Who held it.
        booking_id: BookingId,
    },
    /// It is taken.
    Reserved {
        /// Who has it.
        booking_id: BookingId,
    },
    /// A booking that has been paid for was told that it can't have it.
    Unavailable {
        /// Who wanted it.
        booking_id: BookingId,
    },
    /// It was given back.
    Released {
        /// Who had it.
        booking_id: BookingId,
    },
    /// It is out of use.
    Closed,
    /// It is in use again.
    Reopened,
}
