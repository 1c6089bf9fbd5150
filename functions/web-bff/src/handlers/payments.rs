//! The payments of a bill: the form to pay it, or a part of it.

use std::time::Duration;

use axum::Router;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::post;
use bff::invoke::Deadline;
use bff::web::{NoParameters, PathParameter, StrictQuery};
use bff::{IdempotencyKey, Problem, ProblemKind};
use contracts::billing::{
    Bill, BillPayment, Command as BillingCommand, PaymentStatus, Query as BillingQuery,
};
use contracts::id::{BillReference, BookingId, PaymentId, SlotId};
use contracts::money::Money;
use pages::PageForm;
use serde::Deserialize;
use service_error::ServiceError;

use super::bookings::{self, is_token, next_key, tampered};
use super::{App, RequestContext};
use crate::views::booking::{Field, Form, FormError};
use crate::views::labels::{self, refusal};

/// A card may take three seconds, and a call that gets no response is retried; the function has fifteen.
const PAYMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// A view is a moment behind. If it is more, the payment is good all the same.
const VIEW_TIMEOUT: Duration = Duration::from_secs(1);
const VIEW_PAUSE: Duration = Duration::from_millis(50);

pub(super) fn routes() -> Router<App> {
    Router::new().route("/web/bookings/{bookingId}/payments", post(pay))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PayForm {
    key: String,
    slot: String,
    amount: String,
    token: String,
}

/// `POST /web/bookings/{bookingId}/payments`.
async fn pay(
    context: RequestContext,
    PathParameter(booking_id): PathParameter<BookingId>,
    _: StrictQuery<NoParameters>,
    PageForm(PayForm { key, slot, amount: written, token }): PageForm<PayForm>,
) -> Result<Response, Problem> {
    let slot_id: SlotId = slot.parse().ok().ok_or_else(|| tampered("slot"))?;
    let idempotency_key: IdempotencyKey = key.parse().ok().ok_or_else(|| tampered("key"))?;
    if !is_token(&token) {
        return Err(tampered("token"));
    }
    let reference = BillReference { slot_id, booking_id };
    let error =
        |field, text| FormError { form: Form::Pay, field, text, amount: &written, token: &token };
    let Some(amount) = amount(&written) else {
        let problem = Problem::validation("amount must be more than nothing, with two places");
        let text = "Enter an amount such as 40 or 40.00, and more than zero.";
        let error = error(Field::Amount, text);
        return bookings::not_done(&context, booking_id, problem, error, &key).await;
    };
    // The form's key, and what the payment is: a form that is sent twice pays once, and one with another card or amount is
    // another payment, also if the browser sends it under the same key.
    let payment_key = format!("payment {reference} {amount} {token}");
    let payment_id = PaymentId(idempotency_key.id(&payment_key, &context.customer.0));
    let customer = context.customer.clone();
    let command =
        BillingCommand::PayBill { reference, customer, payment_id, amount, token: token.clone() };
    let deadline = Deadline::after(PAYMENT_TIMEOUT);
    let paid: Result<Bill, ServiceError> =
        context.invoke(&context.functions().billing_command, command, deadline).await;
    match paid {
        Ok(bill) => {
            shown(&context.with_new_deadline(), reference, |it| it.version >= bill.version).await;
            let page = context.page.link(&format!("bookings/{booking_id}"));
            Ok(Redirect::to(&page).into_response())
        }
        Err(failure) => {
            let problem = Problem::from(failure);
            let key = next_key(&context, &problem, &key).to_owned();
            // The services have had their time; the page has its own.
            let context = context.with_new_deadline();
            let shows = |status| move |it: &Bill| has_payment(it, payment_id, status);
            match problem.kind() {
                ProblemKind::PaymentDeclined => {
                    shown(&context, reference, shows(PaymentStatus::Declined)).await;
                }
                ProblemKind::ServiceUnavailable => {
                    shown(&context, reference, shows(PaymentStatus::Pending)).await;
                }
                ProblemKind::Validation
                | ProblemKind::Unauthenticated
                | ProblemKind::Forbidden
                | ProblemKind::NotFound
                | ProblemKind::Conflict
                | ProblemKind::PayloadTooLarge
                | ProblemKind::IdempotencyKeyReused => {}
            }
            let whole = bookings::current(&context, booking_id).await?;
            let bill = whole.bill.value().and_then(Option::as_ref);
            if bill.is_some_and(shows(PaymentStatus::Pending)) {
                // Billing has stored the payment and finds out its outcome. The form is for what else there is to pay.
                let text = format!(
                    "Your payment of {} is being checked, because the payment provider has not responded. The outcome \
                     appears on this page: you need not send it again.",
                    labels::money(amount)
                );
                let left = bill.map_or(Money::ZERO, Bill::remaining).to_string();
                let error = FormError { amount: &left, ..error(Field::None, &text) };
                return Ok(bookings::not_done_of(&context, &whole, problem, error, &context.key));
            }
            let (field, text) = not_paid(&problem, bill, amount);
            Ok(bookings::not_done_of(&context, &whole, problem, error(field, &text), &key))
        }
    }
}

fn has_payment(bill: &Bill, payment_id: PaymentId, status: PaymentStatus) -> bool {
    let is_it = |it: &BillPayment| it.payment_id == payment_id && it.status == status;
    bill.payments.iter().any(is_it)
}

/// Which field of a payment is to be corrected, and why.
fn not_paid(problem: &Problem, bill: Option<&Bill>, amount: Money) -> (Field, String) {
    match problem.kind() {
        ProblemKind::PaymentDeclined => {
            let why = refusal(problem.detail());
            let text =
                format!("Your card was declined ({why}). Nothing was charged; try another card.");
            (Field::Card, text)
        }
        ProblemKind::NotFound => {
            let text = "The bill is not available yet. Wait a moment, and send it again.";
            (Field::None, text.to_owned())
        }
        ProblemKind::ServiceUnavailable => {
            let text = "We don’t know yet whether your card was charged. Send it again: it is charged once only.";
            (Field::None, text.to_owned())
        }
        ProblemKind::Validation
        | ProblemKind::Unauthenticated
        | ProblemKind::Forbidden
        | ProblemKind::Conflict
        | ProblemKind::PayloadTooLarge
        | ProblemKind::IdempotencyKeyReused => {
            let text = match bill.map(Bill::remaining) {
                Some(most) if most < amount && !most.is_zero() => {
                    format!("You can pay {} at most.", labels::money(most))
                }
                Some(_) | None => format!("This can’t be paid: {}.", problem.detail()),
            };
            (Field::Amount, text)
        }
    }
}

/// Waits a moment for the view to show the outcome of a payment, so that the customer does not pay again.
async fn shown(
    context: &RequestContext,
    reference: BillReference,
    is_shown: impl Fn(&Bill) -> bool,
) {
    let until = context.deadline.within(VIEW_TIMEOUT);
    while !until.is_over() {
        let query = BillingQuery::Bill { reference };
        let seen: Result<Bill, ServiceError> =
            context.invoke(&context.functions().billing_query, query, until).await;
        if seen.is_ok_and(|it| is_shown(&it)) {
            return;
        }
        tokio::time::sleep(VIEW_PAUSE).await;
    }
}

/// An amount as people write it: with cents or without.
fn amount(written: &str) -> Option<Money> {
    let text = written.trim().trim_start_matches('$');
    let spelt = match text.split_once('.') {
        None => format!("{text}.00"),
        Some((whole, cents)) if cents.len() == 1 => format!("{whole}.{cents}0"),
        Some(_) => text.to_owned(),
    };
    spelt.parse().ok().filter(|it: &Money| !it.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_as_people_write_it() {
        for (written, read) in [
            ("40", Some("40.00")),
            (" 40.5 ", Some("40.50")),
            ("$40.05", Some("40.05")),
            ("0", None),
            ("0.00", None),
            ("", None),
            (".", None),
            ("-1", None),
            ("1.005", None),
            ("1,000", None),
            ("forty", None),
        ] {
            assert_eq!(amount(written).map(|it| it.to_string()).as_deref(), read, "{written}");
        }
    }
}
