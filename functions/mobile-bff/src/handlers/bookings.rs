//! A customer's bookings.

use std::time::Duration;

use bff::compose::Composition;
use bff::invoke::{Invoke, ask, is_not_found, or_none};
use bff::{Answer, Problem, ProblemKind};
use contracts::billing::{Bill, Query as BillingQuery};
use contracts::booking::{Accepted, Booking, Command, ConsistentQuery, History, Payment, Query};
use contracts::id::{BillReference, BookingId, CustomerId, SlotId};
use contracts::message::{Page, Request};
use contracts::parking::{ConsistentQuery as SlotQuery, Query as ParkingQuery, Slot};
use service_error::ServiceError;

use super::{Errand, page_request};
use crate::shape::{BookingShown, NewBooking, is_token, page};

/// Parking waits a second for a slot that it does not see yet, before it says that there is none.
const SLOT_LIMIT: Duration = Duration::from_millis(2_000);
/// A booking without its bill is better than one that is late.
const BILL_LIMIT: Duration = Duration::from_millis(1_500);

/// `POST /mobile/bookings`.
pub(super) async fn create(errand: &Errand<'_, impl Invoke>) -> Result<Answer, Problem> {
    errand.request.query(&[])?;
    let key = errand.request.idempotency_key()?;
    let NewBooking { slot_id, payment } = errand.request.body()?;
    if let Payment::Instant { token } = &payment
        && !is_token(token)
    {
        return Err(Problem::validation("token must be 1 to 200 visible ASCII characters"));
    }
    let booking_id = BookingId(key.id("booking", &errand.caller.subject));
    if is_unknown(errand, slot_id).await {
        return Err(refused(errand, booking_id).await);
    }
    let customer = CustomerId(errand.caller.subject.clone());
    let accepted =
        command(errand, Command::CreateBooking { booking_id, customer, slot_id, payment }).await?;
    // Relative to the request, and so right behind whatever stands before the path. It goes up first to spell all of it.
    Ok(Answer::json(202, &accepted).with("Location", format!("../mobile/bookings/{booking_id}")))
}

/// Whether parking says that there is no such slot. If parking says nothing, the saga will find out.
///
/// The view may only be behind, and to say no for that would be a lie; so then the slot itself is asked for.
async fn is_unknown(errand: &Errand<'_, impl Invoke>, slot_id: SlotId) -> bool {
    let (services, at) = (errand.services, errand.at);
    let question = Request::from(ParkingQuery::Slot { slot_id, min_version: None });
    let deadline = errand.deadline.within(SLOT_LIMIT);
    let shown = ask::<_, Slot>(services, &at.parking_query, &question, deadline).await;
    if !shown.is_err_and(|failure| is_not_found(&failure)) {
        return false;
    }
    let question = Request::from(SlotQuery::ReadSlot { slot_id });
    let deadline = errand.deadline.within(SLOT_LIMIT);
    let found = ask::<_, Slot>(services, &at.parking_command, &question, deadline).await;
    found.is_err_and(|failure| is_not_found(&failure))
}

/// Why a slot that is not there is not booked: a key that has booked another one is told so.
async fn refused(errand: &Errand<'_, impl Invoke>, booking_id: BookingId) -> Problem {
    let question =
        Request::from(ConsistentQuery::ReadHistory { booking_id, version: None, at: None });
    let at = &errand.at.booking_command;
    match ask::<_, History>(errand.services, at, &question, errand.deadline).await {
        Ok(_) => Problem::new(
            ProblemKind::IdempotencyKeyReused,
            "the key has been used for a booking of another slot",
        ),
        Err(failure) if is_not_found(&failure) => Problem::not_found("there is no such slot"),
        Err(failure) => failure.into(),
    }
}

/// `GET /mobile/bookings`.
pub(super) async fn list(errand: &Errand<'_, impl Invoke>) -> Result<Answer, Problem> {
    let query = errand.request.query(&["limit", "cursor"])?;
    let customer = CustomerId(errand.caller.subject.clone());
    let question =
        Request::from(Query::CustomerBookings { customer, page: page_request(query.page()?) });
    let found: Page<Booking> =
        ask(errand.services, &errand.at.booking_query, &question, errand.deadline).await?;
    Ok(Answer::json(200, &page::<_, BookingShown>(found)).unless_known(errand.request))
}

/// `GET /mobile/bookings/{bookingId}`.
pub(super) async fn read(errand: &Errand<'_, impl Invoke>) -> Result<Answer, Problem> {
    let booking_id = errand.request.path("bookingId")?;
    let query = errand.request.query(&["minVersion"])?;
    let min_version = query.number("minVersion", 1..=u64::MAX)?;
    let composition = Composition::partial(errand.deadline);
    let found = find(errand, booking_id, min_version);
    let booking = composition.required("booking", found).await?;
    // After the booking and not beside it: a bill is named after the slot, too.
    let bill = bill_of(errand, &booking);
    let bill = composition.optional_within("billing", BILL_LIMIT, bill).await?;
    let shown = BookingShown::from(booking).with_bill(bill).reported(composition.report());
    Ok(Answer::json(200, &shown).unless_known(errand.request).timed(&composition))
}

/// The caller's booking; another's is not found.
pub(super) async fn find(
    errand: &Errand<'_, impl Invoke>,
    booking_id: BookingId,
    min_version: Option<u64>,
) -> Result<Booking, ServiceError> {
    let customer = Some(CustomerId(errand.caller.subject.clone()));
    let question = Request::from(Query::Booking { booking_id, customer, min_version });
    ask(errand.services, &errand.at.booking_query, &question, errand.deadline).await
}

/// A booking's bill, or billing's word that there is none.
async fn bill_of(
    errand: &Errand<'_, impl Invoke>,
    booking: &Booking,
) -> Result<Option<Bill>, ServiceError> {
    let reference = BillReference { slot_id: booking.slot_id, booking_id: booking.booking_id };
    let question = Request::from(BillingQuery::Bill { reference });
    let deadline = errand.deadline;
    or_none(ask(errand.services, &errand.at.billing_query, &question, deadline).await)
}

/// `POST /mobile/bookings/{bookingId}/cancel`.
pub(super) async fn cancel(errand: &Errand<'_, impl Invoke>) -> Result<Answer, Problem> {
    let (booking_id, customer) = mine(errand)?;
    let accepted = command(errand, Command::CancelBooking { booking_id, customer }).await?;
    Ok(Answer::json(202, &accepted))
}

/// `POST /mobile/bookings/{bookingId}/check-out`.
pub(super) async fn check_out(errand: &Errand<'_, impl Invoke>) -> Result<Answer, Problem> {
    let (booking_id, customer) = mine(errand)?;
    let accepted = command(errand, Command::CheckOutBooking { booking_id, customer }).await?;
    Ok(Answer::json(202, &accepted))
}

fn mine(errand: &Errand<'_, impl Invoke>) -> Result<(BookingId, CustomerId), Problem> {
    let booking_id = errand.request.path("bookingId")?;
    errand.request.query(&[])?;
    errand.request.no_body()?;
    Ok((booking_id, CustomerId(errand.caller.subject.clone())))
}

async fn command(
    errand: &Errand<'_, impl Invoke>,
    command: Command,
) -> Result<Accepted, ServiceError> {
    let cause = Some(errand.request.correlation_id());
    let at = &errand.at.booking_command;
    ask(errand.services, at, &Request { cause, ..command.into() }, errand.deadline).await
}
