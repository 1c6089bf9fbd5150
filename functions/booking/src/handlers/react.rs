//! `booking-react`: queue → command.
//!
//! | event             | leads to                                     | twice, late or early                          |
//! | ----------------- | -------------------------------------------- | --------------------------------------------- |
//! | `BookingCreated`  | an instant booking's saga, named by its id   | the name is taken: nothing                    |
//! | `SlotReserved`    | an invoice booking is completed              | the rules answer with no event, or refuse     |
//! | `SlotUnavailable` | an invoice booking fails                     | a booking that is over stays as it is         |
//! | `BillExpired`     | a booking that nobody has paid fails         | a booking that is over stays as it is         |

use std::error::Error as StdError;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use contracts::booking::{FailureReason, Payment, PaymentMode};
use contracts::id::{BookingId, CustomerId, SlotId};
use contracts::{billing, booking, parking};
use event_sourcing::execute::Metadata;
use event_sourcing::state::latest;
use event_sourcing::store::EventStore;
use jiff::Timestamp;
use outbox::consume::{Delivery, Failed, Handled, consume};
use outbox::dead_letters::DeadLetters;
use saga::{Failure, FailureKind};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::command::{carry_out, failure};
use crate::domain::{Booking, BookingCommand, BookingEvent, Details};

/// Starts sagas.
///
/// An implementation must
/// - start at most one saga for a booking, and answer `Ok` to every further call.
pub trait Sagas {
    /// Starts the saga of an instant booking.
    ///
    /// # Errors
    ///
    /// If it may not have been started.
    fn start(&self, input: &SagaInput) -> impl Future<Output = Result<(), SagasError>> + Send;
}

/// What the saga is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SagaInput {
    /// The booking; also the name of the execution.
    pub booking_id: BookingId,
    /// What is booked.
    pub slot_id: SlotId,
    /// By whom.
    pub customer: CustomerId,
    /// What pays: a token that is good for one charge.
    pub token: String,
    /// What all its steps belong to: the booking.
    pub correlation_id: BookingId,
}

/// The workflow service did not answer.
#[derive(Debug, thiserror::Error)]
#[error("saga may not have been started")]
pub struct SagasError(#[source] pub Box<dyn StdError + Send + Sync>);

/// Handles a batch of the queue.
pub async fn handle(
    store: &impl EventStore<BookingEvent>,
    sagas: &impl Sagas,
    dead_letters: &impl DeadLetters,
    batch: SqsEvent,
    now: impl Fn() -> Timestamp,
    new_id: impl Fn() -> Uuid,
) -> SqsBatchResponse {
    let react = async |delivery: Delivery| {
        react(store, sagas, delivery, now(), &new_id).await.map_err(Failed::from)
    };
    consume(batch, dead_letters, react).await
}

async fn react(
    store: &impl EventStore<BookingEvent>,
    sagas: &impl Sagas,
    delivery: Delivery,
    now: Timestamp,
    new_id: impl Fn() -> Uuid,
) -> Result<Handled, Failure> {
    let Some(reaction) = reaction(&delivery)? else {
        function::metrics::ignored("booking-react", now);
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
    match carry_out(store, booking_id, &command, &metadata, new_id).await {
        Ok(_) => Ok(Handled::Done),
        // The rules have answered: what came late or twice changes nothing.
        Err(refused) if refused.kind() == FailureKind::Rejected => Ok(Handled::Done),
        Err(failed) => Err(failed),
    }
}

enum Reaction {
    StartSaga(BookingId),
    Command(BookingId, BookingCommand),
}

/// What an event leads to; nothing if it is none of ours, or of a kind that is not known here yet.
fn reaction(delivery: &Delivery) -> Result<Option<Reaction>, Failure> {
    let kind = delivery.detail.event.kind.as_str();
    Ok(match (delivery.source.as_str(), kind) {
        (booking::SOURCE, "BookingCreated") => on_booking(&read(delivery)?),
        (parking::SOURCE, "SlotReserved" | "SlotUnavailable") => on_parking(&read(delivery)?),
        (billing::SOURCE, "BillExpired") => on_billing(&read(delivery)?),
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

/// The token is not published, so it comes from the stream; what is over by now needs no saga. Says what came of it.
async fn start_saga(
    store: &impl EventStore<BookingEvent>,
    sagas: &impl Sagas,
    booking_id: BookingId,
) -> Result<&'static str, Failure> {
    let booking = latest::<Booking>(store, &booking_id.to_string()).await.map_err(failure)?;
    let Booking::Pending(details) = booking.state else { return Ok("over") };
    let Payment::Instant { token } = details.payment else { return Ok("invoice") };
    let Details { customer, slot_id, .. } = details;
    let input = SagaInput { booking_id, slot_id, customer, token, correlation_id: booking_id };
    match sagas.start(&input).await {
        Ok(()) => Ok("started"),
        Err(error) => Err(Failure::transient("no saga was started", error)),
    }
}

fn read<E: DeserializeOwned>(delivery: &Delivery) -> Result<E, Failure> {
    let event = serde_json::to_value(&delivery.detail.event).map_err(Failure::broken)?;
    serde_json::from_value(event).map_err(Failure::broken)
}
