//! What clients send and receive: small, and of their own shape, so that services may change theirs.

use bff::compose::{Part, Report};
use contracts::billing::{Bill, BillStatus};
use contracts::booking::{Booking, BookingStatus, FailureReason, Payment, PaymentMode};
use contracts::id::{BillReference, BookingId, SlotId};
use contracts::message::Page;
use contracts::money::Money;
use contracts::parking::{Slot, SlotStatus};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A request to book a slot.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewBooking {
    /// The slot to book.
    #[serde(deserialize_with = "strict_id")]
    pub slot_id: SlotId,
    /// How the booking is paid.
    pub payment: Payment,
}

/// A request to pay a bill, or a part of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewPayment {
    /// How much to pay.
    pub amount: Money,
    /// The means of payment to charge.
    pub token: String,
}

/// Each id has one spelling, in a body as in a path.
fn strict_id<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<SlotId, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

/// Whether the backend runs.
#[derive(Debug, Serialize)]
pub struct HealthResponse {
    /// `ok`.
    pub status: &'static str,
    /// The version of this software.
    pub version: &'static str,
}

/// A slot in a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotResponse {
    slot_id: SlotId,
    name: String,
    status: SlotStatus,
}

/// A booking.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BookingResponse {
    booking_id: BookingId,
    slot_id: SlotId,
    status: BookingStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<FailureReason>,
    payment: PaymentResponse,
    #[serde(skip_serializing_if = "Option::is_none")]
    bill: Option<BillResponse>,
    version: u64,
    updated_at: Timestamp,
    /// The parts that are missing, and why.
    #[serde(flatten)]
    degraded: Report,
}

#[derive(Debug, Serialize)]
struct PaymentResponse {
    mode: PaymentMode,
}

/// A bill: a part of a booking, and the response to a payment.
#[derive(Debug, Serialize)]
pub struct BillResponse {
    reference: BillReference,
    total: Money,
    paid: Money,
    status: BillStatus,
}

impl From<Slot> for SlotResponse {
    fn from(slot: Slot) -> Self {
        let Slot { slot_id, name, status, holder: _, version: _ } = slot;
        Self { slot_id, name, status }
    }
}

impl From<Bill> for BillResponse {
    fn from(bill: Bill) -> Self {
        let Bill { reference, total, paid, status, .. } = bill;
        Self { reference, total, paid, status }
    }
}

impl From<Booking> for BookingResponse {
    fn from(booking: Booking) -> Self {
        let Booking { booking_id, slot_id, status, reason, mode, version, updated_at, .. } =
            booking;
        Self {
            booking_id,
            slot_id,
            status,
            reason,
            payment: PaymentResponse { mode },
            bill: None,
            version,
            updated_at,
            degraded: Report::default(),
        }
    }
}

impl BookingResponse {
    /// The booking with what is known of its bill, if it has one.
    #[must_use]
    pub fn with_bill(self, bill: Part<Option<Bill>>) -> Self {
        Self { bill: bill.into_value().flatten().map(BillResponse::from), ..self }
    }

    /// The booking with a report of the parts that are missing.
    #[must_use]
    pub fn reported(self, report: Report) -> Self {
        Self { degraded: report.only_degraded(), ..self }
    }
}

/// A page of one thing as a page of another.
#[must_use]
pub fn page<T, S: From<T>>(page: Page<T>) -> Page<S> {
    Page { items: page.items.into_iter().map(S::from).collect(), next_cursor: page.next_cursor }
}
