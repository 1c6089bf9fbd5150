//! The state that the rules need, and how each event changes it.

use contracts::booking::{BookingStatus, FailureReason, Payment};
use contracts::id::{CustomerId, SlotId};

use super::BookingEvent;

/// A booking, folded from its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Booking {
    /// The booking was never created.
    #[default]
    Absent,
    /// Created, neither completed nor failed yet.
    Pending(Details),
    /// It has its slot, and is paid.
    Completed(Details),
    /// It failed, for this reason.
    Failed(Details, FailureReason),
    /// The customer cancelled it.
    Cancelled(Details),
    /// The customer left the slot.
    CheckedOut(Details),
}

/// The details of a booking, which never change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// The customer who books.
    pub customer: CustomerId,
    /// The booked slot.
    pub slot_id: SlotId,
    /// How the booking is paid.
    pub payment: Payment,
}

impl Booking {
    /// The details and the status of the booking; nothing if it was never created.
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

    /// Why the booking failed, if it did.
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

/// Applies one event. It checks no rule, because the event has occurred.
pub(super) fn evolve(booking: Booking, event: &BookingEvent) -> Booking {
    if let BookingEvent::BookingCreated { customer, slot_id, payment } = event {
        return Booking::Pending(Details {
            customer: customer.clone(),
            slot_id: *slot_id,
            payment: payment.clone(),
        });
    }
    // A stream that does not begin with `BookingCreated` counts as absent.
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
