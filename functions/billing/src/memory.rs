//! In-memory implementations of the ports, for tests and simulation.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use contracts::id::{BillReference, PaymentId};
use contracts::money::Money;
use outbox::bus::SendError;
use outbox::memory::MemoryStore;
use outbox::state::StoreError;
use tokio::time::sleep;

use crate::domain::{Bill, ChargeOutcome};
use crate::payment_service::unix_seconds_rounded_up;
use crate::ports::{
    ATTEMPT_TIMEOUT, Charge, DueBill, DueBills, Provider, ProviderError, Reminders,
};

/// How long a charge of a slow card takes.
const SLOW_CHARGE: Duration = Duration::from_secs(3);

/// A payment provider that supports the sandbox's tokens.
#[derive(Debug, Default)]
pub struct MemoryProvider {
    accounts: Mutex<BTreeMap<PaymentId, Account>>,
}

/// The charge and the refund of one idempotency key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The bill.
    pub reference: Option<BillReference>,
    /// The number of charge requests.
    pub attempts: u32,
    /// The outcome of the charge; absent until a request was processed.
    pub outcome: Option<ChargeOutcome>,
    /// The amount that was charged.
    pub charged: Money,
    /// The amount that was refunded; absent until a refund was requested.
    pub refunded: Option<Money>,
}

impl Account {
    /// The amount that was charged and has not been refunded.
    #[must_use]
    pub fn held(&self) -> Money {
        self.charged.checked_sub(self.refunded.unwrap_or_default()).unwrap_or_default()
    }
}

impl MemoryProvider {
    /// All accounts, by idempotency key.
    #[must_use]
    pub fn accounts(&self) -> BTreeMap<PaymentId, Account> {
        self.lock().clone()
    }

    /// The amount that the provider holds for a bill.
    #[must_use]
    pub fn held(&self, reference: BillReference) -> Money {
        let accounts = self.lock();
        let of_bill = accounts.values().filter(|account| account.reference == Some(reference));
        of_bill.fold(Money::ZERO, |sum, it| sum.checked_add(it.held()).unwrap_or(Money::MAX))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PaymentId, Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The outcome of a charge, and whether its response arrives. The first processed request decides the outcome.
    fn decide(&self, charge: &Charge) -> Option<(ChargeOutcome, bool)> {
        let mut accounts = self.lock();
        let account = accounts.entry(charge.key).or_default();
        account.reference = Some(charge.reference);
        account.attempts += 1;
        if let Some(outcome) = &account.outcome {
            return Some((outcome.clone(), true));
        }
        let declined = |reason: &str| ChargeOutcome::Declined { reason: reason.to_owned() };
        let outcome = match charge.token.as_str() {
            _ if account.refunded.is_some() => ChargeOutcome::Voided,
            "tok_visa" | "tok_slow" | "tok_timeout" => ChargeOutcome::Captured,
            "tok_flaky" if account.attempts > 2 => ChargeOutcome::Captured,
            "tok_flaky" | "tok_down" => return None,
            "tok_insufficient_funds" => declined("insufficient_funds"),
            _ => declined("card_declined"),
        };
        if outcome == ChargeOutcome::Captured {
            account.charged = charge.amount;
        }
        account.outcome = Some(outcome.clone());
        Some((outcome, charge.token != "tok_timeout"))
    }
}

impl Provider for MemoryProvider {
    type Permit<'a> = ();

    async fn acquire_permit(&self) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn charge(&self, (): (), charge: &Charge) -> Result<ChargeOutcome, ProviderError> {
        if charge.token == "tok_slow" {
            sleep(SLOW_CHARGE).await;
        }
        match self.decide(charge) {
            Some((outcome, true)) => Ok(outcome),
            Some((_, false)) => {
                sleep(ATTEMPT_TIMEOUT).await;
                Err(ProviderError::NoResponse("timed out".into()))
            }
            None => Err(ProviderError::NoResponse("503".into())),
        }
    }

    async fn refund(
        &self,
        reference: BillReference,
        key: PaymentId,
    ) -> Result<Money, ProviderError> {
        let mut accounts = self.lock();
        let account = accounts.entry(key).or_default();
        account.reference = Some(reference);
        Ok(*account.refunded.get_or_insert(account.charged))
    }
}

/// The index of an in-memory store. It never lags.
impl DueBills for MemoryStore<Bill> {
    async fn due_before(&self, seconds: i64) -> Result<Vec<DueBill>, StoreError> {
        let bills = self.states().into_values();
        let mut due: Vec<DueBill> = bills
            .filter_map(|bill| {
                let at_seconds = unix_seconds_rounded_up(bill.reconcile_at()?);
                Some(DueBill { reference: bill.reference, at_seconds })
            })
            .filter(|due| due.at_seconds < seconds)
            .collect();
        due.sort_by_key(|due| (due.at_seconds, due.reference));
        Ok(due)
    }
}

/// Reminders that are stored until a test takes them. It does not deliver them.
#[derive(Debug, Default)]
pub struct MemoryReminders {
    reminders: Mutex<Vec<(BillReference, Duration)>>,
}

impl MemoryReminders {
    /// Removes and returns all reminders, in the order in which they were sent.
    pub fn take(&self) -> Vec<(BillReference, Duration)> {
        std::mem::take(&mut self.reminders.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Reminders for MemoryReminders {
    async fn remind(&self, reference: BillReference, after: Duration) -> Result<(), SendError> {
        let mut reminders = self.reminders.lock().unwrap_or_else(PoisonError::into_inner);
        reminders.push((reference, after));
        Ok(())
    }
}
