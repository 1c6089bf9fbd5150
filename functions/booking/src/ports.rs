//! The ports of booking to the workflow service: starting a saga, and starting its compensation.

use std::error::Error as StdError;

use contracts::booking::FailureReason;
use contracts::id::{BookingId, CustomerId, SlotId};
use serde::{Deserialize, Serialize};

/// Starts sagas.
///
/// An implementation must start at most one saga for a booking, and return `Ok` for every further call.
pub trait SagaStarter {
    /// Starts the saga of an instant booking.
    ///
    /// # Errors
    ///
    /// If the saga may not have been started; the same call may be made again.
    fn start(&self, input: &SagaInput) -> impl Future<Output = Result<(), WorkflowError>> + Send;
}

/// The input of a saga's execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SagaInput {
    /// The booking, whose id is also the name of the execution.
    pub booking_id: BookingId,
    /// The slot to reserve.
    pub slot_id: SlotId,
    /// The customer who books.
    pub customer: CustomerId,
    /// The payment token, which is valid for one charge.
    pub token: String,
    /// The correlation id of all steps: the booking.
    pub correlation_id: BookingId,
}

/// Starts the compensation of sagas that ended incomplete.
///
/// An implementation must start at most one execution for a name, and return `Ok` for every further call.
pub trait CompensationStarter {
    /// Starts an execution that runs every compensation of a saga.
    ///
    /// # Errors
    ///
    /// If the execution may not have been started; the same call may be made again.
    fn start_compensation(
        &self,
        name: &str,
        input: &CompensationInput,
    ) -> impl Future<Output = Result<(), WorkflowError>> + Send;
}

/// The input of an execution that compensates a saga.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CompensationInput {
    /// The booking.
    pub booking_id: BookingId,
    /// The slot of the booking.
    pub slot_id: SlotId,
    /// The correlation id of all steps: the booking.
    pub correlation_id: BookingId,
    /// Why the booking fails. An execution that was stopped or timed out leaves no reason, so the default is `saga_timeout`.
    #[serde(default = "saga_timeout")]
    pub reason: FailureReason,
}

fn saga_timeout() -> FailureReason {
    FailureReason::SagaTimeout
}

/// The workflow service did not respond.
#[derive(Debug, thiserror::Error)]
#[error("the execution may not have been started")]
pub struct WorkflowError(#[source] pub Box<dyn StdError + Send + Sync>);
