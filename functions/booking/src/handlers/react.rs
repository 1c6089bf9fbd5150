//! `booking-react`: queue → command.
//!
//! | event             | effect                                       | duplicate, late or early delivery             |
//! | ----------------- | -------------------------------------------- | --------------------------------------------- |
//! | `BookingCreated`  | starts the saga of an instant booking        | the execution's name is taken: no effect      |
//! | `SlotReserved`    | completes an invoice booking                 | no event, or a rejection                      |
//! | `SlotUnavailable` | fails an invoice booking                     | a booking that has ended keeps its state      |
//! | `BillExpired`     | fails a booking that was not paid            | a booking that has ended keeps its state      |

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use contracts::booking::{FailureReason, Payment, PaymentMode};
use contracts::id::BookingId;
use contracts::{billing, booking, parking};
use event_sourcing::execute::Metadata;
use event_sourcing::state::latest;
use event_sourcing::store::EventStore;
use jiff::Timestamp;
use outbox::consume::{ConsumeError, Delivery, Handled, consume};
use outbox::dead_letters::DeadLetters;
use service_error::{ErrorKind, ServiceError};
use uuid::Uuid;

use super::command::{execute_command, failure};
use crate::domain::{Booking, BookingCommand, BookingEvent, Details};
use crate::ports::{SagaInput, SagaStarter};

/// Handles a batch of the queue.
pub async fn handle(
    store: &impl EventStore<BookingEvent>,
    sagas: &impl SagaStarter,
    dead_letters: &impl DeadLetters,
    batch: SqsEvent,
    now: impl Fn() -> Timestamp,
    new_id: impl Fn() -> Uuid,
) -> SqsBatchResponse {
    let react = async |delivery: Delivery| {
        react(store, sagas, delivery, now(), &new_id).await.map_err(ConsumeError::from)
    };
    consume(batch, dead_letters, react).await
}

async fn react(
    store: &impl EventStore<BookingEvent>,
    sagas: &impl SagaStarter,
    delivery: Delivery,
    now: Timestamp,
    new_id: impl Fn() -> Uuid,
) -> Result<Handled, ServiceError> {
    let Some(reaction) = reaction(&delivery).map_err(ServiceError::permanent)? else {
        function::metrics::ignored("booking-react");
        return Ok(Handled::Ignored);
    };
    let (booking_id, command) = match reaction {
        Reaction::StartSaga(booking_id) => {
            let outcome = start_saga(store, sagas, booking_id).await?;
            let causation_id = delivery.detail.id;
            tracing::info!(%booking_id, %causation_id, command = "StartSaga", outcome, "done");
            return Ok(Handled::Done);
        }
        Reaction::Command(booking_id, command) => (booking_id, command),
    };
    let metadata = Metadata {
        command_id: new_id(),
        now,
        correlation_id: booking_id.0,
        causation_id: delivery.detail.id,
    };
    match execute_command(store, booking_id, &command, &metadata, new_id).await {
        Ok(_) => Ok(Handled::Done),
        // A rejection is final: a late or repeated event has no effect.
        Err(refused) if refused.kind() == ErrorKind::Rejected => Ok(Handled::Done),
        Err(failed) => Err(failed),
    }
}

enum Reaction {
    StartSaga(BookingId),
    Command(BookingId, BookingCommand),
}

/// The effect of an event; nothing for an event that does not concern booking, or of an unknown kind.
fn reaction(delivery: &Delivery) -> Result<Option<Reaction>, serde_json::Error> {
    let event = &delivery.detail.event;
    Ok(match (delivery.source.as_str(), event.kind.as_str()) {
        (booking::SOURCE, "BookingCreated") => on_booking(&event.decode()?),
        (parking::SOURCE, "SlotReserved" | "SlotUnavailable") => on_parking(&event.decode()?),
        (billing::SOURCE, "BillExpired") => on_billing(&event.decode()?),
        _ => None,
    })
}

fn on_booking(event: &booking::Event) -> Option<Reaction> {
    let booking::Event::BookingCreated { booking_id, payment, .. } = event else { return None };
    (payment.mode == PaymentMode::Instant).then_some(Reaction::StartSaga(*booking_id))
}

fn on_parking(event: &parking::Event) -> Option<Reaction> {
    if let parking::Event::SlotReserved { booking_id, .. } = event {
        let complete = BookingCommand::Complete { mode: PaymentMode::Invoice };
        return Some(Reaction::Command(*booking_id, complete));
    }
    let parking::Event::SlotUnavailable { booking_id, .. } = event else { return None };
    let fail = BookingCommand::Fail { reason: FailureReason::SlotUnavailable };
    Some(Reaction::Command(*booking_id, fail))
}

fn on_billing(event: &billing::Event) -> Option<Reaction> {
    let billing::Event::BillExpired { booking_id, .. } = event else { return None };
    let fail = BookingCommand::Fail { reason: FailureReason::PaymentOverdue };
    Some(Reaction::Command(*booking_id, fail))
}

/// Starts the saga of a pending booking. The payment token is not published, so it is read from the stream.
async fn start_saga(
    store: &impl EventStore<BookingEvent>,
    sagas: &impl SagaStarter,
    booking_id: BookingId,
) -> Result<&'static str, ServiceError> {
    let booking = latest::<Booking>(store, &booking_id.to_string()).await.map_err(failure)?;
    let Booking::Pending(details) = booking.state else { return Ok("over") };
    let Payment::Instant { token } = details.payment else { return Ok("invoice") };
    let Details { customer, slot_id, .. } = details;
    let input = SagaInput { booking_id, slot_id, customer, token, correlation_id: booking_id };
    match sagas.start(&input).await {
        Ok(()) => Ok("started"),
        Err(error) => Err(ServiceError::transient("no saga was started", error)),
    }
}
