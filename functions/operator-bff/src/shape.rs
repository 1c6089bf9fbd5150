//! What operators send and see.

use contracts::booking::{Booking, BookingStatus, FailureReason, History, PaymentMode, Standing};
use contracts::id::{BookingId, CustomerId, SlotId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

const NAME_LENGTH_MAX: usize = 100;

/// A wish for a slot.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewSlot {
    /// 1 to 100 characters that can be seen; it is kept as it comes.
    pub name: String,
}

impl NewSlot {
    /// Whether the name is one: not blank, and without control characters, which do nothing but harm on a screen.
    #[must_use]
    pub fn is_good(&self) -> bool {
        (1..=NAME_LENGTH_MAX).contains(&self.name.chars().count())
            && !self.name.trim().is_empty()
            && !self.name.chars().any(char::is_control)
    }
}

/// A booking.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BookingShown {
    booking_id: BookingId,
    slot_id: SlotId,
    customer: CustomerId,
    status: BookingStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<FailureReason>,
    payment: PaymentShown,
    version: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// How a booking stood.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StandingShown {
    booking_id: BookingId,
    slot_id: SlotId,
    status: BookingStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<FailureReason>,
    payment: PaymentShown,
    version: u64,
}

#[derive(Debug, Serialize)]
struct PaymentShown {
    mode: PaymentMode,
}

/// What has happened, or how it stood: one question of the service's, two answers.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum HistoryShown {
    /// All of it.
    History(History),
    /// How it stood.
    Standing(StandingShown),
}

impl From<Booking> for BookingShown {
    fn from(booking: Booking) -> Self {
        let Booking {
            booking_id,
            slot_id,
            customer,
            status,
            reason,
            mode,
            version,
            created_at,
            updated_at,
        } = booking;
        let payment = PaymentShown { mode };
        Self {
            booking_id,
            slot_id,
            customer,
            status,
            reason,
            payment,
            version,
            created_at,
            updated_at,
        }
    }
}

impl From<Standing> for StandingShown {
    fn from(standing: Standing) -> Self {
        let Standing { booking_id, status, version, slot_id, mode, reason } = standing;
        Self { booking_id, slot_id, status, reason, payment: PaymentShown { mode }, version }
    }
}
