//! What billing reaches beside its own tables: the payment provider, the bills that want attention, and a later hour.

use std::error::Error as StdError;
use std::time::Duration;

use circuit_breaker::call::Refused;
use contracts::id::{BillReference, PaymentId};
use contracts::money::Money;
use outbox::bus::SendError;
use outbox::state::StoreError;

use crate::domain::Outcome;

/// What is to be charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The bill.
    pub reference: BillReference,
    /// Names the charge: under one key money is taken once.
    pub key: PaymentId,
    /// How much.
    pub amount: Money,
    /// What to charge, in the provider's words.
    pub token: String,
}

/// Takes money and gives it back.
///
/// An implementation must
/// - take money at most once for a key, however often and from wherever it is asked, and answer a repeat as it answered
///   the first time;
/// - order the charge and the refund of one key: what was charged before goes back, what comes after is
///   [`Outcome::Voided`];
/// - answer a repeated refund as it answered the first;
/// - refuse leave only while it has not asked: whoever is refused has charged nothing;
/// - say [`ProviderError::NoAnswer`] whenever it cannot tell what has happened, and within [`ATTEMPT_TIMEOUT`].
pub trait Provider {
    /// Leave to ask for a charge once. It may be dropped unused.
    type Leave<'a>: Send
    where
        Self: 'a;

    /// Asks for leave to charge. Who has it before the wish to charge is stored stores none that would have to be undone.
    ///
    /// # Errors
    ///
    /// [`ProviderError::LeftAlone`] if the provider is not to be asked.
    fn leave(&self) -> impl Future<Output = Result<Self::Leave<'_>, ProviderError>> + Send;

    /// Charges a payment.
    ///
    /// # Errors
    ///
    /// Whatever it is, it does not say that nothing was charged.
    fn charge<'a>(
        &'a self,
        leave: Self::Leave<'a>,
        charge: &Charge,
    ) -> impl Future<Output = Result<Outcome, ProviderError>> + Send;

    /// Gives back whatever was charged under a key, and refuses what comes later; answers how much it was.
    ///
    /// # Errors
    ///
    /// Whatever it is, it does not say that nothing was given back.
    fn refund(
        &self,
        reference: BillReference,
        key: PaymentId,
    ) -> impl Future<Output = Result<Money, ProviderError>> + Send;
}

/// The longest that one call of the provider may take: a slow card takes three seconds, and is not to be given up.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(3_500);

/// Why the provider has neither done nor refused what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// It was too busy, too slow, or out of reach: what has happened is unknown. Ask again under the same key.
    #[error("payment provider did not answer")]
    NoAnswer(#[source] Box<dyn StdError + Send + Sync>),
    /// It has not answered others lately, so it was not asked.
    #[error("payment provider is left alone")]
    LeftAlone(#[source] Refused),
    /// It does not understand us, so that asking again is pointless; a person has to look at it.
    #[error("payment provider does not take the request")]
    NotUnderstood(#[source] Box<dyn StdError + Send + Sync>),
}

/// A bill that wants attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueBill {
    /// The bill.
    pub reference: BillReference,
    /// When, in seconds since 1970.
    pub at_seconds: i64,
}

/// Finds the bills that want attention: those to be paid by a certain time, and those that were left half done.
///
/// An implementation must
/// - find each bill whose `attention_at` was before the given second when it was last stored, however many there are;
/// - it may lag, and show a bill that has moved on since.
pub trait DueBills {
    /// Every bill that wants attention before this second, the longest overdue first.
    ///
    /// # Errors
    ///
    /// Fails when the index cannot be read to its end.
    fn due_before(
        &self,
        seconds: i64,
    ) -> impl Future<Output = Result<Vec<DueBill>, StoreError>> + Send;
}

/// Reminds billing of a bill.
///
/// An implementation must
/// - hand the bill to `billing-react`, once or more, and not before the time is over.
pub trait Reminders {
    /// Reminds of a bill after a while.
    ///
    /// # Errors
    ///
    /// If there may be no reminder.
    fn remind(
        &self,
        reference: BillReference,
        after: Duration,
    ) -> impl Future<Output = Result<(), SendError>> + Send;
}
