//! Fakes for tests and simulation: a payment provider, the index and the reminders. Nothing outlives the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use contracts::id::{BillReference, PaymentId};
use contracts::money::Money;
use outbox::bus::SendError;
use outbox::memory::MemoryStore;
use outbox::state::StoreError;
use tokio::time::sleep;

use crate::desk::seconds_up;
use crate::domain::{Bill, Outcome};
use crate::ports::{
    ATTEMPT_TIMEOUT, Charge, DueBill, DueBills, Provider, ProviderError, Reminders,
};

/// What a slow card takes.
const SLOW: Duration = Duration::from_secs(3);

/// A payment provider that knows the sandbox's tokens.
#[derive(Debug, Default)]
pub struct MemoryProvider {
    accounts: Mutex<BTreeMap<PaymentId, Account>>,
}

/// What happened under one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The bill.
    pub reference: Option<BillReference>,
    /// How often a charge was asked for.
    pub attempts: u32,
    /// The answer to the first charge that was decided.
    pub outcome: Option<Outcome>,
    /// The money that was taken.
    pub charged: Money,
    /// The money that went back; nothing before a refund was asked for.
    pub refunded: Option<Money>,
}

impl Account {
    /// The money that is held.
    #[must_use]
    pub fn held(&self) -> Money {
        self.charged.checked_sub(self.refunded.unwrap_or_default()).unwrap_or_default()
    }
}

impl MemoryProvider {
    /// What happened, by key.
    #[must_use]
    pub fn accounts(&self) -> BTreeMap<PaymentId, Account> {
        self.lock().clone()
    }

    /// The money that is held for a bill.
    #[must_use]
    pub fn held(&self, reference: BillReference) -> Money {
        let accounts = self.lock();
        let theirs = accounts.values().filter(|account| account.reference == Some(reference));
        theirs.fold(Money::ZERO, |sum, it| sum.checked_add(it.held()).unwrap_or(Money::MAX))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PaymentId, Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first attempt decides, and the answer may not get through.
    fn decide(&self, charge: &Charge) -> Option<(Outcome, bool)> {
        let mut accounts = self.lock();
        let account = accounts.entry(charge.key).or_default();
        account.reference = Some(charge.reference);
        account.attempts += 1;
        if let Some(outcome) = &account.outcome {
            return Some((outcome.clone(), true));
        }
        let declined = |reason: &str| Outcome::Declined { reason: reason.to_owned() };
        let outcome = match charge.token.as_str() {
            _ if account.refunded.is_some() => Outcome::Voided,
            "tok_visa" | "tok_slow" | "tok_timeout" => Outcome::Captured,
            "tok_flaky" if account.attempts > 2 => Outcome::Captured,
            "tok_flaky" | "tok_down" => return None,
            "tok_insufficient_funds" => declined("insufficient_funds"),
            _ => declined("card_declined"),
        };
        if outcome == Outcome::Captured {
            account.charged = charge.amount;
        }
        account.outcome = Some(outcome.clone());
        Some((outcome, charge.token != "tok_timeout"))
    }
}

impl Provider for MemoryProvider {
    type Leave<'a> = ();

    async fn leave(&self) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn charge(&self, (): (), charge: &Charge) -> Result<Outcome, ProviderError> {
        if charge.token == "tok_slow" {
            sleep(SLOW).await;
        }
        match self.decide(charge) {
            Some((outcome, true)) => Ok(outcome),
            Some((_, false)) => {
                sleep(ATTEMPT_TIMEOUT).await;
                Err(ProviderError::NoAnswer("timed out".into()))
            }
            None => Err(ProviderError::NoAnswer("503".into())),
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

/// The index of a store in memory: it never lags.
impl DueBills for MemoryStore<Bill> {
    async fn due_before(&self, seconds: i64) -> Result<Vec<DueBill>, StoreError> {
        let bills = self.states().into_values();
        let mut due: Vec<DueBill> = bills
            .filter_map(|bill| {
                let at_seconds = seconds_up(bill.attention_at()?);
                Some(DueBill { reference: bill.reference, at_seconds })
            })
            .filter(|due| due.at_seconds < seconds)
            .collect();
        due.sort_by_key(|due| (due.at_seconds, due.reference));
        Ok(due)
    }
}

/// Reminders that only a test delivers.
#[derive(Debug, Default)]
pub struct MemoryReminders {
    reminders: Mutex<Vec<(BillReference, Duration)>>,
}

impl MemoryReminders {
    /// Takes what there is, in order.
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
