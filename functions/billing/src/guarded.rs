//! The payment provider behind a circuit breaker, which all of billing's functions share.
//!
//! Charges go through the breaker. Refunds bypass it: they are owed to the customer whatever the state of the circuit. A
//! declined card counts as a success, since the provider has processed the call.

use std::sync::Arc;

use circuit_breaker::breaker::{Breaker, Environment, Permit};
use circuit_breaker::call_outcome::CallOutcome;
use circuit_breaker::store::Store;
use contracts::id::{BillReference, PaymentId};
use contracts::money::Money;

use crate::domain::ChargeOutcome;
use crate::ports::{Charge, Provider, ProviderError};

/// The name of the circuit breaker.
pub const BREAKER: &str = "payment-provider";

/// A provider whose charges are rejected while its circuit is open.
#[derive(Debug)]
pub struct GuardedProvider<P, S, H> {
    /// The provider.
    pub provider: P,
    /// The circuit breaker around its charges.
    pub breaker: Arc<Breaker<S, H>>,
}

impl<P, S, H> Provider for GuardedProvider<P, S, H>
where
    P: Provider + Sync,
    S: Store + Send + Sync,
    H: Environment + Send + Sync,
{
    type Permit<'a>
        = (P::Permit<'a>, Permit<'a, S, H>)
    where
        Self: 'a;

    async fn acquire_permit(&self) -> Result<Self::Permit<'_>, ProviderError> {
        let inner = self.provider.acquire_permit().await?;
        let permit = self.breaker.acquire_permit().await.map_err(ProviderError::CircuitOpen)?;
        Ok((inner, permit))
    }

    async fn charge<'a>(
        &'a self,
        (inner, permit): Self::Permit<'a>,
        charge: &Charge,
    ) -> Result<ChargeOutcome, ProviderError> {
        permit.run(classify, self.provider.charge(inner, charge)).await
    }

    async fn refund(
        &self,
        reference: BillReference,
        key: PaymentId,
    ) -> Result<Money, ProviderError> {
        self.provider.refund(reference, key).await
    }
}

/// Classifies a result for the breaker: a provider that rejects our request as invalid is available, so that is a success.
fn classify(result: &Result<ChargeOutcome, ProviderError>) -> CallOutcome {
    match result {
        Ok(_) | Err(ProviderError::InvalidRequest(_)) => CallOutcome::Success,
        Err(ProviderError::NoResponse(_)) => CallOutcome::Failure,
        Err(ProviderError::CircuitOpen(_)) => CallOutcome::Ignored,
    }
}
