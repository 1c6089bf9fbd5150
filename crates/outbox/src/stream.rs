//! What every consumer of a table's stream shares: unreadable records, and the response to a batch.

use aws_lambda_events::dynamodb::EventRecord;
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};

/// A record that no attempt can process, with the reason.
#[derive(Debug, thiserror::Error)]
#[error("record is unreadable: {0}")]
pub struct Poison(pub String);

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
