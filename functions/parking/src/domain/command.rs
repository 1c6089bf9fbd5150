//! The commands of a slot.

use contracts::id::BookingId;

/// A command, which the rules may reject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotCommand {
    /// Create the slot.
    Create {
        /// The name, of 1 to 100 characters.
        name: String,
    },
    /// Close the slot: take it out of service.
    Close,
    /// Reopen the slot.
    Reopen,
    /// Hold the slot while its payment is authorised.
    Block {
        /// The booking that holds it.
        booking_id: BookingId,
    },
    /// Make the hold final.
    Reserve {
        /// The booking that holds it.
        booking_id: BookingId,
    },
    /// Release whatever hold the booking has, and reject its later commands.
    Unblock {
        /// The booking that releases it.
        booking_id: BookingId,
    },
    /// Reserve the slot for a paid booking, or publish that it is unavailable.
    ReservePaid {
        /// The paid booking.
        booking_id: BookingId,
    },
}

impl SlotCommand {
    /// The name of the command, for logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } => "CreateSlot",
            Self::Close => "CloseSlot",
            Self::Reopen => "ReopenSlot",
            Self::Block { .. } => "BlockSlot",
            Self::Reserve { .. } => "ReserveSlot",
            Self::Unblock { .. } => "UnblockSlot",
            Self::ReservePaid { .. } => "ReservePaidSlot",
        }
    }

    /// The booking that the command would make the holder. A tombstone of that booking rejects the command.
    #[must_use]
    pub fn new_holder(&self) -> Option<BookingId> {
        match self {
            Self::Block { booking_id } | Self::ReservePaid { booking_id } => Some(*booking_id),
            Self::Create { .. }
            | Self::Close
            | Self::Reopen
            | Self::Reserve { .. }
            | Self::Unblock { .. } => None,
        }
    }
}
