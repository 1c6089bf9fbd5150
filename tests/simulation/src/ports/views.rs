//! The tables of views.

use std::sync::Arc;

use billing::view::BillRow;
use booking::view::BookingRow;
use cqrs::generation::{Generations, ProjectionState, ProjectionStateStore, RowsPage};
use cqrs::lag::{Lag, LagReport};
use cqrs::memory::{MemoryGenerations, MemoryView};
use cqrs::view::{Order, Positioned, Range, Reader, Row, Versioned, View, ViewError};
use parking::view::SlotRow;

use super::now_or_panic;
use crate::transport::{Access, CallError, FaultyTransport};
use crate::world::World;

/// A row of a view with generations.
pub(crate) trait GenerationRow: Row + Send + Sync + 'static {
    fn views(world: &World) -> &MemoryGenerations<Self>;
}

impl GenerationRow for BookingRow {
    fn views(world: &World) -> &MemoryGenerations<Self> {
        &world.booking_views
    }
}

impl GenerationRow for SlotRow {
    fn views(world: &World) -> &MemoryGenerations<Self> {
        &world.slot_views
    }
}

/// A view and its generations.
#[derive(Debug)]
pub(crate) struct Views<R> {
    transport: Arc<FaultyTransport>,
    row: std::marker::PhantomData<fn() -> R>,
}

/// One generation of a view.
#[derive(Debug)]
pub(crate) struct OneView<R> {
    transport: Arc<FaultyTransport>,
    number: u64,
    row: std::marker::PhantomData<fn() -> R>,
}

fn view(error: CallError) -> ViewError {
    ViewError::Unavailable(Box::new(error))
}

/// An owned range of an index, for a call that outlives its caller.
#[derive(Clone)]
struct OwnedRange {
    index: &'static str,
    attribute: &'static str,
    partition: String,
    after: Option<String>,
    order: Order,
    limit: usize,
}

impl From<Range<'_>> for OwnedRange {
    fn from(range: Range<'_>) -> Self {
        Self {
            index: range.index,
            attribute: range.attribute,
            partition: range.partition.to_owned(),
            after: range.after.map(str::to_owned),
            order: range.order,
            limit: range.limit,
        }
    }
}

impl OwnedRange {
    fn lent(&self) -> Range<'_> {
        Range {
            index: self.index,
            attribute: self.attribute,
            partition: &self.partition,
            after: self.after.as_deref(),
            order: self.order,
            limit: self.limit,
        }
    }
}

impl<R> Views<R> {
    pub(crate) fn new(transport: &Arc<FaultyTransport>) -> Self {
        Self { transport: Arc::clone(transport), row: std::marker::PhantomData }
    }
}

impl<R: GenerationRow> ProjectionStateStore for Views<R> {
    async fn state(&self) -> Result<(ProjectionState, Lag), ViewError> {
        let get = |world: &World| now_or_panic(R::views(world).state());
        self.transport.call(Access::Read, "get a projection state", get).await.map_err(view)?
    }

    async fn update_state(&self, next: &ProjectionState) -> Result<bool, ViewError> {
        let next = next.clone();
        let change = move |world: &World| now_or_panic(R::views(world).update_state(&next));
        self.transport
            .call(Access::Conditional, "put a projection state", change)
            .await
            .map_err(view)?
    }

    async fn report_lag(&self, mark: &LagReport) -> Result<(), ViewError> {
        let mark = mark.clone();
        let put = move |world: &World| now_or_panic(R::views(world).report_lag(&mark));
        self.transport.call(Access::Write, "put a lag report", put).await.map_err(view)?
    }

    async fn collect_garbage(
        &self,
        kept: &[u64],
        newest: u64,
        after: Option<&str>,
    ) -> Result<Option<String>, ViewError> {
        let (kept, after) = (kept.to_vec(), after.map(str::to_owned));
        let sweep = move |world: &World| {
            now_or_panic(R::views(world).collect_garbage(&kept, newest, after.as_deref()))
        };
        self.transport.call(Access::Write, "sweep generations", sweep).await.map_err(view)?
    }
}

impl<R: GenerationRow> Generations<R> for Views<R> {
    type View = OneView<R>;

    fn generation(&self, number: u64) -> OneView<R> {
        OneView { transport: Arc::clone(&self.transport), number, row: std::marker::PhantomData }
    }

    async fn rows(&self, generation: u64, after: Option<&str>) -> Result<RowsPage<R>, ViewError> {
        let after = after.map(str::to_owned);
        let rows =
            move |world: &World| now_or_panic(R::views(world).rows(generation, after.as_deref()));
        self.transport.call(Access::Read, "list rows", rows).await.map_err(view)?
    }
}

impl<R: GenerationRow> Reader<R> for OneView<R> {
    async fn get(&self, id: &str) -> Result<Option<Versioned<R>>, ViewError> {
        let (number, id) = (self.number, id.to_owned());
        let get = move |world: &World| now_or_panic(R::views(world).generation(number).get(&id));
        self.transport.call(Access::Read, "get a row", get).await.map_err(view)?
    }

    async fn list(&self, range: Range<'_>) -> Result<Vec<Positioned<R>>, ViewError> {
        let (number, range) = (self.number, OwnedRange::from(range));
        let list = move |world: &World| {
            now_or_panic(R::views(world).generation(number).list(range.lent()))
        };
        self.transport.call(Access::Read, "list an index", list).await.map_err(view)?
    }

    async fn count(&self, range: Range<'_>) -> Result<usize, ViewError> {
        Ok(self.list(range).await?.len())
    }
}

impl<R: GenerationRow> View<R> for OneView<R> {
    async fn upsert_if_newer(&self, id: &str, version: u64, row: &R) -> Result<bool, ViewError> {
        let (number, id, row) = (self.number, id.to_owned(), row.clone());
        let advance = move |world: &World| {
            now_or_panic(R::views(world).generation(number).upsert_if_newer(&id, version, &row))
        };
        self.transport.call(Access::Conditional, "advance a row", advance).await.map_err(view)?
    }
}

/// The view of bills, which has one generation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BillView<'a>(pub(crate) &'a Arc<FaultyTransport>);

fn bill_view(world: &World) -> &MemoryView<BillRow> {
    &world.bill_view
}

impl Reader<BillRow> for BillView<'_> {
    async fn get(&self, id: &str) -> Result<Option<Versioned<BillRow>>, ViewError> {
        let id = id.to_owned();
        let get = move |world: &World| now_or_panic(bill_view(world).get(&id));
        self.0.call(Access::Read, "get a bill's row", get).await.map_err(view)?
    }

    async fn list(&self, range: Range<'_>) -> Result<Vec<Positioned<BillRow>>, ViewError> {
        let range = OwnedRange::from(range);
        let list = move |world: &World| now_or_panic(bill_view(world).list(range.lent()));
        self.0.call(Access::Read, "list bills", list).await.map_err(view)?
    }

    async fn count(&self, range: Range<'_>) -> Result<usize, ViewError> {
        Ok(self.list(range).await?.len())
    }
}

impl View<BillRow> for BillView<'_> {
    async fn upsert_if_newer(
        &self,
        id: &str,
        version: u64,
        row: &BillRow,
    ) -> Result<bool, ViewError> {
        let (id, row) = (id.to_owned(), row.clone());
        let advance =
            move |world: &World| now_or_panic(bill_view(world).upsert_if_newer(&id, version, &row));
        self.0.call(Access::Conditional, "advance a bill's row", advance).await.map_err(view)?
    }
}
