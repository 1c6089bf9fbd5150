//! Bookings: the list, the events of one, its saga, and the page with everything about it.

use axum::response::{Html, IntoResponse};
use axum::routing::get;
use axum::{Json, Router};
use bff::compose::{Composition, Part};
use bff::invoke::optional;
use bff::web::{Cursor, Limit, NoParameters, PathParameter, StrictQuery, WholeNumber};
use bff::{Problem, ProblemKind};
use contracts::billing::{Bill, Query as BillingQuery};
use contracts::booking::{
    Booking, BookingAtVersion, BookingStatus, ConsistentQuery, History, Query,
};
use contracts::id::{BillReference, BookingId, SlotId};
use contracts::message::Page;
use contracts::parking::{Query as ParkingQuery, Slot};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use service_error::ServiceError;

use super::{ApiContext, App, ConsoleContext, RequestContext, dead_letters, page_request, slots};
use crate::dto::{BookingDto, HistoryDto};
use crate::views;
use crate::workflow::{SagaDto, saga_of};

pub(super) fn api_routes() -> Router<App> {
    Router::new()
        .route("/operator/bookings", get(list))
        .route("/operator/bookings/{bookingId}/events", get(events))
        .route("/operator/bookings/{bookingId}/saga", get(saga))
}

pub(super) fn page_routes() -> Router<App> {
    Router::new()
        .route("/operator/room/bookings", get(show_list))
        .route("/operator/room/bookings/{bookingId}", get(show))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    status: Option<BookingStatus>,
    limit: Option<Limit>,
    cursor: Option<Cursor>,
}

/// `GET /operator/bookings`.
async fn list(
    ApiContext(context): ApiContext,
    StrictQuery(ListQuery { status, limit, cursor }): StrictQuery<ListQuery>,
) -> Result<Json<Page<BookingDto>>, Problem> {
    let query = Query::Bookings { status, page: page_request(limit, cursor) };
    let page: Page<Booking> = context.query(&context.functions().booking_query, query).await?;
    let items = page.items.into_iter().map(BookingDto::from).collect();
    Ok(Json(Page { items, next_cursor: page.next_cursor }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventsQuery {
    version: Option<WholeNumber<1, { u64::MAX }>>,
    at: Option<Timestamp>,
}

/// `GET /operator/bookings/{bookingId}/events`.
async fn events(
    ApiContext(context): ApiContext,
    PathParameter(booking_id): PathParameter<BookingId>,
    StrictQuery(EventsQuery { version, at }): StrictQuery<EventsQuery>,
) -> Result<Json<HistoryDto>, Problem> {
    if version.is_some() && at.is_some() {
        return Err(Problem::validation("version and at exclude each other"));
    }
    let version = version.map(|it| it.0);
    let query = ConsistentQuery::ReadHistory { booking_id, version, at };
    let function = &context.functions().booking_command;
    Ok(Json(if version.is_none() && at.is_none() {
        HistoryDto::History(context.query(function, query).await?)
    } else {
        let booking: BookingAtVersion = context.query(function, query).await?;
        HistoryDto::AtVersion(booking.into())
    }))
}

/// `GET /operator/bookings/{bookingId}/saga`.
async fn saga(
    ApiContext(context): ApiContext,
    PathParameter(booking_id): PathParameter<BookingId>,
    _: StrictQuery<NoParameters>,
) -> Result<Json<SagaDto>, Problem> {
    let saga = saga_of(&*context.app.workflow, booking_id).await?;
    saga.map(Json).ok_or_else(|| Problem::not_found("this booking has no orchestrated saga"))
}

// ---- Pages ---------------------------------------------------------------------------------------------------------

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShowListQuery {
    status: Option<BookingStatus>,
    cursor: Option<Cursor>,
}

/// `GET /operator/room/bookings`.
async fn show_list(
    ConsoleContext { request, page, .. }: ConsoleContext,
    StrictQuery(ShowListQuery { status, cursor }): StrictQuery<ShowListQuery>,
) -> Result<Html<String>, Problem> {
    let further = cursor.is_some();
    let query = Query::Bookings { status, page: page_request(None, cursor) };
    let list: Page<Booking> = request.query(&request.functions().booking_query, query).await?;
    Ok(Html(views::bookings::render(&page, &list, status, further)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShowQuery {
    version: Option<WholeNumber<1, { u64::MAX }>>,
}

/// `GET /operator/room/bookings/{bookingId}`.
async fn show(
    ConsoleContext { request, page, now, .. }: ConsoleContext,
    PathParameter(booking_id): PathParameter<BookingId>,
    StrictQuery(ShowQuery { version }): StrictQuery<ShowQuery>,
) -> Result<impl IntoResponse, Problem> {
    let version = version.map(|it| it.0);
    let composition = request.composition();
    let at_version = async {
        match version {
            None => Ok(None),
            Some(_) => optional(read_history(&request, booking_id, version).await),
        }
    };
    let (booking, history, at_version, saga, messages) = tokio::try_join!(
        composition.optional("booking", async { optional(find(&request, booking_id).await) }),
        composition.optional("events", async {
            optional(read_history::<History>(&request, booking_id, None).await)
        }),
        composition.optional("state at the version", at_version),
        composition.optional("saga", saga_of(&*request.app.workflow, booking_id)),
        dead_letters::all(&request, &composition),
    )?;
    let history = history.map(|it| it.unwrap_or(History { events: Vec::new() }));
    let known = booking.value().and_then(Option::as_ref);
    let slot_id = known.map(|it| it.slot_id).or_else(|| history.value().and_then(slot_of));
    let is_known = known.is_some() || history.value().is_some_and(|it| !it.events.is_empty());
    if !is_known {
        let is_unavailable = booking == Part::Missing || history == Part::Missing;
        return Err(if is_unavailable {
            let detail = "bookings are currently unavailable";
            Problem::new(ProblemKind::ServiceUnavailable, detail)
        } else {
            Problem::not_found("there is no such booking")
        });
    }
    let (slot, bill) = slot_and_bill(&request, &composition, booking_id, slot_id).await?;
    let id = booking_id.to_string();
    let messages: Vec<_> = messages.into_iter().filter(|it| it.body.contains(&id)).collect();
    let report = composition.report();
    let detail = views::booking_detail::BookingDetail {
        booking_id,
        booking: known,
        history: history.value(),
        version,
        at_version: at_version.value().and_then(Option::as_ref),
        saga: &saga,
        slot: slot.value().and_then(Option::as_ref),
        bill: &bill,
        dead_letters: &messages,
        report: &report,
        now,
    };
    Ok((composition.timing(), Html(views::booking_detail::render(&page, &detail))))
}

async fn slot_and_bill(
    request: &RequestContext,
    composition: &Composition,
    booking_id: BookingId,
    slot_id: Option<SlotId>,
) -> Result<(Part<Option<Slot>>, Part<Option<Bill>>), ServiceError> {
    let slot = async {
        let Some(slot_id) = slot_id else { return Ok(None) };
        let query = ParkingQuery::Slot { slot_id, min_version: None };
        optional(slots::send_query::<Slot>(request, query).await)
    };
    let bill = async {
        let Some(slot_id) = slot_id else { return Ok(None) };
        let query = BillingQuery::Bill { reference: BillReference { slot_id, booking_id } };
        optional(request.query(&request.functions().billing_query, query).await)
    };
    tokio::try_join!(composition.optional("slot", slot), composition.optional("bill", bill))
}

async fn find(request: &RequestContext, booking_id: BookingId) -> Result<Booking, ServiceError> {
    let query = Query::Booking { booking_id, customer: None, min_version: None };
    request.query(&request.functions().booking_query, query).await
}

async fn read_history<R: DeserializeOwned>(
    request: &RequestContext,
    booking_id: BookingId,
    version: Option<u64>,
) -> Result<R, ServiceError> {
    let query = ConsistentQuery::ReadHistory { booking_id, version, at: None };
    request.query(&request.functions().booking_command, query).await
}

/// The slot that a booking's first event names.
fn slot_of(history: &History) -> Option<SlotId> {
    history.events.first()?.data.get("slotId")?.as_str()?.parse().ok()
}
