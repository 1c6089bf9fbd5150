//! `booking-resume`: what a saga has left half done is undone, once more.
//!
//! | comes                                    | when                                                               |
//! | ---------------------------------------- | ------------------------------------------------------------------ |
//! | the saga's letter to the operator        | the operator has mended what an undo failed of, and moves it here  |
//! | the workflow service's "execution ended" | an execution was stopped, or was out of time: nothing was undone   |
//!
//! Twice: an execution of undos is named after the one that it takes up, so there is one. Each undo is right whether or
//! not it was done before.

use std::error::Error as StdError;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use contracts::booking::FailureReason;
use contracts::id::{BookingId, SlotId};
use outbox::consume::{Failed, Handled, consume};
use outbox::dead_letters::DeadLetters;
use serde::{Deserialize, Serialize};

use super::react::SagasError;

/// Starts executions of undos.
///
/// An implementation must
/// - start at most one for a name, and answer `Ok` to every further call.
pub trait Undos {
    /// Starts to undo what a saga has left.
    ///
    /// # Errors
    ///
    /// If it may not have been started.
    fn undo(
        &self,
        name: &str,
        input: &UndoInput,
    ) -> impl Future<Output = Result<(), SagasError>> + Send;
}

/// What is to be undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UndoInput {
    /// The booking.
    pub booking_id: BookingId,
    /// What was booked.
    pub slot_id: SlotId,
    /// What all steps belong to: the booking.
    pub correlation_id: BookingId,
    /// Why the booking comes to nothing.
    #[serde(default = "out_of_time")]
    pub reason: FailureReason,
}

fn out_of_time() -> FailureReason {
    FailureReason::SagaTimeout
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Message {
    Letter(Letter),
    Ended(StatusChange),
}

/// What a saga leaves for the operator when an undo keeps failing.
#[derive(Deserialize)]
struct Letter {
    /// Name of the execution that has left it.
    execution: String,
    #[serde(flatten)]
    input: UndoInput,
}

/// "Step Functions Execution Status Change", as EventBridge brings it.
#[derive(Deserialize)]
struct StatusChange {
    detail: StatusDetail,
}

#[derive(Deserialize)]
struct StatusDetail {
    name: String,
    input: String,
}

/// Handles a batch of the queue.
pub async fn handle(
    undos: &impl Undos,
    dead_letters: &impl DeadLetters,
    batch: SqsEvent,
) -> SqsBatchResponse {
    consume(batch, dead_letters, async |message| resume(undos, message).await).await
}

async fn resume(undos: &impl Undos, message: Message) -> Result<Handled, Failed> {
    let (ended, input) = match message {
        Message::Letter(Letter { execution, input }) => (execution, input),
        Message::Ended(StatusChange { detail: StatusDetail { name, input } }) => {
            (name, serde_json::from_str(&input).map_err(poison)?)
        }
    };
    let name = successor(&ended, input.booking_id)
        .ok_or_else(|| Failed::Poison(format!("{ended} is no saga of this booking").into()))?;
    tracing::info!(booking_id = %input.booking_id, name, "saga is taken up");
    undos.undo(&name, &input).await.map_err(|error| Failed::Transient(Box::new(error)))?;
    Ok(Handled::Done)
}

/// The name of the execution that takes up another: `<booking>-1` after `<booking>`, `<booking>-2` after that.
fn successor(ended: &str, booking_id: BookingId) -> Option<String> {
    let number = match ended.strip_prefix(&booking_id.to_string())? {
        "" => 0,
        rest => rest.strip_prefix('-')?.parse::<u32>().ok()?,
    };
    Some(format!("{booking_id}-{}", number.checked_add(1)?))
}

fn poison(error: impl StdError + Send + Sync + 'static) -> Failed {
    Failed::Poison(Box::new(error))
}
