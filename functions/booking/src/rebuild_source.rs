//! The source of a rebuild: every booking's row, folded from its stream.

use contracts::id::BookingId;
use cqrs::rebuild::{RebuildSource, SourceError, SourcePage, SourceRow};
use cqrs::view::Versioned;
use event_sourcing::store::{EventStore, StoreError, Streams};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::domain::BookingEvent;
use crate::view::{BookingRow, fold};

/// How many streams are read concurrently.
const CONCURRENCY: usize = 8;

/// The rows of all bookings of an event store.
#[derive(Clone, Copy, Debug)]
pub struct BookingRows<'a, S>(pub &'a S);

impl<S: EventStore<BookingEvent> + Streams + Sync> RebuildSource<BookingRow>
    for BookingRows<'_, S>
{
    async fn page(&self, after: Option<&str>) -> Result<SourcePage<BookingRow>, SourceError> {
        let page = self.0.streams(after).await.map_err(unavailable)?;
        let rows = stream::iter(page.streams).map(async |stream| {
            let row = self.load(&stream).await?;
            Ok((stream, row))
        });
        let rows = rows.buffer_unordered(CONCURRENCY).try_collect().await?;
        Ok(SourcePage { rows, next: page.next })
    }

    async fn load(&self, id: &str) -> Result<SourceRow<BookingRow>, SourceError> {
        let booking_id: BookingId = match id.parse() {
            Ok(booking_id) => booking_id,
            Err(error) => return Ok(SourceRow::Unreadable(format!("{id}: {error}"))),
        };
        match self.0.load(id, 0).await {
            Ok(commits) if commits.is_empty() => Ok(SourceRow::Absent),
            Ok(commits) => Ok(match fold(booking_id, &commits) {
                Some((version, row)) => SourceRow::Row(Versioned { version, row }),
                None => {
                    SourceRow::Unreadable("stream does not begin with BookingCreated".to_owned())
                }
            }),
            Err(StoreError::Corrupt(cause)) => Ok(SourceRow::Unreadable(cause.to_string())),
            Err(error) => Err(unavailable(error)),
        }
    }
}

fn unavailable(error: StoreError) -> SourceError {
    SourceError(Box::new(error))
}
