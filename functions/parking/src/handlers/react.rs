//! `parking-react`: queue → command.
//!
//! | event                                                     | leads to                                      |
//! | --------------------------------------------------------- | --------------------------------------------- |
//! | `BillPaid` of an invoice                                  | the slot is reserved, or `SlotUnavailable`    |
//! | `BookingFailed`, `BookingCancelled`, `BookingCheckedOut`  | what the booking holds is given up, for good  |
//!
//! Twice: the rules find the work done. Late or early: who has given a slot up, or was refused it, gets it no more, by the
//! bar.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use jiff::Timestamp;
use outbox::consume::{ConsumeError, Delivery, Handled, consume};
use outbox::dead_letters::DeadLetters;
use outbox::state::StateStore;
use service_error::{ErrorKind, ServiceError};
use uuid::Uuid;

use super::command::{Origin, carry_out};
use crate::contract;
use crate::domain::Slot;

/// Handles a batch of the queue.
pub async fn handle(
    store: &impl StateStore<Slot>,
    dead_letters: &impl DeadLetters,
    batch: SqsEvent,
    now: impl Fn() -> Timestamp,
    new_id: impl Fn() -> Uuid,
) -> SqsBatchResponse {
    let react = async |delivery: Delivery| {
        react(store, delivery, now(), &new_id).await.map_err(ConsumeError::from)
    };
    consume(batch, dead_letters, react).await
}

async fn react(
    store: &impl StateStore<Slot>,
    delivery: Delivery,
    now: Timestamp,
    new_id: impl Fn() -> Uuid,
) -> Result<Handled, ServiceError> {
    let Some((slot_id, command)) = contract::command(&delivery).map_err(ServiceError::permanent)?
    else {
        function::metrics::ignored("parking-react", now);
        return Ok(Handled::Ignored);
    };
    let Delivery { detail, .. } = delivery;
    let origin = Origin { now, correlation_id: detail.correlation_id, cause: Some(detail.id) };
    match carry_out(store, slot_id, &command, origin, new_id).await {
        Ok(_) => Ok(Handled::Done),
        // The rules have answered, and will not change their mind.
        Err(refused) if refused.kind() == ErrorKind::Rejected => Ok(Handled::Done),
        Err(failed) => Err(failed),
    }
}
