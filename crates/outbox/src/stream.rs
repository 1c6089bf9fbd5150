//! What every consumer of a table's stream shares: unreadable records, and the response to a batch.

use aws_lambda_events::dynamodb::EventRecord;
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use trace_context::{Origin, handle};

/// A record that no attempt can process, with the reason.
#[derive(Debug, thiserror::Error)]
#[error("record is unreadable: {0}")]
pub struct Poison(pub String);

/// Handles one record of a batch in its trace, if it is known.
pub async fn in_trace<T>(origin: Option<Origin>, work: impl Future<Output = T>) -> T {
    match origin {
        Some(origin) => handle("record", origin, work).await,
        None => work.await,
    }
}

/// The response to a batch: everything was processed, or nothing from the record `failed` on.
///
/// The stream delivers the batch again from that record.
#[must_use]
pub fn batch_response(failed: Option<&EventRecord>) -> DynamoDbEventResponse {
    let mut response = DynamoDbEventResponse::default();
    if let Some(record) = failed {
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier.clone_from(&record.change.sequence_number);
        response.batch_item_failures = vec![failure];
    }
    response
}
