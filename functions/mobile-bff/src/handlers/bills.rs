//! A customer's bills.

use std::time::Duration;

use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use bff::invoke::{Deadline, is_not_found};
use bff::web::{NoParameters, PathParameter, StrictJson, StrictQuery};
use bff::{IdempotencyKey, Problem};
use contracts::billing::{Bill, Command, is_payment_token};
use contracts::booking::{BookingStatus, PaymentMode};
use contracts::id::{BillReference, PaymentId};
use contracts::message::Request;
use service_error::ServiceError;

use super::bookings::find;
use super::{App, RequestContext};
use crate::dto::{BillResponse, NewPayment};

/// A card may take three seconds, and a provider that does not respond is called again; the function has fifteen.
const PAYMENT_TIMEOUT: Duration = Duration::from_secs(12);
/// A bill is issued upon an event, moments after its booking.
const BILL_TIMEOUT: Duration = Duration::from_secs(2);
const BILL_POLL_INTERVAL: Duration = Duration::from_millis(100);

pub(super) fn routes() -> Router<App> {
    Router::new().route("/mobile/bills/{reference}/payments", post(pay))
}

/// `POST /mobile/bills/{reference}/payments`.
async fn pay(
    context: RequestContext,
    PathParameter(reference): PathParameter<BillReference>,
    _: StrictQuery<NoParameters>,
    key: IdempotencyKey,
    StrictJson(NewPayment { amount, token }): StrictJson<NewPayment>,
) -> Result<(StatusCode, Json<BillResponse>), Problem> {
    if amount.is_zero() {
        return Err(Problem::validation("amount must be more than nothing"));
    }
    if !is_payment_token(&token) {
        return Err(Problem::validation("token must be 1 to 200 visible ASCII characters"));
    }
    let customer = context.customer.clone();
    let payment_id = PaymentId(key.id(&format!("payment {reference}"), &customer.0));
    let command = Command::PayBill { reference, customer, payment_id, amount, token };
    let cause = Some(context.correlation_id);
    let bill = send(&context, reference, &Request { cause, ..command.into() }).await?;
    Ok((StatusCode::CREATED, Json(bill.into())))
}

/// Pays. If there is no bill yet, but a booking that will get one, waits for the bill first.
async fn send(
    context: &RequestContext,
    reference: BillReference,
    payment: &Request<Command>,
) -> Result<Bill, ServiceError> {
    let deadline = Deadline::after(PAYMENT_TIMEOUT);
    let function = &context.functions().billing_command;
    let mut wait = None;
    loop {
        let missing = match context.invoke(function, payment, deadline).await {
            Err(failure) if is_not_found(&failure) => failure,
            done => return done,
        };
        let until = match wait {
            Some(until) => until,
            None if is_awaited(context, reference).await? => {
                *wait.insert(deadline.within(BILL_TIMEOUT))
            }
            None => return Err(missing),
        };
        if until.is_over() {
            return Err(missing);
        }
        tokio::time::sleep(BILL_POLL_INTERVAL).await;
    }
}

/// Whether the caller has a booking whose bill is still to come.
async fn is_awaited(
    context: &RequestContext,
    reference: BillReference,
) -> Result<bool, ServiceError> {
    match find(context, reference.booking_id, None).await {
        Ok(booking) => Ok(booking.slot_id == reference.slot_id
            && booking.mode == PaymentMode::Invoice
            && booking.status == BookingStatus::Pending),
        Err(failure) if is_not_found(&failure) => Ok(false),
        Err(failure) => Err(failure),
    }
}
