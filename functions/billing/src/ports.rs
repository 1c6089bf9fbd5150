//! The ports of billing: the payment provider, the index of due bills, and the reminder queue.

use std::error::Error as StdError;
use std::time::Duration;

use circuit_breaker::breaker::CircuitOpen;
use contracts::id::{BillReference, PaymentId};
use contracts::money::Money;
use outbox::bus::SendError;
use outbox::state::StoreError;

use crate::domain::ChargeOutcome;

/// A charge to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The bill.
    pub reference: BillReference,
    /// The idempotency key: the provider charges at most once for a key.
    pub key: PaymentId,
    /// The amount to charge.
    pub amount: Money,
    /// The provider's token for the payment method.
    pub token: String,
}

/// Charges and refunds payments.
///
/// An implementation must
/// - charge at most once for a key, however often and from whichever instance it is called, and return the original
///   result to a repeated call;
/// - order the charge and the refund of one key: an earlier charge is refunded, a later one is
///   [`ChargeOutcome::Voided`];
/// - return the original result to a repeated refund;
/// - reject a permit only if it has not called the provider for it: then nothing was charged;
/// - return [`ProviderError::NoResponse`] whenever the outcome is unknown, and within [`ATTEMPT_TIMEOUT`].
pub trait Provider {
    /// The permission to make one charge. It may be dropped unused.
    type Permit<'a>: Send
    where
        Self: 'a;

    /// Acquires a permit for one charge. Acquire it before storing the payment: if the circuit is open, there is nothing to
    /// roll back then.
    ///
    /// # Errors
    ///
    /// [`ProviderError::CircuitOpen`] if the provider must not be called.
    fn acquire_permit(
        &self,
    ) -> impl Future<Output = Result<Self::Permit<'_>, ProviderError>> + Send;

    /// Charges a payment.
    ///
    /// # Errors
    ///
    /// No error implies that nothing was charged.
    fn charge<'a>(
        &'a self,
        permit: Self::Permit<'a>,
        charge: &Charge,
    ) -> impl Future<Output = Result<ChargeOutcome, ProviderError>> + Send;

    /// Refunds the charge with this key, and voids any later one. Returns the amount, which is zero if nothing was charged.
    ///
    /// # Errors
    ///
    /// No error implies that nothing was refunded.
    fn refund(
        &self,
        reference: BillReference,
        key: PaymentId,
    ) -> impl Future<Output = Result<Money, ProviderError>> + Send;
}

/// The timeout of one call of the provider. A slow card takes three seconds, which must succeed.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(3_500);

/// Why the result of a call is unknown, or the call was not made.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The provider was throttled, too slow or unreachable: the outcome is unknown. Retry with the same key.
    #[error("payment provider did not respond")]
    NoResponse(#[source] Box<dyn StdError + Send + Sync>),
    /// The circuit is open, so the provider was not called.
    #[error("circuit of the payment provider is open")]
    CircuitOpen(#[source] CircuitOpen),
    /// The provider rejects the request itself, so a retry can't succeed. This requires operator intervention.
    #[error("payment provider rejects the request as invalid")]
    InvalidRequest(#[source] Box<dyn StdError + Send + Sync>),
}

/// A bill that is due for reconciliation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueBill {
    /// The bill.
    pub reference: BillReference,
    /// The time at which to reconcile it, in seconds since the Unix epoch.
    pub at_seconds: i64,
}

/// The index of bills that are due for reconciliation: overdue bills, and bills with an incomplete operation.
///
/// An implementation must
/// - return every bill whose stored `reconcile_at` is before the given time, however many there are.
///
/// It may lag behind the store, and return a bill that has changed since.
pub trait DueBills {
    /// All bills that are due before this time, in seconds since the Unix epoch, the longest overdue first.
    ///
    /// # Errors
    ///
    /// If the index can't be read completely.
    fn due_before(
        &self,
        seconds: i64,
    ) -> impl Future<Output = Result<Vec<DueBill>, StoreError>> + Send;
}

/// Schedules the reconciliation of single bills.
///
/// An implementation must
/// - deliver the reminder to `billing-react` at least once, and not before the delay is over.
pub trait Reminders {
    /// Sends a reminder of this bill, to be delivered after the delay.
    ///
    /// # Errors
    ///
    /// If the reminder may not have been sent.
    fn remind(
        &self,
        reference: BillReference,
        after: Duration,
    ) -> impl Future<Output = Result<(), SendError>> + Send;
}
