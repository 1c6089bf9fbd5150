//! Stream to view: a batch of records through a projector.

use std::error::Error as StdError;

use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::streams::DynamoDbEventResponse;
use outbox::dead_letters::{DeadLetters, park_record};
use outbox::publish::{Poison, response};

use crate::view::ViewError;

/// Why a record was not applied.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// The view or the source did not answer: the record comes back.
    #[error("record was not applied")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
    /// No attempt will ever apply it.
    #[error(transparent)]
    Poison(#[from] Poison),
}

impl From<ViewError> for ProjectError {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Unavailable(cause) => Self::Unavailable(cause),
            ViewError::Corrupt(cause) => Self::Poison(Poison(cause.to_string())),
        }
    }
}

/// Applies each record of a batch.
///
/// A poison record is parked and does not stop the others. At the first record that can't be applied now the batch ends;
/// the stream delivers again from there, and what was applied already is recognised by its version.
pub async fn follow<D: DeadLetters>(
    batch: Event,
    apply: impl AsyncFn(&EventRecord) -> Result<(), ProjectError>,
    dead_letters: &D,
) -> DynamoDbEventResponse {
    for record in &batch.records {
        match apply(record).await {
            Ok(()) => {}
            Err(ProjectError::Poison(poison)) => {
                if !park_record(dead_letters, record, &poison).await {
                    return response(Some(record));
                }
            }
            Err(error @ ProjectError::Unavailable(_)) => {
                tracing::warn!(error = &error as &dyn StdError, "record comes back");
                return response(Some(record));
            }
        }
    }
    response(None)
}
