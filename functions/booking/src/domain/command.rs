//! What may be asked of a booking.

use contracts::booking::{FailureReason, Payment, PaymentMode};
use contracts::id::{CustomerId, SlotId};

/// A wish; the rules may refuse it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BookingCommand {
    /// Book a slot.
    Create {
        /// Who books.
        customer: CustomerId,
        /// What.
        slot_id: SlotId,
        /// How it is paid.
        payment: Payment,
    },
    /// Slot and money are there.
    Complete {
        /// Who says so: the saga speaks for instant bookings, parking's `SlotReserved` for invoices.
        mode: PaymentMode,
    },
    /// It did not come about.
    Fail {
        /// Why.
        reason: FailureReason,
    },
    /// Give it up.
    Cancel {
        /// Who asks.
        customer: CustomerId,
    },
    /// Leave the slot.
    CheckOut {
        /// Who asks.
        customer: CustomerId,
    },
}

impl BookingCommand {
    /// What it is called: in logs, where nothing that it holds may stand.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } => "CreateBooking",
            Self::Complete { .. } => "CompleteBooking",
            Self::Fail { .. } => "FailBooking",
            Self::Cancel { .. } => "CancelBooking",
            Self::CheckOut { .. } => "CheckOutBooking",
        }
    }
}
