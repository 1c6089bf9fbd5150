//! Paying a bill.

use std::time::Duration;

use bff::invoke::{Deadline, Invoke, ask, is_not_found};
use bff::{Answer, Problem};
use contracts::billing::{Bill, Command};
use contracts::booking::{BookingStatus, PaymentMode};
use contracts::id::{BillReference, CustomerId, PaymentId};
use contracts::message::Request;
use service_error::ServiceError;

use super::Errand;
use super::bookings::find;
use crate::shape::{BillShown, NewPayment, is_token};

/// A card may take three seconds, and a provider that does not answer is asked again; the function has fifteen.
const PAYMENT_LIMIT: Duration = Duration::from_secs(12);
/// A bill is issued upon an event, moments after its booking.
const BILL_LIMIT: Duration = Duration::from_secs(2);
const BILL_PAUSE: Duration = Duration::from_millis(100);

/// `POST /mobile/bills/{reference}/payments`.
pub(super) async fn pay(errand: &Errand<'_, impl Invoke>) -> Result<Answer, Problem> {
    let reference: BillReference = errand.request.path("reference")?;
    errand.request.query(&[])?;
    let key = errand.request.idempotency_key()?;
    let NewPayment { amount, token } = errand.request.body()?;
    if amount.is_zero() {
        return Err(Problem::validation("amount must be more than nothing"));
    }
    if !is_token(&token) {
        return Err(Problem::validation("token must be 1 to 200 visible ASCII characters"));
    }
    let subject = &errand.caller.subject;
    let payment_id = PaymentId(key.id(&format!("payment {reference}"), subject));
    let customer = CustomerId(subject.clone());
    let command = Command::PayBill { reference, customer, payment_id, amount, token };
    let cause = Some(errand.request.correlation_id());
    let bill = send(errand, reference, &Request { cause, ..command.into() }).await?;
    Ok(Answer::json(201, &BillShown::from(bill)))
}

/// Pays, and if there is no bill though there is a booking that waits for one, waits for it too.
async fn send(
    errand: &Errand<'_, impl Invoke>,
    reference: BillReference,
    payment: &Request<Command>,
) -> Result<Bill, ServiceError> {
    let deadline = Deadline::after(PAYMENT_LIMIT);
    let at = &errand.at.billing_command;
    let mut wait = None;
    loop {
        let missing = match ask(errand.services, at, payment, deadline).await {
            Err(failure) if is_not_found(&failure) => failure,
            done => return done,
        };
        let until = match wait {
            Some(until) => until,
            None if is_awaited(errand, reference).await? => {
                *wait.insert(deadline.within(BILL_LIMIT))
            }
            None => return Err(missing),
        };
        if until.is_over() {
            return Err(missing);
        }
        tokio::time::sleep(BILL_PAUSE).await;
    }
}

/// Whether the caller has a booking whose bill is still to come.
async fn is_awaited(
    errand: &Errand<'_, impl Invoke>,
    reference: BillReference,
) -> Result<bool, ServiceError> {
    match find(errand, reference.booking_id, None).await {
        Ok(booking) => Ok(booking.slot_id == reference.slot_id
            && booking.mode == PaymentMode::Invoice
            && booking.status == BookingStatus::Pending),
        Err(failure) if is_not_found(&failure) => Ok(false),
        Err(failure) => Err(failure),
    }
}
