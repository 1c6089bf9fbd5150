//! One ordered list over several partitions of an index.

use std::collections::BTreeMap;

use futures::future::try_join_all;

use crate::view::{Order, Positioned, Range, Reader, Row, ViewError};

/// Which list to read, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing<'a> {
    /// Name of the index.
    pub index: &'static str,
    /// Name of its partition attribute.
    pub attribute: &'static str,
    /// The partitions that make up the list: one per state, say, so that no single one holds every row.
    pub partitions: &'a [&'a str],
    /// Which end comes first.
    pub order: Order,
    /// Begin behind this position.
    pub after: Option<&'a str>,
    /// Rows in a page, at least 1.
    pub limit: usize,
}

impl<'a> Listing<'a> {
    fn range(&self, partition: &'a str, limit: usize) -> Range<'a> {
        Range {
            index: self.index,
            attribute: self.attribute,
            partition,
            after: self.after,
            order: self.order,
            limit,
        }
    }
}

/// A page, and where the next one begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<R> {
    /// The rows.
    pub rows: Vec<Positioned<R>>,
    /// Position of the last row, if there is more behind it.
    pub next: Option<String>,
}

/// Reads one page.
///
/// # Errors
///
/// Fails when the view cannot be read.
pub async fn read<R: Row>(
    view: &impl Reader<R>,
    listing: Listing<'_>,
) -> Result<Page<R>, ViewError> {
    let reads = listing.partitions.iter().map(|partition| {
        // One more than the page, to know whether there is another.
        view.list(listing.range(partition, listing.limit + 1))
    });
    let mut rows: Vec<_> = try_join_all(reads).await?.into_iter().flatten().collect();
    rows.sort_by(|a, b| {
        let places = match listing.order {
            Order::Ascending => a.position.cmp(&b.position),
            Order::Descending => b.position.cmp(&a.position),
        };
        places.then(b.version.cmp(&a.version))
    });
    // A row that moves to another partition while they are read is seen twice: the newer is enough.
    rows.dedup_by(|a, b| a.position == b.position);
    let more = rows.len() > listing.limit;
    rows.truncate(listing.limit);
    let next = rows.last().filter(|_| more).map(|last| last.position.clone());
    Ok(Page { rows, next })
}

/// Counts the rows of each partition of an index, each up to `limit`: counting reads what it counts.
///
/// # Errors
///
/// Fails when the view cannot be read.
pub async fn counts<R: Row>(
    view: &impl Reader<R>,
    listing: Listing<'_>,
) -> Result<BTreeMap<String, u64>, ViewError> {
    let counted = listing.partitions.iter().map(async |partition| {
        let range = listing.range(partition, listing.limit);
        Ok(((*partition).to_owned(), view.count(range).await? as u64))
    });
    Ok(try_join_all(counted).await?.into_iter().collect())
}
