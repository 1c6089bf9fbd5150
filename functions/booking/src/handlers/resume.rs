//! `booking-resume`: recovers sagas that ended without completing their compensation.
//!
//! | message                                          | when                                                                |
//! | ------------------------------------------------ | ------------------------------------------------------------------- |
//! | the saga's dead letter                           | an operator fixed the cause of a failed compensation, and redrives it |
//! | Step Functions' "Execution Status Change"        | an execution was stopped or timed out, and compensated nothing      |
//!
//! Duplicates have no effect: the new execution is named after the one that it continues, so it is started once, and each
//! compensation is idempotent.

use std::error::Error as StdError;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use contracts::id::BookingId;
use outbox::consume::{ConsumeError, Handled, consume};
use outbox::dead_letters::DeadLetters;
use serde::Deserialize;
use trace_context::correlate;

use crate::ports::{CompensationInput, CompensationStarter};

#[derive(Deserialize)]
#[serde(untagged)]
enum Message {
    DeadLetter(SagaDeadLetter),
    StatusChange(StatusChange),
}

/// What a saga sends to the dead-letter queue if a compensation keeps failing.
#[derive(Deserialize)]
struct SagaDeadLetter {
    /// The name of the execution that failed.
    execution: String,
    #[serde(flatten)]
    input: CompensationInput,
}

/// "Step Functions Execution Status Change", as EventBridge delivers it.
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
    compensations: &impl CompensationStarter,
    dead_letters: &impl DeadLetters,
    batch: SqsEvent,
) -> SqsBatchResponse {
    consume(batch, dead_letters, async |message| resume(compensations, message).await).await
}

async fn resume(
    compensations: &impl CompensationStarter,
    message: Message,
) -> Result<Handled, ConsumeError> {
    let (ended, input) = match message {
        Message::DeadLetter(SagaDeadLetter { execution, input }) => (execution, input),
        Message::StatusChange(StatusChange { detail: StatusDetail { name, input } }) => {
            (name, serde_json::from_str(&input).map_err(poison)?)
        }
    };
    correlate(input.booking_id);
    let name = successor(&ended, input.booking_id).ok_or_else(|| {
        ConsumeError::Poison(format!("{ended} is not an execution of this booking's saga").into())
    })?;
    tracing::info!(booking_id = %input.booking_id, name, "saga recovery started");
    let started = compensations.start_compensation(&name, &input).await;
    started.map_err(|error| ConsumeError::Transient(Box::new(error)))?;
    Ok(Handled::Done)
}

/// The name of the execution that continues another: `<booking>-1` after `<booking>`, `<booking>-2` after that.
fn successor(ended: &str, booking_id: BookingId) -> Option<String> {
    let number = match ended.strip_prefix(&booking_id.to_string())? {
        "" => 0,
        rest => rest.strip_prefix('-')?.parse::<u32>().ok()?,
    };
    Some(format!("{booking_id}-{}", number.checked_add(1)?))
}

fn poison(error: impl StdError + Send + Sync + 'static) -> ConsumeError {
    ConsumeError::Poison(Box::new(error))
}
