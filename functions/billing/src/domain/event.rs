//! The events of a bill that other services need.

use contracts::booking::PaymentMode;
use contracts::id::PaymentId;
use contracts::money::Money;

/// A fact. It is stored and published in the form of `contracts::billing::Event`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BillEvent {
    /// The bill was issued.
    Issued {
        /// How the booking is paid.
        mode: PaymentMode,
        /// The amount to pay.
        total: Money,
    },
    /// The bill was paid in full.
    Paid {
        /// How the booking is paid.
        mode: PaymentMode,
        /// The amount that was paid.
        total: Money,
    },
    /// All payments were refunded.
    Refunded {
        /// The amount that was refunded.
        amount: Money,
    },
    /// The bill was closed before it was paid in full.
    Expired,
    /// The provider declined a payment.
    PaymentDeclined {
        /// The payment.
        payment_id: PaymentId,
        /// The amount of the payment.
        amount: Money,
        /// The provider's reason.
        reason: String,
    },
}
