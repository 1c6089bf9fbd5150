//! The read model: a slot as a query returns it.

use contracts::parking::{Slot, SlotStatus};
use cqrs::view::Row;
use serde::{Deserialize, Serialize};

/// A row of the view `slots`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SlotRow(pub Slot);

/// The index of the slots in one state, in the order of their creation.
pub const BY_STATUS: &str = "by-status";

impl Row for SlotRow {
    fn index(&self) -> Vec<(&'static str, String)> {
        vec![
            ("status", status_name(self.0.status).to_owned()),
            // UUIDv7: in the order of creation, and unique.
            ("position", self.0.slot_id.to_string()),
        ]
    }
}

/// Every state: a list of all slots reads them together, so that no partition of the index holds every slot.
pub const ALL: [SlotStatus; 4] =
    [SlotStatus::Available, SlotStatus::Blocked, SlotStatus::Reserved, SlotStatus::Closed];

/// The name of a state, as the index spells it.
#[must_use]
pub fn status_name(status: SlotStatus) -> &'static str {
    match status {
        SlotStatus::Available => "available",
        SlotStatus::Blocked => "blocked",
        SlotStatus::Reserved => "reserved",
        SlotStatus::Closed => "closed",
    }
}
