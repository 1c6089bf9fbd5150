//! The commands of a booking.

use contracts::booking::{FailureReason, Payment, PaymentMode};
use contracts::id::{CustomerId, SlotId};

/// A command, which the rules may reject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BookingCommand {
    /// Create the booking.
    Create {
        /// The customer who books.
        customer: CustomerId,
        /// The slot to book.
        slot_id: SlotId,
        /// How the booking is paid.
        payment: Payment,
    },
    /// Complete the booking: it has its slot, and is paid.
    Complete {
        /// Which kind of booking the caller may complete: the saga completes instant ones, parking's `SlotReserved` invoice ones.
        mode: PaymentMode,
    },
    /// Fail the booking.
    Fail {
        /// Why it fails.
        reason: FailureReason,
    },
    /// Cancel the booking.
    Cancel {
        /// The customer who cancels.
        customer: CustomerId,
    },
    /// Check out: the customer leaves the slot.
    CheckOut {
        /// The customer who checks out.
        customer: CustomerId,
    },
}

impl BookingCommand {
    /// The name of the command, for logs. It contains none of the command's content.
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
