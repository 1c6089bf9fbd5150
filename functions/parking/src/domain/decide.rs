//! Every rule of a slot, on one page, and the names of the refusals.

use service_error::ServiceError;

use super::{Slot, SlotCommand, SlotEvent, SlotState};

/// The longest name, in characters: what fits on a sign.
const MAX_NAME: usize = 100;

/// Checks a command against a slot. `barred` tells whether the booking that asks has given this slot up for good.
///
/// No event means that nothing is left to do: the command has taken effect already.
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
        // A saga that holds it will fail to reserve it, and give the money back.
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
        // An undo is right whether or not there is anything to undo.
        (Absent | Available | Blocked { .. } | Reserved { .. } | Closed, Unblock { .. }) => {
            Ok(None)
        }

        (Reserved { booking_id: holder }, ReservePaid { booking_id }) if holder == *booking_id => {
            Ok(None)
        }
        // Told once that it can't have it, a booking is on its way to its refund: a repeat must not change that.
        (_, ReservePaid { booking_id }) if slot.refused == Some(*booking_id) => Ok(None),
        (Available, ReservePaid { booking_id }) if !has_tombstone => {
            Ok(Some(SlotEvent::Reserved { booking_id: *booking_id }))
        }
        (Blocked { booking_id: holder }, ReservePaid { booking_id }) if holder == *booking_id => {
            Ok(Some(SlotEvent::Reserved { booking_id: *booking_id }))
        }
        // The money is there and the slot is not: that has to be said, or nobody would give the money back.
        (
            Absent | Available | Blocked { .. } | Reserved { .. } | Closed,
            ReservePaid { booking_id },
        ) => Ok(Some(SlotEvent::Unavailable { booking_id: *booking_id })),
    }
}

/// A broken rule; asking again gives the same answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no such slot.
    #[error("slot does not exist")]
    NotFound,
    /// Another slot was added under this id.
    #[error("slot id is already in use")]
    IdTaken,
    /// The name is empty or too long.
    #[error("name must have 1 to 100 characters")]
    NameInvalid,
    /// Somebody has it: it can't be closed.
    #[error("slot is reserved")]
    IsReserved,
    /// It is held by another, out of use, not there, or given up before.
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
