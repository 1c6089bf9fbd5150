//! The table of bookings: event streams, and the table's own change stream.

use std::sync::Arc;

use booking::domain::BookingEvent;
use event_sourcing::item::CommitItem;
use event_sourcing::store::{self, Commit, EventStore};
use serde_json::json;

use super::now_or_panic;
use crate::transport::{Access, CallError, FaultyTransport};
use crate::world::World;

/// The table of bookings, as named in the templates.
pub(crate) const BOOKINGS: &str = "booking/BookingsTable";

/// The event store of bookings, through the transport of one process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Events<'a>(pub(crate) &'a Arc<FaultyTransport>);

fn event_store(error: CallError) -> store::StoreError {
    match error {
        CallError::NoResponse => store::StoreError::Unavailable(Box::new(error)),
        CallError::Throttled => store::StoreError::Throttled(Box::new(error)),
        CallError::Conflict => store::StoreError::TransactionConflict(Box::new(error)),
    }
}

impl EventStore<BookingEvent> for Events<'_> {
    async fn load(
        &self,
        stream: &str,
        after: u64,
    ) -> Result<Vec<Commit<BookingEvent>>, store::StoreError> {
        let stream = stream.to_owned();
        let load = move |world: &World| now_or_panic(world.bookings.load(&stream, after));
        self.0.call(Access::Read, "load a booking", load).await.map_err(event_store)?
    }

    async fn load_back(
        &self,
        stream: &str,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Commit<BookingEvent>>, store::StoreError> {
        let stream = stream.to_owned();
        let load =
            move |world: &World| now_or_panic(world.bookings.load_back(&stream, from, limit));
        self.0.call(Access::Read, "load a booking's end", load).await.map_err(event_store)?
    }

    async fn append(
        &self,
        stream: &str,
        commit: Commit<BookingEvent>,
    ) -> Result<(), store::StoreError> {
        let (stream, is_later_release) = (stream.to_owned(), self.0.is_later_release);
        let append = move |world: &World| append(world, &stream, commit.clone(), is_later_release);
        self.0
            .call(Access::Conditional, "append to a booking", append)
            .await
            .map_err(event_store)?
    }
}

fn append(
    world: &World,
    stream: &str,
    commit: Commit<BookingEvent>,
    is_later_release: bool,
) -> Result<(), store::StoreError> {
    let last = || {
        let end = now_or_panic(world.bookings.load_back(stream, u64::MAX, 1));
        end.ok().and_then(|it| it.first().map(Commit::last_version)).unwrap_or(0)
    };
    let before = last();
    now_or_panic(world.bookings.append(stream, commit.clone()))?;
    if last() == before {
        // It was stored before.
        return Ok(());
    }
    world.invariants.booking_changed(world, stream, before, &commit);
    let item = CommitItem::new(stream, &commit).expect("a commit is JSON");
    let image: serde_dynamo::Item = serde_dynamo::to_item(item).expect("an item of texts");
    let mut image = serde_json::to_value(image).expect("an item is JSON");
    if is_later_release {
        image["since_later"] = json!({ "S": "a later release" });
    }
    let keys = json!({ "stream": image["stream"], "version": image["version"] });
    world.streams.write(world, BOOKINGS, &format!("{stream} {}", commit.version), keys, image);
    Ok(())
}

impl store::Streams for Events<'_> {
    async fn streams(&self, after: Option<&str>) -> Result<store::StreamsPage, store::StoreError> {
        let after = after.map(str::to_owned);
        let list = move |world: &World| {
            now_or_panic(store::Streams::streams(&world.bookings, after.as_deref()))
        };
        self.0.call(Access::Read, "list bookings", list).await.map_err(event_store)?
    }
}

impl store::Log<BookingEvent> for Events<'_> {
    async fn commits(
        &self,
        after: Option<&str>,
    ) -> Result<store::CommitsPage<BookingEvent>, store::StoreError> {
        let after = after.map(str::to_owned);
        let list = move |world: &World| {
            now_or_panic(store::Log::commits(&world.bookings, after.as_deref()))
        };
        self.0.call(Access::Read, "list commits", list).await.map_err(event_store)?
    }
}
