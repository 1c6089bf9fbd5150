//! Rows that combine several aggregates under one key.
//!
//! Such a row has one part for each aggregate, and each part has the version of its aggregate. A part is written by one
//! update that is conditional on the version of this part only. So events of different aggregates may arrive in any order
//! and concurrently without overwriting each other, and a write needs no read.
//!
//! An event belongs to a row if it carries the row's key; an event of a bill, for example, names the order of the bill.
//! A part may arrive before the part of the row's own aggregate. The query decides whether to return an incomplete row.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::view::{Row, Versioned, ViewError};

/// A row in parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Composite {
    /// The parts that exist, by name.
    pub parts: BTreeMap<String, Versioned<Value>>,
}

impl Composite {
    /// Returns one part, if it exists.
    ///
    /// # Errors
    ///
    /// If the part is unreadable.
    pub fn part<P: DeserializeOwned>(&self, name: &str) -> Result<Option<Versioned<P>>, ViewError> {
        let Some(Versioned { version, row }) = self.parts.get(name) else { return Ok(None) };
        let row = P::deserialize(row).map_err(|error| ViewError::Corrupt(Box::new(error)))?;
        Ok(Some(Versioned { version: *version, row }))
    }
}

/// Stores rows in parts.
///
/// An implementation must
/// - never replace a part by an older version, also under concurrent writes;
/// - leave the other parts unchanged, and require none of them;
/// - return a part that was upserted before `get_parts` began.
///
/// `conformance` checks all of these.
pub trait Parts {
    /// Upserts a part unless the row has this version of the part or a newer one; returns whether it was written.
    ///
    /// `part` is a name that the program defines, such as `bill`, never one from a client. The index attributes of the part
    /// become those of the row, so no two parts may use the same attribute.
    ///
    /// # Errors
    ///
    /// If the view can't be written; the same call may be made again.
    fn upsert_part_if_newer<P: Row>(
        &self,
        id: &str,
        part: &'static str,
        version: u64,
        row: &P,
    ) -> impl Future<Output = Result<bool, ViewError>> + Send;

    /// Reads a row with the parts that exist. A row that does not exist has no parts.
    ///
    /// # Errors
    ///
    /// If the view can't be read.
    fn get_parts(&self, id: &str) -> impl Future<Output = Result<Composite, ViewError>> + Send;
}
