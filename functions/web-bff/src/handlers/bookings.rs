//! Bookings: all of a customer's, and one with everything around it.

use std::collections::BTreeSet;

use bff::compose::{Composition, Part};
use bff::invoke::{Deadline, Invoke, or_none};
use bff::pages::troubled;
use bff::{Answer, Problem};
use contracts::billing::{Bill, ConsistentQuery as BillConsistentQuery, Query as BillingQuery};
use contracts::booking::{Booking, BookingStatus, ConsistentQuery, History, Query};
use contracts::id::{BillReference, BookingId, SlotId};
use contracts::message::{Page, PageRequest};
use contracts::parking::{Query as ParkingQuery, Slot};
use service_error::ServiceError;
use tokio::sync::watch;

use super::{RequestContext, SIGNED_IN_AGAIN};
use crate::dto::{BookingDetails, BookingDetailsDto, timeline};
use crate::pages::booking::{Field, Form, FormError, render};
use crate::pages::bookings::SlotNames;
use crate::pages::{Place, bookings};

/// `GET /web/bookings`.
pub(super) async fn list(context: &RequestContext<'_, impl Invoke>) -> Result<Answer, Problem> {
    let query = context.request.query(&["limit", "cursor"])?;
    let asked = query.page()?;
    let further = asked.cursor.is_some();
    let page = PageRequest { limit: asked.limit, cursor: asked.cursor };
    let question = Query::CustomerBookings { customer: context.customer.clone(), page };
    let composition = Composition::partial(context.deadline);
    let found: Page<Booking> =
        context.ask(&context.at.booking_query, question, context.deadline).await?;
    let names = slot_names(context, &found.items, context.deadline);
    let names = composition.optional("names", names).await?;
    let report = composition.report();
    let page = bookings::render(&context.place, &found, &names, &report, further);
    Ok(Answer::html(200, page).timed(&composition))
}

/// The names of these bookings' slots. A slot never changes its name, so an earlier answer is as good.
pub(super) async fn slot_names(
    context: &RequestContext<'_, impl Invoke>,
    bookings: &[Booking],
    until: Deadline,
) -> Result<SlotNames, ServiceError> {
    let cache = &context.cache.slots;
    let mut names = SlotNames::new();
    let mut unknown = BTreeSet::new();
    for slot_id in bookings.iter().map(|it| it.slot_id) {
        match cache.last(&slot_id, context.now) {
            Some(slot) => drop(names.insert(slot_id, slot.value.name)),
            None => drop(unknown.insert(slot_id)),
        }
    }
    if !unknown.is_empty() {
        let question = ParkingQuery::SlotsById { slot_ids: unknown.into_iter().collect() };
        let found: Vec<Slot> = context.ask(&context.at.parking_query, question, until).await?;
        names.extend(found.into_iter().map(|it| (it.slot_id, it.name)));
    }
    Ok(names)
}

/// `GET /web/bookings/{bookingId}`, as a page or as JSON.
pub(super) async fn show(context: &RequestContext<'_, impl Invoke>) -> Result<Answer, Problem> {
    let booking_id = context.request.path("bookingId")?;
    let query = context.request.query(&["minVersion", "resume"])?;
    let min_version = query.number("minVersion", 1..=u64::MAX)?;
    let composition = Composition::partial(context.deadline);
    let whole = whole(context, &composition, booking_id, min_version).await?;
    // A page has a fresh key in it, so it is never the same; JSON may be.
    let answer = if wants_json(context) {
        Answer::json(200, &BookingDetailsDto::from(&whole)).unless_known(context.request)
    } else {
        let kept = context.kept_form.as_ref();
        let error = kept.map(|form| FormError {
            form: Form::Pay,
            field: Field::None,
            text: SIGNED_IN_AGAIN,
            amount: form.field("amount"),
            token: form.field("token"),
        });
        let key = kept.map_or(context.key.as_str(), |it| it.field("key"));
        Answer::html(200, render(&context.place, &whole, key, error, context.now))
    };
    Ok(answer.timed(&composition))
}

/// The same page, with a form on it that was not carried out.
pub(super) async fn not_done(
    context: &RequestContext<'_, impl Invoke>,
    booking_id: BookingId,
    problem: &Problem,
    error: FormError<'_>,
    key: &str,
) -> Result<Answer, Problem> {
    let whole = around(context, booking_id).await?;
    Ok(not_done_of(context, &whole, problem, error, key))
}

/// Likewise, of a booking that has been read already.
pub(super) fn not_done_of(
    context: &RequestContext<'_, impl Invoke>,
    whole: &BookingDetails,
    problem: &Problem,
    error: FormError<'_>,
    key: &str,
) -> Answer {
    // The page is that of the booking, wherever the form was sent.
    let here = format!("bookings/{}", whole.booking.booking_id);
    let place = Place { here, ..context.place.clone() };
    troubled(problem, render(&place, whole, key, Some(error), context.now))
}

/// The booking with everything around it, as it is now.
pub(super) async fn around(
    context: &RequestContext<'_, impl Invoke>,
    booking_id: BookingId,
) -> Result<BookingDetails, ServiceError> {
    whole(context, &Composition::partial(context.deadline), booking_id, None).await
}

fn wants_json(context: &RequestContext<'_, impl Invoke>) -> bool {
    context.request.accepts("application/json") && !context.request.accepts("text/html")
}

/// The booking, and beside it what surrounds it.
///
/// Slot and bill are named after the slot, which only the booking has: the first time they wait for it, then it is known.
/// Past events never change, so the timeline is requested only if the booking has changed since.
async fn whole(
    context: &RequestContext<'_, impl Invoke>,
    composition: &Composition,
    booking_id: BookingId,
    min_version: Option<u64>,
) -> Result<BookingDetails, ServiceError> {
    let cache = context.cache;
    let known = cache.slot_of.last(&booking_id, context.now).map(|it| it.value);
    let (tell, known_slot) = watch::channel(known);
    let (tell_state, known_state) = watch::channel(None);

    let booking = async {
        let booking = find(context, booking_id, min_version).await?;
        cache.slot_of.keep(booking_id, booking.slot_id, context.now);
        tell.send_replace(Some(booking.slot_id));
        tell_state.send_replace(Some((booking.version, booking.status)));
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

/// What the booking tells, as soon as it does.
async fn known_of<T: Copy>(mut known_slot: watch::Receiver<Option<T>>) -> Result<T, ServiceError> {
    let known = known_slot.wait_for(Option::is_some).await.map_err(ServiceError::permanent)?;
    (*known).ok_or_else(|| ServiceError::permanent("it was waited for and is not there"))
}

fn known_now(known_slot: &watch::Receiver<Option<SlotId>>) -> Option<SlotId> {
    *known_slot.borrow()
}

/// The caller's booking; another's is not found.
pub(super) async fn find(
    context: &RequestContext<'_, impl Invoke>,
    booking_id: BookingId,
    min_version: Option<u64>,
) -> Result<Booking, ServiceError> {
    let customer = Some(context.customer.clone());
    let question = Query::Booking { booking_id, customer, min_version };
    context.ask(&context.at.booking_query, question, context.deadline).await
}

pub(super) async fn slot(
    context: &RequestContext<'_, impl Invoke>,
    slot_id: SlotId,
) -> Result<Slot, ServiceError> {
    let question = ParkingQuery::Slot { slot_id, min_version: None };
    context.ask(&context.at.parking_query, question, context.deadline).await
}

async fn bill(
    context: &RequestContext<'_, impl Invoke>,
    reference: BillReference,
) -> Result<Option<Bill>, ServiceError> {
    let question = BillingQuery::Bill { reference };
    or_none(context.ask(&context.at.billing_query, question, context.deadline).await)
}

async fn stored_bill(
    context: &RequestContext<'_, impl Invoke>,
    reference: BillReference,
) -> Result<Option<Bill>, ServiceError> {
    let question = BillConsistentQuery::ReadBill { reference };
    context.ask(&context.at.billing_command, question, context.deadline).await
}

fn is_over(status: BookingStatus) -> bool {
    match status {
        BookingStatus::Failed | BookingStatus::Cancelled => true,
        BookingStatus::Pending | BookingStatus::Completed | BookingStatus::CheckedOut => false,
    }
}

async fn history(
    context: &RequestContext<'_, impl Invoke>,
    booking_id: BookingId,
) -> Result<History, ServiceError> {
    let question = ConsistentQuery::ReadHistory { booking_id, version: None, at: None };
    context.ask(&context.at.booking_command, question, context.deadline).await
}
