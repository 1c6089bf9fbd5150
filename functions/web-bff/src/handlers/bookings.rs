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

use super::{Errand, SIGNED_IN_AGAIN};
use crate::dto::{BookingDetails, BookingDetailsDto, timeline};
use crate::pages::booking::{Field, Form, FormError, render};
use crate::pages::bookings::SlotNames;
use crate::pages::{Place, bookings};

/// `GET /web/bookings`.
pub(super) async fn list(errand: &Errand<'_, impl Invoke>) -> Result<Answer, Problem> {
    let query = errand.request.query(&["limit", "cursor"])?;
    let asked = query.page()?;
    let further = asked.cursor.is_some();
    let page = PageRequest { limit: asked.limit, cursor: asked.cursor };
    let question = Query::CustomerBookings { customer: errand.customer.clone(), page };
    let composition = Composition::partial(errand.deadline);
    let found: Page<Booking> =
        errand.ask(&errand.at.booking_query, question, errand.deadline).await?;
    let names = slot_names(errand, &found.items, errand.deadline);
    let names = composition.optional("names", names).await?;
    let report = composition.report();
    let page = bookings::render(&errand.place, &found, &names, &report, further);
    Ok(Answer::html(200, page).timed(&composition))
}

/// The names of these bookings' slots. A slot never changes its name, so an earlier answer is as good.
pub(super) async fn slot_names(
    errand: &Errand<'_, impl Invoke>,
    bookings: &[Booking],
    until: Deadline,
) -> Result<SlotNames, ServiceError> {
    let cache = &errand.cache.slots;
    let mut names = SlotNames::new();
    let mut unknown = BTreeSet::new();
    for slot_id in bookings.iter().map(|it| it.slot_id) {
        match cache.last(&slot_id, errand.now) {
            Some(slot) => drop(names.insert(slot_id, slot.value.name)),
            None => drop(unknown.insert(slot_id)),
        }
    }
    if !unknown.is_empty() {
        let question = ParkingQuery::SlotsById { slot_ids: unknown.into_iter().collect() };
        let found: Vec<Slot> = errand.ask(&errand.at.parking_query, question, until).await?;
        names.extend(found.into_iter().map(|it| (it.slot_id, it.name)));
    }
    Ok(names)
}

/// `GET /web/bookings/{bookingId}`, as a page or as JSON.
pub(super) async fn show(errand: &Errand<'_, impl Invoke>) -> Result<Answer, Problem> {
    let booking_id = errand.request.path("bookingId")?;
    let query = errand.request.query(&["minVersion", "resume"])?;
    let min_version = query.number("minVersion", 1..=u64::MAX)?;
    let composition = Composition::partial(errand.deadline);
    let whole = whole(errand, &composition, booking_id, min_version).await?;
    // A page has a fresh key in it, so it is never the same; JSON may be.
    let answer = if wants_json(errand) {
        Answer::json(200, &BookingDetailsDto::from(&whole)).unless_known(errand.request)
    } else {
        let kept = errand.kept_form.as_ref();
        let error = kept.map(|form| FormError {
            form: Form::Pay,
            field: Field::None,
            text: SIGNED_IN_AGAIN,
            amount: form.field("amount"),
            token: form.field("token"),
        });
        let key = kept.map_or(errand.key.as_str(), |it| it.field("key"));
        Answer::html(200, render(&errand.place, &whole, key, error, errand.now))
    };
    Ok(answer.timed(&composition))
}

/// The same page, with a form on it that was not carried out.
pub(super) async fn not_done(
    errand: &Errand<'_, impl Invoke>,
    booking_id: BookingId,
    problem: &Problem,
    error: FormError<'_>,
    key: &str,
) -> Result<Answer, Problem> {
    let whole = around(errand, booking_id).await?;
    Ok(not_done_of(errand, &whole, problem, error, key))
}

/// Likewise, of a booking that has been read already.
pub(super) fn not_done_of(
    errand: &Errand<'_, impl Invoke>,
    whole: &BookingDetails,
    problem: &Problem,
    error: FormError<'_>,
    key: &str,
) -> Answer {
    // The page is that of the booking, wherever the form was sent.
    let here = format!("bookings/{}", whole.booking.booking_id);
    let place = Place { here, ..errand.place.clone() };
    troubled(problem, render(&place, whole, key, Some(error), errand.now))
}

/// The booking with everything around it, as it is now.
pub(super) async fn around(
    errand: &Errand<'_, impl Invoke>,
    booking_id: BookingId,
) -> Result<BookingDetails, ServiceError> {
    whole(errand, &Composition::partial(errand.deadline), booking_id, None).await
}

fn wants_json(errand: &Errand<'_, impl Invoke>) -> bool {
    errand.request.accepts("application/json") && !errand.request.accepts("text/html")
}

/// The booking, and beside it what surrounds it.
///
/// Slot and bill are named after the slot, which only the booking tells: the first time they wait for it, then it is known.
/// What has happened never changes, so it is asked for only if the booking has gone on since.
async fn whole(
    errand: &Errand<'_, impl Invoke>,
    composition: &Composition,
    booking_id: BookingId,
    min_version: Option<u64>,
) -> Result<BookingDetails, ServiceError> {
    let cache = errand.cache;
    let known = cache.slot_of.last(&booking_id, errand.now).map(|it| it.value);
    let (tell, told) = watch::channel(known);
    let (tell_state, told_state) = watch::channel(None);

    let booking = async {
        let booking = find(errand, booking_id, min_version).await?;
        cache.slot_of.keep(booking_id, booking.slot_id, errand.now);
        tell.send_replace(Some(booking.slot_id));
        tell_state.send_replace(Some((booking.version, booking.status)));
        Ok(booking)
    };
    let slot = async { slot(errand, known_of(told.clone()).await?).await };
    let bill = async {
        let reference = BillReference { slot_id: known_of(told.clone()).await?, booking_id };
        match bill(errand, reference).await? {
            Some(bill) => Ok(Some(bill)),
            // The view may be behind. A page says that nothing was charged only if the write model does.
            None if is_over(known_of(told_state.clone()).await?.1) => {
                stored_bill(errand, reference).await
            }
            None => Ok(None),
        }
    };
    let last_history = || cache.histories.last(&booking_id, errand.now);
    let history = async {
        let (version, _) = known_of(told_state.clone()).await?;
        let is_whole = |it: &History| it.events.iter().any(|event| event.version >= version);
        match last_history().map(|it| it.value).filter(is_whole) {
            Some(history) => Ok(history),
            None => history(errand, booking_id).await,
        }
    };

    let last_slot = || cache.slots.last(&known_now(&told)?, errand.now);
    let last_bill = || {
        let reference = BillReference { slot_id: known_now(&told)?, booking_id };
        cache.bills.last(&reference, errand.now)
    };
    let (booking, slot, bill, history) = tokio::try_join!(
        composition.required("booking", booking),
        composition.optional_or("parking", slot, last_slot),
        composition.optional_or("billing", bill, last_bill),
        composition.optional_or("timeline", history, last_history),
    )?;
    // Whoever is not the booking's customer has come to nothing above: now what was found is for them.
    if let Part::Fresh(slot) = &slot {
        cache.slots.keep(slot.slot_id, slot.clone(), errand.now);
    }
    if let Part::Fresh(bill) = &bill {
        let reference = BillReference { slot_id: booking.slot_id, booking_id };
        cache.bills.keep(reference, bill.clone(), errand.now);
    }
    if let Part::Fresh(history) = &history {
        cache.histories.keep(booking_id, history.clone(), errand.now);
    }
    let timeline = history.map(|it| timeline(it, &booking));
    Ok(BookingDetails { booking, slot, bill, timeline, report: composition.report() })
}

/// What the booking tells, as soon as it does.
async fn known_of<T: Copy>(mut told: watch::Receiver<Option<T>>) -> Result<T, ServiceError> {
    let known = told.wait_for(Option::is_some).await.map_err(ServiceError::permanent)?;
    (*known).ok_or_else(|| ServiceError::permanent("it was waited for and is not there"))
}

fn known_now(told: &watch::Receiver<Option<SlotId>>) -> Option<SlotId> {
    *told.borrow()
}

/// The caller's booking; another's is not found.
pub(super) async fn find(
    errand: &Errand<'_, impl Invoke>,
    booking_id: BookingId,
    min_version: Option<u64>,
) -> Result<Booking, ServiceError> {
    let customer = Some(errand.customer.clone());
    let question = Query::Booking { booking_id, customer, min_version };
    errand.ask(&errand.at.booking_query, question, errand.deadline).await
}

pub(super) async fn slot(
    errand: &Errand<'_, impl Invoke>,
    slot_id: SlotId,
) -> Result<Slot, ServiceError> {
    let question = ParkingQuery::Slot { slot_id, min_version: None };
    errand.ask(&errand.at.parking_query, question, errand.deadline).await
}

async fn bill(
    errand: &Errand<'_, impl Invoke>,
    reference: BillReference,
) -> Result<Option<Bill>, ServiceError> {
    let question = BillingQuery::Bill { reference };
    or_none(errand.ask(&errand.at.billing_query, question, errand.deadline).await)
}

async fn stored_bill(
    errand: &Errand<'_, impl Invoke>,
    reference: BillReference,
) -> Result<Option<Bill>, ServiceError> {
    let question = BillConsistentQuery::ReadBill { reference };
    errand.ask(&errand.at.billing_command, question, errand.deadline).await
}

fn is_over(status: BookingStatus) -> bool {
    match status {
        BookingStatus::Failed | BookingStatus::Cancelled => true,
        BookingStatus::Pending | BookingStatus::Completed | BookingStatus::CheckedOut => false,
    }
}

async fn history(
    errand: &Errand<'_, impl Invoke>,
    booking_id: BookingId,
) -> Result<History, ServiceError> {
    let question = ConsistentQuery::ReadHistory { booking_id, version: None, at: None };
    errand.ask(&errand.at.booking_command, question, errand.deadline).await
}
