//! What the rules remember of a bill. It is stored: names and fields are frozen.

use contracts::billing::BillStatus;
use contracts::booking::PaymentMode;
use contracts::id::{BillReference, CustomerId, PaymentId};
use contracts::money::Money;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// When something half done is looked at again: longer than any function works on it, so that two seldom meet.
pub const ATTENTION_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// A bill and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bill {
    /// Its name.
    pub reference: BillReference,
    /// Where it stands.
    pub stage: Stage,
}

/// The life of a bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Stage {
    /// Nobody has asked for it.
    Absent,
    /// To be paid, or paid.
    Open {
        /// Who pays what.
        terms: Terms,
        /// What was tried, in order.
        payments: Vec<Payment>,
    },
    /// No more is taken, and what there is goes back. Stored before the first refund is asked for.
    Closing {
        /// Who was to pay what.
        terms: Terms,
        /// What was tried, in order.
        payments: Vec<Payment>,
        /// Since when.
        since: Timestamp,
        /// Whether it fell due, so that its expiry is known already.
        overdue: bool,
    },
    /// Nothing is held, and nothing ever will be.
    Closed {
        /// Who was to pay what; absent if it was closed before it was issued.
        terms: Option<Terms>,
        /// What was tried, in order.
        payments: Vec<Payment>,
    },
}

/// Who pays what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// How the booking is paid.
    pub mode: PaymentMode,
    /// Who pays.
    pub customer: CustomerId,
    /// How much.
    pub total: Money,
    /// Until when, if there is an end to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
}

/// One try to pay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Its name; also its key at the provider.
    pub id: PaymentId,
    /// How much.
    pub amount: Money,
    /// What is charged. Kept to charge again what may not have been charged; never published.
    pub token: String,
    /// When.
    pub requested_at: Timestamp,
    /// How far it has come.
    pub state: PaymentState,
}

/// How far a payment has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum PaymentState {
    /// The provider is to charge it; whether it has is unknown.
    Requested,
    /// The money is here.
    Captured,
    /// The provider has refused it.
    Declined {
        /// Why, in the provider's words.
        reason: String,
    },
    /// The money was here, and has gone back.
    Returned {
        /// How much went back.
        amount: Money,
    },
    /// It was given up before its outcome was known; what was charged nevertheless has gone back.
    Withdrawn {
        /// How much went back.
        amount: Money,
    },
}

impl Bill {
    /// A bill that nobody has asked for.
    #[must_use]
    pub fn absent(reference: BillReference) -> Self {
        Self { reference, stage: Stage::Absent }
    }

    /// Who pays what; nothing on a bill that was never issued.
    #[must_use]
    pub fn terms(&self) -> Option<&Terms> {
        match &self.stage {
            Stage::Absent => None,
            Stage::Open { terms, .. } | Stage::Closing { terms, .. } => Some(terms),
            Stage::Closed { terms, .. } => terms.as_ref(),
        }
    }

    /// Every try to pay, in order.
    #[must_use]
    pub fn payments(&self) -> &[Payment] {
        match &self.stage {
            Stage::Absent => &[],
            Stage::Open { payments, .. }
            | Stage::Closing { payments, .. }
            | Stage::Closed { payments, .. } => payments,
        }
    }

    /// The money that is here.
    #[must_use]
    pub fn paid(&self) -> Money {
        sum(self.payments(), |payment| match payment.state {
            PaymentState::Captured => payment.amount,
            PaymentState::Requested
            | PaymentState::Declined { .. }
            | PaymentState::Returned { .. }
            | PaymentState::Withdrawn { .. } => Money::ZERO,
        })
    }

    /// The money of payments whose outcome is unknown: it may have been charged.
    #[must_use]
    pub fn in_progress(&self) -> Money {
        sum(self.payments(), |payment| match payment.state {
            PaymentState::Requested => payment.amount,
            PaymentState::Captured
            | PaymentState::Declined { .. }
            | PaymentState::Returned { .. }
            | PaymentState::Withdrawn { .. } => Money::ZERO,
        })
    }

    /// The money that has gone back.
    #[must_use]
    pub fn returned(&self) -> Money {
        sum(self.payments(), |payment| match payment.state {
            PaymentState::Returned { amount } | PaymentState::Withdrawn { amount } => amount,
            PaymentState::Requested | PaymentState::Captured | PaymentState::Declined { .. } => {
                Money::ZERO
            }
        })
    }

    /// What the world may see; nothing of a bill that was never issued.
    ///
    /// While it is being closed a bill shows what it was before, pending or paid: `refunded` and `expired` are final, and
    /// nobody shall read that the money is back before it is. A payment on it is refused all the same.
    #[must_use]
    pub fn status(&self) -> Option<BillStatus> {
        let terms = self.terms()?;
        Some(match &self.stage {
            Stage::Absent => return None,
            Stage::Open { payments, .. } | Stage::Closing { payments, .. } => {
                let once_paid = sum(payments, |payment| match payment.state {
                    PaymentState::Captured | PaymentState::Returned { .. } => payment.amount,
                    PaymentState::Requested
                    | PaymentState::Declined { .. }
                    | PaymentState::Withdrawn { .. } => Money::ZERO,
                });
                if once_paid >= terms.total { BillStatus::Paid } else { BillStatus::Pending }
            }
            Stage::Closed { .. } if self.returned().is_zero() => BillStatus::Expired,
            Stage::Closed { .. } => BillStatus::Refunded,
        })
    }

    /// When somebody has to look at it, if nothing happens before: it falls due, or something was left half done.
    #[must_use]
    pub fn attention_at(&self) -> Option<Timestamp> {
        match &self.stage {
            Stage::Absent | Stage::Closed { .. } => None,
            Stage::Closing { since, .. } => Some(later(*since)),
            Stage::Open { terms, .. } => {
                let stuck = self.requested().map(|payment| later(payment.requested_at)).min();
                let due = terms.due_at.filter(|_| self.status() == Some(BillStatus::Pending));
                stuck.into_iter().chain(due).min()
            }
        }
    }

    /// The payments whose outcome is unknown.
    pub fn requested(&self) -> impl Iterator<Item = &Payment> {
        self.payments().iter().filter(|payment| payment.state == PaymentState::Requested)
    }

    /// The payments under whose keys the provider may hold money.
    pub fn unreturned(&self) -> impl Iterator<Item = &Payment> {
        self.payments().iter().filter(|payment| payment.is_unreturned())
    }

    /// Whether it may still be paid, or has been.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open { .. })
    }

    /// Whether money may have to go back.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        matches!(self.stage, Stage::Closing { .. })
    }
}

impl Payment {
    /// Whether its outcome has been unknown for so long that nobody is at work on it any more.
    #[must_use]
    pub fn is_stuck(&self, now: Timestamp) -> bool {
        self.state == PaymentState::Requested && later(self.requested_at) <= now
    }

    fn is_unreturned(&self) -> bool {
        match self.state {
            PaymentState::Requested | PaymentState::Captured => true,
            PaymentState::Declined { .. }
            | PaymentState::Returned { .. }
            | PaymentState::Withdrawn { .. } => false,
        }
    }
}

/// Adds up; the rules keep the sum of a bill's payments within its total.
pub(super) fn sum(payments: &[Payment], of: impl Fn(&Payment) -> Money) -> Money {
    payments.iter().fold(Money::ZERO, |sum, it| sum.checked_add(of(it)).unwrap_or(Money::MAX))
}

fn later(time: Timestamp) -> Timestamp {
    time.checked_add(ATTENTION_AFTER).unwrap_or(Timestamp::MAX)
}
