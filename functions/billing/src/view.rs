//! The read model: a bill as a query returns it.

use cqrs::view::Row;
use serde::{Deserialize, Serialize};

/// A row of the view, by the bill's reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BillRow(pub contracts::billing::Bill);

impl Row for BillRow {}
