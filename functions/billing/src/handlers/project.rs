//! `billing-project`: applies the stream of the bills to the view.

use std::slice;

use aws_lambda_events::dynamodb::EventRecord;
use aws_lambda_events::streams::DynamoDbEventResponse;
use cqrs::projector::{ProjectError, RowUpdate, apply_records};
use cqrs::view::View;
use outbox::dead_letters::{DeadLetters, dead_letter_record};
use outbox::record::{StreamImage, origin_of_change, read_image};
use outbox::stream::{batch_response, in_trace};

use crate::contract;
use crate::domain::Bill;
use crate::view::BillRow;

/// Applies records to the view. They come from the stream, or are redriven dead letters.
pub async fn handle<V: View<BillRow>>(
    view: &V,
    dead_letters: &impl DeadLetters,
    records: Vec<EventRecord>,
) -> DynamoDbEventResponse {
    let row_of = async |_: &V, record: &EventRecord| row_of(record);
    let dead_letter = async |record: &EventRecord, cause: &ProjectError| {
        in_trace(origin_of_change(record), dead_letter_record(dead_letters, record, cause)).await
    };
    let failed = apply_records(slice::from_ref(view), &records, row_of, dead_letter).await;
    batch_response(failed.and_then(|index| records.get(index)))
}

/// The row of a record. A record contains the whole bill, so no earlier record is needed.
fn row_of(record: &EventRecord) -> Result<Option<RowUpdate<BillRow>>, ProjectError> {
    let image = read_image::<Bill>(record).map_err(ProjectError::poison)?;
    let Some(StreamImage { id, version, state }) = image else { return Ok(None) };
    // A bill that was never issued has no row.
    let row = contract::public(&state, version);
    Ok(row.map(|row| RowUpdate { id, version, row: BillRow(row) }))
}
