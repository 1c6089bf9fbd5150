//! The state of a bill. It is stored: the serialised names and fields are frozen.

use contracts::billing::BillStatus;
use contracts::booking::PaymentMode;
use contracts::id::{BillReference, CustomerId, PaymentId};
use contracts::money::Money;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How long an operation on a bill may be incomplete before the bill is reconciled.
///
/// It is longer than the timeout of any function that works on a bill, so reconciliation rarely races with that function.
pub const RECONCILE_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// A bill and its stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bill {
    /// Identifies the bill.
    pub reference: BillReference,
    /// The stage of its life cycle.
    pub stage: Stage,
}

/// The life cycle of a bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Stage {
    /// The bill does not exist. This stage is never stored.
    Absent,
    /// The bill can be paid, or is paid.
    Open {
        /// The terms of payment.
        terms: Terms,
        /// All payments, in the order of their requests.
        payments: Vec<Payment>,
    },
    /// The bill accepts no more payments, and its payments are being refunded. Stored before the first refund is requested.
    Closing {
        /// The terms of payment.
        terms: Terms,
        /// All payments, in the order of their requests.
        payments: Vec<Payment>,
        /// When the bill was closed.
        since: Timestamp,
        /// Whether the bill was overdue. Its expiry has been published then.
        overdue: bool,
    },
    /// The provider holds no money for this bill, and never will.
    Closed {
        /// The terms of payment; absent if the bill was closed before it was issued.
        terms: Option<Terms>,
        /// All payments, in the order of their requests.
        payments: Vec<Payment>,
    },
}

/// The terms of payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// How the booking is paid.
    pub mode: PaymentMode,
    /// The customer who pays.
    pub customer: CustomerId,
    /// The amount to pay.
    pub total: Money,
    /// When the bill expires unless it has been paid; absent for an instant booking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
}

/// One payment: a single charge at the provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Identifies the payment; also its idempotency key at the provider.
    pub id: PaymentId,
    /// The amount to charge.
    pub amount: Money,
    /// The provider's token for the payment method. Stored so that the charge can be retried; never published.
    pub token: String,
    /// When the payment was requested.
    pub requested_at: Timestamp,
    /// The state of the charge.
    pub state: PaymentState,
}

/// The state of a payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum PaymentState {
    /// The charge was requested; its outcome is unknown.
    Requested,
    /// The money was charged.
    Captured,
    /// The provider declined the charge.
    Declined {
        /// The provider's reason.
        reason: String,
    },
    /// The money was charged, and has been refunded.
    #[serde(rename = "returned")]
    Refunded {
        /// The amount that was refunded.
        amount: Money,
    },
    /// The payment was voided before its outcome was known. If it had been charged, it has been refunded.
    #[serde(rename = "withdrawn")]
    Voided {
        /// The amount that was refunded; zero if nothing had been charged.
        amount: Money,
    },
}

impl Bill {
    /// A bill that does not exist yet.
    #[must_use]
    pub fn absent(reference: BillReference) -> Self {
        Self { reference, stage: Stage::Absent }
    }

    /// The terms of payment; `None` for a bill that was never issued.
    #[must_use]
    pub fn terms(&self) -> Option<&Terms> {
        match &self.stage {
            Stage::Absent => None,
            Stage::Open { terms, .. } | Stage::Closing { terms, .. } => Some(terms),
            Stage::Closed { terms, .. } => terms.as_ref(),
        }
    }

    /// All payments, in the order of their requests.
    #[must_use]
    pub fn payments(&self) -> &[Payment] {
        match &self.stage {
            Stage::Absent => &[],
            Stage::Open { payments, .. }
            | Stage::Closing { payments, .. }
            | Stage::Closed { payments, .. } => payments,
        }
    }

    /// The amount that is known to be charged and has not been refunded.
    #[must_use]
    pub fn paid(&self) -> Money {
        sum(self.payments(), |payment| match payment.state {
            PaymentState::Captured => payment.amount,
            PaymentState::Requested
            | PaymentState::Declined { .. }
            | PaymentState::Refunded { .. }
            | PaymentState::Voided { .. } => Money::ZERO,
        })
    }

    /// The amount of payments with an unknown outcome. It may have been charged.
    #[must_use]
    pub fn in_progress(&self) -> Money {
        sum(self.payments(), |payment| match payment.state {
            PaymentState::Requested => payment.amount,
            PaymentState::Captured
            | PaymentState::Declined { .. }
            | PaymentState::Refunded { .. }
            | PaymentState::Voided { .. } => Money::ZERO,
        })
    }

    /// The amount that has been refunded.
    #[must_use]
    pub fn refunded(&self) -> Money {
        sum(self.payments(), |payment| match payment.state {
            PaymentState::Refunded { amount } | PaymentState::Voided { amount } => amount,
            PaymentState::Requested | PaymentState::Captured | PaymentState::Declined { .. } => {
                Money::ZERO
            }
        })
    }

    /// The published status; `None` for a bill that was never issued.
    ///
    /// A bill that is being closed keeps its earlier status, pending or paid: `refunded` and `expired` are final, so
    /// neither may be shown before every refund is done. A new payment on such a bill is rejected all the same.
    #[must_use]
    pub fn status(&self) -> Option<BillStatus> {
        let terms = self.terms()?;
        Some(match &self.stage {
            Stage::Absent => return None,
            Stage::Open { payments, .. } | Stage::Closing { payments, .. } => {
                let captured = sum(payments, |payment| match payment.state {
                    PaymentState::Captured | PaymentState::Refunded { .. } => payment.amount,
                    PaymentState::Requested
                    | PaymentState::Declined { .. }
                    | PaymentState::Voided { .. } => Money::ZERO,
                });
                if captured >= terms.total { BillStatus::Paid } else { BillStatus::Pending }
            }
            Stage::Closed { .. } if self.refunded().is_zero() => BillStatus::Expired,
            Stage::Closed { .. } => BillStatus::Refunded,
        })
    }

    /// When the bill has to be reconciled: it becomes overdue then, or an operation is incomplete for too long.
    #[must_use]
    pub fn reconcile_at(&self) -> Option<Timestamp> {
        match &self.stage {
            Stage::Absent | Stage::Closed { .. } => None,
            Stage::Closing { since, .. } => Some(reconcile_after(*since)),
            Stage::Open { terms, .. } => {
                let incomplete =
                    self.requested().map(|payment| reconcile_after(payment.requested_at)).min();
                let due = terms.due_at.filter(|_| self.status() == Some(BillStatus::Pending));
                incomplete.into_iter().chain(due).min()
            }
        }
    }

    /// The payments with an unknown outcome.
    pub fn requested(&self) -> impl Iterator<Item = &Payment> {
        self.payments().iter().filter(|payment| payment.state == PaymentState::Requested)
    }

    /// The payments for which the provider may hold money.
    pub fn unrefunded(&self) -> impl Iterator<Item = &Payment> {
        self.payments().iter().filter(|payment| payment.is_unrefunded())
    }

    /// Whether the bill can be paid, or is paid.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open { .. })
    }

    /// Whether payments may still have to be refunded.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        matches!(self.stage, Stage::Closing { .. })
    }
}

impl Payment {
    /// Whether the outcome has been unknown for so long that no function can still be waiting for it.
    #[must_use]
    pub fn needs_reconciliation(&self, now: Timestamp) -> bool {
        self.state == PaymentState::Requested && reconcile_after(self.requested_at) <= now
    }

    fn is_unrefunded(&self) -> bool {
        match self.state {
            PaymentState::Requested | PaymentState::Captured => true,
            PaymentState::Declined { .. }
            | PaymentState::Refunded { .. }
            | PaymentState::Voided { .. } => false,
        }
    }
}

/// Adds amounts. The rules keep the sum of a bill's payments within its total, so it never overflows.
pub(super) fn sum(payments: &[Payment], amount_of: impl Fn(&Payment) -> Money) -> Money {
    payments
        .iter()
        .fold(Money::ZERO, |sum, payment| sum.checked_add(amount_of(payment)).unwrap_or(Money::MAX))
}

fn reconcile_after(time: Timestamp) -> Timestamp {
    time.checked_add(RECONCILE_AFTER).unwrap_or(Timestamp::MAX)
}
