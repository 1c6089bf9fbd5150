//! Maps billing's own state and events to the published contract, and events of booking to changes of a bill.

use contracts::billing::{Bill as PublicBill, BillPayment, Event as PublicEvent, PaymentStatus};
use contracts::booking::{Event as BookingEvent, PaymentMode};
use contracts::id::{BillReference, CustomerId};
use outbox::consume::Delivery;

use crate::domain::{Bill, BillEvent, Payment, PaymentState};

/// The schema version of the published events.
pub const SCHEMA_VERSION: u32 = 1;

/// The published form of a bill; `None` for a bill that was never issued.
#[must_use]
pub fn public(bill: &Bill, version: u64) -> Option<PublicBill> {
    let (terms, status) = bill.terms().zip(bill.status())?;
    Some(PublicBill {
        reference: bill.reference,
        customer: terms.customer.clone(),
        total: terms.total,
        paid: bill.paid(),
        in_progress: bill.in_progress(),
        status,
        due_at: terms.due_at,
        version,
        payments: bill.payments().iter().map(public_payment).collect(),
    })
}

/// The published form of a payment. It never contains the payment token.
fn public_payment(payment: &Payment) -> BillPayment {
    let (status, reason) = match &payment.state {
        PaymentState::Requested => (PaymentStatus::Pending, None),
        PaymentState::Captured => (PaymentStatus::Captured, None),
        PaymentState::Declined { reason } => (PaymentStatus::Declined, Some(reason.clone())),
        PaymentState::Refunded { .. } => (PaymentStatus::Refunded, None),
        PaymentState::Voided { .. } => (PaymentStatus::Withdrawn, None),
    };
    BillPayment {
        payment_id: payment.id,
        amount: payment.amount,
        status,
        reason,
        requested_at: payment.requested_at,
    }
}

/// The published form of an event.
#[must_use]
pub fn published(reference: BillReference, event: BillEvent) -> PublicEvent {
    let BillReference { slot_id, booking_id } = reference;
    match event {
        BillEvent::Issued { mode, total } => {
            PublicEvent::BillIssued { reference, slot_id, booking_id, mode, total }
        }
        BillEvent::Paid { mode, total } => {
            PublicEvent::BillPaid { reference, slot_id, booking_id, mode, total }
        }
        BillEvent::Refunded { amount } => {
            PublicEvent::BillRefunded { reference, slot_id, booking_id, amount }
        }
        BillEvent::Expired => PublicEvent::BillExpired { reference, slot_id, booking_id },
        BillEvent::PaymentDeclined { payment_id, amount, reason } => PublicEvent::PaymentDeclined {
            reference,
            slot_id,
            booking_id,
            payment_id,
            amount,
            reason,
        },
    }
}

/// The change of a bill that follows from an event of booking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BillChange {
    /// Issue the bill of a booking by invoice.
    Issue {
        /// The bill.
        reference: BillReference,
        /// The customer who pays.
        customer: CustomerId,
    },
    /// Close the bill of a booking that has ended.
    Close {
        /// The bill.
        reference: BillReference,
    },
}

/// The change of a bill that follows from a delivered event; `None` if billing does not handle the event.
///
/// # Errors
///
/// If the event has a handled type, but its data can't be read.
pub fn bill_change(delivery: &Delivery) -> Result<Option<BillChange>, serde_json::Error> {
    let event = &delivery.detail.event;
    let handled = ["BookingCreated", "BookingFailed", "BookingCancelled"];
    if delivery.source != contracts::booking::SOURCE || !handled.contains(&event.kind.as_str()) {
        return Ok(None);
    }
    Ok(match serde_json::from_value(serde_json::to_value(event)?)? {
        BookingEvent::BookingCreated { booking_id, slot_id, customer, payment } => {
            match payment.mode {
                PaymentMode::Invoice => {
                    let reference = BillReference { slot_id, booking_id };
                    Some(BillChange::Issue { reference, customer })
                }
                // The booking's saga authorises the payment, which issues the bill.
                PaymentMode::Instant => None,
            }
        }
        BookingEvent::BookingFailed { booking_id, slot_id, .. }
        | BookingEvent::BookingCancelled { booking_id, slot_id } => {
            Some(BillChange::Close { reference: BillReference { slot_id, booking_id } })
        }
        BookingEvent::BookingReserved { .. }
        | BookingEvent::BookingCompleted { .. }
        | BookingEvent::BookingCheckedOut { .. } => None,
    })
}
