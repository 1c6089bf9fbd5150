//! Every rule of a slot, and the rejections.

use service_error::ServiceError;

use super::{Slot, SlotCommand, SlotEvent, SlotState};

/// The longest name, in characters.
const MAX_NAME: usize = 100;

/// Checks a command against a slot. `has_tombstone` tells whether the requesting booking has given the slot up.
///
/// No event means that there is nothing to do, because the command has taken effect already.
///
/// # Errors
///
/// The rule that the command breaks.
pub fn decide(
    slot: &Slot,
    has_tombstone: bool,
    command: &SlotCommand,
) -> Result<Option<SlotEvent>, Rejection> {
    use SlotCommand::{Block, Close, Create, Reopen, Reserve, ReservePaid, Unblock};
    use SlotState::{Absent, Available, Blocked, Closed, Reserved};
    match (slot.state, command) {
        (_, Create { name }) if !(1..=MAX_NAME).contains(&name.chars().count()) => {
            Err(Rejection::NameInvalid)
        }
        (Absent, Create { name }) => Ok(Some(SlotEvent::Created { name: name.clone() })),
        (Available | Blocked { .. } | Reserved { .. } | Closed, Create { name }) => {
            if slot.name == *name { Ok(None) } else { Err(Rejection::IdTaken) }
        }

        (Absent, Close | Reopen) => Err(Rejection::NotFound),
        // The saga of a booking that holds it fails to reserve it, and refunds the payment.
        (Available | Blocked { .. }, Close) => Ok(Some(SlotEvent::Closed)),
        (Reserved { .. }, Close) => Err(Rejection::IsReserved),
        (Closed, Close) => Ok(None),
        (Closed, Reopen) => Ok(Some(SlotEvent::Reopened)),
        (Available | Blocked { .. } | Reserved { .. }, Reopen) => Ok(None),

        (Available, Block { booking_id }) if !has_tombstone => {
            Ok(Some(SlotEvent::Blocked { booking_id: *booking_id }))
        }
        (
            Blocked { booking_id: holder } | Reserved { booking_id: holder },
            Block { booking_id },
        ) if holder == *booking_id => Ok(None),
        (Absent | Available | Blocked { .. } | Reserved { .. } | Closed, Block { .. }) => {
            Err(Rejection::Unavailable)
        }

        (Blocked { booking_id: holder }, Reserve { booking_id }) if holder == *booking_id => {
            Ok(Some(SlotEvent::Reserved { booking_id: *booking_id }))
        }
        (Reserved { booking_id: holder }, Reserve { booking_id }) if holder == *booking_id => {
            Ok(None)
        }
        (Absent | Available | Blocked { .. } | Reserved { .. } | Closed, Reserve { .. }) => {
            Err(Rejection::Unavailable)
        }

        (Blocked { booking_id: holder }, Unblock { booking_id }) if holder == *booking_id => {
            Ok(Some(SlotEvent::Unblocked { booking_id: *booking_id }))
        }
        (Reserved { booking_id: holder }, Unblock { booking_id }) if holder == *booking_id => {
            Ok(Some(SlotEvent::Released { booking_id: *booking_id }))
        }
        // A compensation succeeds whether or not there is anything to compensate.
        (Absent | Available | Blocked { .. } | Reserved { .. } | Closed, Unblock { .. }) => {
            Ok(None)
        }

        (Reserved { booking_id: holder }, ReservePaid { booking_id }) if holder == *booking_id => {
            Ok(None)
        }
        // The booking was refused before, and its refund is under way, so a repetition must not reserve the slot.
        (_, ReservePaid { booking_id }) if slot.refused == Some(*booking_id) => Ok(None),
        (Available, ReservePaid { booking_id }) if !has_tombstone => {
            Ok(Some(SlotEvent::Reserved { booking_id: *booking_id }))
        }
        (Blocked { booking_id: holder }, ReservePaid { booking_id }) if holder == *booking_id => {
            Ok(Some(SlotEvent::Reserved { booking_id: *booking_id }))
        }
        // The booking is paid but can't have the slot. Only this event makes billing refund it.
        (
            Absent | Available | Blocked { .. } | Reserved { .. } | Closed,
            ReservePaid { booking_id },
        ) => Ok(Some(SlotEvent::Unavailable { booking_id: *booking_id })),
    }
}

/// A rule that a command breaks. Retrying the command gives the same rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The slot does not exist.
    #[error("slot does not exist")]
    NotFound,
    /// The id belongs to another slot.
    #[error("slot id is already in use")]
    IdTaken,
    /// The name is empty or too long.
    #[error("name must have 1 to 100 characters")]
    NameInvalid,
    /// The slot is reserved, so it can't be closed.
    #[error("slot is reserved")]
    IsReserved,
    /// Another booking holds the slot, it is closed or missing, or the booking has given it up before.
    #[error("slot is not available to this booking")]
    Unavailable,
}

impl From<Rejection> for ServiceError {
    fn from(rejection: Rejection) -> Self {
        let slug = match rejection {
            Rejection::NotFound => "not-found",
            Rejection::IdTaken | Rejection::IsReserved => "conflict",
            Rejection::NameInvalid => "validation",
            Rejection::Unavailable => "slot-unavailable",
        };
        Self::rejected(slug, rejection.to_string())
    }
}
