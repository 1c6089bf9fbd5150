//! `booking-project`: stream → view.

use aws_lambda_events::dynamodb::EventRecord;
use aws_lambda_events::streams::DynamoDbEventResponse;
use contracts::id::BookingId;
use cqrs::generation::Generations;
use cqrs::lag::ReportThrottle;
use cqrs::projector::{self, ProjectError, Projected, RowUpdate};
use cqrs::view::View;
use event_sourcing::item::CommitItem;
use event_sourcing::store::{Commit, EventStore, StoreError};
use jiff::Timestamp;
use outbox::dead_letters::{DeadLetters, dead_letter_record};
use outbox::stream::{Poison, batch_response, in_trace};
use trace_context::Origin;

use crate::domain::BookingEvent;
use crate::view::{BookingRow, apply, fold};

/// Applies records, from the stream or redriven, to every retained generation of the view.
pub async fn handle<G: Generations<BookingRow>>(
    store: &impl EventStore<BookingEvent>,
    views: &G,
    dead_letters: &impl DeadLetters,
    throttle: &ReportThrottle,
    clock: impl Fn() -> Timestamp,
    records: Vec<EventRecord>,
) -> DynamoDbEventResponse {
    let row_of = async |view: &G::View, record: &EventRecord| {
        in_trace(origin(record), row_of(store, view, record)).await
    };
    let dead_letter = async |record: &EventRecord, cause: &ProjectError| {
        in_trace(origin(record), dead_letter_record(dead_letters, record, cause)).await
    };
    let Projected { failed, measured } =
        projector::project(views, throttle, &clock, &records, row_of, dead_letter).await;
    if let Some(it) = measured {
        function::metrics::projection("bookings", it.lag_seconds, it.iterator_age_ms);
    }
    batch_response(failed.and_then(|index| records.get(index)))
}

/// The row that a record leads to: the view's row with the record's commit applied.
///
/// If an earlier commit has not arrived yet, the row is folded from the whole stream in the event store instead.
async fn row_of(
    store: &impl EventStore<BookingEvent>,
    view: &impl View<BookingRow>,
    record: &EventRecord,
) -> Result<Option<RowUpdate<BookingRow>>, ProjectError> {
    let Some((booking_id, commit)) = committed(record).map_err(ProjectError::poison)? else {
        return Ok(None);
    };
    let id = booking_id.to_string();
    let known = if commit.version == 1 { None } else { view.get(&id).await? };
    let version = known.as_ref().map_or(0, |known| known.version);
    if version >= commit.last_version() {
        return Ok(None);
    }
    let projected = if version + 1 == commit.version {
        let row = apply(known.map(|known| known.row), booking_id, &commit);
        row.map(|row| (commit.last_version(), row))
    } else {
        // The records of one booking are several items, and a stream keeps order per item only.
        tracing::info!(%booking_id, version, found = commit.version, "gap backfilled from the source");
        let commits = store.load(&id, 0).await.map_err(source_error)?;
        fold(booking_id, &commits)
    };
    let (version, row) = projected
        .ok_or_else(|| ProjectError::poison("stream does not begin with BookingCreated"))?;
    Ok(Some(RowUpdate { id, version, row }))
}

/// The commit that a record shows; nothing if the record shows none.
///
/// # Errors
///
/// If the record is not an item of the event store.
pub(super) fn committed(
    record: &EventRecord,
) -> Result<Option<(BookingId, Commit<BookingEvent>)>, Poison> {
    // Commits are append-only.
    if record.event_name != "INSERT" {
        return Ok(None);
    }
    let poison = |error: &dyn std::error::Error| Poison(error.to_string());
    let item: CommitItem =
        serde_dynamo::from_item(record.change.new_image.clone()).map_err(|error| poison(&error))?;
    let booking_id = item.stream.parse().map_err(|error| poison(&error))?;
    Ok(Some((booking_id, item.commit().map_err(|error| poison(&error))?)))
}

/// Where the commit that a record shows comes from.
fn origin(record: &EventRecord) -> Option<Origin> {
    let (_, commit) = committed(record).ok()??;
    let origin = Origin::new(&commit.trace, || commit.command_id);
    Some(origin.correlated(commit.correlation_id))
}

fn source_error(error: StoreError) -> ProjectError {
    match error {
        StoreError::Conflict
        | StoreError::TransactionConflict(_)
        | StoreError::Throttled(_)
        | StoreError::Unavailable(_) => ProjectError::Unavailable(Box::new(error)),
        StoreError::Corrupt(_) => ProjectError::poison(error),
    }
}
