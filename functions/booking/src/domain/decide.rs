//! Every rule of a booking, on one page, and the names of the refusals.

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
        // The id follows from the customer's key, so that a second wish under it is a repeat or a mistake.
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
            // The saga reserves too, and parking says so to everyone: that does not complete its booking.
            if known.payment.mode() == *mode { Ok(complete(known)) } else { Ok(vec![]) }
        }
        // It has been completed before: this is a repeat.
        (Booking::Completed(_) | Booking::CheckedOut(_), Complete { .. }) => Ok(vec![]),
        (Booking::Failed(..) | Booking::Cancelled(_), Complete { .. }) => Err(Rejection::IsOver),

        // Only an invoice falls due. The bill of an instant booking expires as a part of its saga's undoing, and the saga
        // knows the reason better.
        (Booking::Pending(known), Fail { reason: FailureReason::PaymentOverdue })
            if known.payment.mode() == PaymentMode::Instant =>
        {
            Ok(vec![])
        }
        (Booking::Pending(known), Fail { reason }) => {
            Ok(vec![BookingEvent::BookingFailed { slot_id: known.slot_id, reason: *reason }])
        }
        // It is over already, and stays as it is.
        (Booking::Failed(..) | Booking::Cancelled(_), Fail { .. }) => Ok(vec![]),
        // Whoever wanted it to fail was wrong about it, and must know.
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

/// Both facts at once: nobody ever sees a booking that has its slot and is not complete.
fn complete(known: &Details) -> Vec<BookingEvent> {
    vec![
        BookingEvent::BookingReserved { slot_id: known.slot_id },
        BookingEvent::BookingCompleted { slot_id: known.slot_id },
    ]
}

/// A broken rule; asking again gives the same answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no such booking, or it is another customer's.
    #[error("booking does not exist")]
    NotFound,
    /// The idempotency key was used for another wish.
    #[error("this idempotency key was used for another booking")]
    KeyReused,
    /// Nothing is settled yet.
    #[error("booking is still pending")]
    IsPending,
    /// It has slot and money.
    #[error("booking is complete")]
    IsComplete,
    /// It has failed, was cancelled, or was checked out.
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
