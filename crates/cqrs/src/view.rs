//! A read model: rows that only move forward.

use std::error::Error as StdError;

use serde::Serialize;
use serde::de::DeserializeOwned;
use service_error::ServiceError;

/// A row of a view.
pub trait Row: Serialize + DeserializeOwned + Clone + Send + Sync {
    /// Attributes that secondary indexes need: name and value. An index pairs a partition attribute with `position`.
    fn index(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

/// A row and the aggregate's version that it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned<R> {
    /// Version of the aggregate, from 1.
    pub version: u64,
    /// The row.
    pub row: R,
}

/// Which rows of an index to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range<'a> {
    /// Name of the index.
    pub index: &'static str,
    /// Name of its partition attribute.
    pub attribute: &'static str,
    /// Value of the partition attribute.
    pub partition: &'a str,
    /// Begin behind this position; absent for the first page.
    pub after: Option<&'a str>,
    /// Which end comes first.
    pub order: Order,
    /// No more rows than this.
    pub limit: usize,
}

/// The order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Lowest position first.
    Ascending,
    /// Highest position first.
    Descending,
}

/// Shows the rows of one view: all that a query needs.
///
/// An implementation must
/// - show a row that was advanced to the next `get`; an index may lag behind;
/// - return the rows of a range in the order of their positions.
///
/// `conformance` checks these.
pub trait Reader<R> {
    /// Reads one row.
    ///
    /// # Errors
    ///
    /// Fails when the view cannot be read.
    fn get(&self, id: &str)
    -> impl Future<Output = Result<Option<Versioned<R>>, ViewError>> + Send;

    /// Reads rows of an index.
    ///
    /// # Errors
    ///
    /// Fails when the view cannot be read.
    fn list(
        &self,
        range: Range<'_>,
    ) -> impl Future<Output = Result<Vec<Positioned<R>>, ViewError>> + Send;

    /// Counts the rows of a range, up to its limit.
    ///
    /// # Errors
    ///
    /// Fails when the view cannot be read.
    fn count(&self, range: Range<'_>) -> impl Future<Output = Result<usize, ViewError>> + Send;
}

/// Keeps the rows of one view.
///
/// An implementation must never let a row go back to an older version, whoever writes at once. `conformance` checks it.
pub trait View<R>: Reader<R> {
    /// Writes a row unless the view shows this version or a newer one; answers whether it was written.
    ///
    /// # Errors
    ///
    /// Fails when the view cannot be written; the same call may be made again.
    fn upsert_if_newer(
        &self,
        id: &str,
        version: u64,
        row: &R,
    ) -> impl Future<Output = Result<bool, ViewError>> + Send;
}

/// A row of a list, and where it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Positioned<R> {
    /// Its place: unique within the view.
    pub position: String,
    /// The aggregate's version that it shows.
    pub version: u64,
    /// The row.
    pub row: R,
}

/// Why a view could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The table did not answer or is overloaded; ask again.
    #[error("view is unavailable")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
    /// A row cannot be read; a person has to look at it, or rebuild the view.
    #[error("row is unreadable")]
    Corrupt(#[source] Box<dyn StdError + Send + Sync>),
}

/// What it means for the caller of a function.
impl From<ViewError> for ServiceError {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Unavailable(_) => Self::transient("the view can't be reached", error),
            ViewError::Corrupt(_) => Self::permanent(error),
        }
    }
}
