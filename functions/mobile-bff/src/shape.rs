//! What clients send and see: small, and of their own shape, so that services may change theirs.

use bff::compose::{Part, Report};
use contracts::billing::{Bill, BillStatus};
use contracts::booking::{Booking, BookingStatus, FailureReason, Payment, PaymentMode};
use contracts::id::{BillReference, BookingId, SlotId};
use contracts::message::Page;
use contracts::money::Money;
use contracts::parking::{Slot, SlotStatus};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A token names a means of payment; it is no document.
const TOKEN_LENGTH_MAX: usize = 200;

/// A wish to book.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewBooking {
    /// What.
    #[serde(deserialize_with = "spelt_out")]
    pub slot_id: SlotId,
    /// How it is paid.
    pub payment: Payment,
}

/// A wish to pay.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewPayment {
    /// How much.
    pub amount: Money,
    /// What to charge.
    pub token: String,
}

/// Each id has one spelling, in a body as in a path.
fn spelt_out<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<SlotId, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

/// Whether a text can be a token: 1 to 200 visible ASCII characters.
#[must_use]
pub fn is_token(text: &str) -> bool {
    (1..=TOKEN_LENGTH_MAX).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_graphic())
}

/// Whether the front door is open.
#[derive(Debug, Serialize)]
pub struct HealthShown {
    /// `ok`.
    pub status: &'static str,
    /// Of this software.
    pub version: &'static str,
}

/// A slot in a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotShown {
    slot_id: SlotId,
    name: String,
    status: SlotStatus,
}

/// A booking.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BookingShown {
    booking_id: BookingId,
    slot_id: SlotId,
    status: BookingStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<FailureReason>,
    payment: PaymentShown,
    #[serde(skip_serializing_if = "Option::is_none")]
    bill: Option<BillShown>,
    version: u64,
    updated_at: Timestamp,
    /// The services whose part is missing, and why.
    #[serde(flatten)]
    troubles: Report,
}

#[derive(Debug, Serialize)]
struct PaymentShown {
    mode: PaymentMode,
}

/// A bill, and what a payment answers.
#[derive(Debug, Serialize)]
pub struct BillShown {
    reference: BillReference,
    total: Money,
    paid: Money,
    status: BillStatus,
}

impl From<Slot> for SlotShown {
    fn from(slot: Slot) -> Self {
        let Slot { slot_id, name, status, holder: _, version: _ } = slot;
        Self { slot_id, name, status }
    }
}

impl From<Bill> for BillShown {
    fn from(bill: Bill) -> Self {
        let Bill { reference, total, paid, status, .. } = bill;
        Self { reference, total, paid, status }
    }
}

impl From<Booking> for BookingShown {
    fn from(booking: Booking) -> Self {
        let Booking { booking_id, slot_id, status, reason, mode, version, updated_at, .. } =
            booking;
        Self {
            booking_id,
            slot_id,
            status,
            reason,
            payment: PaymentShown { mode },
            bill: None,
            version,
            updated_at,
            troubles: Report::default(),
        }
    }
}

impl BookingShown {
    /// The booking with what is known of its bill, if it has one.
    #[must_use]
    pub fn with_bill(self, bill: Part<Option<Bill>>) -> Self {
        Self { bill: bill.into_value().flatten().map(BillShown::from), ..self }
    }

    /// The booking with what is missing of it.
    #[must_use]
    pub fn reported(self, report: Report) -> Self {
        Self { troubles: report.troubles(), ..self }
    }
}

/// A page of one thing as a page of another.
#[must_use]
pub fn page<T, S: From<T>>(page: Page<T>) -> Page<S> {
    Page { items: page.items.into_iter().map(S::from).collect(), next_cursor: page.next_cursor }
}
