//! `billing-command`: executes one command for a BFF or the saga, and serves strongly consistent queries.

use std::error::Error as StdError;

use contracts::billing::{Bill as PublicBill, Command, CommandPayload, ConsistentQuery};
use contracts::id::{BillReference, BookingId};
use contracts::message::Request;
use function::handle_request;
use jiff::Timestamp;
use outbox::state::StateStore;
use service_error::ServiceError;
use trace_context::correlate;
use uuid::Uuid;

use crate::contract;
use crate::domain::Bill;
use crate::payment_service::{Deadline, NewPayment, PaymentError, PaymentService};
use crate::ports::Provider;

/// Executes one command, or reads the stored bill. Returns the bill; `None` if it was never issued.
///
/// # Errors
///
/// `Rejected` if a rule or the provider rejects the command. After any other error the outcome is unknown; a retry of the
/// same command returns it.
pub async fn handle(
    service: &PaymentService<
        impl StateStore<Bill>,
        impl Provider,
        impl Fn() -> Timestamp,
        impl Fn() -> Uuid,
    >,
    request: Request<CommandPayload>,
) -> Result<Option<PublicBill>, ServiceError> {
    let Request { payload, cause, correlation_id, trace } = request;
    let run = run(service, payload, cause);
    handle_request("billing-command", &trace, correlation_id, cause, run).await
}

async fn run(
    service: &PaymentService<
        impl StateStore<Bill>,
        impl Provider,
        impl Fn() -> Timestamp,
        impl Fn() -> Uuid,
    >,
    payload: CommandPayload,
    cause: Option<Uuid>,
) -> Result<Option<PublicBill>, ServiceError> {
    correlate(booking_of(&payload));
    let deadline = Deadline::of_invocation();
    let (command, reference, result) = match payload {
        CommandPayload::Command(Command::AuthorisePayment {
            slot_id,
            booking_id,
            customer,
            token,
        }) => {
            let reference = BillReference { slot_id, booking_id };
            let result = service.authorise(reference, customer, token, cause, deadline).await;
            ("AuthorisePayment", reference, result)
        }
        CommandPayload::Command(Command::RefundPayment { slot_id, booking_id }) => {
            let reference = BillReference { slot_id, booking_id };
            ("RefundPayment", reference, service.close(reference, cause, deadline).await)
        }
        CommandPayload::Command(Command::PayBill {
            reference,
            customer,
            payment_id,
            amount,
            token,
        }) => {
            let payment = NewPayment { customer, payment_id, amount, token };
            ("PayBill", reference, service.pay(reference, payment, cause, deadline).await)
        }
        CommandPayload::Query(ConsistentQuery::ReadBill { reference }) => {
            ("ReadBill", reference, service.read(reference).await)
        }
    };
    match result {
        Ok(stored) => Ok(contract::public(&stored.bill, stored.version)),
        Err(PaymentError::Rejected(rejection)) => {
            let causation_id = cause.unwrap_or(reference.booking_id.0);
            tracing::info!(%causation_id, command, reason = %rejection, "rejected");
            Err(rejection.into())
        }
        Err(error) => {
            tracing::error!(%reference, command, error = &error as &dyn StdError, "command failed");
            Err(error.into())
        }
    }
}

/// The booking whose bill a command is about.
fn booking_of(payload: &CommandPayload) -> BookingId {
    match payload {
        CommandPayload::Command(
            Command::AuthorisePayment { booking_id, .. }
            | Command::RefundPayment { booking_id, .. },
        ) => *booking_id,
        CommandPayload::Command(Command::PayBill { reference, .. })
        | CommandPayload::Query(ConsistentQuery::ReadBill { reference }) => reference.booking_id,
    }
}
