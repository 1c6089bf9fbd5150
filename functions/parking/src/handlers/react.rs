//! `parking-react`: queue → command.
//!
//! | event                                                     | effect                                        |
//! | --------------------------------------------------------- | --------------------------------------------- |
//! | `BillPaid` of an invoice                                  | reserves the slot, or `SlotUnavailable`       |
//! | `BookingFailed`, `BookingCancelled`, `BookingCheckedOut`  | releases the slot, and sets a tombstone       |
//!
//! Duplicates have no effect, by the rules. Late or early deliveries: the tombstone rejects a booking that has released the
//! slot or was refused it.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use jiff::Timestamp;
use outbox::consume::{ConsumeError, Delivery, Handled, consume};
use outbox::dead_letters::DeadLetters;
use outbox::state::StateStore;
use service_error::{ErrorKind, ServiceError};
use uuid::Uuid;

use super::command::{Origin, execute_command};
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
        function::metrics::ignored("parking-react");
        return Ok(Handled::Ignored);
    };
    let Delivery { detail, .. } = delivery;
    let origin = Origin { now, correlation_id: detail.correlation_id, cause: Some(detail.id) };
    match execute_command(store, slot_id, &command, origin, new_id).await {
        Ok(_) => Ok(Handled::Done),
        // A rejection is final, so the message is done.
        Err(refused) if refused.kind() == ErrorKind::Rejected => Ok(Handled::Done),
        Err(failed) => Err(failed),
    }
}
