//! Circuit breakers: their state, and an operator's override for all instances.

use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bff::Problem;
use bff::compose::Composition;
use bff::invoke::invoke;
use bff::web::{NoBody, NoParameters, PathParameter, StrictJson, StrictQuery};
use circuit_breaker::control::{ControlRequest, Status};
use circuit_breaker::shared_state::Override;
use circuit_breaker::store::StoreError;
use futures::future::try_join_all;
use pages::PageForm;
use serde::Deserialize;
use service_error::ServiceError;
use tokio::time::timeout;

use super::{ApiContext, App, ConsoleContext, DoneQuery, EmptyForm, QUEUE_TIMEOUT, RequestContext};
use crate::dto::{BreakerDto, BreakerOwner, BreakersDto, OverrideRequest};
use crate::views;
use crate::views::FlashMessage;

/// Every breaker and its owner. All backends share the breakers around the functions of the services.
pub const BREAKERS: [(&str, BreakerOwner); 9] = [
    ("payment-provider", BreakerOwner::Billing),
    ("booking-command", BreakerOwner::Edge),
    ("booking-query", BreakerOwner::Edge),
    ("booking-rebuild", BreakerOwner::Edge),
    ("parking-command", BreakerOwner::Edge),
    ("parking-query", BreakerOwner::Edge),
    ("parking-rebuild", BreakerOwner::Edge),
    ("billing-command", BreakerOwner::Edge),
    ("billing-query", BreakerOwner::Edge),
];

pub(super) fn api_routes() -> Router<App> {
    Router::new()
        .route("/operator/circuit-breakers", get(list))
        .route("/operator/circuit-breakers/{name}", post(set_override))
        .route("/operator/circuit-breakers/{name}/reset", post(reset))
}

pub(super) fn page_routes() -> Router<App> {
    Router::new()
        .route("/operator/room/circuit-breakers", get(show))
        .route("/operator/room/circuit-breakers/{name}", post(set_override_by_form))
        .route("/operator/room/circuit-breakers/{name}/reset", post(reset_by_form))
}

/// `GET /operator/circuit-breakers`.
async fn list(
    ApiContext(context): ApiContext,
    _: StrictQuery<NoParameters>,
) -> Result<impl IntoResponse, Problem> {
    let composition = context.composition();
    let items = all(&context, &composition).await?;
    let report = composition.report().only_degraded();
    Ok((composition.timing(), Json(BreakersDto { items, report })))
}

/// `POST /operator/circuit-breakers/{name}`.
async fn set_override(
    ApiContext(context): ApiContext,
    PathParameter(name): PathParameter<String>,
    _: StrictQuery<NoParameters>,
    StrictJson(OverrideRequest { word }): StrictJson<OverrideRequest>,
) -> Result<Json<BreakerDto>, Problem> {
    let by = context.operator.clone();
    let request = |breaker| ControlRequest::Override { breaker, kind: word, by };
    Ok(Json(change(&context, name, request).await?))
}

/// `POST /operator/circuit-breakers/{name}/reset`.
async fn reset(
    ApiContext(context): ApiContext,
    PathParameter(name): PathParameter<String>,
    _: StrictQuery<NoParameters>,
    _: NoBody,
) -> Result<Json<BreakerDto>, Problem> {
    let by = context.operator.clone();
    Ok(Json(change(&context, name, |breaker| ControlRequest::Reset { breaker, by }).await?))
}

// ---- Pages ---------------------------------------------------------------------------------------------------------

/// `GET /operator/room/circuit-breakers`.
async fn show(
    context: ConsoleContext,
    StrictQuery(DoneQuery { done, .. }): StrictQuery<DoneQuery>,
) -> Result<Html<String>, Problem> {
    let flash = context.flash(done.as_deref())?;
    page(&context, flash).await.map(Html)
}

async fn page(context: &ConsoleContext, flash: Option<FlashMessage>) -> Result<String, Problem> {
    let composition = context.request.composition();
    let breakers = all(&context.request, &composition).await?;
    let (page, report, now) = (&context.page, composition.report(), context.now);
    Ok(views::circuit_breakers::render(page, &breakers, &report, now, flash.as_ref()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OverrideForm {
    /// The name is part of the published contract.
    word: Override,
}

/// `POST /operator/room/circuit-breakers/{name}`.
async fn set_override_by_form(
    context: ConsoleContext,
    PathParameter(name): PathParameter<String>,
    _: StrictQuery<NoParameters>,
    PageForm(OverrideForm { word }): PageForm<OverrideForm>,
) -> Result<Response, Problem> {
    let by = context.request.operator.clone();
    change_by_form(context, name, "set", |breaker| ControlRequest::Override {
        breaker,
        kind: word,
        by,
    })
    .await
}

/// `POST /operator/room/circuit-breakers/{name}/reset`.
async fn reset_by_form(
    context: ConsoleContext,
    PathParameter(name): PathParameter<String>,
    _: StrictQuery<NoParameters>,
    _: PageForm<EmptyForm>,
) -> Result<Response, Problem> {
    let by = context.request.operator.clone();
    change_by_form(context, name, "reset", |breaker| ControlRequest::Reset { breaker, by }).await
}

async fn change_by_form(
    context: ConsoleContext,
    name: String,
    done: &str,
    order: impl FnOnce(String) -> ControlRequest,
) -> Result<Response, Problem> {
    match change(&context.request, name, order).await {
        Ok(_) => Ok(context.done("circuit-breakers", done)),
        Err(problem) => context.not_done(problem, async |flash| page(&context, flash).await).await,
    }
}

// ---- The breakers --------------------------------------------------------------------------------------------------

/// Every breaker whose state can be read; the composition names the others.
pub(super) async fn all(
    context: &RequestContext,
    composition: &Composition,
) -> Result<Vec<BreakerDto>, ServiceError> {
    let reads = BREAKERS.map(|(name, owner)| async move {
        let order = ControlRequest::Status { breaker: name.to_owned() };
        let status = carry_out(context, owner, &order);
        let status = composition.optional_within(name.to_owned(), QUEUE_TIMEOUT, status).await?;
        Ok::<_, ServiceError>(status.into_value().map(|status| BreakerDto { owner, status }))
    });
    Ok(try_join_all(reads).await?.into_iter().flatten().collect())
}

/// Changes the breaker of this name. Returns its state afterwards.
async fn change(
    context: &RequestContext,
    name: String,
    order: impl FnOnce(String) -> ControlRequest,
) -> Result<BreakerDto, Problem> {
    let owner = BREAKERS.into_iter().find(|(known, _)| *known == name).map(|it| it.1);
    let owner = owner.ok_or_else(|| Problem::not_found("there is no such circuit breaker"))?;
    let status = carry_out(context, owner, &order(name)).await?;
    Ok(BreakerDto { owner, status })
}

async fn carry_out(
    context: &RequestContext,
    owner: BreakerOwner,
    order: &ControlRequest,
) -> Result<Status, ServiceError> {
    match owner {
        BreakerOwner::Billing => {
            let function = &context.functions().billing_breaker;
            invoke(&context.app.invoker, function, order, context.deadline).await
        }
        BreakerOwner::Edge => {
            let status = timeout(QUEUE_TIMEOUT, context.app.breakers.carry_out(order)).await;
            status.unwrap_or(Err(StoreError::Late)).map_err(|error| match error {
                StoreError::Corrupt(_) => ServiceError::permanent(error),
                StoreError::Throttled(_)
                | StoreError::Unavailable(_)
                | StoreError::Late
                | StoreError::Contended => {
                    ServiceError::transient("the breaker can't be reached", error)
                }
            })
        }
    }
}
