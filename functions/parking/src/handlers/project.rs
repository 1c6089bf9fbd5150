//! `parking-project`: stream → view.

use aws_lambda_events::dynamodb::EventRecord;
use aws_lambda_events::streams::DynamoDbEventResponse;
use contracts::id::SlotId;
use cqrs::generation::Generations;
use cqrs::lag::ReportThrottle;
use cqrs::projector::{self, ProjectError, Projected, RowUpdate};
use jiff::Timestamp;
use outbox::dead_letters::{DeadLetters, dead_letter_record};
use outbox::record::{origin_of_change, read_image};
use outbox::stream::{batch_response, in_trace};

use crate::contract;
use crate::domain::Slot;
use crate::view::SlotRow;

/// Applies records, from the stream or redriven, to every retained generation of the view.
pub async fn handle<G: Generations<SlotRow>>(
    views: &G,
    dead_letters: &impl DeadLetters,
    throttle: &ReportThrottle,
    clock: impl Fn() -> Timestamp,
    records: Vec<EventRecord>,
) -> DynamoDbEventResponse {
    let row_of = async |_: &G::View, record: &EventRecord| row_of(record);
    let dead_letter = async |record: &EventRecord, cause: &ProjectError| {
        in_trace(origin_of_change(record), dead_letter_record(dead_letters, record, cause)).await
    };
    let Projected { failed, measured } =
        projector::project(views, throttle, &clock, &records, row_of, dead_letter).await;
    if let Some(it) = measured {
        function::metrics::projection("slots", it.lag_seconds, it.iterator_age_ms);
    }
    batch_response(failed.and_then(|index| records.get(index)))
}

/// The row that a record leads to. A record shows the whole slot, so no earlier record is needed.
fn row_of(record: &EventRecord) -> Result<Option<RowUpdate<SlotRow>>, ProjectError> {
    let Some(image) = read_image::<Slot>(record).map_err(ProjectError::poison)? else {
        return Ok(None);
    };
    let id = image.id;
    let slot_id: SlotId =
        id.parse().map_err(|error| ProjectError::poison(format!("{id}: {error}")))?;
    // A slot that was never created may have a state: a booking was refused it.
    let slot = contract::published(slot_id, image.version, &image.state);
    Ok(slot.map(|slot| RowUpdate { id, version: image.version, row: SlotRow(slot) }))
}
