//! What has happened to a bill, as far as others need to know.

use contracts::booking::PaymentMode;
use contracts::id::PaymentId;
use contracts::money::Money;

/// A fact. It is stored and published in the words of `contracts::billing`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BillEvent {
    /// It is to be paid.
    Issued {
        /// How its booking is paid.
        mode: PaymentMode,
        /// How much.
        total: Money,
    },
    /// It was paid in full.
    Paid {
        /// How its booking is paid.
        mode: PaymentMode,
        /// How much.
        total: Money,
    },
    /// What was paid has been given back.
    Refunded {
        /// How much.
        amount: Money,
    },
    /// It is over without having been paid in full.
    Expired,
    /// The provider has refused a payment.
    PaymentDeclined {
        /// The payment.
        payment_id: PaymentId,
        /// How much.
        amount: Money,
        /// Why, in the provider's words.
        reason: String,
    },
}
