//! Projections: their state, rebuilt, and rolled back.

use std::str::FromStr;

use axum::http::StatusCode;
use axum::response::{Html, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bff::Problem;
use bff::compose::Part;
use bff::invoke::{invoke, start};
use bff::web::{NoBody, NoParameters, PathParameter, StrictJson, StrictQuery};
use contracts::projection::{Command, Projection};
use contracts::{booking, parking};
use pages::PageForm;
use serde::Deserialize;
use service_error::ServiceError;

use super::{ApiContext, App, ConsoleContext, DoneQuery, EmptyForm, RequestContext, not_our_form};
use crate::config::Services;
use crate::dto::{ProjectionDto, RollBack};
use crate::views;
use crate::views::FlashMessage;

pub(super) fn api_routes() -> Router<App> {
    Router::new()
        .route("/operator/projections/{name}", get(read))
        .route("/operator/projections/{name}/rebuild", post(rebuild))
        .route("/operator/projections/{name}/rollback", post(roll_back))
}

pub(super) fn page_routes() -> Router<App> {
    Router::new()
        .route("/operator/room/projections", get(show))
        .route("/operator/room/projections/{name}/rebuild", post(rebuild_by_form))
        .route("/operator/room/projections/{name}/rollback", post(roll_back_by_form))
}

/// The name of a projection.
#[derive(Clone, Copy)]
pub(super) enum ProjectionName {
    Bookings,
    Slots,
}

impl FromStr for ProjectionName {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        match name {
            "bookings" => Ok(Self::Bookings),
            "slots" => Ok(Self::Slots),
            _ => Err(()),
        }
    }
}

impl ProjectionName {
    fn rebuild_function(self, functions: &Services) -> &str {
        match self {
            Self::Bookings => &functions.booking_rebuild,
            Self::Slots => &functions.parking_rebuild,
        }
    }

    fn dto(self, projection: Projection) -> ProjectionDto {
        let name = match self {
            Self::Bookings => "bookings",
            Self::Slots => "slots",
        };
        ProjectionDto { name, projection }
    }
}

/// `GET /operator/projections/{name}`.
async fn read(
    ApiContext(context): ApiContext,
    PathParameter(name): PathParameter<ProjectionName>,
    _: StrictQuery<NoParameters>,
) -> Result<Json<ProjectionDto>, Problem> {
    Ok(Json(state(&context, name).await?))
}

/// `POST /operator/projections/{name}/rebuild`.
async fn rebuild(
    ApiContext(context): ApiContext,
    PathParameter(name): PathParameter<ProjectionName>,
    _: StrictQuery<NoParameters>,
    _: NoBody,
) -> Result<(StatusCode, Json<ProjectionDto>), Problem> {
    Ok((StatusCode::ACCEPTED, Json(begin_rebuild(&context, name).await?)))
}

/// `POST /operator/projections/{name}/rollback`.
async fn roll_back(
    ApiContext(context): ApiContext,
    PathParameter(name): PathParameter<ProjectionName>,
    _: StrictQuery<NoParameters>,
    StrictJson(RollBack { generation }): StrictJson<RollBack>,
) -> Result<Json<ProjectionDto>, Problem> {
    Ok(Json(roll_back_to(&context, name, generation).await?))
}

// ---- Pages ---------------------------------------------------------------------------------------------------------

/// `GET /operator/room/projections`.
async fn show(
    context: ConsoleContext,
    StrictQuery(DoneQuery { done, .. }): StrictQuery<DoneQuery>,
) -> Result<Html<String>, Problem> {
    let flash = context.flash(done.as_deref())?;
    page(&context, flash).await.map(Html)
}

async fn page(context: &ConsoleContext, flash: Option<FlashMessage>) -> Result<String, Problem> {
    let composition = context.request.composition();
    let (bookings, slots) = tokio::try_join!(
        composition.optional("bookings", state(&context.request, ProjectionName::Bookings)),
        composition.optional("slots", state(&context.request, ProjectionName::Slots)),
    )?;
    let all: Vec<_> = [bookings, slots].into_iter().filter_map(Part::into_value).collect();
    let report = composition.report();
    Ok(views::projections::render(&context.page, &all, &report, context.now, flash.as_ref()))
}

/// `POST /operator/room/projections/{name}/rebuild`.
async fn rebuild_by_form(
    context: ConsoleContext,
    PathParameter(name): PathParameter<ProjectionName>,
    _: StrictQuery<NoParameters>,
    _: PageForm<EmptyForm>,
) -> Result<Response, Problem> {
    match begin_rebuild(&context.request, name).await {
        Ok(_) => Ok(context.done("projections", "rebuilding")),
        Err(failure) => context.not_done(failure, async |flash| page(&context, flash).await).await,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RollBackForm {
    generation: String,
}

/// `POST /operator/room/projections/{name}/rollback`.
async fn roll_back_by_form(
    context: ConsoleContext,
    PathParameter(name): PathParameter<ProjectionName>,
    _: StrictQuery<NoParameters>,
    PageForm(RollBackForm { generation }): PageForm<RollBackForm>,
) -> Result<Response, Problem> {
    let generation = generation.parse().ok().ok_or_else(|| not_our_form("generation"))?;
    match roll_back_to(&context.request, name, generation).await {
        Ok(_) => Ok(context.done("projections", "rolled-back")),
        Err(failure) => context.not_done(failure, async |flash| page(&context, flash).await).await,
    }
}

// ---- The services --------------------------------------------------------------------------------------------------

async fn state(
    context: &RequestContext,
    name: ProjectionName,
) -> Result<ProjectionDto, ServiceError> {
    let functions = context.functions();
    let projection = match name {
        ProjectionName::Bookings => {
            context.query(&functions.booking_query, booking::Query::Projection {}).await?
        }
        ProjectionName::Slots => {
            context.query(&functions.parking_query, parking::Query::Projection {}).await?
        }
    };
    Ok(name.dto(projection))
}

/// Begins to rebuild a projection, or resumes a rebuild that was abandoned.
async fn begin_rebuild(
    context: &RequestContext,
    name: ProjectionName,
) -> Result<ProjectionDto, ServiceError> {
    let function = name.rebuild_function(context.functions());
    let (invoker, deadline) = (&context.app.invoker, context.deadline);
    let projection = invoke(invoker, function, &Command::BeginRebuild {}, deadline).await?;
    // Also if another caller began it, which may have crashed before this. A lease makes sure that one worker works.
    start(invoker, function, &Command::WorkOnRebuild {}, deadline).await?;
    Ok(name.dto(projection))
}

/// Makes an earlier generation of a projection live again.
async fn roll_back_to(
    context: &RequestContext,
    name: ProjectionName,
    generation: u64,
) -> Result<ProjectionDto, ServiceError> {
    let function = name.rebuild_function(context.functions());
    let command = Command::RollBack { generation };
    let projection = invoke(&context.app.invoker, function, &command, context.deadline).await?;
    Ok(name.dto(projection))
}
