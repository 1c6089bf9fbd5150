//! Dead letters of what reads no queue otherwise: the consumer of a stream, and a function that is called while nobody
//! waits. Each has a queue that its dead letters are moved to, and takes them back from there.

use aws_lambda_events::dynamodb::Event;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use aws_lambda_events::streams::DynamoDbEventResponse;
use saga::Failure;
use serde::{Deserialize, Serialize};

use crate::consume::{Failed, Handled, consume};
use crate::dead_letters::{DeadLetters, Parked};

/// What the consumer of a stream is called with.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Occasion {
    /// Records of the stream.
    Records(Event),
    /// Messages of its queue.
    Messages(SqsEvent),
}

/// What it answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// Where the stream is to go on.
    Records(DynamoDbEventResponse),
    /// Which messages are to come back.
    Messages(SqsBatchResponse),
}

impl From<Event> for Occasion {
    fn from(batch: Event) -> Self {
        Self::Records(batch)
    }
}

impl Answer {
    /// The answer to records of the stream, if it is one.
    #[must_use]
    pub fn into_records(self) -> Option<DynamoDbEventResponse> {
        match self {
            Self::Records(response) => Some(response),
            Self::Messages(_) => None,
        }
    }
}

/// Handles records wherever they come from; what has become poison again is put aside again.
pub async fn follow_or_redrive(
    occasion: Occasion,
    dead_letters: &impl DeadLetters,
    handle: impl AsyncFn(Event) -> DynamoDbEventResponse,
) -> Answer {
    match occasion {
        Occasion::Records(batch) => Answer::Records(Box::pin(handle(batch)).await),
        Occasion::Messages(batch) => {
            let redrive = async |letter: Parked| redrive(letter, &handle).await;
            Answer::Messages(consume(batch, dead_letters, redrive).await)
        }
    }
}

/// Handles one record that was put aside.
///
/// # Errors
///
/// If it is to come back, or there is no record to handle.
pub async fn redrive(
    letter: Parked,
    handle: impl AsyncFn(Event) -> DynamoDbEventResponse,
) -> Result<Handled, Failed> {
    let Some(record) = letter.record else {
        let cause = "the record was too large to be kept: make what it showed anew from its source";
        return Err(Failed::Poison(cause.into()));
    };
    let mut batch = Event::default();
    batch.records = vec![record];
    if handle(batch).await.batch_item_failures.is_empty() {
        return Ok(Handled::Done);
    }
    Err(Failed::Transient("the record could not be handled now".into()))
}

/// What a function is called with that takes back calls which have failed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Call<C> {
    /// A call.
    Direct(C),
    /// Messages of its queue.
    Messages(SqsEvent),
}

/// What it answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Reply<A> {
    /// To a call.
    Direct(A),
    /// Which messages are to come back.
    Messages(SqsBatchResponse),
}

/// What Lambda leaves of a call that it has given up.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GivenUp<C> {
    request_payload: C,
}

/// Carries out a call, or those that have failed before.
///
/// # Errors
///
/// Those of `carry_out`, on a call.
pub async fn carry_out_or_redrive<C, A>(
    call: Call<C>,
    dead_letters: &impl DeadLetters,
    carry_out: impl AsyncFn(C) -> Result<A, Failure>,
) -> Result<Reply<A>, Failure>
where
    C: for<'de> Deserialize<'de>,
{
    match call {
        Call::Direct(command) => Box::pin(carry_out(command)).await.map(Reply::Direct),
        Call::Messages(batch) => {
            let redrive = async |GivenUp { request_payload }: GivenUp<C>| {
                carry_out(request_payload).await?;
                Ok(Handled::Done)
            };
            Ok(Reply::Messages(consume(batch, dead_letters, redrive).await))
        }
    }
}
