//! A customer's bookings: the list, one with its slot, bill and timeline, and the forms to book, cancel and check out.

use axum::http::HeaderMap;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bff::compose::{Composition, Part};
use bff::invoke::optional;
use bff::web::{
    Accept, Cursor, Limit, NoParameters, PathParameter, StrictQuery, WholeNumber, unless_known,
    with_page,
};
use bff::{IdempotencyKey, Problem, ProblemKind};
use contracts::billing::{Bill, ConsistentQuery as BillConsistentQuery, Query as BillingQuery};
use contracts::booking::{
    Accepted, Booking, BookingStatus, Command, ConsistentQuery, History, Payment, Query,
};
use contracts::id::{BillReference, BookingId, SlotId};
use contracts::message::{Page, PageRequest};
use pages::{PageContext, PageForm};
use serde::Deserialize;
use service_error::ServiceError;
use tokio::sync::watch;

use super::slot_lookup::{slot, slot_names};
use super::{App, RequestContext, SIGNED_IN_AGAIN, composition, slots};
use crate::dto::{BookingDetails, BookingDetailsDto, timeline};
use crate::views;
use crate::views::booking::{Field, Form, FormError, render};
use crate::views::slots::FormError as SlotError;

/// A token names a means of payment; it is no document.
const MAX_TOKEN_LENGTH: usize = 200;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/web/bookings", get(list).post(book))
        .route("/web/bookings/{bookingId}", get(show))
        .route("/web/bookings/{bookingId}/cancel", post(cancel))
        .route("/web/bookings/{bookingId}/check-out", post(check_out))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    limit: Option<Limit>,
    cursor: Option<Cursor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ShowQuery {
    min_version: Option<WholeNumber<1, { u64::MAX }>>,
    #[serde(rename = "resume")]
    _resume: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BookForm {
    key: String,
    slot: String,
    pay: String,
    #[serde(default)]
    token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EmptyForm {}

/// `GET /web/bookings`.
async fn list(
    context: RequestContext,
    StrictQuery(ListQuery { limit, cursor }): StrictQuery<ListQuery>,
) -> Result<impl IntoResponse, Problem> {
    let further = cursor.is_some();
    let limit = limit.unwrap_or_default().into();
    let page = PageRequest { limit, cursor: cursor.map(|it| it.0) };
    let query = Query::CustomerBookings { customer: context.customer.clone(), page };
    let composition = composition(&context);
    let found: Page<Booking> =
        context.invoke(&context.functions().booking_query, query, context.deadline).await?;
    let names = slot_names(&context, &found.items, context.deadline);
    let names = composition.optional("names", names).await?;
    let report = composition.report();
    let page = views::bookings::render(&context.page, &found, &names, &report, further);
    Ok((composition.timing(), Html(page)))
}

/// `POST /web/bookings`.
async fn book(
    context: RequestContext,
    _: StrictQuery<NoParameters>,
    PageForm(BookForm { key, slot, pay, token }): PageForm<BookForm>,
) -> Result<Response, Problem> {
    let context = &context;
    let slot_id: SlotId = slot.parse().ok().ok_or_else(|| tampered("slot"))?;
    let idempotency_key: IdempotencyKey = key.parse().ok().ok_or_else(|| tampered("key"))?;
    let payment = match pay.as_str() {
        "card" if is_token(&token) => Payment::Instant { token: token.clone() },
        "card" => return Err(tampered("token")),
        "invoice" => Payment::Invoice {},
        _ => return Err(tampered("pay")),
    };
    let booking_id = BookingId(idempotency_key.id("booking", &context.customer.0));
    let customer = context.customer.clone();
    let command = Command::CreateBooking { booking_id, customer, slot_id, payment };
    match send(context, command).await {
        Ok(accepted) => Ok(to_booking(context, accepted)),
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
            let key = next_key(context, &problem, &key).to_owned();
            let by_invoice = pay == "invoice";
            let error = SlotError { slot_id, key: &key, text, by_invoice, token: &token };
            slots::not_booked(&context.with_new_deadline(), problem, error).await
        }
    }
}

/// `GET /web/bookings/{bookingId}`, as a page or as JSON.
async fn show(
    context: RequestContext,
    PathParameter(booking_id): PathParameter<BookingId>,
    StrictQuery(ShowQuery { min_version, .. }): StrictQuery<ShowQuery>,
    accept: Accept,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let composition = composition(&context);
    let whole = whole(&context, &composition, booking_id, min_version.map(|it| it.0)).await?;
    if accept.preferred(&["text/html", "application/json"]) == "application/json" {
        let response = (composition.timing(), Json(BookingDetailsDto::from(&whole)));
        // A page contains a new key, so it is never the same; JSON may be.
        return Ok(unless_known(&headers, response.into_response()).await);
    }
    let kept = context.kept_form.as_ref();
    let error = kept.map(|form| FormError {
        form: Form::Pay,
        field: Field::None,
        text: SIGNED_IN_AGAIN,
        amount: form.field("amount"),
        token: form.field("token"),
    });
    let key = kept.map_or(context.key.as_str(), |it| it.field("key"));
    let page = render(&context.page, &whole, key, error, context.now);
    Ok((composition.timing(), Html(page)).into_response())
}

/// The page of a booking, with a form on it that was not carried out.
pub(super) async fn not_done(
    context: &RequestContext,
    booking_id: BookingId,
    problem: Problem,
    error: FormError<'_>,
    key: &str,
) -> Result<Response, Problem> {
    let whole = current(context, booking_id).await?;
    Ok(not_done_of(context, &whole, problem, error, key))
}

/// The page of a booking that has been read already, with a form on it that was not carried out.
pub(super) fn not_done_of(
    context: &RequestContext,
    whole: &BookingDetails,
    problem: Problem,
    error: FormError<'_>,
    key: &str,
) -> Response {
    // The form was sent to another address, but this is the page of the booking.
    let here = format!("bookings/{}", whole.booking.booking_id);
    let page = PageContext { here, ..context.page.clone() };
    with_page(problem, Html(render(&page, whole, key, Some(error), context.now)))
}

/// `POST /web/bookings/{bookingId}/cancel`.
async fn cancel(
    context: RequestContext,
    PathParameter(booking_id): PathParameter<BookingId>,
    _: StrictQuery<NoParameters>,
    _: PageForm<EmptyForm>,
) -> Result<Response, Problem> {
    let command = Command::CancelBooking { booking_id, customer: context.customer.clone() };
    let text = "This booking is over and can’t be cancelled any more.";
    change(&context, booking_id, command, Form::Cancel, text).await
}

/// `POST /web/bookings/{bookingId}/check-out`.
async fn check_out(
    context: RequestContext,
    PathParameter(booking_id): PathParameter<BookingId>,
    _: StrictQuery<NoParameters>,
    _: PageForm<EmptyForm>,
) -> Result<Response, Problem> {
    let command = Command::CheckOutBooking { booking_id, customer: context.customer.clone() };
    let text = "Only a booking that has its slot can be checked out.";
    change(&context, booking_id, command, Form::CheckOut, text).await
}

async fn change(
    context: &RequestContext,
    booking_id: BookingId,
    command: Command,
    form: Form,
    rejection: &str,
) -> Result<Response, Problem> {
    match send(context, command).await {
        Ok(accepted) => Ok(to_booking(context, accepted)),
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
                | ProblemKind::IdempotencyKeyReused => rejection,
            };
            let error = FormError { form, field: Field::None, text, amount: "", token: "" };
            let context = context.with_new_deadline();
            not_done(&context, booking_id, problem, error, &context.key).await
        }
    }
}

async fn send(context: &RequestContext, command: Command) -> Result<Accepted, ServiceError> {
    context.invoke(&context.functions().booking_command, command, context.deadline).await
}

/// Redirects to the booking's page, which waits until the view shows what was done.
fn to_booking(context: &RequestContext, accepted: Accepted) -> Response {
    let Accepted { booking_id, version, .. } = accepted;
    let page = format!("bookings/{booking_id}?minVersion={version}");
    Redirect::to(&context.page.link(&page)).into_response()
}

/// A request whose outcome is unknown keeps its idempotency key, so that it is carried out once. Any other gets a new one.
pub(super) fn next_key<'a>(
    context: &'a RequestContext,
    problem: &Problem,
    key: &'a str,
) -> &'a str {
    if problem.kind() == ProblemKind::ServiceUnavailable { key } else { &context.key }
}

pub(super) fn is_token(text: &str) -> bool {
    (1..=MAX_TOKEN_LENGTH).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_graphic())
}

/// No form of our own pages sends this.
pub(super) fn tampered(field: &'static str) -> Problem {
    Problem::validation(format!("form: {field} is not what our pages send"))
}

/// The booking with its slot, bill and timeline, as it is now.
pub(super) async fn current(
    context: &RequestContext,
    booking_id: BookingId,
) -> Result<BookingDetails, ServiceError> {
    whole(context, &composition(context), booking_id, None).await
}

/// The booking with its slot, bill and timeline.
///
/// The references of slot and bill contain the slot's id, which only the booking has: the first time they wait for the booking,
/// later the id is cached. Past events never change, so the timeline is requested only if the booking has changed since.
async fn whole(
    context: &RequestContext,
    composition: &Composition,
    booking_id: BookingId,
    min_version: Option<u64>,
) -> Result<BookingDetails, ServiceError> {
    let cache = context.cache();
    let known = cache.slot_of.last(&booking_id, context.now).map(|it| it.value);
    let (send_slot, known_slot) = watch::channel(known);
    let (send_state, known_state) = watch::channel(None);

    let booking = async {
        let booking = find(context, booking_id, min_version).await?;
        cache.slot_of.keep(booking_id, booking.slot_id, context.now);
        send_slot.send_replace(Some(booking.slot_id));
        send_state.send_replace(Some((booking.version, booking.status)));
        Ok(booking)
    };
    let slot = async { slot(context, known_of(known_slot.clone()).await?).await };
    let bill = async {
        let reference = BillReference { slot_id: known_of(known_slot.clone()).await?, booking_id };
        match bill(context, reference).await? {
            Some(bill) => Ok(Some(bill)),
            // The view may be behind. A page says that nothing was charged only if the write model does.
            None if is_over(known_of(known_state.clone()).await?.1) => {
                stored_bill(context, reference).await
            }
            None => Ok(None),
        }
    };
    let last_history = || cache.histories.last(&booking_id, context.now);
    let history = async {
        let (version, _) = known_of(known_state.clone()).await?;
        let is_whole = |it: &History| it.events.iter().any(|event| event.version >= version);
        match last_history().map(|it| it.value).filter(is_whole) {
            Some(history) => Ok(history),
            None => history(context, booking_id).await,
        }
    };

    let last_slot = || cache.slots.last(&known_now(&known_slot)?, context.now);
    let last_bill = || {
        let reference = BillReference { slot_id: known_now(&known_slot)?, booking_id };
        cache.bills.last(&reference, context.now)
    };
    let (booking, slot, bill, history) = tokio::try_join!(
        composition.required("booking", booking),
        composition.optional_or("parking", slot, last_slot),
        composition.optional_or("billing", bill, last_bill),
        composition.optional_or("timeline", history, last_history),
    )?;
    // Callers who are not the booking's customer have been rejected above: what was found may be cached for this one.
    if let Part::Fresh(slot) = &slot {
        cache.slots.keep(slot.slot_id, slot.clone(), context.now);
    }
    if let Part::Fresh(bill) = &bill {
        let reference = BillReference { slot_id: booking.slot_id, booking_id };
        cache.bills.keep(reference, bill.clone(), context.now);
    }
    if let Part::Fresh(history) = &history {
        cache.histories.keep(booking_id, history.clone(), context.now);
    }
    let timeline = history.map(|it| timeline(it, &booking));
    Ok(BookingDetails { booking, slot, bill, timeline, report: composition.report() })
}

/// A value of the booking, as soon as the booking is read.
async fn known_of<T: Copy>(mut known_slot: watch::Receiver<Option<T>>) -> Result<T, ServiceError> {
    let known = known_slot.wait_for(Option::is_some).await.map_err(ServiceError::permanent)?;
    (*known).ok_or_else(|| ServiceError::permanent("it was waited for and is not there"))
}

fn known_now(known_slot: &watch::Receiver<Option<SlotId>>) -> Option<SlotId> {
    *known_slot.borrow()
}

/// The caller's booking; that of another customer is not found.
pub(super) async fn find(
    context: &RequestContext,
    booking_id: BookingId,
    min_version: Option<u64>,
) -> Result<Booking, ServiceError> {
    let customer = Some(context.customer.clone());
    let query = Query::Booking { booking_id, customer, min_version };
    context.invoke(&context.functions().booking_query, query, context.deadline).await
}

async fn bill(
    context: &RequestContext,
    reference: BillReference,
) -> Result<Option<Bill>, ServiceError> {
    let query = BillingQuery::Bill { reference };
    optional(context.invoke(&context.functions().billing_query, query, context.deadline).await)
}

async fn stored_bill(
    context: &RequestContext,
    reference: BillReference,
) -> Result<Option<Bill>, ServiceError> {
    let query = BillConsistentQuery::ReadBill { reference };
    context.invoke(&context.functions().billing_command, query, context.deadline).await
}

fn is_over(status: BookingStatus) -> bool {
    match status {
        BookingStatus::Failed | BookingStatus::Cancelled => true,
        BookingStatus::Pending | BookingStatus::Completed | BookingStatus::CheckedOut => false,
    }
}

async fn history(context: &RequestContext, booking_id: BookingId) -> Result<History, ServiceError> {
    let query = ConsistentQuery::ReadHistory { booking_id, version: None, at: None };
    context.invoke(&context.functions().booking_command, query, context.deadline).await
}
