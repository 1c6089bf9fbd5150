//! The source of republishing: every booking's events, read from the event store.

use event_sourcing::store::{Commit, EventStore, Log, StoreError};
use outbox::envelope::{Envelope, RawEvent};
use outbox::republish::{Page, RepublishSource, SourceError};

use crate::contract::envelopes;
use crate::domain::BookingEvent;

/// The published events of all bookings of an event store.
#[derive(Clone, Copy, Debug)]
pub struct BookingEvents<'a, S>(pub &'a S);

impl<S> RepublishSource for BookingEvents<'_, S>
where
    S: EventStore<BookingEvent> + Log<BookingEvent> + Sync,
{
    async fn events_of(&self, aggregate: &str) -> Result<Vec<Envelope<RawEvent>>, SourceError> {
        let commits = self.0.load(aggregate, 0).await.map_err(unavailable)?;
        Ok(commits.iter().flat_map(|commit| events_of(aggregate, commit)).collect())
    }

    async fn page(&self, after: Option<&str>) -> Result<Page, SourceError> {
        let page = self.0.commits(after).await.map_err(unavailable)?;
        let events = page.commits.iter().flat_map(|(stream, commit)| events_of(stream, commit));
        Ok(Page { events: events.collect(), next: page.next })
    }
}

/// The events of a commit. A commit that can't be published now could not be published when it was committed, so it is
/// in the dead-letter queue already.
fn events_of(stream: &str, commit: &Commit<BookingEvent>) -> Vec<Envelope<RawEvent>> {
    let Ok(booking_id) = stream.parse() else {
        tracing::error!(stream, "stream does not belong to a booking");
        return Vec::new();
    };
    envelopes(booking_id, commit)
        .inspect_err(|error| tracing::error!(%booking_id, %error, "commit skipped"))
        .unwrap_or_default()
}

fn unavailable(error: StoreError) -> SourceError {
    SourceError(Box::new(error))
}
