//! Every rule of a booking, and the rejections.

use contracts::booking::{FailureReason, PaymentMode};
use service_error::ServiceError;

use super::{Booking, BookingCommand, BookingEvent, Details};

pub(super) fn decide(
    booking: &Booking,
    command: &BookingCommand,
) -> Result<Vec<BookingEvent>, Rejection> {
    use BookingCommand::{Cancel, CheckOut, Complete, Create, Fail};
    match (booking, command) {
        (Booking::Absent, Create { customer, slot_id, payment }) => {
            Ok(vec![BookingEvent::BookingCreated {
                customer: customer.clone(),
                slot_id: *slot_id,
                payment: payment.clone(),
            }])
        }
        (Booking::Absent, Complete { .. } | Fail { .. } | Cancel { .. } | CheckOut { .. }) => {
            Err(Rejection::NotFound)
        }
        // The booking id is derived from the customer's idempotency key, so a second command is a repetition or reuses the key.
        (
            Booking::Pending(known)
            | Booking::Completed(known)
            | Booking::Failed(known, _)
            | Booking::Cancelled(known)
            | Booking::CheckedOut(known),
            Create { customer, slot_id, payment },
        ) => {
            let same = known.customer == *customer
                && known.slot_id == *slot_id
                && known.payment == *payment;
            if same { Ok(vec![]) } else { Err(Rejection::KeyReused) }
        }
        (
            Booking::Pending(known)
            | Booking::Completed(known)
            | Booking::Failed(known, _)
            | Booking::Cancelled(known)
            | Booking::CheckedOut(known),
            Cancel { customer } | CheckOut { customer },
        ) if known.customer != *customer => Err(Rejection::NotFound),

        (Booking::Pending(known), Complete { mode }) => {
            // The saga of an instant booking reserves the slot too, and that `SlotReserved` must not complete the booking.
            if known.payment.mode() == *mode { Ok(complete(known)) } else { Ok(vec![]) }
        }
        // A repetition: the booking was completed before.
        (Booking::Completed(_) | Booking::CheckedOut(_), Complete { .. }) => Ok(vec![]),
        (Booking::Failed(..) | Booking::Cancelled(_), Complete { .. }) => Err(Rejection::IsOver),

        // Only invoices fall due. The bill of an instant booking expires when its saga compensates, and the saga itself reports
        // the reason.
        (Booking::Pending(known), Fail { reason: FailureReason::PaymentOverdue })
            if known.payment.mode() == PaymentMode::Instant =>
        {
            Ok(vec![])
        }
        (Booking::Pending(known), Fail { reason }) => {
            Ok(vec![BookingEvent::BookingFailed { slot_id: known.slot_id, reason: *reason }])
        }
        // The booking has ended before, and keeps its state.
        (Booking::Failed(..) | Booking::Cancelled(_), Fail { .. }) => Ok(vec![]),
        // The caller's assumption is wrong, so it must get a rejection.
        (Booking::Completed(_) | Booking::CheckedOut(_), Fail { .. }) => Err(Rejection::IsComplete),

        (Booking::Pending(known) | Booking::Completed(known), Cancel { .. }) => {
            Ok(vec![BookingEvent::BookingCancelled { slot_id: known.slot_id }])
        }
        (Booking::Cancelled(_), Cancel { .. }) => Ok(vec![]),
        (Booking::Failed(..) | Booking::CheckedOut(_), Cancel { .. }) => Err(Rejection::IsOver),

        (Booking::Completed(known), CheckOut { .. }) => {
            Ok(vec![BookingEvent::BookingCheckedOut { slot_id: known.slot_id }])
        }
        (Booking::Pending(_), CheckOut { .. }) => Err(Rejection::IsPending),
        (Booking::Failed(..) | Booking::Cancelled(_) | Booking::CheckedOut(_), CheckOut { .. }) => {
            Err(Rejection::IsOver)
        }
    }
}

/// Both events in one commit, so that no reader finds a booking that is reserved but not complete.
fn complete(known: &Details) -> Vec<BookingEvent> {
    vec![
        BookingEvent::BookingReserved { slot_id: known.slot_id },
        BookingEvent::BookingCompleted { slot_id: known.slot_id },
    ]
}

/// A rule that a command breaks. Retrying the command gives the same rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The booking does not exist, or belongs to another customer.
    #[error("booking does not exist")]
    NotFound,
    /// The idempotency key was used for a different booking.
    #[error("this idempotency key was used for another booking")]
    KeyReused,
    /// The booking is neither completed nor failed yet.
    #[error("booking is still pending")]
    IsPending,
    /// The booking is complete.
    #[error("booking is complete")]
    IsComplete,
    /// The booking has failed, was cancelled, or was checked out.
    #[error("booking is over")]
    IsOver,
}

impl From<Rejection> for ServiceError {
    fn from(rejection: Rejection) -> Self {
        let slug = match rejection {
            Rejection::NotFound => "not-found",
            Rejection::KeyReused => "idempotency-key-reused",
            Rejection::IsPending | Rejection::IsComplete | Rejection::IsOver => "conflict",
        };
        Self::rejected(slug, rejection.to_string())
    }
}
