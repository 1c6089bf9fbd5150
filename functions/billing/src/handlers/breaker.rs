//! `billing-breaker`: shows the circuit breaker of the payment provider to operators, and does as they say.

use circuit_breaker::call::Host;
use circuit_breaker::control::{Control, Order, Status};
use circuit_breaker::store::{Store, StoreError};
use service_error::ServiceError;

use crate::guarded::BREAKER;

/// Carries out one order.
///
/// # Errors
///
/// `Rejected` for a breaker that is not billing's; `Transient` if it is to be asked again; `Broken` if a person must look.
pub async fn handle(
    control: &Control<impl Store, impl Host>,
    order: Order,
) -> Result<Status, ServiceError> {
    if order.breaker() != BREAKER {
        return Err(ServiceError::rejected("not-found", "billing has no such circuit breaker"));
    }
    if !matches!(order, Order::Show { .. }) {
        tracing::info!(?order, "an operator's word");
    }
    control.carry_out(&order).await.map_err(|error| match error {
        StoreError::Corrupt(_) => ServiceError::permanent(error),
        StoreError::Throttled(_)
        | StoreError::Unavailable(_)
        | StoreError::Late
        | StoreError::Contended => ServiceError::transient("the breaker can't be reached", error),
    })
}
