//! Issues, charges, refunds and closes bills, in an order that survives a crash at any point.
//!
//! Each change is write-ahead: store the intent on the bill, call the provider, then store the result. The crash points,
//! and what a retry or the scheduled reconciliation does after each:
//!
//! | crash after                    | state of the bill    | a retry, or reconciliation                           |
//! | ------------------------------ | -------------------- | ---------------------------------------------------- |
//! | nothing                        | unchanged            | starts                                               |
//! | the permit is acquired         | unchanged            | starts                                               |
//! | the payment is stored          | payment requested    | charges with the same key                            |
//! | the provider has charged       | payment requested    | charges again; the provider returns the first result |
//! | the outcome is stored          | captured or declined | returns it                                           |
//! | the closing is stored          | closing              | refunds each payment that may have been charged      |
//! | the provider has refunded      | closing              | refunds again; the provider returns the first result |
//! | the last refund is stored      | closed               | returns it                                           |
//!
//! A charge may be in flight while the bill is closed. The provider orders the charge and the refund by their common key:
//! if the charge arrives first, it is refunded; if the refund arrives first, the charge is voided.
//!
//! Charges go through a circuit breaker. If the circuit is open, the charge is rejected before anything is stored, so the
//! bill is unchanged and there is nothing to roll back. Refunds need no permit.

use std::error::Error as StdError;
use std::time::Duration;

use contracts::id::{BillReference, CustomerId, PaymentId};
use contracts::money::Money;
use jiff::{SignedDuration, Timestamp};
use outbox::envelope::Envelope;
use outbox::state::{Aggregate, Change, IndexValue, StateStore, StoreError};
use service_error::ServiceError;
use tokio::time::{Instant, sleep};
use trace_context::TraceFields;
use uuid::Uuid;

use crate::contract;
use crate::domain::{Bill, BillCommand, Decision, Payment, Rejection, decide};
use crate::ports::{ATTEMPT_TIMEOUT, Charge, Provider, ProviderError};

/// How many conflicting writes of one bill are retried before the caller has to retry.
const MAX_CONFLICTS: usize = 8;
/// How many attempts one call of the provider has before its outcome counts as unknown. Its sandbox has a token whose
/// charges fail twice in a row.
const MAX_ATTEMPTS: u32 = 4;
/// The delay before the second attempt. It doubles with each further attempt.
const INITIAL_BACKOFF: Duration = Duration::from_millis(100);
/// How long one invocation may call the provider: enough for two attempts that time out. The functions have a timeout of
/// ten seconds, which leaves two for the store.
const PROVIDER_TIMEOUT: Duration = Duration::from_secs(8);
/// The number of partitions of the index of due bills, so that its writes don't all go to one partition.
pub const DUE_PARTITIONS: u8 = 4;

impl Aggregate for Bill {
    fn index(&self) -> Vec<(&'static str, IndexValue)> {
        let Some(at) = self.reconcile_at() else { return vec![] };
        // The last byte of the id is random.
        let [.., last] = self.reference.booking_id.0.into_bytes();
        let partition = format!("due#{}", last % DUE_PARTITIONS);
        vec![
            ("due", IndexValue::Text(partition)),
            ("due_at", IndexValue::Number(unix_seconds_rounded_up(at))),
        ]
    }
}

/// Seconds since the Unix epoch, rounded up so that nothing happens too early.
#[must_use]
pub fn unix_seconds_rounded_up(time: Timestamp) -> i64 {
    time.as_second() + i64::from(time.subsec_nanosecond() > 0)
}

/// A bill and its stored version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionedBill {
    /// The bill.
    pub bill: Bill,
    /// The number of changes that were stored; zero for a bill that does not exist.
    pub version: u64,
}

/// Until when an invocation may start calls of the provider.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline of an invocation that starts now, eight seconds ahead.
    #[must_use]
    pub fn of_invocation() -> Self {
        Self(Instant::now() + PROVIDER_TIMEOUT)
    }

    fn allows(self, duration: Duration) -> bool {
        Instant::now() + duration <= self.0
    }
}

/// Why a bill was not changed, or its change is incomplete.
#[derive(Debug, thiserror::Error)]
pub enum PaymentError {
    /// A rule or the provider rejects the command.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The store failed; whether the bill was written is unknown.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The provider returned no result. The intent is stored, unless the circuit was open.
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

impl From<PaymentError> for ServiceError {
    fn from(error: PaymentError) -> Self {
        match error {
            PaymentError::Rejected(rejection) => rejection.into(),
            PaymentError::Store(error @ StoreError::Conflict) => {
                Self::transient("the bill is being changed", error)
            }
            PaymentError::Store(error @ StoreError::Unavailable(_)) => {
                Self::transient("bills can't be reached", error)
            }
            PaymentError::Provider(error @ ProviderError::NoResponse(_)) => {
                Self::transient("the payment provider did not respond", error)
            }
            PaymentError::Provider(error @ ProviderError::CircuitOpen(_)) => {
                Self::transient("the payment provider is currently unavailable", error)
            }
            PaymentError::Store(error @ StoreError::Corrupt(_)) => Self::permanent(error),
            PaymentError::Provider(error @ ProviderError::InvalidRequest(_)) => {
                Self::permanent(error)
            }
        }
    }
}

/// A customer's payment on an invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPayment {
    /// The customer who pays.
    pub customer: CustomerId,
    /// Identifies the payment; also its idempotency key at the provider.
    pub payment_id: PaymentId,
    /// The amount to charge.
    pub amount: Money,
    /// The provider's token for the payment method.
    pub token: String,
}

/// The application service that issues, charges, refunds and closes bills.
#[derive(Clone, Copy, Debug)]
pub struct PaymentService<S, P, N, I> {
    /// The store of the bills.
    pub store: S,
    /// The payment provider.
    pub provider: P,
    /// The clock.
    pub now: N,
    /// The generator of ids.
    pub new_id: I,
    /// The price of a booking.
    pub total: Money,
}

impl<S, P, N, I> PaymentService<S, P, N, I>
where
    S: StateStore<Bill>,
    P: Provider,
    N: Fn() -> Timestamp,
    I: Fn() -> Uuid,
{
    /// Issues an invoice that is due after this time, unless the bill exists. A bill that was closed before stays closed.
    ///
    /// # Errors
    ///
    /// [`PaymentError::Store`] only.
    pub async fn issue(
        &self,
        reference: BillReference,
        customer: CustomerId,
        due_after: SignedDuration,
        cause: Option<Uuid>,
    ) -> Result<VersionedBill, PaymentError> {
        let due_at = (self.now)().checked_add(due_after).unwrap_or(Timestamp::MAX);
        let issue = BillCommand::Issue { customer, total: self.total, due_at };
        self.change(self.load(reference).await?, &issue, cause).await
    }

    /// Issues an instant booking's bill and charges the whole amount.
    ///
    /// # Errors
    ///
    /// [`PaymentError::Rejected`] if the payment is declined or the bill is closed. After any other error the outcome is
    /// unknown; a retry returns it.
    pub async fn authorise(
        &self,
        reference: BillReference,
        customer: CustomerId,
        token: String,
        cause: Option<Uuid>,
        deadline: Deadline,
    ) -> Result<VersionedBill, PaymentError> {
        let authorise = BillCommand::Authorise { customer, total: self.total, token };
        let payment_id = PaymentId(reference.booking_id.0);
        self.collect_payment(reference, &authorise, payment_id, cause, deadline).await
    }

    /// Charges an invoice, or a part of it.
    ///
    /// # Errors
    ///
    /// [`PaymentError::Rejected`] if a rule or the provider rejects the payment. After any other error the outcome is
    /// unknown; a retry returns it.
    pub async fn pay(
        &self,
        reference: BillReference,
        payment: NewPayment,
        cause: Option<Uuid>,
        deadline: Deadline,
    ) -> Result<VersionedBill, PaymentError> {
        let NewPayment { customer, payment_id, amount, token } = payment;
        let pay = BillCommand::Pay { customer, payment_id, amount, token };
        self.collect_payment(reference, &pay, payment_id, cause, deadline).await
    }

    /// Closes the bill of a booking that has ended, and refunds its payments.
    ///
    /// # Errors
    ///
    /// Never [`PaymentError::Rejected`]. After [`PaymentError::Provider`] the closing is stored, and a retry or
    /// reconciliation completes it.
    pub async fn close(
        &self,
        reference: BillReference,
        cause: Option<Uuid>,
        deadline: Deadline,
    ) -> Result<VersionedBill, PaymentError> {
        let stored = self.load(reference).await?;
        let closing = self.change(stored, &BillCommand::Close, cause).await?;
        self.refund_payments(closing, cause, deadline).await
    }

    /// Reads the stored bill.
    ///
    /// # Errors
    ///
    /// [`PaymentError::Store`] only.
    pub async fn read(&self, reference: BillReference) -> Result<VersionedBill, PaymentError> {
        Ok(self.load(reference).await?)
    }

    /// Closes the bill if it is overdue, and completes operations that did not finish: charges with an unknown outcome and
    /// refunds.
    ///
    /// # Errors
    ///
    /// Never [`PaymentError::Rejected`]. After [`PaymentError::Provider`] the bill stays in the index of due bills.
    pub async fn reconcile(
        &self,
        reference: BillReference,
        deadline: Deadline,
    ) -> Result<VersionedBill, PaymentError> {
        let loaded = self.load(reference).await?;
        let version = loaded.version;
        let mut stored = self.change(loaded, &BillCommand::ExpireIfOverdue, None).await?;
        let now = (self.now)();
        let is_early = stored.bill.reconcile_at().is_none_or(|at| now < at);
        if is_early && stored.version == version {
            return Ok(stored);
        }
        let mut failure = None;
        let requested: Vec<Payment> = stored.bill.requested().cloned().collect();
        for payment in requested.iter().filter(|it| it.needs_reconciliation(now)) {
            // Continue after an error, so that one payment without a response does not block the others.
            if stored.bill.is_open() {
                match self.charge(stored.clone(), payment, None, None, deadline).await {
                    Ok(charged) => stored = charged,
                    Err(error) => failure = Some(error),
                }
            }
        }
        let stored = self.refund_payments(stored, None, deadline).await?;
        failure.map_or(Ok(stored), Err)
    }

    async fn load(&self, reference: BillReference) -> Result<VersionedBill, StoreError> {
        let loaded = self.store.load(&reference.to_string(), None).await?;
        let bill = loaded.state.unwrap_or_else(|| Bill::absent(reference));
        Ok(VersionedBill { bill, version: loaded.version })
    }

    /// Decides on a command and stores the result. After a conflict it loads the bill and decides again.
    async fn change(
        &self,
        mut stored: VersionedBill,
        command: &BillCommand,
        cause: Option<Uuid>,
    ) -> Result<VersionedBill, PaymentError> {
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
                    trace: TraceFields::current(),
                    event: contract::published(reference, event),
                }
                .to_raw()
            });
            let events: Vec<_> = envelopes.collect::<Result<_, _>>().map_err(corrupt)?;
            let event_ids: Vec<_> =
                events.iter().map(|it| (it.event.kind.clone(), it.id)).collect();
            let id = (self.new_id)();
            let change = Change { expected: stored.version, id, state: bill.clone(), events };
            match self.store.save(&reference.to_string(), change).await {
                Ok(()) => {
                    let causation_id = cause.unwrap_or(correlation_id);
                    for (event, event_id) in event_ids {
                        tracing::info!(%causation_id, event, %event_id, "event stored");
                    }
                    return Ok(VersionedBill { bill, version });
                }
                Err(StoreError::Conflict) if conflicts < MAX_CONFLICTS => conflicts += 1,
                Err(error) => return Err(error.into()),
            }
            stored = self.load(reference).await?;
        }
    }

    /// Stores a payment, charges it, and returns the same result as a retry would.
    async fn collect_payment(
        &self,
        reference: BillReference,
        command: &BillCommand,
        payment_id: PaymentId,
        cause: Option<Uuid>,
        deadline: Deadline,
    ) -> Result<VersionedBill, PaymentError> {
        let stored = self.load(reference).await?;
        let decided = decide(&stored.bill, command, (self.now)())?.bill;
        let permit = match decided.requested().any(|it| it.id == payment_id) {
            true => Some(self.provider.acquire_permit().await?),
            false => None,
        };
        let mut stored = self.change(stored, command, cause).await?;
        let requested = stored.bill.requested().find(|it| it.id == payment_id).cloned();
        if let Some(payment) = requested {
            stored = self.charge(stored, &payment, permit, cause, deadline).await?;
            // The same command again: it is rejected if the charge was declined or the bill was closed.
            decide(&stored.bill, command, (self.now)())?;
        }
        Ok(stored)
    }

    async fn charge<'a>(
        &'a self,
        stored: VersionedBill,
        payment: &Payment,
        mut permit: Option<P::Permit<'a>>,
        cause: Option<Uuid>,
        deadline: Deadline,
    ) -> Result<VersionedBill, PaymentError> {
        let charge = Charge {
            reference: stored.bill.reference,
            key: payment.id,
            amount: payment.amount,
            token: payment.token.clone(),
        };
        let outcome = retry_with_backoff(deadline, async || {
            let permit = match permit.take() {
                Some(permit) => permit,
                None => self.provider.acquire_permit().await?,
            };
            self.provider.charge(permit, &charge).await
        })
        .await?;
        let record = BillCommand::RecordOutcome { payment_id: payment.id, outcome };
        self.change(stored, &record, cause).await
    }

    /// If the bill is being closed, refunds each payment that may have been charged.
    async fn refund_payments(
        &self,
        mut stored: VersionedBill,
        cause: Option<Uuid>,
        deadline: Deadline,
    ) -> Result<VersionedBill, PaymentError> {
        if !stored.bill.is_closing() {
            return Ok(stored);
        }
        let reference = stored.bill.reference;
        let unrefunded: Vec<PaymentId> = stored.bill.unrefunded().map(|it| it.id).collect();
        for payment_id in unrefunded {
            let refund = async || self.provider.refund(reference, payment_id).await;
            let amount = retry_with_backoff(deadline, refund).await?;
            let record = BillCommand::RecordRefund { payment_id, amount };
            stored = self.change(stored, &record, cause).await?;
        }
        Ok(stored)
    }
}

/// Calls the provider until it responds, the attempts are used up, or the deadline leaves no time for another attempt. The
/// outcome of a call without a response is unknown.
async fn retry_with_backoff<T>(
    deadline: Deadline,
    mut call: impl AsyncFnMut() -> Result<T, ProviderError>,
) -> Result<T, ProviderError> {
    if !deadline.allows(ATTEMPT_TIMEOUT) {
        return Err(ProviderError::NoResponse("the deadline leaves no time for a call".into()));
    }
    let mut backoff = INITIAL_BACKOFF;
    let mut attempt = 1;
    loop {
        match call().await {
            Err(ProviderError::NoResponse(cause))
                if attempt < MAX_ATTEMPTS && deadline.allows(backoff + ATTEMPT_TIMEOUT) =>
            {
                tracing::warn!(
                    attempt,
                    error = cause.as_ref() as &dyn StdError,
                    "payment provider did not respond, the call will be retried"
                );
                sleep(backoff).await;
                backoff *= 2;
                attempt += 1;
            }
            result => return result,
        }
    }
}

/// An event consists of strings and numbers, so its serialisation can fail only by a defect.
fn corrupt(error: serde_json::Error) -> StoreError {
    StoreError::Corrupt(Box::new(error))
}
