//! The forms: book, pay, cancel, check out. After success the browser is redirected; otherwise the form says why not.

use std::time::Duration;

use bff::invoke::{Deadline, Invoke};
use bff::{Answer, IdempotencyKey, Problem, ProblemKind};
use contracts::billing::{
    Bill, BillPayment, Command as BillingCommand, PaymentStatus, Query as BillingQuery,
};
use contracts::booking::{Accepted, Command, Payment};
use contracts::id::{BillReference, BookingId, PaymentId, SlotId};
use contracts::money::Money;
use serde::Deserialize;
use service_error::ServiceError;

use super::{RequestContext, bookings, slots};
use crate::pages::booking::{Field, Form, FormError};
use crate::pages::labels::{self, refusal};
use crate::pages::slots::FormError as SlotError;

/// A card may take three seconds, and a call that gets no response is retried; the function has fifteen.
const PAYMENT_LIMIT: Duration = Duration::from_secs(10);
/// A view is a moment behind; if it is more, the payment is good all the same.
const VIEW_LIMIT: Duration = Duration::from_secs(1);
const VIEW_PAUSE: Duration = Duration::from_millis(50);
/// A token names a means of payment; it is no document.
const TOKEN_LENGTH_MAX: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BookForm {
    #[serde(default, rename = "proof")]
    _proof: String,
    key: String,
    slot: String,
    pay: String,
    #[serde(default)]
    token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PayForm {
    #[serde(default, rename = "proof")]
    _proof: String,
    key: String,
    slot: String,
    amount: String,
    token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EmptyForm {
    #[serde(default, rename = "proof")]
    _proof: String,
}

/// `POST /web/bookings`.
pub(super) async fn book(context: &RequestContext<'_, impl Invoke>) -> Result<Answer, Problem> {
    context.request.query(&[])?;
    let BookForm { key, slot, pay, token, .. } = context.request.form()?;
    let slot_id: SlotId = slot.parse().ok().ok_or_else(|| tampered("slot"))?;
    let named: IdempotencyKey = key.parse().ok().ok_or_else(|| tampered("key"))?;
    let payment = match pay.as_str() {
        "card" if is_token(&token) => Payment::Instant { token: token.clone() },
        "card" => return Err(tampered("token")),
        "invoice" => Payment::Invoice {},
        _ => return Err(tampered("pay")),
    };
    let booking_id = BookingId(named.id("booking", &context.customer.0));
    let customer = context.customer.clone();
    let command = Command::CreateBooking { booking_id, customer, slot_id, payment };
    match done(context, command).await {
        Ok(accepted) => Ok(seen(context, accepted)),
        Err(failure) => {
            let problem = Problem::from(failure);
            let text = match problem.kind() {
                ProblemKind::IdempotencyKeyReused => {
                    "This form was sent before, with another way to pay. Choose again, and send it again."
                }
                ProblemKind::ServiceUnavailable => {
                    "Booking is currently unavailable, so we don’t know whether it worked. Send it again: it books once only."
                }
                ProblemKind::Validation
                | ProblemKind::Unauthenticated
                | ProblemKind::PaymentDeclined
                | ProblemKind::Forbidden
                | ProblemKind::NotFound
                | ProblemKind::Conflict
                | ProblemKind::PayloadTooLarge => {
                    "This slot can’t be booked right now. Choose another one, or try again."
                }
            };
            let key = next_key(context, &problem, &key);
            let by_invoice = pay == "invoice";
            let error = SlotError { slot_id, key, text, by_invoice, token: &token };
            slots::not_booked(&context.with_new_deadline(), &problem, error).await
        }
    }
}

/// `POST /web/bookings/{bookingId}/payments`.
pub(super) async fn pay(context: &RequestContext<'_, impl Invoke>) -> Result<Answer, Problem> {
    let booking_id: BookingId = context.request.path("bookingId")?;
    context.request.query(&[])?;
    let PayForm { key, slot, amount: written, token, .. } = context.request.form()?;
    let slot_id: SlotId = slot.parse().ok().ok_or_else(|| tampered("slot"))?;
    let named: IdempotencyKey = key.parse().ok().ok_or_else(|| tampered("key"))?;
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
        return bookings::not_done(context, booking_id, &problem, error, &key).await;
    };
    // The form's key, and what the payment is: a form that is sent twice pays once, and one with another card or amount is
    // another payment, also if the browser sends it under the same key.
    let payment_key = format!("payment {reference} {amount} {token}");
    let payment_id = PaymentId(named.id(&payment_key, &context.customer.0));
    let customer = context.customer.clone();
    let command =
        BillingCommand::PayBill { reference, customer, payment_id, amount, token: token.clone() };
    let deadline = Deadline::after(PAYMENT_LIMIT);
    let paid: Result<Bill, ServiceError> =
        context.ask(&context.at.billing_command, command, deadline).await;
    match paid {
        Ok(bill) => {
            shown(&context.with_new_deadline(), reference, |it| it.version >= bill.version).await;
            Ok(Answer::see_other(format!("../{booking_id}")))
        }
        Err(failure) => {
            let problem = Problem::from(failure);
            let key = next_key(context, &problem, &key);
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
            let whole = bookings::around(&context, booking_id).await?;
            let bill = whole.bill.value().and_then(Option::as_ref);
            if bill.is_some_and(shows(PaymentStatus::Pending)) {
                // Billing has stored the payment and finds out its outcome. The form is for what else there is to pay.
                let text = format!(
                    "Your payment of {} is being checked, because the payment provider has not answered. The outcome \
                     appears on this page: you need not send it again.",
                    labels::money(amount)
                );
                let left = bill.map_or(Money::ZERO, Bill::remaining).to_string();
                let error = FormError { amount: &left, ..error(Field::None, &text) };
                return Ok(bookings::not_done_of(&context, &whole, &problem, error, &context.key));
            }
            let (field, text) = not_paid(&problem, bill, amount);
            Ok(bookings::not_done_of(&context, &whole, &problem, error(field, &text), key))
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
    context: &RequestContext<'_, impl Invoke>,
    reference: BillReference,
    is_shown: impl Fn(&Bill) -> bool,
) {
    let until = context.deadline.within(VIEW_LIMIT);
    while !until.is_over() {
        let question = BillingQuery::Bill { reference };
        let seen: Result<Bill, ServiceError> =
            context.ask(&context.at.billing_query, question, until).await;
        if seen.is_ok_and(|it| is_shown(&it)) {
            return;
        }
        tokio::time::sleep(VIEW_PAUSE).await;
    }
}

/// `POST /web/bookings/{bookingId}/cancel`.
pub(super) async fn cancel(context: &RequestContext<'_, impl Invoke>) -> Result<Answer, Problem> {
    let booking_id: BookingId = context.request.path("bookingId")?;
    let command = Command::CancelBooking { booking_id, customer: context.customer.clone() };
    let text = "This booking is over and can’t be cancelled any more.";
    change(context, booking_id, command, Form::Cancel, text).await
}

/// `POST /web/bookings/{bookingId}/check-out`.
pub(super) async fn check_out(
    context: &RequestContext<'_, impl Invoke>,
) -> Result<Answer, Problem> {
    let booking_id: BookingId = context.request.path("bookingId")?;
    let command = Command::CheckOutBooking { booking_id, customer: context.customer.clone() };
    let text = "Only a booking that has its slot can be checked out.";
    change(context, booking_id, command, Form::CheckOut, text).await
}

async fn change(
    context: &RequestContext<'_, impl Invoke>,
    booking_id: BookingId,
    command: Command,
    form: Form,
    no: &str,
) -> Result<Answer, Problem> {
    context.request.query(&[])?;
    let _empty: EmptyForm = context.request.form()?;
    match done(context, command).await {
        Ok(accepted) => {
            let Accepted { booking_id, version, .. } = accepted;
            Ok(Answer::see_other(format!("../{booking_id}?minVersion={version}")))
        }
        Err(failure) => {
            let problem = Problem::from(failure);
            let text = match problem.kind() {
                ProblemKind::NotFound => return Err(problem),
                ProblemKind::ServiceUnavailable => {
                    "Booking is currently unavailable, so we don’t know whether it worked. Send it again: it does no harm."
                }
                ProblemKind::Validation
                | ProblemKind::Unauthenticated
                | ProblemKind::PaymentDeclined
                | ProblemKind::Forbidden
                | ProblemKind::Conflict
                | ProblemKind::PayloadTooLarge
                | ProblemKind::IdempotencyKeyReused => no,
            };
            let error = FormError { form, field: Field::None, text, amount: "", token: "" };
            let context = context.with_new_deadline();
            bookings::not_done(&context, booking_id, &problem, error, &context.key).await
        }
    }
}

async fn done(
    context: &RequestContext<'_, impl Invoke>,
    command: Command,
) -> Result<Accepted, ServiceError> {
    context.ask(&context.at.booking_command, command, context.deadline).await
}

/// To the booking's page, and not before it shows what was done.
fn seen(context: &RequestContext<'_, impl Invoke>, accepted: Accepted) -> Answer {
    let Accepted { booking_id, version, .. } = accepted;
    Answer::see_other(context.place.link(&format!("bookings/{booking_id}?minVersion={version}")))
}

/// A request whose outcome is unknown keeps its idempotency key, so that it is carried out once; any other was answered.
fn next_key<'a>(
    context: &'a RequestContext<'_, impl Invoke>,
    problem: &Problem,
    key: &'a str,
) -> &'a str {
    if problem.kind() == ProblemKind::ServiceUnavailable { key } else { &context.key }
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

fn is_token(text: &str) -> bool {
    (1..=TOKEN_LENGTH_MAX).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_graphic())
}

/// Our own forms hold nothing of the kind.
fn tampered(field: &'static str) -> Problem {
    Problem::validation(format!("form: {field} is not what our pages send"))
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
