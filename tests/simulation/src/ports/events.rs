//! The table of bookings: streams of commits, and what its stream shows of them.

use std::sync::Arc;

use booking::domain::BookingEvent;
use event_sourcing::item::CommitItem;
use event_sourcing::store::{self, Commit, EventStore};
use serde_json::json;

use super::at_once;
use crate::line::{Access, Cut, Line};
use crate::world::World;

/// The table of bookings, as the templates name it.
pub(crate) const BOOKINGS: &str = "booking/BookingsTable";

/// The table of bookings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Events<'a>(pub(crate) &'a Arc<Line>);

fn event_store(cut: Cut) -> store::StoreError {
    match cut {
        Cut::NoAnswer => store::StoreError::Unavailable(Box::new(cut)),
        Cut::Throttled => store::StoreError::Throttled(Box::new(cut)),
        Cut::Conflict => store::StoreError::TransactionConflict(Box::new(cut)),
    }
}

impl EventStore<BookingEvent> for Events<'_> {
    async fn load(
        &self,
        stream: &str,
        after: u64,
    ) -> Result<Vec<Commit<BookingEvent>>, store::StoreError> {
        let stream = stream.to_owned();
        let load = move |world: &World| at_once(world.bookings.load(&stream, after));
        self.0.call(Access::Read, "load a booking", load).await.map_err(event_store)?
    }

    async fn load_back(
        &self,
        stream: &str,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Commit<BookingEvent>>, store::StoreError> {
        let stream = stream.to_owned();
        let load = move |world: &World| at_once(world.bookings.load_back(&stream, from, limit));
        self.0.call(Access::Read, "load a booking's end", load).await.map_err(event_store)?
    }

    async fn append(
        &self,
        stream: &str,
        commit: Commit<BookingEvent>,
    ) -> Result<(), store::StoreError> {
        let (stream, is_later) = (stream.to_owned(), self.0.is_later);
        let append = move |world: &World| append(world, &stream, commit.clone(), is_later);
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
    is_later: bool,
) -> Result<(), store::StoreError> {
    let last = || {
        let end = at_once(world.bookings.load_back(stream, u64::MAX, 1));
        end.ok().and_then(|it| it.first().map(Commit::last_version)).unwrap_or(0)
    };
    let before = last();
    at_once(world.bookings.append(stream, commit.clone()))?;
    if last() == before {
        // It was there already.
        return Ok(());
    }
    world.laws.booking_changed(world, stream, before, &commit);
    let item = CommitItem::new(stream, &commit).expect("a commit is JSON");
    let image: serde_dynamo::Item = serde_dynamo::to_item(item).expect("an item of texts");
    let mut image = serde_json::to_value(image).expect("an item is JSON");
    if is_later {
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
            at_once(store::Streams::streams(&world.bookings, after.as_deref()))
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
        let list =
            move |world: &World| at_once(store::Log::commits(&world.bookings, after.as_deref()));
        self.0.call(Access::Read, "list commits", list).await.map_err(event_store)?
    }
}
