//! The platform in short: counts, the latest bookings, health, queues.

use axum::response::{Html, IntoResponse};
use axum::routing::get;
use axum::{Json, Router};
use bff::Problem;
use bff::web::{NoParameters, StrictQuery};
use contracts::booking::{Booking, Query};
use contracts::message::{Page, PageRequest};
use contracts::projection::Overview;
use contracts::{booking, parking};
use futures::future::try_join_all;
use service_error::ServiceError;

use super::projections::ProjectionName;
use super::{ApiContext, App, ConsoleContext, QUEUE_TIMEOUT, RequestContext, circuit_breakers};
use crate::dto::{OverviewDto, QueueDto};
use crate::views;

/// An operator's latest action is about one of the last few.
const LATEST: u32 = 8;

pub(super) fn api_routes() -> Router<App> {
    Router::new().route("/operator/overview", get(read))
}

pub(super) fn page_routes() -> Router<App> {
    Router::new().route("/operator", get(show))
}

/// `GET /operator/overview`.
async fn read(
    ApiContext(context): ApiContext,
    _: StrictQuery<NoParameters>,
) -> Result<impl IntoResponse, Problem> {
    let composition = context.composition();
    let (bookings, slots, depths, breakers) = tokio::try_join!(
        composition.required("bookings", counts(&context, ProjectionName::Bookings)),
        composition.required("slots", counts(&context, ProjectionName::Slots)),
        composition.optional_within("queues", QUEUE_TIMEOUT, depths(&context)),
        circuit_breakers::all(&context, &composition),
    )?;
    let overview = OverviewDto::new(bookings, slots, depths, breakers, composition.report());
    Ok((composition.timing(), Json(overview)))
}

/// `GET /operator`.
async fn show(
    context: ConsoleContext,
    _: StrictQuery<NoParameters>,
) -> Result<impl IntoResponse, Problem> {
    let ConsoleContext { request, page, .. } = context;
    let composition = request.composition();
    let latest = async {
        let page = PageRequest { limit: LATEST, cursor: None };
        let query = Query::Bookings { status: None, page };
        request.query::<_, Page<Booking>>(&request.functions().booking_query, query).await
    };
    let (bookings, slots, latest, queues, breakers) = tokio::try_join!(
        composition.optional("bookings", counts(&request, ProjectionName::Bookings)),
        composition.optional("slots", counts(&request, ProjectionName::Slots)),
        composition.optional("latest bookings", latest),
        composition.optional_within("queues", QUEUE_TIMEOUT, depths(&request)),
        circuit_breakers::all(&request, &composition),
    )?;
    let report = composition.report();
    let overview = views::overview::Overview {
        bookings: &bookings,
        slots: &slots,
        latest: &latest,
        queues: &queues,
        breakers: &breakers,
        report: &report,
    };
    Ok((composition.timing(), Html(views::overview::render(&page, &overview))))
}

/// How many rows of a projection are in each state.
async fn counts(context: &RequestContext, name: ProjectionName) -> Result<Overview, ServiceError> {
    let functions = context.functions();
    match name {
        ProjectionName::Bookings => {
            context.query(&functions.booking_query, booking::Query::Overview {}).await
        }
        ProjectionName::Slots => {
            context.query(&functions.parking_query, parking::Query::Overview {}).await
        }
    }
}

/// About how many messages every queue has.
async fn depths(context: &RequestContext) -> Result<Vec<QueueDto>, ServiceError> {
    let depths = context.monitored().iter().map(async |queue| {
        let depth = context.queues().depth(queue).await?;
        Ok(QueueDto::new(queue, depth))
    });
    try_join_all(depths).await
}
