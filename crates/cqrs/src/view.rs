//! A read model: rows with a version, of which only a newer one replaces an older one.

use std::error::Error as StdError;

use serde::Serialize;
use serde::de::DeserializeOwned;
use service_error::ServiceError;

/// A row of a view.
pub trait Row: Serialize + DeserializeOwned + Clone + Send + Sync {
    /// The attributes that secondary indexes need: name and value. An index pairs a partition attribute with `position`.
    fn index(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

/// A row, with the version of the aggregate that it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned<R> {
    /// The version of the aggregate, from 1.
    pub version: u64,
    /// The row.
    pub row: R,
}

/// Which rows of an index to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range<'a> {
    /// The name of the index.
    pub index: &'static str,
    /// The name of its partition attribute.
    pub attribute: &'static str,
    /// The value of the partition attribute.
    pub partition: &'a str,
    /// The position after which to begin; absent for the first page.
    pub after: Option<&'a str>,
    /// The order of the rows.
    pub order: Order,
    /// The maximum number of rows.
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

/// Reads the rows of one view: everything that a query needs.
///
/// An implementation must
/// - return a row that was upserted before the `get` began; an index may lag;
/// - return the rows of a range in the order of their positions.
///
/// `conformance` checks these.
pub trait Reader<R> {
    /// Reads one row.
    ///
    /// # Errors
    ///
    /// If the view can't be read.
    fn get(&self, id: &str)
    -> impl Future<Output = Result<Option<Versioned<R>>, ViewError>> + Send;

    /// Reads rows of an index.
    ///
    /// # Errors
    ///
    /// If the view can't be read.
    fn list(
        &self,
        range: Range<'_>,
    ) -> impl Future<Output = Result<Vec<Positioned<R>>, ViewError>> + Send;

    /// Counts the rows of a range, up to its limit.
    ///
    /// # Errors
    ///
    /// If the view can't be read.
    fn count(&self, range: Range<'_>) -> impl Future<Output = Result<usize, ViewError>> + Send;
}

/// Stores the rows of one view.
///
/// An implementation must never replace a row by an older version, also under concurrent writes. `conformance` checks it.
pub trait View<R>: Reader<R> {
    /// Upserts a row unless the view has this version or a newer one; returns whether the row was written.
    ///
    /// # Errors
    ///
    /// If the view can't be written; the same call may be made again.
    fn upsert_if_newer(
        &self,
        id: &str,
        version: u64,
        row: &R,
    ) -> impl Future<Output = Result<bool, ViewError>> + Send;
}

/// A row of a list, with its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Positioned<R> {
    /// The position of the row, unique within the view.
    pub position: String,
    /// The version of the aggregate that the row shows.
    pub version: u64,
    /// The row.
    pub row: R,
}

/// Why a call of a view failed.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The table did not respond, or throttled the call; retry.
    #[error("view is unavailable")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
    /// A row is unreadable. An operator must investigate, or rebuild the view.
    #[error("row is unreadable")]
    Corrupt(#[source] Box<dyn StdError + Send + Sync>),
}

/// What the error means for the caller of a function.
impl From<ViewError> for ServiceError {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Unavailable(_) => Self::transient("the view can't be reached", error),
            ViewError::Corrupt(_) => Self::permanent(error),
        }
    }
}
