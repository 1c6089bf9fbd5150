//! What the pages show: a booking with its slot, bill and timeline, as far as they are known; and the same as JSON.

use bff::compose::{Part, Report};
use contracts::billing::{Bill, BillPayment, BillStatus, PaymentStatus};
use contracts::booking::{Booking, BookingStatus, FailureReason, History, PaymentMode};
use contracts::id::{BillReference, BookingId, PaymentId, SlotId};
use contracts::money::Money;
use contracts::parking::{Slot, SlotStatus};
use jiff::Timestamp;
use serde::Serialize;

/// A booking with its slot, its bill and its timeline.
#[derive(Debug)]
pub struct BookingDetails {
    /// The booking.
    pub booking: Booking,
    /// Its slot.
    pub slot: Part<Slot>,
    /// Its bill. Of a booking that is over, `None` is what billing's write model says: nothing was ever charged.
    pub bill: Part<Option<Bill>>,
    /// Its events, up to the version of the booking that is shown.
    pub timeline: Part<Vec<TimelineEntry>>,
    /// Which of these parts are fresh, stale or missing.
    pub report: Report,
}

/// One event of a booking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TimelineEntry {
    /// Its version, from 1.
    pub version: u64,
    /// Its name.
    #[serde(rename = "type")]
    pub kind: String,
    /// When.
    pub occurred_at: Timestamp,
}

/// The events up to the version of the booking that is shown: the parts of a page belong to one moment.
#[must_use]
pub fn timeline(history: History, booking: &Booking) -> Vec<TimelineEntry> {
    let until = history.events.into_iter().filter(|it| it.version <= booking.version);
    let entry = |event: contracts::booking::HistoryEvent| TimelineEntry {
        version: event.version,
        kind: event.kind,
        occurred_at: event.occurred_at,
    };
    until.map(entry).collect()
}

/// The booking details as JSON.
#[derive(Debug, Serialize)]
pub struct BookingDetailsDto<'a> {
    booking: BookingDto<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slot: Option<SlotDto<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bill: Option<BillDto>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payments: Option<Vec<PaymentDto<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline: Option<&'a [TimelineEntry]>,
    #[serde(flatten)]
    report: &'a Report,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BookingDto<'a> {
    booking_id: BookingId,
    slot_id: SlotId,
    status: BookingStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<FailureReason>,
    payment: PaymentModeDto,
    version: u64,
    created_at: &'a Timestamp,
    updated_at: &'a Timestamp,
}

#[derive(Debug, Serialize)]
struct PaymentModeDto {
    mode: PaymentMode,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SlotDto<'a> {
    slot_id: SlotId,
    name: &'a str,
    status: SlotStatus,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BillDto {
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
struct PaymentDto<'a> {
    payment_id: PaymentId,
    amount: Money,
    status: PaymentStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    requested_at: Timestamp,
}

impl<'a> From<&'a BookingDetails> for BookingDetailsDto<'a> {
    fn from(whole: &'a BookingDetails) -> Self {
        let BookingDetails { booking, slot, bill, timeline, report } = whole;
        let bill = bill.value();
        // Without a bill there are no payments; of an unknown bill, they are unknown too.
        let payments = bill.map(|it| it.as_ref().map_or(&[][..], |it| &it.payments));
        Self {
            booking: BookingDto {
                booking_id: booking.booking_id,
                slot_id: booking.slot_id,
                status: booking.status,
                reason: booking.reason,
                payment: PaymentModeDto { mode: booking.mode },
                version: booking.version,
                created_at: &booking.created_at,
                updated_at: &booking.updated_at,
            },
            slot: slot.value().map(|it| SlotDto {
                slot_id: it.slot_id,
                name: &it.name,
                status: it.status,
            }),
            bill: bill.and_then(Option::as_ref).map(|it| BillDto {
                reference: it.reference,
                total: it.total,
                paid: it.paid,
                in_progress: Some(it.in_progress).filter(|it| !it.is_zero()),
                status: it.status,
                due_at: it.due_at,
            }),
            payments: payments.map(|it| it.iter().map(PaymentDto::from).collect()),
            timeline: timeline.value().map(Vec::as_slice),
            report,
        }
    }
}

impl<'a> From<&'a BillPayment> for PaymentDto<'a> {
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
