//! The first page.

use std::time::Duration;

use bff::compose::{Composition, Part};
use bff::invoke::Invoke;
use bff::kept::Aged;
use bff::pages::troubled;
use bff::{Answer, Problem};
use contracts::booking::{Booking, Query as BookingQuery};
use contracts::message::{Page, PageRequest};
use contracts::parking::{Query, Slot, SlotStatus};
use service_error::{ErrorKind, ServiceError};

use super::{RequestContext, SIGNED_IN_AGAIN, bookings};
use crate::pages::Place;
use crate::pages::bookings::SlotNames;
use crate::pages::slots::{FormError, Slots, render};

/// Enough to choose from, and not too many forms for one page.
const SLOTS: u32 = 24;
/// What the customer has just done is among the last few.
const LATEST: u32 = 3;

/// The names of the slots of the latest bookings are worth no longer wait.
const NAMES_LIMIT: Duration = Duration::from_secs(1);

/// Which slots are asked for.
#[derive(Default)]
pub(super) struct Asked {
    all: bool,
    cursor: Option<String>,
}

/// `GET /web/`.
pub(super) async fn show(context: &RequestContext<'_, impl Invoke>) -> Result<Answer, Problem> {
    let query = context.request.query(&["show", "cursor", "resume"])?;
    let all = match query.text("show") {
        None => false,
        Some("all") => true,
        Some(_) => return Err(Problem::validation("show is all, or not there")),
    };
    let asked = Asked { all, cursor: query.page()?.cursor };
    let composition = Composition::partial(context.deadline);
    let kept = context.kept_form.as_ref().and_then(|it| Some((it, it.field("slot").parse().ok()?)));
    let error = kept.map(|(form, slot_id)| FormError {
        slot_id,
        key: form.field("key"),
        text: SIGNED_IN_AGAIN,
        by_invoice: form.field("pay") == "invoice",
        token: form.field("token"),
    });
    Ok(Answer::html(200, page(context, &composition, asked, error).await?).timed(&composition))
}

/// The same page, with a form on it that was not carried out.
pub(super) async fn not_booked(
    context: &RequestContext<'_, impl Invoke>,
    problem: &Problem,
    error: FormError<'_>,
) -> Result<Answer, Problem> {
    // Among all of them, for it may not be free any more.
    let asked = Asked { all: true, cursor: None };
    let composition = Composition::partial(context.deadline);
    Ok(troubled(problem, page(context, &composition, asked, Some(error)).await?))
}

async fn page(
    context: &RequestContext<'_, impl Invoke>,
    composition: &Composition,
    asked: Asked,
    error: Option<FormError<'_>>,
) -> Result<String, Problem> {
    let cache = &context.cache.lists;
    let key = (asked.all, asked.cursor.clone());
    let slots = async {
        let found = match list(context, &asked).await {
            // The cursor is not one of ours. That is a bad link, and parking has answered.
            Err(failure) if failure.kind() == ErrorKind::Rejected => return Ok(Err(failure)),
            found => found?,
        };
        cache.keep(key.clone(), found.clone(), context.now);
        Ok(Ok(found))
    };
    let earlier = || {
        let Aged { value, age } = cache.last(&key, context.now)?;
        Some(Aged { value: Ok(value), age })
    };
    let latest = async {
        let latest = latest(context).await?;
        let within = context.deadline.within(NAMES_LIMIT);
        let names = bookings::slot_names(context, &latest.items, within).await.unwrap_or_default();
        Ok((latest, names))
    };
    let (slots, latest) = tokio::try_join!(
        composition.optional_or("slots", slots, earlier),
        composition.optional("bookings", latest),
    )?;
    let mut slots = match slots {
        Part::Fresh(found) => Part::Fresh(found?),
        Part::Stale(found) => Part::Stale(found?),
        Part::Missing => Part::Missing,
    };
    let mut any_slots = true;
    if let Part::Fresh(list) = &mut slots {
        match error.map(|it| it.slot_id) {
            // The list has many pages, and the form is to be seen on this one.
            Some(slot_id) if list.items.iter().all(|it| it.slot_id != slot_id) => {
                let found = bookings::slot(context, slot_id).await.ok();
                list.items.splice(..0, found);
            }
            Some(_) => {}
            None if list.items.is_empty() && asked.cursor.is_none() => {
                any_slots = !asked.all && are_there_any(context).await;
            }
            None => {}
        }
    }
    let report = composition.report();
    let (latest, names) = match latest {
        Part::Fresh((latest, names)) => (Part::Fresh(latest), names),
        Part::Stale((latest, names)) => (Part::Stale(latest), names),
        Part::Missing => (Part::Missing, SlotNames::new()),
    };
    let shown = Slots {
        slots: &slots,
        latest: &latest,
        report: &report,
        all: asked.all,
        further: asked.cursor.is_some(),
        any_slots,
        names: &names,
        key: &context.key,
        error,
    };
    // Whatever was sent where, this is the first page.
    let place = Place { here: String::new(), ..context.place.clone() };
    Ok(render(&place, &shown))
}

async fn list(
    context: &RequestContext<'_, impl Invoke>,
    asked: &Asked,
) -> Result<Page<Slot>, ServiceError> {
    let status = (!asked.all).then_some(SlotStatus::Available);
    let page = PageRequest { limit: SLOTS, cursor: asked.cursor.clone() };
    context.ask(&context.at.parking_query, Query::Slots { status, page }, context.deadline).await
}

/// Whether the platform has any slots at all. If parking does not answer, it is taken to have some.
async fn are_there_any(context: &RequestContext<'_, impl Invoke>) -> bool {
    let page = PageRequest { limit: 1, cursor: None };
    let query = Query::Slots { status: None, page };
    let found: Result<Page<Slot>, _> =
        context.ask(&context.at.parking_query, query, context.deadline).await;
    found.map_or(true, |it| !it.items.is_empty())
}

async fn latest(context: &RequestContext<'_, impl Invoke>) -> Result<Page<Booking>, ServiceError> {
    let page = PageRequest { limit: LATEST, cursor: None };
    let question = BookingQuery::CustomerBookings { customer: context.customer.clone(), page };
    context.ask(&context.at.booking_query, question, context.deadline).await
}
