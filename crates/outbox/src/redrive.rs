//! Redrive for functions that read no queue otherwise: stream consumers, and functions that are invoked asynchronously.
//!
//! Each has a queue of its own. An operator moves dead letters there, and the function takes them back from it.

use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use aws_lambda_events::streams::DynamoDbEventResponse;
use serde::{Deserialize, Serialize};
use service_error::ServiceError;
use tracing::{Instrument as _, Span, error_span};

use crate::consume::{ConsumeError, Handled, consume};
use crate::dead_letters::{DeadLetterRecord, DeadLetters};

/// What invokes a stream consumer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Trigger {
    /// The stream, with a batch of records.
    Stream(Event),
    /// The redrive queue, with a batch of messages.
    Queue(SqsEvent),
}

/// What a stream consumer returns to its trigger.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum TriggerResponse {
    /// To the stream: the record from which it must deliver again.
    Stream(DynamoDbEventResponse),
    /// To the queue: the messages that it must deliver again.
    Queue(SqsBatchResponse),
}

impl From<Event> for Trigger {
    fn from(batch: Event) -> Self {
        Self::Stream(batch)
    }
}

impl TriggerResponse {
    /// The response to the stream, if the stream was the trigger.
    #[must_use]
    pub fn into_stream(self) -> Option<DynamoDbEventResponse> {
        match self {
            Self::Stream(response) => Some(response),
            Self::Queue(_) => None,
        }
    }
}

/// Unwraps the records of either trigger for `handle`. A redriven record that fails for good is dead-lettered again.
pub async fn handle_records(
    trigger: Trigger,
    dead_letters: &impl DeadLetters,
    handle: impl AsyncFn(Vec<EventRecord>) -> DynamoDbEventResponse,
) -> TriggerResponse {
    match trigger {
        Trigger::Stream(batch) => {
            let span = batch_span(batch.records.len());
            let handled = Box::pin(handle(batch.records)).instrument(span);
            TriggerResponse::Stream(handled.await)
        }
        Trigger::Queue(batch) => {
            let redrive = async |letter: DeadLetterRecord| redrive(letter, &handle).await;
            TriggerResponse::Queue(consume(batch, dead_letters, redrive).await)
        }
    }
}

/// The span of a handler whose batch has records of several traces.
pub(crate) fn batch_span(records: usize) -> Span {
    error_span!("handler", handler = "stream", records)
}

/// Handles the record of one dead letter.
///
/// # Errors
///
/// [`ConsumeError::Transient`] if the record can't be handled now, [`ConsumeError::Poison`] if the dead letter has no record.
pub async fn redrive(
    letter: DeadLetterRecord,
    handle: impl AsyncFn(Vec<EventRecord>) -> DynamoDbEventResponse,
) -> Result<Handled, ConsumeError> {
    let Some(record) = letter.record else {
        let cause =
            "the record was too large to be stored: rebuild the view, or republish the aggregate";
        return Err(ConsumeError::Poison(cause.into()));
    };
    if handle(vec![record]).await.batch_item_failures.is_empty() {
        return Ok(Handled::Done);
    }
    Err(ConsumeError::Transient("the record can't be handled now".into()))
}

/// What invokes a function that handles commands and takes back failed asynchronous invocations.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Invocation<C> {
    /// A caller, with a command.
    Direct(C),
    /// The redrive queue, with a batch of messages.
    Queue(SqsEvent),
}

/// What such a function returns.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum InvocationResponse<A> {
    /// To the caller.
    Direct(A),
    /// To the queue: the messages that it must deliver again.
    Queue(SqsBatchResponse),
}

/// What Lambda sends to the dead-letter queue for an asynchronous invocation that used up its retries.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FailedInvocation<C> {
    request_payload: C,
}

/// Runs a command, or those of failed asynchronous invocations.
///
/// # Errors
///
/// Those of `run`, if a caller invoked the function. A failed message is named in the response instead.
pub async fn handle_invocation<C, A>(
    invocation: Invocation<C>,
    dead_letters: &impl DeadLetters,
    run: impl AsyncFn(C) -> Result<A, ServiceError>,
) -> Result<InvocationResponse<A>, ServiceError>
where
    C: for<'de> Deserialize<'de>,
{
    match invocation {
        Invocation::Direct(command) => Box::pin(run(command)).await.map(InvocationResponse::Direct),
        Invocation::Queue(batch) => {
            let redrive = async |FailedInvocation { request_payload }: FailedInvocation<C>| {
                run(request_payload).await?;
                Ok(Handled::Done)
            };
            Ok(InvocationResponse::Queue(consume(batch, dead_letters, redrive).await))
        }
    }
}
