//! The payment provider behind a circuit breaker that all of billing's functions share.
//!
//! A charge goes through the breaker; a refund never does, since money is owed however the provider fares. A card that is
//! declined is a success of the call: the provider has done its work.

use std::sync::Arc;

use circuit_breaker::call::{Breaker, Host, Outcome as Fared, Permit};
use circuit_breaker::store::Store;
use contracts::id::{BillReference, PaymentId};
use contracts::money::Money;

use crate::domain::Outcome;
use crate::ports::{Charge, Provider, ProviderError};

/// What the breaker is called.
pub const BREAKER: &str = "payment-provider";

/// A provider that is left alone while it does not answer.
#[derive(Debug)]
pub struct Guarded<P, S, H> {
    /// Who is asked.
    pub provider: P,
    /// Who knows whether that is of use.
    pub breaker: Arc<Breaker<S, H>>,
}

impl<P, S, H> Provider for Guarded<P, S, H>
where
    P: Provider + Sync,
    S: Store + Send + Sync,
    H: Host + Send + Sync,
{
    type Leave<'a>
        = (P::Leave<'a>, Permit<'a, S, H>)
    where
        Self: 'a;

    async fn leave(&self) -> Result<Self::Leave<'_>, ProviderError> {
        let leave = self.provider.leave().await?;
        let permit = self.breaker.enter().await.map_err(ProviderError::LeftAlone)?;
        Ok((leave, permit))
    }

    async fn charge<'a>(
        &'a self,
        (leave, permit): Self::Leave<'a>,
        charge: &Charge,
    ) -> Result<Outcome, ProviderError> {
        permit.run(fared, self.provider.charge(leave, charge)).await
    }

    async fn refund(
        &self,
        reference: BillReference,
        key: PaymentId,
    ) -> Result<Money, ProviderError> {
        self.provider.refund(reference, key).await
    }
}

/// What an answer says of the provider: who does not take our words has heard them.
fn fared(answer: &Result<Outcome, ProviderError>) -> Fared {
    match answer {
        Ok(_) | Err(ProviderError::NotUnderstood(_)) => Fared::Success,
        Err(ProviderError::NoAnswer(_)) => Fared::Failure,
        Err(ProviderError::LeftAlone(_)) => Fared::Ignored,
    }
}
