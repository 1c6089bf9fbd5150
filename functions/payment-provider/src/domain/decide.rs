//! Every rule of a charge and its refund, on one page, and the names of the rejections.

use contracts::money::Money;
use jiff::Timestamp;

use super::{Behaviour, Charge, Entry, Request};

/// The result of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The entry that must be written before the response is sent; none if the ledger has it already.
    pub write: Option<Entry>,
    /// The response to the client.
    pub response: Result<Receipt, Rejection>,
    /// When to send the response.
    pub pace: Pace,
}

/// What was done, by this request or by an earlier one with the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// The card was charged.
    Charged,
    /// This amount was refunded: the whole charge, or zero if there was none.
    Refunded(Money),
}

/// Why a request was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The card was declined. A retry has the same result.
    #[error("payment declined: {reason}")]
    Declined {
        /// The reason, as a slug.
        reason: String,
    },
    /// A refund with the same key arrived before the charge.
    #[error("the charge was refunded before it arrived")]
    Voided,
    /// The idempotency key belongs to another charge.
    #[error("the idempotency key was used for another charge")]
    KeyReused,
    /// The provider is unavailable. A retry may succeed.
    #[error("the provider is not available")]
    Unavailable,
}

/// When a response is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Immediately.
    Prompt,
    /// Later than usual.
    Slow,
    /// After every client has timed out.
    NoResponse,
}

impl Rejection {
    /// The stable name, which clients may rely on.
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

/// Decides about a request, given the ledger's entry of its key.
#[must_use]
pub fn decide(entry: &Entry, request: Request, now: Timestamp) -> Decision {
    match (entry, request) {
        (Entry::Absent, Request::Charge(charge)) => attempt(charge, 0, now),
        (Entry::Attempted { charge: known, attempts }, Request::Charge(charge))
            if *known == charge =>
        {
            attempt(charge, *attempts, now)
        }
        // The response to the first decided attempt is repeated. A later refund does not change it.
        (
            Entry::Charged { charge: known, .. } | Entry::Refunded { charge: known, .. },
            Request::Charge(charge),
        ) if *known == charge => known_already(Ok(Receipt::Charged)),
        (Entry::Declined { charge: known, reason }, Request::Charge(charge))
            if *known == charge =>
        {
            known_already(Err(Rejection::Declined { reason: reason.clone() }))
        }
        (
            Entry::Attempted { .. }
            | Entry::Charged { .. }
            | Entry::Declined { .. }
            | Entry::Refunded { .. },
            Request::Charge(_),
        ) => known_already(Err(Rejection::KeyReused)),
        (Entry::Voided { .. }, Request::Charge(_)) => known_already(Err(Rejection::Voided)),

        // The charge may still arrive. This entry makes the provider reject it.
        (Entry::Absent | Entry::Attempted { .. }, Request::Refund) => Decision {
            write: Some(Entry::Voided { voided_at: now }),
            response: Ok(Receipt::Refunded(Money::ZERO)),
            pace: Pace::Prompt,
        },
        (Entry::Charged { charge, charged_at }, Request::Refund) => Decision {
            write: Some(Entry::Refunded {
                charge: charge.clone(),
                charged_at: *charged_at,
                refunded_at: now,
            }),
            response: Ok(Receipt::Refunded(charge.amount)),
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
            Decision { write: charged(charge), response: Ok(Receipt::Charged), pace: Pace::Prompt }
        }
        Behaviour::Slow => {
            Decision { write: charged(charge), response: Ok(Receipt::Charged), pace: Pace::Slow }
        }
        // If a client waits that long, the response must not look like a decline.
        Behaviour::NoResponse => Decision {
            write: charged(charge),
            response: Err(Rejection::Unavailable),
            pace: Pace::NoResponse,
        },
        Behaviour::Unavailable => Decision {
            write: Some(Entry::Attempted { charge, attempts: attempts_before.saturating_add(1) }),
            response: Err(Rejection::Unavailable),
            pace: Pace::Prompt,
        },
        Behaviour::Declined(reason) => Decision {
            write: Some(Entry::Declined { charge, reason: reason.to_owned() }),
            response: Err(Rejection::Declined { reason: reason.to_owned() }),
            pace: Pace::Prompt,
        },
    }
}

fn known_already(response: Result<Receipt, Rejection>) -> Decision {
    Decision { write: None, response, pace: Pace::Prompt }
}
