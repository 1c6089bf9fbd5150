//! Circuit breakers: how they stand, and an operator's word for the whole fleet.

use bff::compose::Composition;
use bff::invoke::{Invoke, ask};
use bff::{Answer, Problem};
use circuit_breaker::breaker::Environment;
use circuit_breaker::control::{Control, ControlRequest, Status};
use circuit_breaker::store::{Store, StoreError};
use futures::future::try_join_all;
use service_error::ServiceError;
use tokio::time::timeout;

use super::Errand;
use super::queues::QUEUE_LIMIT;
use crate::shape::{BreakerOwner, BreakerShown, BreakersShown, WishForBreaker};

/// Every breaker, and whose it is: those around the functions of the services are shared by all backends.
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

/// `GET /operator/circuit-breakers`.
pub(super) async fn list(
    errand: &Errand<'_, impl Invoke>,
    edge: &Control<impl Store + Sync, impl Environment + Sync>,
) -> Result<Answer, Problem> {
    errand.request.query(&[])?;
    let composition = Composition::partial(errand.deadline);
    let items = all(errand, edge, &composition).await?;
    let troubles = composition.report().troubles();
    Ok(Answer::json(200, &BreakersShown { items, troubles }).timed(&composition))
}

/// How every breaker stands that can be reached; the composition names the others.
pub(super) async fn all(
    errand: &Errand<'_, impl Invoke>,
    edge: &Control<impl Store + Sync, impl Environment + Sync>,
    composition: &Composition,
) -> Result<Vec<BreakerShown>, ServiceError> {
    // Boxed: a call of AWS is some ten kilobytes of state, and a thread's stack holds few times nine of them.
    let looks = BREAKERS.map(|(name, owner)| {
        Box::pin(async move {
            let order = ControlRequest::Status { breaker: name.to_owned() };
            let status = Box::pin(carry_out(errand, edge, owner, &order));
            let status = composition.optional_within(name.to_owned(), QUEUE_LIMIT, status).await?;
            Ok::<_, ServiceError>(status.into_value().map(|status| BreakerShown { owner, status }))
        })
    });
    Ok(try_join_all(looks).await?.into_iter().flatten().collect())
}

/// `POST /operator/circuit-breakers/{name}`.
pub(super) async fn force(
    errand: &Errand<'_, impl Invoke>,
    edge: &Control<impl Store + Sync, impl Environment + Sync>,
) -> Result<Answer, Problem> {
    errand.request.query(&[])?;
    let WishForBreaker { word } = errand.request.body()?;
    say(errand, edge, |breaker, by| ControlRequest::Override { breaker, kind: word, by }).await
}

/// `POST /operator/circuit-breakers/{name}/reset`.
pub(super) async fn reset(
    errand: &Errand<'_, impl Invoke>,
    edge: &Control<impl Store + Sync, impl Environment + Sync>,
) -> Result<Answer, Problem> {
    errand.request.query(&[])?;
    errand.request.no_body()?;
    say(errand, edge, |breaker, by| ControlRequest::Reset { breaker, by }).await
}

async fn say(
    errand: &Errand<'_, impl Invoke>,
    edge: &Control<impl Store + Sync, impl Environment + Sync>,
    order: impl FnOnce(String, String) -> ControlRequest,
) -> Result<Answer, Problem> {
    let by = errand.request.caller()?.subject;
    Ok(Answer::json(200, &said(errand, edge, by, order).await?))
}

/// How the breaker of the request's path stands once somebody's order is carried out.
pub(super) async fn said(
    errand: &Errand<'_, impl Invoke>,
    edge: &Control<impl Store + Sync, impl Environment + Sync>,
    by: String,
    order: impl FnOnce(String, String) -> ControlRequest,
) -> Result<BreakerShown, Problem> {
    let name: String = errand.request.path("name")?;
    let owner = BREAKERS.into_iter().find(|(known, _)| *known == name).map(|it| it.1);
    let owner = owner.ok_or_else(|| Problem::not_found("there is no such circuit breaker"))?;
    let status = carry_out(errand, edge, owner, &order(name, by)).await?;
    Ok(BreakerShown { owner, status })
}

async fn carry_out(
    errand: &Errand<'_, impl Invoke>,
    edge: &Control<impl Store, impl Environment>,
    owner: BreakerOwner,
    order: &ControlRequest,
) -> Result<Status, ServiceError> {
    match owner {
        BreakerOwner::Billing => {
            ask(errand.services, &errand.at.billing_breaker, order, errand.deadline).await
        }
        BreakerOwner::Edge => {
            let carried_out = timeout(QUEUE_LIMIT, edge.handle(order)).await;
            carried_out.unwrap_or(Err(StoreError::Late)).map_err(|error| match error {
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
