//! `billing-command`: carries out one command, for a front end or as a step of the saga.

use contracts::billing::{Bill as PublicBill, Command};
use contracts::id::BillReference;
use contracts::message::Request;
use jiff::Timestamp;
use outbox::state::StateStore;
use service_error::ServiceError;
use uuid::Uuid;

use crate::contract;
use crate::desk::{Deadline, Desk, DeskError, NewPayment};
use crate::domain::Bill;
use crate::ports::Provider;

/// Answers one command with the bill as it is then; with nothing if it was refunded before it was ever issued.
///
/// # Errors
///
/// `Rejected` if a rule or the provider says no; otherwise the outcome is unknown, and the same command finds it.
pub async fn handle(
    desk: &Desk<impl StateStore<Bill>, impl Provider, impl Fn() -> Timestamp, impl Fn() -> Uuid>,
    request: Request<Command>,
) -> Result<Option<PublicBill>, ServiceError> {
    let Request { ask, cause, traceparent } = request;
    function::log_trace_context(traceparent.as_deref());
    let deadline = Deadline::of_invocation();
    let (command, reference, done) = match ask {
        Command::AuthorisePayment { slot_id, booking_id, customer, token } => {
            let reference = BillReference { slot_id, booking_id };
            (
                "AuthorisePayment",
                reference,
                desk.authorise(reference, customer, token, cause, deadline).await,
            )
        }
        Command::RefundPayment { slot_id, booking_id } => {
            let reference = BillReference { slot_id, booking_id };
            ("RefundPayment", reference, desk.close(reference, cause, deadline).await)
        }
        Command::PayBill { reference, customer, payment_id, amount, token } => {
            let payment = NewPayment { customer, payment_id, amount, token };
            ("PayBill", reference, desk.pay(reference, payment, cause, deadline).await)
        }
    };
    match done {
        Ok(stored) => Ok(contract::public(&stored.bill, stored.version)),
        Err(DeskError::Rejected(rejection)) => {
            let (correlation_id, causation_id) =
                (reference.booking_id, cause.unwrap_or(reference.booking_id.0));
            tracing::info!(%correlation_id, %causation_id, command, reason = %rejection, "rejected");
            Err(rejection.into())
        }
        Err(error) => {
            tracing::error!(%reference, command, error = &error as &dyn std::error::Error, "command not done");
            Err(error.into())
        }
    }
}
