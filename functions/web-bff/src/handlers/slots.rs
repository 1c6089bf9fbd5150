//! The first page.

use std::time::Duration;

use axum::Router;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use bff::Problem;
use bff::compose::{Composition, Part};
use bff::stale_cache::Cached;
use bff::web::{Cursor, StrictQuery, with_page};
use contracts::booking::{Booking, Query as BookingQuery};
use contracts::message::{Page, PageRequest};
use contracts::parking::{Query, Slot, SlotStatus};
use pages::PageContext;
use serde::Deserialize;
use service_error::{ErrorKind, ServiceError};

use super::slot_lookup::{slot, slot_names};
use super::{App, RequestContext, SIGNED_IN_AGAIN, composition};
use crate::views::bookings::SlotNames;
use crate::views::slots::{FormError, Slots, render};

/// Enough to choose from, and not too many forms for one page.
const SLOTS: u32 = 24;
/// What the customer has just done is among the last few.
const LATEST: u32 = 3;

/// The names of the slots of the latest bookings are worth no longer wait.
const NAMES_LIMIT: Duration = Duration::from_secs(1);

pub(super) fn routes() -> Router<App> {
    Router::new().route("/web", get(show))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SlotsQuery {
    show: Option<Show>,
    cursor: Option<Cursor>,
    #[serde(rename = "resume")]
    _resume: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Show {
    All,
}

/// Which part of the list of slots is shown.
#[derive(Default)]
struct Selection {
    all: bool,
    cursor: Option<String>,
}

/// `GET /web/`.
async fn show(
    context: RequestContext,
    StrictQuery(query): StrictQuery<SlotsQuery>,
) -> Result<impl IntoResponse, Problem> {
    let SlotsQuery { show, cursor, .. } = query;
    let selection = Selection { all: show.is_some(), cursor: cursor.map(|it| it.0) };
    let composition = composition(&context);
    let kept = context.kept_form.as_ref().and_then(|it| Some((it, it.field("slot").parse().ok()?)));
    let error = kept.map(|(form, slot_id)| FormError {
        slot_id,
        key: form.field("key"),
        text: SIGNED_IN_AGAIN,
        by_invoice: form.field("pay") == "invoice",
        token: form.field("token"),
    });
    let page = page(&context, &composition, selection, error).await?;
    Ok((composition.timing(), Html(page)))
}

/// The same page, with a form on it that was not carried out.
pub(super) async fn not_booked(
    context: &RequestContext,
    problem: Problem,
    error: FormError<'_>,
) -> Result<Response, Problem> {
    // Among all slots: this one may not be free any more.
    let selection = Selection { all: true, cursor: None };
    let page = page(context, &composition(context), selection, Some(error)).await?;
    Ok(with_page(problem, Html(page)))
}

async fn page(
    context: &RequestContext,
    composition: &Composition,
    selection: Selection,
    error: Option<FormError<'_>>,
) -> Result<String, Problem> {
    let cache = &context.cache().lists;
    let key = (selection.all, selection.cursor.clone());
    let slots = async {
        let found = match list(context, &selection).await {
            // The cursor is not one of ours. That is a bad link, and parking has responded.
            Err(failure) if failure.kind() == ErrorKind::Rejected => return Ok(Err(failure)),
            found => found?,
        };
        cache.keep(key.clone(), found.clone(), context.now);
        Ok(Ok(found))
    };
    let earlier = || {
        let Cached { value, age } = cache.last(&key, context.now)?;
        Some(Cached { value: Ok(value), age })
    };
    let latest = async {
        let latest = latest(context).await?;
        let within = context.deadline.within(NAMES_LIMIT);
        let names = slot_names(context, &latest.items, within).await.unwrap_or_default();
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
                let found = slot(context, slot_id).await.ok();
                list.items.splice(..0, found);
            }
            Some(_) => {}
            None if list.items.is_empty() && selection.cursor.is_none() => {
                any_slots = !selection.all && are_there_any(context).await;
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
        all: selection.all,
        further: selection.cursor.is_some(),
        any_slots,
        names: &names,
        key: &context.key,
        error,
    };
    // The form was sent to another address, but this is the first page.
    let page = PageContext { here: String::new(), ..context.page.clone() };
    Ok(render(&page, &shown))
}

async fn list(context: &RequestContext, selection: &Selection) -> Result<Page<Slot>, ServiceError> {
    let status = (!selection.all).then_some(SlotStatus::Available);
    let page = PageRequest { limit: SLOTS, cursor: selection.cursor.clone() };
    context
        .invoke(&context.functions().parking_query, Query::Slots { status, page }, context.deadline)
        .await
}

/// Whether the platform has any slots at all. If parking does not respond, it is taken to have some.
async fn are_there_any(context: &RequestContext) -> bool {
    let page = PageRequest { limit: 1, cursor: None };
    let query = Query::Slots { status: None, page };
    let found: Result<Page<Slot>, _> =
        context.invoke(&context.functions().parking_query, query, context.deadline).await;
    found.map_or(true, |it| !it.items.is_empty())
}

async fn latest(context: &RequestContext) -> Result<Page<Booking>, ServiceError> {
    let page = PageRequest { limit: LATEST, cursor: None };
    let query = BookingQuery::CustomerBookings { customer: context.customer.clone(), page };
    context.invoke(&context.functions().booking_query, query, context.deadline).await
}
