//! The port to the circuit breakers around the services.

use async_trait::async_trait;
use circuit_breaker::breaker::Environment;
use circuit_breaker::control::{Control, ControlRequest, Status};
use circuit_breaker::store::{Store, StoreError};

/// Shows and overrides circuit breakers.
#[async_trait]
pub trait BreakerAdmin: Send + Sync {
    /// Carries out a request, and returns the state of the breaker after it.
    async fn carry_out(&self, request: &ControlRequest) -> Result<Status, StoreError>;
}

#[async_trait]
impl<S: Store + Send + Sync, H: Environment + Send + Sync> BreakerAdmin for Control<S, H> {
    async fn carry_out(&self, request: &ControlRequest) -> Result<Status, StoreError> {
        self.handle(request).await
    }
}
