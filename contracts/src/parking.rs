//! Parking: slots, and who holds them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{BookingId, SlotId};
use crate::message::PageRequest;
use crate::name::name_of;

/// The `source` of parking's events on the bus.
pub const SOURCE: &str = "parkade.parking";

/// A command of `parking-command`. It returns the [`Slot`] after it.
///
/// Only the booking that holds a slot can reserve it. `UnblockSlot` works in any state and leaves a tombstone, so that a
/// `BlockSlot` or `ReserveSlot` of the same booking that arrives later is rejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Command {
    /// Adds a slot. The caller chooses the id, so that a repeat adds none.
    CreateSlot {
        /// The new slot's id.
        slot_id: SlotId,
        /// 1 to 100 characters.
        name: String,
    },
    /// Takes a slot out of use.
    CloseSlot {
        /// The slot.
        slot_id: SlotId,
    },
    /// Puts a closed slot to use again.
    ReopenSlot {
        /// The slot.
        slot_id: SlotId,
    },
    /// Holds a slot while its payment is authorised. Undone by `UnblockSlot`.
    BlockSlot {
        /// The slot.
        slot_id: SlotId,
        /// Who wants it.
        booking_id: BookingId,
    },
    /// Makes the hold of a blocked slot final. Undone by `UnblockSlot`.
    ReserveSlot {
        /// The slot.
        slot_id: SlotId,
        /// Who has blocked it.
        booking_id: BookingId,
    },
    /// Releases any hold that the booking has on the slot.
    UnblockSlot {
        /// The slot.
        slot_id: SlotId,
        /// Who gives it up.
        booking_id: BookingId,
    },
}

/// A strongly consistent read of a slot, which `parking-command` serves next to its commands.
///
/// A query of the view may be stale; use this one before rejecting a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ConsistentQuery {
    /// Reads one slot, as a [`Slot`].
    ReadSlot {
        /// The slot.
        slot_id: SlotId,
    },
}

/// The payload of `parking-command`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CommandPayload {
    /// A command.
    Command(Command),
    /// A strongly consistent query.
    Query(ConsistentQuery),
}

/// The queries that `parking-query` serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "query", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Query {
    /// One slot, as a [`Slot`].
    Slot {
        /// The slot.
        slot_id: SlotId,
        /// The least version that will do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min_version: Option<u64>,
    },
    /// Slots in the order of their creation, as a `Page<Slot>`.
    Slots {
        /// Only those in this state.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<SlotStatus>,
        /// Which page.
        #[serde(flatten)]
        page: PageRequest,
    },
    /// These slots, as a `Vec<Slot>`: in any order, and without those that the view does not have. 1 to 100 of them.
    SlotsById {
        /// The slots.
        slot_ids: Vec<SlotId>,
    },
    /// The status of the view, as a [`Projection`](crate::projection::Projection).
    Projection {},
    /// What the view holds, as an [`Overview`](crate::projection::Overview).
    Overview {},
}

/// What is known of a slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Slot {
    /// Its id.
    pub slot_id: SlotId,
    /// Its name.
    pub name: String,
    /// Its state.
    pub status: SlotStatus,
    /// The booking that holds it, while it is blocked or reserved. Rows of before this member have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<BookingId>,
    /// How often it has changed.
    pub version: u64,
}

/// The states of a slot.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SlotStatus {
    /// Free.
    Available,
    /// Held while a payment is authorised.
    Blocked,
    /// Taken.
    Reserved,
    /// Out of use.
    Closed,
}

impl SlotStatus {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Available, Self::Blocked, Self::Reserved, Self::Closed];

    /// The name of the state, as it is serialised: `available`.
    #[must_use]
    pub fn name(self) -> String {
        name_of(self)
    }
}

/// What parking publishes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum Event {
    /// A slot was added.
    SlotCreated {
        /// The slot.
        slot_id: SlotId,
        /// Its name.
        name: String,
    },
    /// A booking holds the slot while its payment is authorised.
    SlotBlocked {
        /// The slot.
        slot_id: SlotId,
        /// Who holds it.
        booking_id: BookingId,
    },
    /// The hold was released before it became final.
    SlotUnblocked {
        /// The slot.
        slot_id: SlotId,
        /// Who held it.
        booking_id: BookingId,
    },
    /// The slot is taken.
    SlotReserved {
        /// The slot.
        slot_id: SlotId,
        /// Who has it.
        booking_id: BookingId,
    },
    /// A booking that has been paid for can't have the slot.
    SlotUnavailable {
        /// The slot.
        slot_id: SlotId,
        /// Who wanted it.
        booking_id: BookingId,
    },
    /// The slot was given back.
    SlotReleased {
        /// The slot.
        slot_id: SlotId,
        /// Who had it.
        booking_id: BookingId,
    },
    /// The slot is out of use.
    SlotClosed {
        /// The slot.
        slot_id: SlotId,
    },
    /// The slot is in use again.
    SlotReopened {
        /// The slot.
        slot_id: SlotId,
    },
}
