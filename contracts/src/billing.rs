//! The contract of billing: its commands, queries and events.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::booking::PaymentMode;
use crate::id::{BillReference, BookingId, CustomerId, PaymentId, SlotId};
use crate::money::Money;

/// The `source` of billing's events on the bus.
pub const SOURCE: &str = "parkade.billing";

/// The maximum length of a payment token, in characters.
pub const MAX_PAYMENT_TOKEN_LENGTH: usize = 200;

/// Whether a text is valid as a payment token: 1 to [`MAX_PAYMENT_TOKEN_LENGTH`] visible ASCII characters.
#[must_use]
pub fn is_payment_token(text: &str) -> bool {
    let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    is_visible && (1..=MAX_PAYMENT_TOKEN_LENGTH).contains(&text.len())
}

/// A command to `billing-command`. It returns the [`Bill`] after the command; nothing if the bill was never issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Command {
    /// Issues an instant booking's bill and charges the whole amount. Compensated by `RefundPayment`.
    AuthorisePayment {
        /// The slot that is paid for.
        slot_id: SlotId,
        /// The booking that pays.
        booking_id: BookingId,
        /// The customer who pays.
        customer: CustomerId,
        /// The provider's token for the payment method.
        token: String,
    },
    /// Closes a bill and refunds its payments. Every later charge is rejected, even if the bill was never issued.
    RefundPayment {
        /// The slot that was paid for.
        slot_id: SlotId,
        /// The booking that paid.
        booking_id: BookingId,
    },
    /// Pays an invoice, or a part of it.
    PayBill {
        /// The bill.
        reference: BillReference,
        /// The customer who pays. Another customer's bill is not found.
        customer: CustomerId,
        /// Identifies the payment; also its idempotency key.
        payment_id: PaymentId,
        /// The amount to charge.
        amount: Money,
        /// The provider's token for the payment method.
        token: String,
    },
}

/// A strongly consistent query, which `billing-command` serves from the write model.
///
/// A query of the view may be stale; use this one to find out whether a payment was charged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ConsistentQuery {
    /// Reads one bill, as a [`Bill`]; nothing if it was never issued.
    ReadBill {
        /// The bill.
        reference: BillReference,
    },
}

/// The payload of `billing-command`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CommandPayload {
    /// A command.
    Command(Command),
    /// A strongly consistent query.
    Query(ConsistentQuery),
}

/// A query to `billing-query`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "query", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Query {
    /// One bill, as a [`Bill`].
    Bill {
        /// The bill.
        reference: BillReference,
    },
}

/// A bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bill {
    /// Identifies the bill.
    pub reference: BillReference,
    /// The customer who pays.
    pub customer: CustomerId,
    /// The amount to pay.
    pub total: Money,
    /// The amount that was paid and has not been refunded.
    pub paid: Money,
    /// The amount of payments with an unknown outcome. Older rows of the view don't contain this member.
    #[serde(default, skip_serializing_if = "Money::is_zero_ref")]
    pub in_progress: Money,
    /// The status of the bill.
    pub status: BillStatus,
    /// When the bill expires unless it has been paid; absent for an instant booking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// The number of changes of the bill.
    pub version: u64,
    /// All payments, in the order of their requests. Older rows of the view don't contain this member.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payments: Vec<BillPayment>,
}

impl Bill {
    /// The maximal amount of a new payment: the total without what was paid and what may have been charged.
    #[must_use]
    pub fn remaining(&self) -> Money {
        let unpaid = self.total.checked_sub(self.paid).unwrap_or(Money::ZERO);
        unpaid.checked_sub(self.in_progress).unwrap_or(Money::ZERO)
    }
}

/// One payment on a bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BillPayment {
    /// Identifies the payment.
    pub payment_id: PaymentId,
    /// The amount of the payment.
    pub amount: Money,
    /// The status of the payment.
    pub status: PaymentStatus,
    /// The provider's reason, if the payment was declined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the payment was requested.
    pub requested_at: Timestamp,
}

/// The status of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// The outcome is unknown.
    Pending,
    /// The money was charged.
    Captured,
    /// The provider declined the payment.
    Declined,
    /// The money was charged, and has been refunded.
    Refunded,
    /// The payment was voided before its outcome was known. If it had been charged, it has been refunded.
    Withdrawn,
}

/// The states of a bill.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum BillStatus {
    /// To be paid.
    Pending,
    /// Paid in full.
    Paid,
    /// What was paid has been given back.
    Refunded,
    /// Over without a payment.
    Expired,
}

/// What billing publishes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum Event {
    /// A bill is to be paid.
    BillIssued {
        /// The bill.
        reference: BillReference,
        /// What is paid for.
        slot_id: SlotId,
        /// Who pays.
        booking_id: BookingId,
        /// How the booking is paid.
        mode: PaymentMode,
        /// What is to be paid.
        total: Money,
    },
    /// A bill was paid in full.
    BillPaid {
        /// The bill.
        reference: BillReference,
        /// What was paid for.
        slot_id: SlotId,
        /// Who paid.
        booking_id: BookingId,
        /// How the booking is paid: an instant one is reserved by its saga, an invoice upon this event.
        mode: PaymentMode,
        /// What was paid.
        total: Money,
    },
    /// What was paid has been given back.
    BillRefunded {
        /// The bill.
        reference: BillReference,
        /// What was paid for.
        slot_id: SlotId,
        /// Who got it back.
        booking_id: BookingId,
        /// How much.
        amount: Money,
    },
    /// The bill is over: it fell due, or its booking did not come about, before it was paid in full.
    BillExpired {
        /// The bill.
        reference: BillReference,
        /// What was to be paid for.
        slot_id: SlotId,
        /// Who did not pay.
        booking_id: BookingId,
    },
    /// The provider refused a payment.
    PaymentDeclined {
        /// The bill.
        reference: BillReference,
        /// What was to be paid for.
        slot_id: SlotId,
        /// Who wanted to pay.
        booking_id: BookingId,
        /// The payment.
        payment_id: PaymentId,
        /// How much.
        amount: Money,
        /// Why, in the provider's words.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bill(more: &serde_json::Value) -> Bill {
        let id = "0191f7a4-0000-7000-8000-000000000001";
        let mut row = json!({
            "reference": format!("{id}:{id}"), "customer": "ada", "total": "100.00", "paid": "40.00",
            "status": "pending", "version": 3,
        });
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(row).unwrap()
    }

    #[test]
    fn an_amount_in_progress_reduces_what_can_be_paid() {
        let bill = bill(&json!({"inProgress": "20.00"}));
        assert_eq!(bill.remaining().to_string(), "40.00");
    }

    #[test]
    fn a_row_without_an_amount_in_progress_is_read_and_written_unchanged() {
        let bill = bill(&json!({}));
        assert_eq!(
            (bill.in_progress, bill.remaining().to_string().as_str()),
            (Money::ZERO, "60.00")
        );
        assert_eq!(serde_json::to_value(&bill).unwrap().get("inProgress"), None);
    }
}
