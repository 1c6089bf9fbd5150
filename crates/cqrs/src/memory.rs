//! In-memory views for tests, examples and simulation.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::generation::{Generations, ListedRow, ProjectionState, ProjectionStateStore, RowsPage};
use crate::lag::{Lag, LagReport};
use crate::parts::{Composite, Parts};
use crate::view::{Order, Positioned, Range, Reader, Row, Versioned, View, ViewError};

/// A small page, so that a test with a few rows reads several pages.
const ROWS_PER_PAGE: usize = 10;

/// Stores rows in memory. Clones share the same rows.
#[derive(Clone, Debug)]
pub struct MemoryView<R> {
    inner: Arc<Mutex<Inner<R>>>,
    generation: u64,
}

/// Stores several generations of a view in memory. Clones share the same rows.
#[derive(Clone, Debug)]
pub struct MemoryGenerations<R> {
    inner: Arc<Mutex<Inner<R>>>,
}

/// Stores rows in parts in memory. Clones share the same rows.
#[derive(Clone, Debug, Default)]
pub struct MemoryParts {
    rows: Arc<Mutex<BTreeMap<String, Composite>>>,
}

#[derive(Debug)]
struct Inner<R> {
    rows: BTreeMap<(u64, String), Versioned<R>>,
    state: ProjectionState,
    lag: Lag,
}

impl<R> Default for Inner<R> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), state: ProjectionState::default(), lag: Lag::default() }
    }
}

impl<R> Default for MemoryView<R> {
    fn default() -> Self {
        Self { inner: Arc::default(), generation: 0 }
    }
}

impl<R> Default for MemoryGenerations<R> {
    fn default() -> Self {
        Self { inner: Arc::default() }
    }
}

impl<R: Clone> MemoryView<R> {
    /// Every row by its id.
    #[must_use]
    pub fn rows(&self) -> BTreeMap<String, Versioned<R>> {
        let inner = self.lock();
        let rows = inner.rows.iter().filter(|((generation, _), _)| *generation == self.generation);
        rows.map(|((_, id), row)| (id.clone(), row.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner<R>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, id: &str) -> (u64, String) {
        (self.generation, id.to_owned())
    }
}

impl<R: Clone> MemoryGenerations<R> {
    /// The numbers of all generations that have a row, including dropped ones.
    #[must_use]
    pub fn numbers(&self) -> Vec<u64> {
        let mut numbers: Vec<u64> = self.lock().rows.keys().map(|(number, _)| *number).collect();
        numbers.dedup();
        numbers
    }

    fn lock(&self) -> MutexGuard<'_, Inner<R>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Row> Reader<R> for MemoryView<R> {
    async fn get(&self, id: &str) -> Result<Option<Versioned<R>>, ViewError> {
        Ok(self.lock().rows.get(&self.key(id)).cloned())
    }

    async fn list(&self, range: Range<'_>) -> Result<Vec<Positioned<R>>, ViewError> {
        let mut found: Vec<_> = self
            .rows()
            .into_values()
            .filter_map(|Versioned { version, row }| {
                let index = row.index();
                let value = |name| index.iter().find(|it| it.0 == name).map(|it| it.1.clone());
                let position = value("position")?;
                let within = value(range.attribute).as_deref() == Some(range.partition);
                within.then_some(Positioned { position, version, row })
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

    async fn count(&self, range: Range<'_>) -> Result<usize, ViewError> {
        Ok(self.list(range).await?.len())
    }
}

impl<R: Row> View<R> for MemoryView<R> {
    async fn upsert_if_newer(&self, id: &str, version: u64, row: &R) -> Result<bool, ViewError> {
        let mut inner = self.lock();
        if inner.rows.get(&self.key(id)).is_some_and(|known| known.version >= version) {
            return Ok(false);
        }
        inner.rows.insert(self.key(id), Versioned { version, row: row.clone() });
        Ok(true)
    }
}

impl<R: Row> ProjectionStateStore for MemoryGenerations<R> {
    async fn state(&self) -> Result<(ProjectionState, Lag), ViewError> {
        let inner = self.lock();
        Ok((inner.state.clone(), inner.lag.clone()))
    }

    async fn update_state(&self, next: &ProjectionState) -> Result<bool, ViewError> {
        let mut inner = self.lock();
        if inner.state.revision + 1 == next.revision {
            inner.state = next.clone();
        }
        Ok(inner.state == *next)
    }

    async fn report_lag(&self, report: &LagReport) -> Result<(), ViewError> {
        self.lock().lag.merge(report);
        Ok(())
    }

    async fn collect_garbage(
        &self,
        kept: &[u64],
        newest: u64,
        _: Option<&str>,
    ) -> Result<Option<String>, ViewError> {
        self.lock().rows.retain(|(number, _), _| *number > newest || kept.contains(number));
        Ok(None)
    }
}

impl<R: Row> Generations<R> for MemoryGenerations<R> {
    type View = MemoryView<R>;

    fn generation(&self, number: u64) -> MemoryView<R> {
        MemoryView { inner: Arc::clone(&self.inner), generation: number }
    }

    async fn rows(&self, generation: u64, after: Option<&str>) -> Result<RowsPage<R>, ViewError> {
        let inner = self.lock();
        let key = |id: &str| (generation, id.to_owned());
        let begin = after.map_or(Bound::Included(key("")), |after| Bound::Excluded(key(after)));
        let end = Bound::Excluded((generation + 1, String::new()));
        let rows = inner.rows.range((begin, end)).take(ROWS_PER_PAGE);
        let rows: Vec<ListedRow<R>> = rows
            .map(|((_, id), it)| {
                let (id, row) = (id.clone(), Some(it.row.clone()));
                ListedRow { id, version: it.version, row }
            })
            .collect();
        let next = rows.last().filter(|_| rows.len() == ROWS_PER_PAGE).map(|it| it.id.clone());
        Ok(RowsPage { rows, next })
    }
}

impl Parts for MemoryParts {
    async fn upsert_part_if_newer<P: Row>(
        &self,
        id: &str,
        part: &'static str,
        version: u64,
        row: &P,
    ) -> Result<bool, ViewError> {
        let row = serde_json::to_value(row).map_err(|it| ViewError::Corrupt(Box::new(it)))?;
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let parts = &mut rows.entry(id.to_owned()).or_default().parts;
        if parts.get(part).is_some_and(|known| known.version >= version) {
            return Ok(false);
        }
        parts.insert(part.to_owned(), Versioned { version, row });
        Ok(true)
    }

    async fn get_parts(&self, id: &str) -> Result<Composite, ViewError> {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(rows.get(id).cloned().unwrap_or_default())
    }
}
