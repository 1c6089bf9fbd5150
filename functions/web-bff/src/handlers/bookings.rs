//! Bookings: all of a customer's, and one with everything around it.

use bff::compose::{Composition, Part};
use bff::invoke::{Invoke, or_none};
use bff::pages::troubled;
use bff::{Answer, Problem};
use contracts::billing::{Bill, Query as BillingQuery};
use contracts::booking::{Booking, ConsistentQuery, History, Query};
use contracts::id::{BillReference, BookingId, SlotId};
use contracts::message::{Page, PageRequest};
use contracts::parking::{Query as ParkingQuery, Slot};
use service_error::ServiceError;
use tokio::sync::watch;

use super::Errand;
use crate::pages::booking::{Trouble, render};
use crate::pages::bookings;
use crate::shape::{Whole, WholeShown, timeline};

/// `GET /web/bookings`.
pub(super) async fn list(errand: &Errand<'_, impl Invoke>) -> Result<Answer, Problem> {
    let query = errand.request.query(&["limit", "cursor"])?;
    let asked = query.page()?;
    let further = asked.cursor.is_some();
    let page = PageRequest { limit: asked.limit, cursor: asked.cursor };
    let question = Query::CustomerBookings { customer: errand.customer.clone(), page };
    let found: Page<Booking> =
        errand.ask(&errand.at.booking_query, question, errand.deadline).await?;
    Ok(Answer::html(200, bookings::render(&errand.place, &found, further)))
}

/// `GET /web/bookings/{bookingId}`, as a page or as JSON.
pub(super) async fn show(errand: &Errand<'_, impl Invoke>) -> Result<Answer, Problem> {
    let booking_id = errand.request.path("bookingId")?;
    let query = errand.request.query(&["minVersion"])?;
    let min_version = query.number("minVersion", 1..=u64::MAX)?;
    let composition = Composition::partial(errand.deadline);
    let whole = whole(errand, &composition, booking_id, min_version).await?;
    // A page has a fresh key in it, so it is never the same; JSON may be.
    let answer = if wants_json(errand) {
        Answer::json(200, &WholeShown::from(&whole)).unless_known(errand.request)
    } else {
        Answer::html(200, render(&errand.place, &whole, &errand.key, None, errand.now))
    };
    Ok(answer.timed(&composition))
}

/// The same page, with a form on it that has come to nothing.
pub(super) async fn not_done(
    errand: &Errand<'_, impl Invoke>,
    booking_id: BookingId,
    problem: &Problem,
    trouble: Trouble<'_>,
    key: &str,
) -> Result<Answer, Problem> {
    let composition = Composition::partial(errand.deadline);
    let whole = whole(errand, &composition, booking_id, None).await?;
    let page = render(&errand.place, &whole, key, Some(trouble), errand.now);
    Ok(troubled(problem, page))
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
) -> Result<Whole, ServiceError> {
    let remembered = errand.remembered;
    let known = remembered.slot_of.last(&booking_id, errand.now).map(|it| it.value);
    let (tell, told) = watch::channel(known);
    let (tell_version, told_version) = watch::channel(None);

    let booking = async {
        let booking = find(errand, booking_id, min_version).await?;
        remembered.slot_of.keep(booking_id, booking.slot_id, errand.now);
        tell.send_replace(Some(booking.slot_id));
        tell_version.send_replace(Some(booking.version));
        Ok(booking)
    };
    let slot = async { slot(errand, known_of(told.clone()).await?).await };
    let bill = async {
        let reference = BillReference { slot_id: known_of(told.clone()).await?, booking_id };
        bill(errand, reference).await
    };
    let last_history = || remembered.histories.last(&booking_id, errand.now);
    let history = async {
        let version = known_of(told_version.clone()).await?;
        let is_whole = |it: &History| it.events.iter().any(|event| event.version >= version);
        match last_history().map(|it| it.value).filter(is_whole) {
            Some(history) => Ok(history),
            None => history(errand, booking_id).await,
        }
    };

    let last_slot = || remembered.slots.last(&known_now(&told)?, errand.now);
    let last_bill = || {
        let reference = BillReference { slot_id: known_now(&told)?, booking_id };
        remembered.bills.last(&reference, errand.now)
    };
    let (booking, slot, bill, history) = tokio::try_join!(
        composition.required("booking", booking),
        composition.optional_or("parking", slot, last_slot),
        composition.optional_or("billing", bill, last_bill),
        composition.optional_or("timeline", history, last_history),
    )?;
    // Whoever is not the booking's customer has come to nothing above: now what was found is for them.
    if let Part::Fresh(slot) = &slot {
        remembered.slots.keep(slot.slot_id, slot.clone(), errand.now);
    }
    if let Part::Fresh(bill) = &bill {
        let reference = BillReference { slot_id: booking.slot_id, booking_id };
        remembered.bills.keep(reference, bill.clone(), errand.now);
    }
    if let Part::Fresh(history) = &history {
        remembered.histories.keep(booking_id, history.clone(), errand.now);
    }
    let timeline = history.map(|it| timeline(it, &booking));
    Ok(Whole { booking, slot, bill, timeline, report: composition.report() })
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

async fn slot(errand: &Errand<'_, impl Invoke>, slot_id: SlotId) -> Result<Slot, ServiceError> {
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

async fn history(
    errand: &Errand<'_, impl Invoke>,
    booking_id: BookingId,
) -> Result<History, ServiceError> {
    let question = ConsistentQuery::ReadHistory { booking_id, version: None, at: None };
    errand.ask(&errand.at.booking_command, question, errand.deadline).await
}
