//! The order of things: first the bill says what is to be done, then the provider does it, then the bill says so.
//!
//! Where it can die, and what a repeat finds:
//!
//! | dies after                     | the bill says        | a repeat, or the sweep                              |
//! | ------------------------------ | -------------------- | --------------------------------------------------- |
//! | nothing                        | as before            | begins                                              |
//! | leave to charge is had         | as before            | begins                                              |
//! | the wish is stored             | payment requested    | charges under the same key                          |
//! | the provider has charged       | payment requested    | charges again; the provider gives the first answer  |
//! | the answer is stored           | captured or declined | answers                                             |
//! | the closing is stored          | closing              | refunds each payment that may have been charged     |
//! | the provider has refunded      | closing              | refunds again; the provider gives the first answer  |
//! | the last refund is stored      | closed               | answers                                             |
//!
//! A charge that is on its way while the bill is closed meets the refund at the provider, which orders the two by their
//! key: either the charge was first, and goes back; or the refund was, and the charge is refused.
//!
//! A provider that does not answer is left alone for a while. Who is refused leave for that reason finds the bill as it was:
//! no wish is stored that would have to be undone by the very provider that does not answer. Refunds need no leave.

use std::error::Error as StdError;
use std::time::Duration;

use contracts::id::{BillReference, CustomerId, PaymentId};
use contracts::money::Money;
use jiff::{SignedDuration, Timestamp};
use outbox::envelope::Envelope;
use outbox::state::{Aggregate, Change, IndexValue, StateStore, StoreError};
use service_error::ServiceError;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::contract;
use crate::domain::{Bill, BillCommand, Decision, Payment, Rejection, decide};
use crate::ports::{ATTEMPT_TIMEOUT, Charge, Provider, ProviderError};

/// How often a change that loses a race is decided anew before its caller is told to come back.
const CONFLICTS_MAX: usize = 8;
/// How often the provider is asked before its answer counts as unknown: a flaky one fails twice in a row.
const ATTEMPTS_MAX: u32 = 4;
/// The pause before the second attempt; it doubles with each.
const PAUSE: Duration = Duration::from_millis(100);
/// What one invocation may spend at the provider: two attempts that run out of time, and what is quick besides. The
/// functions have ten seconds.
const BUDGET: Duration = Duration::from_secs(8);
/// The index has this many partitions, so that no one of them takes every write.
pub const DUE_PARTITIONS: u8 = 4;

impl Aggregate for Bill {
    fn index(&self) -> Vec<(&'static str, IndexValue)> {
        let Some(at) = self.attention_at() else { return vec![] };
        // The id ends in random bits.
        let [.., last] = self.reference.booking_id.0.into_bytes();
        let partition = format!("due#{}", last % DUE_PARTITIONS);
        vec![("due", IndexValue::Text(partition)), ("due_at", IndexValue::Number(seconds_up(at)))]
    }
}

/// Whole seconds, never too early.
#[must_use]
pub fn seconds_up(time: Timestamp) -> i64 {
    time.as_second() + i64::from(time.subsec_nanosecond() > 0)
}

/// A bill as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The bill.
    pub bill: Bill,
    /// The number of its changes.
    pub version: u64,
}

/// Until when an invocation may ask the provider.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// The whole budget of an invocation that begins now.
    #[must_use]
    pub fn of_invocation() -> Self {
        Self(Instant::now() + BUDGET)
    }

    fn leaves(self, time: Duration) -> bool {
        Instant::now() + time <= self.0
    }
}

/// Why a bill is not as it was wished to be.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// A rule says no.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The bill could not be read or written; whether it was written is unknown.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bill says what is to be done, but the provider has not done it yet, or has not said so.
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

impl From<DeskError> for ServiceError {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::Rejected(rejection) => rejection.into(),
            DeskError::Store(error @ StoreError::Conflict) => {
                Self::transient("the bill is being changed", error)
            }
            DeskError::Store(error @ StoreError::Unavailable(_)) => {
                Self::transient("bills can't be reached", error)
            }
            DeskError::Provider(error @ ProviderError::NoAnswer(_)) => {
                Self::transient("the payment provider does not answer", error)
            }
            DeskError::Provider(error @ ProviderError::LeftAlone(_)) => {
                Self::transient("the payment provider has not answered lately", error)
            }
            DeskError::Store(error @ StoreError::Corrupt(_)) => Self::permanent(error),
            DeskError::Provider(error @ ProviderError::NotUnderstood(_)) => Self::permanent(error),
        }
    }
}

/// What a customer wants to pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPayment {
    /// Who asks.
    pub customer: CustomerId,
    /// Names the payment.
    pub payment_id: PaymentId,
    /// How much.
    pub amount: Money,
    /// What to charge, in the provider's words.
    pub token: String,
}

/// Where bills are issued, paid and closed.
#[derive(Clone, Copy, Debug)]
pub struct Desk<S, P, N, I> {
    /// The bills.
    pub store: S,
    /// The payment provider.
    pub provider: P,
    /// What time it is.
    pub now: N,
    /// A fresh identifier.
    pub new_id: I,
    /// What a booking costs.
    pub total: Money,
}

impl<S, P, N, I> Desk<S, P, N, I>
where
    S: StateStore<Bill>,
    P: Provider,
    N: Fn() -> Timestamp,
    I: Fn() -> Uuid,
{
    /// Issues an invoice, unless there is one; a bill that was closed before stays closed.
    ///
    /// # Errors
    ///
    /// Only of the store.
    pub async fn issue(
        &self,
        reference: BillReference,
        customer: CustomerId,
        due_after: SignedDuration,
        cause: Option<Uuid>,
    ) -> Result<Stored, DeskError> {
        let due_at = (self.now)().checked_add(due_after).unwrap_or(Timestamp::MAX);
        let issue = BillCommand::Issue { customer, total: self.total, due_at };
        self.change(self.load(reference).await?, &issue, cause).await
    }

    /// Issues an instant booking's bill and charges all of it.
    ///
    /// # Errors
    ///
    /// Rejected if the payment is declined or the bill is closed; otherwise the outcome is unknown, and a repeat finds it.
    pub async fn authorise(
        &self,
        reference: BillReference,
        customer: CustomerId,
        token: String,
        cause: Option<Uuid>,
        deadline: Deadline,
    ) -> Result<Stored, DeskError> {
        let wish = BillCommand::Authorise { customer, total: self.total, token };
        let payment_id = PaymentId(reference.booking_id.0);
        self.take(reference, &wish, payment_id, cause, deadline).await
    }

    /// Charges an invoice, or a part of it.
    ///
    /// # Errors
    ///
    /// Rejected by the rules or the provider; otherwise the outcome is unknown, and a repeat finds it.
    pub async fn pay(
        &self,
        reference: BillReference,
        payment: NewPayment,
        cause: Option<Uuid>,
        deadline: Deadline,
    ) -> Result<Stored, DeskError> {
        let NewPayment { customer, payment_id, amount, token } = payment;
        let wish = BillCommand::Pay { customer, payment_id, amount, token };
        self.take(reference, &wish, payment_id, cause, deadline).await
    }

    /// Closes a bill whose booking has come to nothing, and gives back what was paid.
    ///
    /// # Errors
    ///
    /// Never rejected. After an error of the provider the closing is stored: the sweep will finish it, or a repeat.
    pub async fn close(
        &self,
        reference: BillReference,
        cause: Option<Uuid>,
        deadline: Deadline,
    ) -> Result<Stored, DeskError> {
        let stored = self.load(reference).await?;
        let closing = self.change(stored, &BillCommand::Close, cause).await?;
        self.give_back(closing, cause, deadline).await
    }

    /// Does what a bill has been waiting for: closes what is overdue, finishes what was left half done.
    ///
    /// # Errors
    ///
    /// Never rejected. After an error of the provider the sweep will find the bill again.
    pub async fn attend(
        &self,
        reference: BillReference,
        deadline: Deadline,
    ) -> Result<Stored, DeskError> {
        let found = self.load(reference).await?;
        let version = found.version;
        let mut stored = self.change(found, &BillCommand::FallDue, None).await?;
        let now = (self.now)();
        let waits = stored.bill.attention_at().is_none_or(|at| now < at);
        if waits && stored.version == version {
            return Ok(stored);
        }
        let mut unanswered = None;
        let stuck: Vec<Payment> = stored.bill.requested().cloned().collect();
        for payment in stuck.iter().filter(|it| it.is_stuck(now)) {
            // One that is never answered must not hold up the others.
            if stored.bill.is_open() {
                match self.charge(stored.clone(), payment, None, None, deadline).await {
                    Ok(charged) => stored = charged,
                    Err(error) => unanswered = Some(error),
                }
            }
        }
        let stored = self.give_back(stored, None, deadline).await?;
        unanswered.map_or(Ok(stored), Err)
    }

    async fn load(&self, reference: BillReference) -> Result<Stored, StoreError> {
        let loaded = self.store.load(&reference.to_string(), None).await?;
        let bill = loaded.state.unwrap_or_else(|| Bill::absent(reference));
        Ok(Stored { bill, version: loaded.version })
    }

    /// Decides and stores; whoever loses a race decides again on what the winner has left.
    async fn change(
        &self,
        mut stored: Stored,
        command: &BillCommand,
        cause: Option<Uuid>,
    ) -> Result<Stored, DeskError> {
        let reference = stored.bill.reference;
        let mut conflicts = 0;
        loop {
            let now = (self.now)();
            let Decision { bill, events } = decide(&stored.bill, command, now)?;
            if bill == stored.bill {
                return Ok(stored);
            }
            let version = stored.version + 1;
            let correlation_id = reference.booking_id.0;
            let envelopes = events.into_iter().map(|event| {
                Envelope {
                    id: (self.new_id)(),
                    schema_version: contract::SCHEMA_VERSION,
                    occurred_at: now,
                    correlation_id,
                    causation_id: cause.unwrap_or(correlation_id),
                    subject: reference.to_string(),
                    sequence: version,
                    event: contract::published(reference, event),
                }
                .to_raw()
            });
            let events: Vec<_> = envelopes.collect::<Result<_, _>>().map_err(unwritable)?;
            let told: Vec<_> = events.iter().map(|it| (it.event.kind.clone(), it.id)).collect();
            let id = (self.new_id)();
            let change = Change { expected: stored.version, id, state: bill.clone(), events };
            match self.store.save(&reference.to_string(), change).await {
                Ok(()) => {
                    let causation_id = cause.unwrap_or(correlation_id);
                    for (event, event_id) in told {
                        tracing::info!(%correlation_id, %causation_id, event, %event_id, "happened");
                    }
                    return Ok(Stored { bill, version });
                }
                Err(StoreError::Conflict) if conflicts < CONFLICTS_MAX => conflicts += 1,
                Err(error) => return Err(error.into()),
            }
            stored = self.load(reference).await?;
        }
    }

    /// Stores a payment, has it charged, and answers as a repeat would be answered.
    async fn take(
        &self,
        reference: BillReference,
        wish: &BillCommand,
        payment_id: PaymentId,
        cause: Option<Uuid>,
        deadline: Deadline,
    ) -> Result<Stored, DeskError> {
        let stored = self.load(reference).await?;
        let wished = decide(&stored.bill, wish, (self.now)())?.bill;
        let leave = match wished.requested().any(|it| it.id == payment_id) {
            true => Some(self.provider.leave().await?),
            false => None,
        };
        let mut stored = self.change(stored, wish, cause).await?;
        let requested = stored.bill.requested().find(|it| it.id == payment_id).cloned();
        if let Some(payment) = requested {
            stored = self.charge(stored, &payment, leave, cause, deadline).await?;
            decide(&stored.bill, wish, (self.now)())?;
        }
        Ok(stored)
    }

    async fn charge<'a>(
        &'a self,
        stored: Stored,
        payment: &Payment,
        mut leave: Option<P::Leave<'a>>,
        cause: Option<Uuid>,
        deadline: Deadline,
    ) -> Result<Stored, DeskError> {
        let charge = Charge {
            reference: stored.bill.reference,
            key: payment.id,
            amount: payment.amount,
            token: payment.token.clone(),
        };
        let outcome = insist(deadline, async || {
            let leave = match leave.take() {
                Some(leave) => leave,
                None => self.provider.leave().await?,
            };
            self.provider.charge(leave, &charge).await
        })
        .await?;
        let settle = BillCommand::Settle { payment_id: payment.id, outcome };
        self.change(stored, &settle, cause).await
    }

    /// Asks for the return of each payment that may have been charged, if the bill is being closed.
    async fn give_back(
        &self,
        mut stored: Stored,
        cause: Option<Uuid>,
        deadline: Deadline,
    ) -> Result<Stored, DeskError> {
        if !stored.bill.is_closing() {
            return Ok(stored);
        }
        let reference = stored.bill.reference;
        let unreturned: Vec<PaymentId> = stored.bill.unreturned().map(|it| it.id).collect();
        for payment_id in unreturned {
            let refund = async || self.provider.refund(reference, payment_id).await;
            let amount = insist(deadline, refund).await?;
            let returned = BillCommand::Return { payment_id, amount };
            stored = self.change(stored, &returned, cause).await?;
        }
        Ok(stored)
    }
}

/// Asks the provider until it answers, within bounds. What stays unanswered is unknown, never refused.
async fn insist<T>(
    deadline: Deadline,
    mut ask: impl AsyncFnMut() -> Result<T, ProviderError>,
) -> Result<T, ProviderError> {
    if !deadline.leaves(ATTEMPT_TIMEOUT) {
        return Err(ProviderError::NoAnswer("no time is left to ask".into()));
    }
    let mut pause = PAUSE;
    let mut attempt = 1;
    loop {
        match ask().await {
            Err(ProviderError::NoAnswer(cause))
                if attempt < ATTEMPTS_MAX && deadline.leaves(pause + ATTEMPT_TIMEOUT) =>
            {
                tracing::warn!(
                    attempt,
                    error = cause.as_ref() as &dyn StdError,
                    "provider asked again"
                );
                sleep(pause).await;
                pause *= 2;
                attempt += 1;
            }
            answer => return answer,
        }
    }
}

/// A list of texts and numbers that is no JSON: it cannot be.
fn unwritable(error: serde_json::Error) -> StoreError {
    StoreError::Corrupt(Box::new(error))
}
