//! Rows that tell of several aggregates, under a key of their own.
//!
//! Such a row has a part for each aggregate that it tells of, and each part has that aggregate's version. A part is
//! written by one conditional update that looks at nothing but its own version. So events of different aggregates may come
//! in any order and at once, and none takes back what another has written; and nothing is read to write.
//!
//! An event belongs to a row if it bears the row's key: a bill's event names the order that it is for, say. Events that
//! come before the row's own aggregate has told of itself are kept; whether a row with some parts missing is shown is for
//! the query to say.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::view::{Row, Versioned, ViewError};

/// A row in parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Composite {
    /// What is known, by the name of the part.
    pub parts: BTreeMap<String, Versioned<Value>>,
}

impl Composite {
    /// A part, if it is there.
    ///
    /// # Errors
    ///
    /// If it can't be read.
    pub fn part<P: DeserializeOwned>(&self, name: &str) -> Result<Option<Versioned<P>>, ViewError> {
        let Some(Versioned { version, row }) = self.parts.get(name) else { return Ok(None) };
        let row = P::deserialize(row).map_err(|error| ViewError::Corrupt(Box::new(error)))?;
        Ok(Some(Versioned { version: *version, row }))
    }
}

/// Keeps rows in parts.
///
/// An implementation must
/// - never let a part go back to an older version, whoever writes at once;
/// - leave the other parts as they are, and need none of them;
/// - show a part that was advanced to the next `get_parts`.
///
/// `conformance` checks all of these.
pub trait Parts {
    /// Writes a part unless the row shows this version of it or a newer one; answers whether it was written.
    ///
    /// `part` is a name of the program's, such as `bill`, and never a client's. The part's index attributes become the
    /// row's: let no two parts name the same.
    ///
    /// # Errors
    ///
    /// Fails when the view cannot be written; the same call may be made again.
    fn upsert_part_if_newer<P: Row>(
        &self,
        id: &str,
        part: &'static str,
        version: u64,
        row: &P,
    ) -> impl Future<Output = Result<bool, ViewError>> + Send;

    /// Reads a row, whatever parts of it are there; one of which there is none has none.
    ///
    /// # Errors
    ///
    /// Fails when the view cannot be read.
    fn get_parts(&self, id: &str) -> impl Future<Output = Result<Composite, ViewError>> + Send;
}
