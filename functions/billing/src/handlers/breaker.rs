//! `billing-breaker`: lets operators read the circuit breaker of the payment provider, override it and reset it.

use circuit_breaker::breaker::Environment;
use circuit_breaker::control::{Control, ControlRequest, Status};
use circuit_breaker::store::{Store, StoreError};
use contracts::message::Request;
use function::handle_request;
use service_error::ServiceError;

use crate::guarded::BREAKER;

/// Executes one order.
///
/// # Errors
///
/// `Rejected` for a breaker of another service; `Transient` if a retry may succeed; `Permanent` if the breaker's stored
/// state is unreadable, which requires operator intervention.
pub async fn handle(
    control: &Control<impl Store, impl Environment>,
    request: Request<ControlRequest>,
) -> Result<Status, ServiceError> {
    let Request { payload: order, cause, correlation_id, trace } = request;
    handle_request("billing-breaker", &trace, correlation_id, cause, run(control, order)).await
}

async fn run(
    control: &Control<impl Store, impl Environment>,
    order: ControlRequest,
) -> Result<Status, ServiceError> {
    if order.breaker() != BREAKER {
        return Err(ServiceError::rejected("not-found", "billing has no such circuit breaker"));
    }
    if !matches!(order, ControlRequest::Status { .. }) {
        tracing::info!(?order, "operator override");
    }
    control.handle(&order).await.map_err(|error| match error {
        StoreError::Corrupt(_) => ServiceError::permanent(error),
        StoreError::Throttled(_)
        | StoreError::Unavailable(_)
        | StoreError::Late
        | StoreError::Contended => ServiceError::transient("the breaker can't be reached", error),
    })
}
