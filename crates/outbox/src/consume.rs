//! Queue to command: each message is handled on its own, and one that fails does not hold up the others.
//!
//! A queue delivers at least once and in any order, so what a message leads to must be right when it comes twice, late
//! or early: the rules see to that, by the state of the aggregate.

use std::error::Error as StdError;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use serde::Deserialize;

use crate::envelope::{Envelope, Unread};

/// What has arrived from the bus.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Delivery {
    /// Who has published it.
    pub source: String,
    /// The event.
    pub detail: Envelope<Unread>,
}

/// What became of a message that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handled {
    /// It had its effect, now or before.
    Done,
    /// It is of no concern here: an event of an unknown type, or of a newer kind.
    Ignored,
}

/// Handles each message of a batch; the answer names those that must come back.
///
/// A message that fails comes back until the queue gives up on it and moves it to its dead letters.
pub async fn consume<M, E>(
    batch: SqsEvent,
    handle: impl AsyncFn(M) -> Result<Handled, E>,
) -> SqsBatchResponse
where
    M: for<'de> Deserialize<'de>,
    E: StdError + 'static,
{
    let mut response = SqsBatchResponse::default();
    for message in batch.records {
        let failed = match read::<M>(&message) {
            Ok(read) => match handle(read).await {
                Ok(Handled::Done) => false,
                Ok(Handled::Ignored) => {
                    tracing::info!(message_id = message.message_id, "message ignored");
                    false
                }
                Err(error) => {
                    tracing::warn!(
                        message_id = message.message_id,
                        error = &error as &dyn StdError,
                        "message comes back"
                    );
                    true
                }
            },
            Err(error) => {
                tracing::error!(
                    message_id = message.message_id,
                    error = &error as &dyn StdError,
                    "message is unreadable"
                );
                true
            }
        };
        if failed {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = message.message_id.unwrap_or_default();
            response.batch_item_failures.push(failure);
        }
    }
    response
}

fn read<M: for<'de> Deserialize<'de>>(message: &SqsMessage) -> Result<M, serde_json::Error> {
    serde_json::from_str(message.body.as_deref().unwrap_or_default())
}
