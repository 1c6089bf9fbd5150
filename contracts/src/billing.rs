//! Billing: bills, and what was paid on them.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::booking::PaymentMode;
use crate::id::{BillReference, BookingId, CustomerId, PaymentId, SlotId};
use crate::money::Money;

/// The `source` of billing's events on the bus.
pub const SOURCE: &str = "parkade.billing";

/// What `billing-command` may be asked. It answers with the [`Bill`] as it is then, or nothing if there never was one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Command {
    /// Issues an instant booking's bill and charges all of it. Undone by `RefundPayment`.
    AuthorisePayment {
        /// The slot that is paid for.
        slot_id: SlotId,
        /// The booking that pays.
        booking_id: BookingId,
        /// Whose booking it is.
        customer: CustomerId,
        /// What to charge, in the provider's words.
        token: String,
    },
    /// Closes a bill and refunds all payments; rejects every later charge, also on a bill never issued.
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
        /// Who asks; another's bill is not found.
        customer: CustomerId,
        /// Names the payment: the same one is charged once.
        payment_id: PaymentId,
        /// How much.
        amount: Money,
        /// What to charge, in the provider's words.
        token: String,
    },
    /// Reads a bill from the write model. Only this says that nothing was charged: the view may be behind.
    ReadBill {
        /// The bill.
        reference: BillReference,
    },
}

/// What `billing-query` may be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "query", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Query {
    /// One bill, as a [`Bill`].
    Bill {
        /// The bill.
        reference: BillReference,
    },
}

/// What is known of a bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bill {
    /// Its name.
    pub reference: BillReference,
    /// Whose it is.
    pub customer: CustomerId,
    /// What is to be paid.
    pub total: Money,
    /// What has been paid and not been given back.
    pub paid: Money,
    /// What is being charged by payments whose outcome is not known yet. Rows of before this member have none.
    #[serde(default, skip_serializing_if = "Money::is_zero_ref")]
    pub in_progress: Money,
    /// Its state.
    pub status: BillStatus,
    /// When it falls due, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// How often it has changed.
    pub version: u64,
    /// Every try to pay, in order. Rows of before there was such a list have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payments: Vec<BillPayment>,
}

impl Bill {
    /// What a new payment may still take: neither what is paid, nor what may have been charged already.
    #[must_use]
    pub fn remaining(&self) -> Money {
        let unpaid = self.total.checked_sub(self.paid).unwrap_or(Money::ZERO);
        unpaid.checked_sub(self.in_progress).unwrap_or(Money::ZERO)
    }
}

/// One try to pay a bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BillPayment {
    /// Its name.
    pub payment_id: PaymentId,
    /// How much.
    pub amount: Money,
    /// How far it has come.
    pub status: PaymentStatus,
    /// Why it was refused, in the provider's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was asked for.
    pub requested_at: Timestamp,
}

/// How far a payment has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// Whether it was charged is not known yet.
    Pending,
    /// The money is there.
    Captured,
    /// The provider has refused it.
    Declined,
    /// The money was there, and has been given back.
    Refunded,
    /// It was abandoned before its outcome was known; a charge that was made nevertheless has been refunded.
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
    fn a_row_of_before_there_were_amounts_in_progress_is_still_read_and_written_as_it_was() {
        let bill = bill(&json!({}));
        assert_eq!(
            (bill.in_progress, bill.remaining().to_string().as_str()),
            (Money::ZERO, "60.00")
        );
        assert_eq!(serde_json::to_value(&bill).unwrap().get("inProgress"), None);
    }
}
