//! `booking-project`: stream → view.

use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::streams::DynamoDbEventResponse;
use contracts::id::BookingId;
use cqrs::follow::ProjectError;
use cqrs::generation::Generations;
use cqrs::lag::Gauge;
use cqrs::projector;
use cqrs::view::View;
use event_sourcing::item::CommitItem;
use event_sourcing::store::{Commit, EventStore, StoreError};
use jiff::Timestamp;
use outbox::dead_letters::DeadLetters;
use outbox::publish::Poison;
use outbox::redrive::{Answer, Occasion, follow_or_redrive};

use crate::domain::BookingEvent;
use crate::view::{BookingRow, apply, fold};

/// Applies a batch of the stream, or records that were put aside, to every generation of the view.
pub async fn handle<G: Generations<BookingRow>>(
    store: &impl EventStore<BookingEvent>,
    views: &G,
    dead_letters: &impl DeadLetters,
    gauge: &Gauge,
    clock: impl Fn() -> Timestamp,
    occasion: Occasion,
) -> Answer {
    let handle = async |batch| batched(store, views, dead_letters, gauge, &clock, batch).await;
    follow_or_redrive(occasion, dead_letters, handle).await
}

async fn batched<G: Generations<BookingRow>>(
    store: &impl EventStore<BookingEvent>,
    views: &G,
    dead_letters: &impl DeadLetters,
    gauge: &Gauge,
    clock: impl Fn() -> Timestamp,
    batch: Event,
) -> DynamoDbEventResponse {
    let apply = async |view: &G::View, record: &EventRecord| project(store, view, record).await;
    let projected = projector::project(views, gauge, &clock, batch, apply, dead_letters).await;
    if let Some(measured) = projected.measured {
        function::metrics::projection(
            "bookings",
            measured.lag_seconds,
            measured.iterator_age_ms,
            clock(),
        );
    }
    projected.response
}

async fn project(
    store: &impl EventStore<BookingEvent>,
    view: &impl View<BookingRow>,
    record: &EventRecord,
) -> Result<(), ProjectError> {
    let Some((booking_id, commit)) = committed(record)? else { return Ok(()) };
    let id = booking_id.to_string();
    let known = if commit.version == 1 { None } else { view.get(&id).await? };
    let version = known.as_ref().map_or(0, |known| known.version);
    if version >= commit.last_version() {
        return Ok(());
    }
    let projected = if version + 1 == commit.version {
        let row = apply(known.map(|known| known.row), booking_id, &commit);
        row.map(|row| (commit.last_version(), row))
    } else {
        // A commit before this one has not come by yet: streams keep order per item only.
        tracing::info!(%booking_id, version, found = commit.version, "gap healed from the source");
        let commits = store.load(&id, 0).await.map_err(unavailable)?;
        fold(booking_id, &commits)
    };
    let (version, row) =
        projected.ok_or_else(|| Poison("stream does not begin with its creation".to_owned()))?;
    let advanced = view.advance(&id, version, &row).await?;
    tracing::debug!(%booking_id, version, advanced, "projected");
    Ok(())
}

/// The commit that a record shows; nothing if the record is of none.
pub(super) fn committed(
    record: &EventRecord,
) -> Result<Option<(BookingId, Commit<BookingEvent>)>, Poison> {
    // Commits are only ever added.
    if record.event_name != "INSERT" {
        return Ok(None);
    }
    let poison = |error: &dyn std::error::Error| Poison(error.to_string());
    let item: CommitItem =
        serde_dynamo::from_item(record.change.new_image.clone()).map_err(|error| poison(&error))?;
    let booking_id = item.stream.parse().map_err(|error| poison(&error))?;
    Ok(Some((booking_id, item.commit().map_err(|error| poison(&error))?)))
}

fn unavailable(error: StoreError) -> ProjectError {
    match error {
        StoreError::Conflict
        | StoreError::TransactionConflict(_)
        | StoreError::Throttled(_)
        | StoreError::Unavailable(_) => ProjectError::Unavailable(Box::new(error)),
        StoreError::Corrupt(cause) => ProjectError::Poison(Poison(cause.to_string())),
    }
}
