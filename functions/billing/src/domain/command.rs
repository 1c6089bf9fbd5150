//! What may be asked of a bill, and what may be reported to it.

use contracts::id::{CustomerId, PaymentId};
use contracts::money::Money;
use jiff::Timestamp;

/// A wish, which the rules may refuse, or an answer of the provider's, which they write down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BillCommand {
    /// Issue an invoice.
    Issue {
        /// Who shall pay.
        customer: CustomerId,
        /// How much.
        total: Money,
        /// Until when.
        due_at: Timestamp,
    },
    /// Issue an instant booking's bill and charge all of it.
    Authorise {
        /// Who pays.
        customer: CustomerId,
        /// How much.
        total: Money,
        /// What to charge, in the provider's words.
        token: String,
    },
    /// Charge an invoice, or a part of it.
    Pay {
        /// Who asks.
        customer: CustomerId,
        /// Names the payment.
        payment_id: PaymentId,
        /// How much.
        amount: Money,
        /// What to charge, in the provider's words.
        token: String,
    },
    /// The provider has answered a charge.
    Settle {
        /// The payment.
        payment_id: PaymentId,
        /// The answer.
        outcome: Outcome,
    },
    /// The booking has come to nothing: give back what there is and take no more.
    Close,
    /// Close the bill if its time has come.
    FallDue,
    /// The provider has answered a refund: no charge under this payment's key is left, and none will be.
    Return {
        /// The payment.
        payment_id: PaymentId,
        /// What went back.
        amount: Money,
    },
}

/// The provider's answer to a charge. There is none for "unknown": what is unknown is asked again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The money is here.
    Captured,
    /// There is no money to be had.
    Declined {
        /// Why, in the provider's words.
        reason: String,
    },
    /// The charge was withdrawn before it was made, so that it never will be.
    Voided,
}
