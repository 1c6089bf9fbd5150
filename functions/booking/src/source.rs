//! Where all that is told of bookings comes from: every stream, folded for the view, and as it is for the bus.

use contracts::id::BookingId;
use cqrs::rebuild::{Source, SourceError, SourcePage, Told};
use cqrs::view::Versioned;
use event_sourcing::store::{Commit, EventStore, Log, StoreError, Streams};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use outbox::envelope::{Envelope, Unread};
use outbox::republish;

use crate::contract::envelopes;
use crate::domain::BookingEvent;
use crate::view::{BookingRow, fold};

/// Streams on their way at once.
const AT_ONCE: usize = 8;

/// All bookings, as their events tell them.
#[derive(Clone, Copy, Debug)]
pub struct Bookings<'a, S>(pub &'a S);

impl<S: EventStore<BookingEvent> + Streams + Sync> Source<BookingRow> for Bookings<'_, S> {
    async fn page(&self, after: Option<&str>) -> Result<SourcePage<BookingRow>, SourceError> {
        let page = self.0.streams(after).await.map_err(unavailable)?;
        let told = stream::iter(page.streams).map(async |stream| {
            let told = self.load(&stream).await?;
            Ok((stream, told))
        });
        let told = told.buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(SourcePage { told, next: page.next })
    }

    async fn load(&self, id: &str) -> Result<Told<BookingRow>, SourceError> {
        let booking_id: BookingId = match id.parse() {
            Ok(booking_id) => booking_id,
            Err(error) => return Ok(Told::Unreadable(format!("{id}: {error}"))),
        };
        match self.0.load(id, 0).await {
            Ok(commits) if commits.is_empty() => Ok(Told::Nothing),
            Ok(commits) => Ok(match fold(booking_id, &commits) {
                Some((version, row)) => Told::Row(Versioned { version, row }),
                None => Told::Unreadable("stream does not begin with its creation".to_owned()),
            }),
            Err(StoreError::Corrupt(cause)) => Ok(Told::Unreadable(cause.to_string())),
            Err(error) => Err(unavailable(error)),
        }
    }
}

fn unavailable(error: StoreError) -> SourceError {
    SourceError(Box::new(error))
}

impl<S> republish::Source for Bookings<'_, S>
where
    S: EventStore<BookingEvent> + Log<BookingEvent> + Sync,
{
    async fn events_of(
        &self,
        aggregate: &str,
    ) -> Result<Vec<Envelope<Unread>>, republish::SourceError> {
        let commits = self.0.load(aggregate, 0).await.map_err(unread)?;
        Ok(commits.iter().flat_map(|commit| told(aggregate, commit)).collect())
    }

    async fn page(&self, after: Option<&str>) -> Result<republish::Page, republish::SourceError> {
        let page = self.0.commits(after).await.map_err(unread)?;
        let events = page.commits.iter().flat_map(|(stream, commit)| told(stream, commit));
        Ok(republish::Page { events: events.collect(), next: page.next })
    }
}

fn unread(error: StoreError) -> republish::SourceError {
    republish::SourceError(Box::new(error))
}

/// What can't be told now could not be told when it was committed: it lies with the dead letters.
fn told(stream: &str, commit: &Commit<BookingEvent>) -> Vec<Envelope<Unread>> {
    let Ok(booking_id) = stream.parse() else {
        tracing::error!(stream, "stream is of no booking");
        return Vec::new();
    };
    envelopes(booking_id, commit)
        .inspect_err(|error| tracing::error!(%booking_id, %error, "commit passed over"))
        .unwrap_or_default()
}
