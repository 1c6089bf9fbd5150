//! What the pages show: a booking with everything around it, as far as it is known; and the same as JSON.

use bff::compose::{Part, Report};
use contracts::billing::{Bill, BillPayment, BillStatus, PaymentStatus};
use contracts::booking::{Booking, BookingStatus, FailureReason, History, PaymentMode};
use contracts::id::{BillReference, BookingId, PaymentId, SlotId};
use contracts::money::Money;
use contracts::parking::{Slot, SlotStatus};
use jiff::Timestamp;
use serde::Serialize;

/// A booking and what surrounds it.
#[derive(Debug)]
pub struct Whole {
    /// The booking.
    pub booking: Booking,
    /// Its slot.
    pub slot: Part<Slot>,
    /// Its bill. Of a booking that is over, `None` is what billing's write model says: nothing was ever charged.
    pub bill: Part<Option<Bill>>,
    /// What has happened to it, up to the version of the booking that is shown.
    pub timeline: Part<Vec<Happening>>,
    /// How each of these has come.
    pub report: Report,
}

/// One thing that has happened to a booking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Happening {
    /// Its place, from 1.
    pub version: u64,
    /// Its name.
    #[serde(rename = "type")]
    pub kind: String,
    /// When.
    pub occurred_at: Timestamp,
}

/// What has happened until the booking was as it is shown: the parts of a page tell of one moment.
#[must_use]
pub fn timeline(history: History, booking: &Booking) -> Vec<Happening> {
    let until = history.events.into_iter().filter(|it| it.version <= booking.version);
    let happening = |event: contracts::booking::HistoryEvent| Happening {
        version: event.version,
        kind: event.kind,
        occurred_at: event.occurred_at,
    };
    until.map(happening).collect()
}

/// The whole as JSON.
#[derive(Debug, Serialize)]
pub struct WholeShown<'a> {
    booking: BookingShown<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slot: Option<SlotShown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bill: Option<BillShown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payments: Option<Vec<PaymentShown<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline: Option<&'a [Happening]>,
    #[serde(flatten)]
    report: &'a Report,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BookingShown<'a> {
    booking_id: BookingId,
    slot_id: SlotId,
    status: BookingStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<FailureReason>,
    payment: ModeShown,
    version: u64,
    created_at: &'a Timestamp,
    updated_at: &'a Timestamp,
}

#[derive(Debug, Serialize)]
struct ModeShown {
    mode: PaymentMode,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SlotShown<'a> {
    slot_id: SlotId,
    name: &'a str,
    status: SlotStatus,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BillShown {
    reference: BillReference,
    total: Money,
    paid: Money,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_progress: Option<Money>,
    status: BillStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PaymentShown<'a> {
    payment_id: PaymentId,
    amount: Money,
    status: PaymentStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    requested_at: Timestamp,
}

impl<'a> From<&'a Whole> for WholeShown<'a> {
    fn from(whole: &'a Whole) -> Self {
        let Whole { booking, slot, bill, timeline, report } = whole;
        let bill = bill.value();
        // No bill has no payments; of a bill that is not known, nobody knows them.
        let payments = bill.map(|it| it.as_ref().map_or(&[][..], |it| &it.payments));
        Self {
            booking: BookingShown {
                booking_id: booking.booking_id,
                slot_id: booking.slot_id,
                status: booking.status,
                reason: booking.reason,
                payment: ModeShown { mode: booking.mode },
                version: booking.version,
                created_at: &booking.created_at,
                updated_at: &booking.updated_at,
            },
            slot: slot.value().map(|it| SlotShown {
                slot_id: it.slot_id,
                name: &it.name,
                status: it.status,
            }),
            bill: bill.and_then(Option::as_ref).map(|it| BillShown {
                reference: it.reference,
                total: it.total,
                paid: it.paid,
                in_progress: Some(it.in_progress).filter(|it| !it.is_zero()),
                status: it.status,
                due_at: it.due_at,
            }),
            payments: payments.map(|it| it.iter().map(PaymentShown::from).collect()),
            timeline: timeline.value().map(Vec::as_slice),
            report,
        }
    }
}

impl<'a> From<&'a BillPayment> for PaymentShown<'a> {
    fn from(payment: &'a BillPayment) -> Self {
        Self {
            payment_id: payment.payment_id,
            amount: payment.amount,
            status: payment.status,
            reason: payment.reason.as_deref(),
            requested_at: payment.requested_at,
        }
    }
}
