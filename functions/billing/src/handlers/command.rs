//! `billing-command`: executes one command for a BFF or the saga, and serves strongly consistent queries.

use std::error::Error as StdError;

use contracts::billing::{Bill as PublicBill, Command, CommandPayload, ConsistentQuery};
use contracts::id::BillReference;
use contracts::message::Request;
use jiff::Timestamp;
use outbox::state::StateStore;
use service_error::ServiceError;
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
    let Request { payload, cause, traceparent } = request;
    function::log_trace_context(traceparent.as_deref());
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
            let (correlation_id, causation_id) =
                (reference.booking_id, cause.unwrap_or(reference.booking_id.0));
            tracing::info!(%correlation_id, %causation_id, command, reason = %rejection, "rejected");
            Err(rejection.into())
        }
        Err(error) => {
            tracing::error!(%reference, command, error = &error as &dyn StdError, "command failed");
            Err(error.into())
        }
    }
}
