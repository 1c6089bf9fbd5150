//! The tables of slots and bills.

use std::marker::PhantomData;
use std::sync::Arc;

use outbox::envelope::{Envelope, RawEvent};
use outbox::republish::{Page, RepublishSource, SourceError};
use outbox::state::{Change, Loaded, StateStore, StatesPage, StoreError};

use crate::tables::StateRow;
use crate::transport::{Access, CallError, FaultyTransport};
use crate::world::World;

/// A table of slots or bills. Its calls are those of `outbox::dynamodb`, one by one, because a process can crash
/// between them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct States<'a>(pub(crate) &'a Arc<FaultyTransport>);

pub(super) fn state_store(error: CallError) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}

impl<S: StateRow> StateStore<S> for States<'_> {
    async fn load(&self, id: &str, holder: Option<&str>) -> Result<Loaded<S>, StoreError> {
        let key = id.to_owned();
        let get = move |world: &World| S::table(world).get(&key);
        let mut loaded =
            self.0.call(Access::Read, "get a state", get).await.map_err(state_store)?;
        if let Some(holder) = holder {
            loaded.has_tombstone = bar::<S>(self.0, id, holder).await?.is_some();
        }
        Ok(loaded)
    }

    async fn save(&self, id: &str, change: Change<S>) -> Result<(), StoreError> {
        let (id, is_later_release) = (id.to_owned(), self.0.is_later_release);
        let save =
            move |world: &World| S::table(world).save(world, &id, change.clone(), is_later_release);
        self.0.call(Access::Conditional, "put a state", save).await.map_err(state_store)?
    }

    async fn set_tombstone(&self, id: &str, holder: &str) -> Result<(), StoreError> {
        match bar::<S>(self.0, id, holder).await? {
            Some(true) => return Ok(()),
            Some(false) => {}
            None => put_tombstone::<S>(self.0, id, holder, false).await?,
        }
        let (key, is_later_release) = (id.to_owned(), self.0.is_later_release);
        let bump = move |world: &World| S::table(world).bump(world, &key, is_later_release);
        self.0.call(Access::Write, "bump a version", bump).await.map_err(state_store)?;
        put_tombstone::<S>(self.0, id, holder, true).await
    }
}

async fn bar<S: StateRow>(
    transport: &FaultyTransport,
    id: &str,
    holder: &str,
) -> Result<Option<bool>, StoreError> {
    let (id, holder) = (id.to_owned(), holder.to_owned());
    let get = move |world: &World| S::table(world).get_tombstone(&id, &holder);
    transport.call(Access::Read, "get a tombstone", get).await.map_err(state_store)
}

async fn put_tombstone<S: StateRow>(
    transport: &FaultyTransport,
    id: &str,
    holder: &str,
    is_sealed: bool,
) -> Result<(), StoreError> {
    let (id, holder) = (id.to_owned(), holder.to_owned());
    let put = move |world: &World| S::table(world).put_tombstone(world, &id, &holder, is_sealed);
    transport.call(Access::Write, "put a tombstone", put).await.map_err(state_store)
}

impl<S: StateRow> outbox::state::States<S> for States<'_> {
    async fn states(&self, after: Option<&str>) -> Result<StatesPage<S>, StoreError> {
        let after = after.map(str::to_owned);
        let list = move |world: &World| S::table(world).page(after.as_deref());
        self.0.call(Access::Read, "list states", list).await.map_err(state_store)
    }
}

/// The stored events of a table of state, for republishing.
#[derive(Debug)]
pub(crate) struct Committed<'a, S>(
    pub(crate) &'a Arc<FaultyTransport>,
    pub(crate) PhantomData<fn() -> S>,
);

impl<S: StateRow> RepublishSource for Committed<'_, S> {
    async fn events_of(&self, aggregate: &str) -> Result<Vec<Envelope<RawEvent>>, SourceError> {
        let id = aggregate.to_owned();
        let get = move |world: &World| S::table(world).events_of(&id);
        let found = self.0.call(Access::Read, "get events", get).await;
        found.map_err(|error| SourceError(Box::new(error)))
    }

    async fn page(&self, after: Option<&str>) -> Result<Page, SourceError> {
        let after = after.map(str::to_owned);
        let list = move |world: &World| S::table(world).events_page(after.as_deref());
        let found = self.0.call(Access::Read, "list events", list).await;
        found.map_err(|error| SourceError(Box::new(error)))
    }
}
