//! The commands of a bill, and the outcome of a charge.

use contracts::id::{CustomerId, PaymentId};
use contracts::money::Money;
use jiff::Timestamp;

/// A command, which the rules may reject, or a result of the payment provider, which they only record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BillCommand {
    /// Issue an invoice.
    Issue {
        /// The customer who has to pay.
        customer: CustomerId,
        /// The amount to pay.
        total: Money,
        /// When the bill expires unless it has been paid.
        due_at: Timestamp,
    },
    /// Issue an instant booking's bill and charge the whole amount.
    Authorise {
        /// The customer who pays.
        customer: CustomerId,
        /// The amount to charge.
        total: Money,
        /// The provider's token for the payment method.
        token: String,
    },
    /// Charge an invoice, or a part of it.
    Pay {
        /// The customer who pays. A payment on another customer's bill is rejected.
        customer: CustomerId,
        /// Identifies the payment; also its idempotency key.
        payment_id: PaymentId,
        /// The amount to charge.
        amount: Money,
        /// The provider's token for the payment method.
        token: String,
    },
    /// Record the outcome of a charge.
    RecordOutcome {
        /// The payment.
        payment_id: PaymentId,
        /// The outcome that the provider returned.
        outcome: ChargeOutcome,
    },
    /// Close the bill of a booking that has ended: accept no more payments, and refund every payment.
    Close,
    /// Close the bill if it is overdue.
    ExpireIfOverdue,
    /// Record a refund. The provider holds no money for this payment, and voids any later charge.
    RecordRefund {
        /// The payment.
        payment_id: PaymentId,
        /// The amount that was refunded.
        amount: Money,
    },
}

/// The provider's result of a charge. It has no variant for "unknown": a charge with an unknown outcome is retried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChargeOutcome {
    /// The money was charged.
    Captured,
    /// The provider declined the charge.
    Declined {
        /// The provider's reason.
        reason: String,
    },
    /// A refund with the same key arrived first, so the charge was not made and never will be.
    Voided,
}
