//! A customer's bookings.

use std::time::Duration;

use axum::extract::OriginalUri;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use bff::compose::Composition;
use bff::invoke::{is_not_found, optional};
use bff::web::{
    Cursor, Limit, NoBody, NoParameters, PathParameter, StrictJson, StrictQuery, WholeNumber,
    conditional, location,
};
use bff::{IdempotencyKey, Problem, ProblemKind};
use contracts::billing::{Bill, Query as BillingQuery, is_payment_token};
use contracts::booking::{Accepted, Booking, Command, ConsistentQuery, History, Payment, Query};
use contracts::id::{BillReference, BookingId, SlotId};
use contracts::message::{Page, Request};
use contracts::parking::{ConsistentQuery as SlotQuery, Query as ParkingQuery, Slot};
use serde::Deserialize;
use service_error::ServiceError;

use super::{App, RequestContext, page_request};
use crate::dto::{BookingResponse, NewBooking, page};

/// Parking waits a second for a slot that its view does not show yet, before it responds that there is none.
const SLOT_TIMEOUT: Duration = Duration::from_millis(2_000);
/// A booking without its bill is better than a late response.
const BILL_TIMEOUT: Duration = Duration::from_millis(1_500);

pub(super) fn routes() -> Router<App> {
    let conditional = || from_fn(conditional);
    Router::new()
        .route("/mobile/bookings", get(list).layer(conditional()).post(create))
        .route("/mobile/bookings/{bookingId}", get(read).layer(conditional()))
        .route("/mobile/bookings/{bookingId}/cancel", post(cancel))
        .route("/mobile/bookings/{bookingId}/check-out", post(check_out))
}

/// `POST /mobile/bookings`.
async fn create(
    context: RequestContext,
    OriginalUri(requested): OriginalUri,
    _: StrictQuery<NoParameters>,
    key: IdempotencyKey,
    StrictJson(NewBooking { slot_id, payment }): StrictJson<NewBooking>,
) -> Result<impl IntoResponse, Problem> {
    if let Payment::Instant { token } = &payment
        && !is_payment_token(token)
    {
        return Err(Problem::validation("token must be 1 to 200 visible ASCII characters"));
    }
    let customer = context.customer.clone();
    let booking_id = BookingId(key.id("booking", &customer.0));
    if is_missing(&context, slot_id).await {
        return Err(why_not_booked(&context, booking_id).await);
    }
    let command = Command::CreateBooking { booking_id, customer, slot_id, payment };
    let accepted = send(&context, command).await?;
    let location = location(&requested, &format!("/mobile/bookings/{booking_id}"));
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(accepted)))
}

/// Whether parking responds that there is no such slot. If parking does not respond, the saga will find out.
///
/// The view may be behind, so its "not found" could be wrong: then the slot itself is read.
async fn is_missing(context: &RequestContext, slot_id: SlotId) -> bool {
    let functions = context.functions();
    let query = Request::from(ParkingQuery::Slot { slot_id, min_version: None });
    let deadline = context.deadline.within(SLOT_TIMEOUT);
    let viewed = context.invoke::<Slot>(&functions.parking_query, &query, deadline).await;
    if !viewed.is_err_and(|failure| is_not_found(&failure)) {
        return false;
    }
    let query = Request::from(SlotQuery::ReadSlot { slot_id });
    let deadline = context.deadline.within(SLOT_TIMEOUT);
    let read = context.invoke::<Slot>(&functions.parking_command, &query, deadline).await;
    read.is_err_and(|failure| is_not_found(&failure))
}

/// Why a slot that does not exist is not booked: the key may have booked another one before.
async fn why_not_booked(context: &RequestContext, booking_id: BookingId) -> Problem {
    let query = Request::from(ConsistentQuery::ReadHistory { booking_id, version: None, at: None });
    let function = &context.functions().booking_command;
    match context.invoke::<History>(function, &query, context.deadline).await {
        Ok(_) => Problem::new(
            ProblemKind::IdempotencyKeyReused,
            "the key has been used for a booking of another slot",
        ),
        Err(failure) if is_not_found(&failure) => Problem::not_found("there is no such slot"),
        Err(failure) => failure.into(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    limit: Option<Limit>,
    cursor: Option<Cursor>,
}

/// `GET /mobile/bookings`.
async fn list(
    context: RequestContext,
    StrictQuery(ListQuery { limit, cursor }): StrictQuery<ListQuery>,
) -> Result<Json<Page<BookingResponse>>, Problem> {
    let customer = context.customer.clone();
    let page_request = page_request(limit, cursor);
    let query = Request::from(Query::CustomerBookings { customer, page: page_request });
    let function = &context.functions().booking_query;
    let found: Page<Booking> = context.invoke(function, &query, context.deadline).await?;
    Ok(Json(page(found)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ReadQuery {
    min_version: Option<WholeNumber<1, { u64::MAX }>>,
}

/// `GET /mobile/bookings/{bookingId}`.
async fn read(
    context: RequestContext,
    PathParameter(booking_id): PathParameter<BookingId>,
    StrictQuery(ReadQuery { min_version }): StrictQuery<ReadQuery>,
) -> Result<impl IntoResponse, Problem> {
    let composition = Composition::partial(context.deadline);
    let found = find(&context, booking_id, min_version.map(|it| it.0));
    let booking = composition.required("booking", found).await?;
    // After the booking, not concurrently: the bill's reference contains the slot.
    let bill = bill_of(&context, &booking);
    let bill = composition.optional_within("billing", BILL_TIMEOUT, bill).await?;
    let response = BookingResponse::from(booking).with_bill(bill).reported(composition.report());
    Ok((composition.timing(), Json(response)))
}

/// The caller's booking; another customer's is not found.
pub(super) async fn find(
    context: &RequestContext,
    booking_id: BookingId,
    min_version: Option<u64>,
) -> Result<Booking, ServiceError> {
    let customer = Some(context.customer.clone());
    let query = Request::from(Query::Booking { booking_id, customer, min_version });
    context.invoke(&context.functions().booking_query, &query, context.deadline).await
}

/// A booking's bill; `None` if billing responds that there is none.
async fn bill_of(
    context: &RequestContext,
    booking: &Booking,
) -> Result<Option<Bill>, ServiceError> {
    let reference = BillReference { slot_id: booking.slot_id, booking_id: booking.booking_id };
    let query = Request::from(BillingQuery::Bill { reference });
    optional(context.invoke(&context.functions().billing_query, &query, context.deadline).await)
}

/// `POST /mobile/bookings/{bookingId}/cancel`.
async fn cancel(
    context: RequestContext,
    PathParameter(booking_id): PathParameter<BookingId>,
    _: StrictQuery<NoParameters>,
    _: NoBody,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    let customer = context.customer.clone();
    let accepted = send(&context, Command::CancelBooking { booking_id, customer }).await?;
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}

/// `POST /mobile/bookings/{bookingId}/check-out`.
async fn check_out(
    context: RequestContext,
    PathParameter(booking_id): PathParameter<BookingId>,
    _: StrictQuery<NoParameters>,
    _: NoBody,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    let customer = context.customer.clone();
    let accepted = send(&context, Command::CheckOutBooking { booking_id, customer }).await?;
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}

async fn send(context: &RequestContext, command: Command) -> Result<Accepted, ServiceError> {
    let cause = Some(context.correlation_id);
    let command = Request { cause, ..command.into() };
    context.invoke(&context.functions().booking_command, &command, context.deadline).await
}
