//! A view for tests, examples and simulation: nothing outlives the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::view::{Order, Positioned, Range, Row, Versioned, View, ViewError};

/// Keeps rows in memory.
#[derive(Debug)]
pub struct MemoryView<R> {
    rows: Mutex<BTreeMap<String, Versioned<R>>>,
}

impl<R> Default for MemoryView<R> {
    fn default() -> Self {
        Self { rows: Mutex::default() }
    }
}

impl<R: Clone> MemoryView<R> {
    /// Every row by its id.
    #[must_use]
    pub fn rows(&self) -> BTreeMap<String, Versioned<R>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<R: Row> View<R> for MemoryView<R> {
    async fn get(&self, id: &str) -> Result<Option<Versioned<R>>, ViewError> {
        Ok(self.rows.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned())
    }

    async fn advance(&self, id: &str, version: u64, row: &R) -> Result<bool, ViewError> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if rows.get(id).is_some_and(|known| known.version >= version) {
            return Ok(false);
        }
        rows.insert(id.to_owned(), Versioned { version, row: row.clone() });
        Ok(true)
    }

    async fn list(&self, range: Range<'_>) -> Result<Vec<Positioned<R>>, ViewError> {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<_> = rows
            .values()
            .filter_map(|Versioned { version, row }| {
                let index = row.index();
                let value = |name| index.iter().find(|it| it.0 == name).map(|it| it.1.clone());
                let position = value("position")?;
                let within = value(range.attribute).as_deref() == Some(range.partition);
                within.then(|| Positioned { position, version: *version, row: row.clone() })
            })
            .collect();
        found.sort_by(|a, b| a.position.cmp(&b.position));
        if range.order == Order::Descending {
            found.reverse();
        }
        let behind = |it: &Positioned<R>| match (range.after, range.order) {
            (None, _) => true,
            (Some(after), Order::Ascending) => it.position.as_str() > after,
            (Some(after), Order::Descending) => it.position.as_str() < after,
        };
        Ok(found.into_iter().filter(behind).take(range.limit).collect())
    }
}
