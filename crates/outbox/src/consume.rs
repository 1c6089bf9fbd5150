//! Queue to command: each message is handled on its own, and one that fails does not hold up the others.
//!
//! A queue delivers at least once and in any order, so what a message leads to must be right when it comes twice, late
//! or early: the rules see to that, by the state of the aggregate.
//!
//! A message that no attempt will ever handle goes to the dead letters at once, and one that has failed too often goes
//! there too, each with its reason. Only a consumer that dies of a message can't say why: that one the queue moves.

use std::error::Error as StdError;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use saga::{Failure, FailureKind};
use serde::Deserialize;

use crate::dead_letters::{DeadLetters, Letter, redriven, told};
use crate::envelope::{Envelope, Unread};

/// So often a message is received before it is put aside. The queue's own `maxReceiveCount` must be higher: it is for
/// those of which the consumer dies.
pub const RECEIVES_MAX: u32 = 5;

/// The message attribute that says how often an operator has redriven a message. SQS keeps it wherever the message goes.
pub const REDRIVES: &str = "redrives";

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

/// Why a message was not handled.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// Not now, or nobody knows: it comes back.
    #[error("{0}")]
    Transient(#[source] Box<dyn StdError + Send + Sync>),
    /// No attempt will ever handle it.
    #[error("{0}")]
    Poison(#[source] Box<dyn StdError + Send + Sync>),
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        match failure.kind() {
            FailureKind::Transient => Self::Transient(Box::new(failure)),
            FailureKind::Rejected | FailureKind::Broken => Self::Poison(Box::new(failure)),
        }
    }
}

/// Handles each message of a batch; the answer names those that must come back.
pub async fn consume<M: for<'de> Deserialize<'de>>(
    batch: SqsEvent,
    dead_letters: &impl DeadLetters,
    handle: impl AsyncFn(M) -> Result<Handled, Failed>,
) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    for message in batch.records {
        let handled = match read::<M>(&message) {
            // In a box, since a consumer's future is deep enough without what it handles its messages by.
            Ok(read) => Box::pin(redriven(redrives(&message), handle(read))).await,
            Err(error) => Err(Failed::Poison(Box::new(error))),
        };
        let comes_back = match handled {
            Ok(Handled::Done) => false,
            Ok(Handled::Ignored) => {
                tracing::info!(message_id = message.message_id, "message ignored");
                false
            }
            Err(failed) => !put_aside(&message, &failed, dead_letters).await,
        };
        if comes_back {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = message.message_id.unwrap_or_default();
            response.batch_item_failures.push(failure);
        }
    }
    response
}

/// Puts a message aside if it is time; whether that was done, so that it need not come back.
async fn put_aside(message: &SqsMessage, failed: &Failed, dead_letters: &impl DeadLetters) -> bool {
    let (Failed::Transient(cause) | Failed::Poison(cause)) = failed;
    let cause: &(dyn StdError + 'static) = cause.as_ref();
    let (message_id, receives) = (&message.message_id, receives(message));
    let is_final = matches!(failed, Failed::Poison(_)) || receives >= RECEIVES_MAX;
    if !is_final {
        tracing::warn!(message_id, receives, error = cause, "message comes back");
        return false;
    }
    tracing::error!(message_id, receives, reason = cause, "message parked");
    let body = message.body.clone().unwrap_or_default();
    let parked =
        dead_letters.park(Letter { reason: told(cause), body, redrives: redrives(message) }).await;
    if let Err(error) = &parked {
        tracing::error!(message_id, error = error as &dyn StdError, "message not parked");
    }
    parked.is_ok()
}

/// How often the message has been received, this time included.
fn receives(message: &SqsMessage) -> u32 {
    let count = message.attributes.get("ApproximateReceiveCount");
    count.and_then(|count| count.parse().ok()).unwrap_or(1)
}

/// How often an operator has redriven the message.
fn redrives(message: &SqsMessage) -> u32 {
    let attribute = message.message_attributes.get(REDRIVES);
    attribute.and_then(|it| it.string_value.as_ref()?.parse().ok()).unwrap_or(0)
}

fn read<M: for<'de> Deserialize<'de>>(message: &SqsMessage) -> Result<M, serde_json::Error> {
    serde_json::from_str(message.body.as_deref().unwrap_or_default())
}
