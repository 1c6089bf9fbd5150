//! What the rules need to remember, and how each event changes it.

use contracts::booking::{BookingStatus, FailureReason, Payment};
use contracts::id::{CustomerId, SlotId};

use super::BookingEvent;

/// A booking as its events have left it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Booking {
    /// Nobody has made it.
    #[default]
    Absent,
    /// Made, and nothing is settled yet.
    Pending(Details),
    /// Slot and money are there.
    Completed(Details),
    /// It did not come about.
    Failed(Details, FailureReason),
    /// Given up by the customer.
    Cancelled(Details),
    /// The customer has left.
    CheckedOut(Details),
}

/// What a booking is about; it never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// Who books.
    pub customer: CustomerId,
    /// What.
    pub slot_id: SlotId,
    /// How it is paid.
    pub payment: Payment,
}

impl Booking {
    /// What it is about, and its state; nothing for a booking that was never made.
    #[must_use]
    pub fn known(&self) -> Option<(&Details, BookingStatus)> {
        match self {
            Self::Absent => None,
            Self::Pending(details) => Some((details, BookingStatus::Pending)),
            Self::Completed(details) => Some((details, BookingStatus::Completed)),
            Self::Failed(details, _) => Some((details, BookingStatus::Failed)),
            Self::Cancelled(details) => Some((details, BookingStatus::Cancelled)),
            Self::CheckedOut(details) => Some((details, BookingStatus::CheckedOut)),
        }
    }

    /// Why it failed, if it has.
    #[must_use]
    pub fn reason(&self) -> Option<FailureReason> {
        match self {
            Self::Failed(_, reason) => Some(*reason),
            Self::Absent
            | Self::Pending(_)
            | Self::Completed(_)
            | Self::Cancelled(_)
            | Self::CheckedOut(_) => None,
        }
    }

    fn into_details(self) -> Option<Details> {
        match self {
            Self::Absent => None,
            Self::Pending(details)
            | Self::Completed(details)
            | Self::Failed(details, _)
            | Self::Cancelled(details)
            | Self::CheckedOut(details) => Some(details),
        }
    }
}

/// Applies one event. It checks nothing: the event has happened.
pub(super) fn evolve(booking: Booking, event: &BookingEvent) -> Booking {
    if let BookingEvent::BookingCreated { customer, slot_id, payment } = event {
        return Booking::Pending(Details {
            customer: customer.clone(),
            slot_id: *slot_id,
            payment: payment.clone(),
        });
    }
    // A stream that does not begin with its creation is read as if it had no beginning.
    let Some(details) = booking.into_details() else { return Booking::Absent };
    match event {
        BookingEvent::BookingCreated { .. } | BookingEvent::BookingReserved { .. } => {
            Booking::Pending(details)
        }
        BookingEvent::BookingCompleted { .. } => Booking::Completed(details),
        BookingEvent::BookingFailed { reason, .. } => Booking::Failed(details, *reason),
        BookingEvent::BookingCancelled { .. } => Booking::Cancelled(details),
        BookingEvent::BookingCheckedOut { .. } => Booking::CheckedOut(details),
    }
}
