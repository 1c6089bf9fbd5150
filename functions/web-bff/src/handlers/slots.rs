//! The first page.

use bff::compose::Composition;
use bff::invoke::Invoke;
use bff::pages::troubled;
use bff::{Answer, Problem};
use contracts::booking::{Booking, Query as BookingQuery};
use contracts::message::{Page, PageRequest};
use contracts::parking::{Query, Slot, SlotStatus};
use service_error::ServiceError;

use super::Errand;
use crate::pages::slots::{Slots, Trouble, render};

/// Enough to choose from, and not too many forms for one page.
const SLOTS: u32 = 24;
/// What somebody has just done is among the last few.
const LATEST: u32 = 3;

/// Which slots are asked for.
#[derive(Default)]
pub(super) struct Asked {
    all: bool,
    cursor: Option<String>,
}

/// `GET /web/`.
pub(super) async fn show(errand: &Errand<'_, impl Invoke>) -> Result<Answer, Problem> {
    let query = errand.request.query(&["show", "cursor"])?;
    let all = match query.text("show") {
        None => false,
        Some("all") => true,
        Some(_) => return Err(Problem::validation("show is all, or not there")),
    };
    let asked = Asked { all, cursor: query.page()?.cursor };
    let composition = Composition::partial(errand.deadline);
    Ok(Answer::html(200, page(errand, &composition, asked, None).await?).timed(&composition))
}

/// The same page, with a form on it that has come to nothing.
pub(super) async fn not_booked(
    errand: &Errand<'_, impl Invoke>,
    problem: &Problem,
    trouble: Trouble<'_>,
) -> Result<Answer, Problem> {
    // Among all of them, for it may be free no more.
    let asked = Asked { all: true, cursor: None };
    let composition = Composition::partial(errand.deadline);
    Ok(troubled(problem, page(errand, &composition, asked, Some(trouble)).await?))
}

async fn page(
    errand: &Errand<'_, impl Invoke>,
    composition: &Composition,
    asked: Asked,
    trouble: Option<Trouble<'_>>,
) -> Result<String, Problem> {
    let remembered = &errand.remembered.lists;
    let key = (asked.all, asked.cursor.clone());
    let slots = async {
        let found = list(errand, &asked).await?;
        remembered.keep(key.clone(), found.clone(), errand.now);
        Ok(found)
    };
    // A refusal is of the cursor, and an earlier answer to a forged one is no answer.
    let earlier = || remembered.last(&key, errand.now);
    let (slots, latest) = tokio::try_join!(
        composition.optional_or("slots", slots, earlier),
        composition.optional("bookings", latest(errand)),
    )?;
    let report = composition.report();
    let shown = Slots {
        slots: &slots,
        latest: &latest,
        report: &report,
        all: asked.all,
        further: asked.cursor.is_some(),
        key: &errand.key,
        trouble,
    };
    Ok(render(&errand.place, &shown))
}

async fn list(errand: &Errand<'_, impl Invoke>, asked: &Asked) -> Result<Page<Slot>, ServiceError> {
    let status = (!asked.all).then_some(SlotStatus::Available);
    let page = PageRequest { limit: SLOTS, cursor: asked.cursor.clone() };
    errand.ask(&errand.at.parking_query, Query::Slots { status, page }, errand.deadline).await
}

async fn latest(errand: &Errand<'_, impl Invoke>) -> Result<Page<Booking>, ServiceError> {
    let page = PageRequest { limit: LATEST, cursor: None };
    let question = BookingQuery::CustomerBookings { customer: errand.customer.clone(), page };
    errand.ask(&errand.at.booking_query, question, errand.deadline).await
}
