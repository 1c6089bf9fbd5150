//! Bookings: what has happened to them, and how their sagas went.

use bff::invoke::{Invoke, ask};
use bff::{Answer, Problem};
use contracts::booking::{Booking, BookingAtVersion, ConsistentQuery, History, Query};
use contracts::id::BookingId;
use contracts::message::{Page, Request};
use jiff::Timestamp;

use super::{Errand, page_request};
use crate::shape::{BookingShown, HistoryShown};
use crate::workflow::{Workflow, saga_of};

/// `GET /operator/bookings`.
pub(super) async fn list(errand: &Errand<'_, impl Invoke>) -> Result<Answer, Problem> {
    let query = errand.request.query(&["status", "limit", "cursor"])?;
    let question = Request::from(Query::Bookings {
        status: query.one_of("status")?,
        page: page_request(query.page()?),
    });
    let page: Page<Booking> =
        ask(errand.services, &errand.at.booking_query, &question, errand.deadline).await?;
    let items: Vec<BookingShown> = page.items.into_iter().map(BookingShown::from).collect();
    Ok(Answer::json(200, &Page { items, next_cursor: page.next_cursor }))
}

/// `GET /operator/bookings/{bookingId}/events`.
pub(super) async fn history(errand: &Errand<'_, impl Invoke>) -> Result<Answer, Problem> {
    let booking_id: BookingId = errand.request.path("bookingId")?;
    let query = errand.request.query(&["version", "at"])?;
    let version = query.number("version", 1..=u64::MAX)?;
    let at: Option<Timestamp> = query.parsed("at")?;
    if version.is_some() && at.is_some() {
        return Err(Problem::validation("version and at exclude each other"));
    }
    let question = Request::from(ConsistentQuery::ReadHistory { booking_id, version, at });
    let function = &errand.at.booking_command;
    let shown = if version.is_none() && at.is_none() {
        let history: History = ask(errand.services, function, &question, errand.deadline).await?;
        HistoryShown::History(history)
    } else {
        let standing: BookingAtVersion =
            ask(errand.services, function, &question, errand.deadline).await?;
        HistoryShown::Standing(standing.into())
    };
    Ok(Answer::json(200, &shown))
}

/// `GET /operator/bookings/{bookingId}/saga`.
pub(super) async fn saga(
    errand: &Errand<'_, impl Invoke>,
    workflow: &impl Workflow,
) -> Result<Answer, Problem> {
    let booking_id: BookingId = errand.request.path("bookingId")?;
    errand.request.query(&[])?;
    match saga_of(workflow, booking_id).await? {
        Some(saga) => Ok(Answer::json(200, &saga)),
        None => Err(Problem::not_found("this booking has no orchestrated saga")),
    }
}
