//! Queue to command: handles each message of a batch on its own, so that a failing one does not block the others.
//!
//! A queue delivers at least once and in any order. The consumer's rules must therefore produce the right result for a
//! message that arrives twice, late or early; they decide by the state of the aggregate.
//!
//! A message that no attempt can handle is dead-lettered at once, and one that failed [`MAX_RECEIVES`] times is
//! dead-lettered too, each with its reason. Only a message that crashes the consumer reaches the queue's own redrive
//! policy.

use std::error::Error as StdError;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use serde::Deserialize;
use service_error::{ErrorKind, ServiceError};
use trace_context::{Origin, TraceFields, handle as in_span};
use uuid::Uuid;

use crate::dead_letters::{DeadLetter, DeadLetters, error_chain, redriven};
use crate::envelope::{Envelope, RawEvent};

/// How many times a message is received before it is dead-lettered.
///
/// The queue's own `maxReceiveCount` must be higher: it is for messages that crash the consumer.
pub const MAX_RECEIVES: u32 = 5;

/// The message attribute that says how often an operator has redriven a message. SQS keeps it wherever the message goes.
pub const REDRIVES: &str = "redrives";

/// An event as the bus delivers it to a queue.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Delivery {
    /// The service that published the event.
    pub source: String,
    /// The event with its envelope.
    pub detail: Envelope<RawEvent>,
}

/// The result of a message that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handled {
    /// The message had its effect, now or at an earlier delivery.
    Done,
    /// The message does not concern this consumer: an event of another type, or of a newer kind.
    Ignored,
}

/// Why a message was not handled.
#[derive(Debug, thiserror::Error)]
pub enum ConsumeError {
    /// It can't be handled now, or the outcome is unknown: the queue delivers it again.
    #[error("{0}")]
    Transient(#[source] Box<dyn StdError + Send + Sync>),
    /// No attempt can handle it: it is dead-lettered.
    #[error("{0}")]
    Poison(#[source] Box<dyn StdError + Send + Sync>),
}

impl From<ServiceError> for ConsumeError {
    fn from(error: ServiceError) -> Self {
        match error.kind() {
            ErrorKind::Transient => Self::Transient(Box::new(error)),
            ErrorKind::Rejected | ErrorKind::Permanent => Self::Poison(Box::new(error)),
        }
    }
}

/// Handles each message of a batch; the response names those that the queue must deliver again.
pub async fn consume<M: for<'de> Deserialize<'de>>(
    batch: SqsEvent,
    dead_letters: &impl DeadLetters,
    handle: impl AsyncFn(M) -> Result<Handled, ConsumeError>,
) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    for message in batch.records {
        // Boxed, because the nested futures of a consumer would exceed the stack otherwise.
        let consumed = Box::pin(consume_one(&message, dead_letters, &handle));
        let is_finished = in_span("message", origin(&message), consumed).await;
        if !is_finished {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = message.message_id.unwrap_or_default();
            response.batch_item_failures.push(failure);
        }
    }
    response
}

/// Handles one message; returns whether the queue need not deliver it again.
async fn consume_one<M: for<'de> Deserialize<'de>>(
    message: &SqsMessage,
    dead_letters: &impl DeadLetters,
    handle: &impl AsyncFn(M) -> Result<Handled, ConsumeError>,
) -> bool {
    let handled = match read::<M>(message) {
        Ok(read) => redriven(redrives(message), handle(read)).await,
        Err(error) => Err(ConsumeError::Poison(Box::new(error))),
    };
    match handled {
        Ok(Handled::Done) => true,
        Ok(Handled::Ignored) => {
            tracing::info!(message_id = message.message_id, "message ignored");
            true
        }
        Err(error) => dead_letter_if_final(message, &error, dead_letters).await,
    }
}

/// What a body says about its origin: an event of the bus in its envelope, anything else as members of its own.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Traced {
    #[serde(flatten)]
    trace: TraceFields,
    correlation_id: Option<Uuid>,
    detail: Option<Box<Self>>,
}

/// Where a message comes from: the trace of its attributes, which the sender sets, else that of its body.
///
/// A message without a valid one starts a new trace, the same at each delivery.
fn origin(message: &SqsMessage) -> Origin {
    let attribute = |name| message.message_attributes.get(name)?.string_value.clone();
    let mut trace = TraceFields::read(attribute);
    // A body that can't be read has no trace; that it can't be read is found later.
    let mut body: Traced = read(message).unwrap_or_default();
    if let Some(detail) = body.detail.take() {
        body = *detail;
    }
    if trace.context().is_none() {
        trace = body.trace;
    }
    let message_id = message.message_id.as_deref().unwrap_or_default();
    let origin = Origin::new(&trace, || Uuid::new_v5(&Uuid::NAMESPACE_URL, message_id.as_bytes()));
    match body.correlation_id {
        Some(id) => origin.correlated(id),
        None => origin,
    }
}

/// Dead-letters a message that must not be retried; returns whether it was stored, so that it need not be delivered again.
async fn dead_letter_if_final(
    message: &SqsMessage,
    error: &ConsumeError,
    dead_letters: &impl DeadLetters,
) -> bool {
    let (ConsumeError::Transient(cause) | ConsumeError::Poison(cause)) = error;
    let cause: &(dyn StdError + 'static) = cause.as_ref();
    let (message_id, receives) = (&message.message_id, receives(message));
    let is_final = matches!(error, ConsumeError::Poison(_)) || receives >= MAX_RECEIVES;
    if !is_final {
        tracing::warn!(message_id, receives, error = cause, "message will be redelivered");
        return false;
    }
    tracing::error!(message_id, receives, reason = cause, "message dead-lettered");
    let body = message.body.clone().unwrap_or_default();
    let (reason, redrives) = (error_chain(cause), redrives(message));
    let stored = dead_letters.add(DeadLetter { reason, body, redrives }).await;
    if let Err(error) = &stored {
        let error = error as &dyn StdError;
        tracing::error!(message_id, error, "message could not be dead-lettered");
    }
    stored.is_ok()
}

/// How many times the message has been received, this time included.
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
