//! The read model: a row of the view `slots`.

use contracts::parking::Slot;
use cqrs::view::Row;
use serde::{Deserialize, Serialize};

/// A row of the view `slots`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SlotRow(pub Slot);

/// The secondary index of the slots in one state, in the order of their creation.
pub const BY_STATUS: &str = "by-status";

impl Row for SlotRow {
    fn index(&self) -> Vec<(&'static str, String)> {
        vec![
            ("status", self.0.status.name()),
            // A UUIDv7 sorts by time of creation, and is unique.
            ("position", self.0.slot_id.to_string()),
        ]
    }
}
