//! What billing says to others, and what it makes of what others say.

use contracts::billing::{Bill as PublicBill, BillPayment, Event as PublicEvent, PaymentStatus};
use contracts::booking::{Event as BookingEvent, PaymentMode};
use contracts::id::{BillReference, CustomerId};
use outbox::consume::Delivery;

use crate::domain::{Bill, BillEvent, Payment, PaymentState};

/// Version of the shape of billing's events.
pub const SCHEMA_VERSION: u32 = 1;

/// The bill as others see it; nothing of a bill that was never issued.
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

/// The payment as others see it: never what is charged.
fn public_payment(payment: &Payment) -> BillPayment {
    let (status, reason) = match &payment.state {
        PaymentState::Requested => (PaymentStatus::Pending, None),
        PaymentState::Captured => (PaymentStatus::Captured, None),
        PaymentState::Declined { reason } => (PaymentStatus::Declined, Some(reason.clone())),
        PaymentState::Returned { .. } => (PaymentStatus::Refunded, None),
        PaymentState::Withdrawn { .. } => (PaymentStatus::Withdrawn, None),
    };
    BillPayment {
        payment_id: payment.id,
        amount: payment.amount,
        status,
        reason,
        requested_at: payment.requested_at,
    }
}

/// The event as it is published.
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

/// What an event of another service asks of billing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A booking by invoice wants its bill.
    Issue {
        /// The bill.
        reference: BillReference,
        /// Who pays.
        customer: CustomerId,
    },
    /// A booking is over: its bill, too.
    Close {
        /// The bill.
        reference: BillReference,
    },
}

/// What a delivery asks; nothing if it is of no concern here.
///
/// # Errors
///
/// If it is an event of a known type that does not say what such an event says.
pub fn wish(delivery: &Delivery) -> Result<Option<Wish>, serde_json::Error> {
    let event = &delivery.detail.event;
    let known = ["BookingCreated", "BookingFailed", "BookingCancelled"];
    if delivery.source != contracts::booking::SOURCE || !known.contains(&event.kind.as_str()) {
        return Ok(None);
    }
    Ok(match serde_json::from_value(serde_json::to_value(event)?)? {
        BookingEvent::BookingCreated { booking_id, slot_id, customer, payment } => {
            match payment.mode {
                PaymentMode::Invoice => {
                    let reference = BillReference { slot_id, booking_id };
                    Some(Wish::Issue { reference, customer })
                }
                // Its saga authorises the payment.
                PaymentMode::Instant => None,
            }
        }
        BookingEvent::BookingFailed { booking_id, slot_id, .. }
        | BookingEvent::BookingCancelled { booking_id, slot_id } => {
            Some(Wish::Close { reference: BillReference { slot_id, booking_id } })
        }
        BookingEvent::BookingReserved { .. }
        | BookingEvent::BookingCompleted { .. }
        | BookingEvent::BookingCheckedOut { .. } => None,
    })
}
