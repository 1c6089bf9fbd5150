//! One ordered list over several partitions of an index.

use std::collections::BTreeMap;

use futures::future::try_join_all;

use crate::view::{Order, Positioned, Range, Reader, Row, ViewError};

/// Which list to read, and where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing<'a> {
    /// The name of the index.
    pub index: &'static str,
    /// The name of its partition attribute.
    pub attribute: &'static str,
    /// The partitions that form the list: one per state, for example, so that no single partition holds every row.
    pub partitions: &'a [&'a str],
    /// The order of the list.
    pub order: Order,
    /// The position after which to begin; absent for the first page.
    pub after: Option<&'a str>,
    /// The number of rows in a page, at least 1.
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

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<R> {
    /// The rows.
    pub rows: Vec<Positioned<R>>,
    /// The position of the last row, if more rows follow.
    pub next: Option<String>,
}

/// Reads one page.
///
/// # Errors
///
/// If the view can't be read.
pub async fn read<R: Row>(
    view: &impl Reader<R>,
    listing: Listing<'_>,
) -> Result<Page<R>, ViewError> {
    let reads = listing.partitions.iter().map(|partition| {
        // One row more than the page, to find out whether another page follows.
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
    // A row that moves to another partition during the reads appears twice: keep the newer one.
    rows.dedup_by(|a, b| a.position == b.position);
    let more = rows.len() > listing.limit;
    rows.truncate(listing.limit);
    let next = rows.last().filter(|_| more).map(|last| last.position.clone());
    Ok(Page { rows, next })
}

/// Counts the rows of each partition of an index, each up to `limit`. Counting costs as much as reading.
///
/// # Errors
///
/// If the view can't be read.
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
