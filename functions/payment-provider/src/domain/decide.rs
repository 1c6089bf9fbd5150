//! Every rule of a charge and its refund, on one page, and the names of the refusals.

use contracts::money::Money;
use jiff::Timestamp;

use super::{Behaviour, Charge, Entry, Request};

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What the ledger must know before anybody is answered; nothing if it knows already.
    pub write: Option<Entry>,
    /// What to say.
    pub answer: Result<Receipt, Refusal>,
    /// When to say it.
    pub pace: Pace,
}

/// What was done, now or by an earlier request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// The money was taken.
    Charged,
    /// So much was given back: all, or nothing if nothing had been taken.
    Refunded(Money),
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The card says no, for good.
    #[error("payment declined: {reason}")]
    Declined {
        /// Why.
        reason: String,
    },
    /// A refund came before the charge.
    #[error("the charge was refunded before it arrived")]
    Voided,
    /// The key belongs to another charge.
    #[error("the idempotency key was used for another charge")]
    KeyReused,
    /// Not now; asking again may help.
    #[error("the provider is not available")]
    Unavailable,
}

/// How long an answer takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// It comes at once.
    Prompt,
    /// It comes later than usual.
    Slow,
    /// It does not come while anybody waits for it.
    Silent,
}

impl Refusal {
    /// The name that callers may rely on.
    #[must_use]
    pub fn slug(&self) -> &'static str {
        match self {
            Self::Declined { .. } => "payment-declined",
            Self::Voided => "charge-voided",
            Self::KeyReused => "idempotency-key-reused",
            Self::Unavailable => "service-unavailable",
        }
    }
}

/// Decides about a request from what the ledger knows of its key.
#[must_use]
pub fn decide(entry: &Entry, request: Request, now: Timestamp) -> Decision {
    match (entry, request) {
        (Entry::Absent, Request::Charge(charge)) => attempt(charge, 0, now),
        (Entry::Attempted { charge: known, attempts }, Request::Charge(charge))
            if *known == charge =>
        {
            attempt(charge, *attempts, now)
        }
        // The first attempt that was decided has decided for all. That the money went back since does not change what the
        // answer was.
        (
            Entry::Charged { charge: known, .. } | Entry::Refunded { charge: known, .. },
            Request::Charge(charge),
        ) if *known == charge => known_already(Ok(Receipt::Charged)),
        (Entry::Declined { charge: known, reason }, Request::Charge(charge))
            if *known == charge =>
        {
            known_already(Err(Refusal::Declined { reason: reason.clone() }))
        }
        (
            Entry::Attempted { .. }
            | Entry::Charged { .. }
            | Entry::Declined { .. }
            | Entry::Refunded { .. },
            Request::Charge(_),
        ) => known_already(Err(Refusal::KeyReused)),
        (Entry::Voided { .. }, Request::Charge(_)) => known_already(Err(Refusal::Voided)),

        // The charge may be on its way: bar it, so that it finds the door shut.
        (Entry::Absent | Entry::Attempted { .. }, Request::Refund) => Decision {
            write: Some(Entry::Voided { voided_at: now }),
            answer: Ok(Receipt::Refunded(Money::ZERO)),
            pace: Pace::Prompt,
        },
        (Entry::Charged { charge, charged_at }, Request::Refund) => Decision {
            write: Some(Entry::Refunded {
                charge: charge.clone(),
                charged_at: *charged_at,
                refunded_at: now,
            }),
            answer: Ok(Receipt::Refunded(charge.amount)),
            pace: Pace::Prompt,
        },
        (Entry::Refunded { charge, .. }, Request::Refund) => {
            known_already(Ok(Receipt::Refunded(charge.amount)))
        }
        (Entry::Declined { .. } | Entry::Voided { .. }, Request::Refund) => {
            known_already(Ok(Receipt::Refunded(Money::ZERO)))
        }
    }
}

fn attempt(charge: Charge, attempts_before: u32, now: Timestamp) -> Decision {
    let charged = |charge| Some(Entry::Charged { charge, charged_at: now });
    match Behaviour::of(&charge.token, attempts_before) {
        Behaviour::Prompt => {
            Decision { write: charged(charge), answer: Ok(Receipt::Charged), pace: Pace::Prompt }
        }
        Behaviour::Slow => {
            Decision { write: charged(charge), answer: Ok(Receipt::Charged), pace: Pace::Slow }
        }
        // Should somebody wait that long after all, they must not take it for a no.
        Behaviour::Silent => Decision {
            write: charged(charge),
            answer: Err(Refusal::Unavailable),
            pace: Pace::Silent,
        },
        Behaviour::Unavailable => Decision {
            write: Some(Entry::Attempted { charge, attempts: attempts_before.saturating_add(1) }),
            answer: Err(Refusal::Unavailable),
            pace: Pace::Prompt,
        },
        Behaviour::Declined(reason) => Decision {
            write: Some(Entry::Declined { charge, reason: reason.to_owned() }),
            answer: Err(Refusal::Declined { reason: reason.to_owned() }),
            pace: Pace::Prompt,
        },
    }
}

fn known_already(answer: Result<Receipt, Refusal>) -> Decision {
    Decision { write: None, answer, pace: Pace::Prompt }
}
