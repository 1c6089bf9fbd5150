//! What may be asked of a slot.

use contracts::id::BookingId;

/// A wish; the rules may refuse it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotCommand {
    /// Add the slot.
    Create {
        /// 1 to 100 characters.
        name: String,
    },
    /// Take it out of use.
    Close,
    /// Put it to use again.
    Reopen,
    /// Hold it while its payment is authorised.
    Block {
        /// Who wants it.
        booking_id: BookingId,
    },
    /// Make the hold final.
    Reserve {
        /// Who has blocked it.
        booking_id: BookingId,
    },
    /// Give up whatever hold the booking has.
    Unblock {
        /// Who gives it up.
        booking_id: BookingId,
    },
    /// Reserve it for a booking that has been paid for, or say that this can't be.
    ReservePaid {
        /// Who has paid.
        booking_id: BookingId,
    },
}

impl SlotCommand {
    /// What it is called: in logs.
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

    /// The booking that would get a hold which it has not: whether it is has_tombstone decides.
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
