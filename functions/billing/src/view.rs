//! The read model: the published form of a bill.

use cqrs::view::Row;
use serde::{Deserialize, Serialize};

/// A row of the view. Its key is the bill's reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BillRow(pub contracts::billing::Bill);

impl Row for BillRow {}
