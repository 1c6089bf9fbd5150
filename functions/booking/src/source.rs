//! What the view is made from: every stream, folded.

use contracts::id::BookingId;
use cqrs::rebuild::{Source, SourceError, SourcePage, Told};
use cqrs::view::Versioned;
use event_sourcing::store::{EventStore, StoreError, Streams};
use futures::{StreamExt as _, TryStreamExt as _, stream};

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
