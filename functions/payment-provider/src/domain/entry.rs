//! The ledger's entry of one key. It is stored, so its names and fields are frozen.

use contracts::money::Money;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Charge;

/// The state of the charge of one key.
///
/// A charge and its refund share one entry, so they stay consistent whatever is lost between two writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Entry {
    /// There was no request with this key.
    #[default]
    Absent,
    /// Every attempt so far failed because the provider was unavailable.
    Attempted {
        /// The requested charge.
        charge: Charge,
        /// The number of attempts.
        attempts: u32,
    },
    /// The card was charged.
    Charged {
        /// The requested charge.
        charge: Charge,
        /// When the card was charged.
        charged_at: Timestamp,
    },
    /// The card was declined.
    Declined {
        /// The requested charge.
        charge: Charge,
        /// The reason, as a slug.
        reason: String,
    },
    /// The card was charged and the charge was refunded.
    Refunded {
        /// The requested charge.
        charge: Charge,
        /// When the card was charged.
        charged_at: Timestamp,
        /// When the charge was refunded.
        refunded_at: Timestamp,
    },
    /// A refund arrived before the charge, which is rejected if it arrives.
    Voided {
        /// When the refund arrived.
        voided_at: Timestamp,
    },
}

/// A movement of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// The direction.
    pub kind: MovementKind,
    /// The amount.
    pub amount: Money,
    /// When the money moved.
    pub at: Timestamp,
}

/// The direction of a movement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MovementKind {
    /// From the card.
    Charge,
    /// Back to the card.
    Refund,
}

impl Entry {
    /// The movements with this key, oldest first.
    #[must_use]
    pub fn movements(&self) -> Vec<Movement> {
        let charged = |charge: &Charge, at: &Timestamp| Movement {
            kind: MovementKind::Charge,
            amount: charge.amount,
            at: *at,
        };
        match self {
            Self::Absent | Self::Attempted { .. } | Self::Declined { .. } | Self::Voided { .. } => {
                vec![]
            }
            Self::Charged { charge, charged_at } => vec![charged(charge, charged_at)],
            Self::Refunded { charge, charged_at, refunded_at } => vec![
                charged(charge, charged_at),
                Movement { kind: MovementKind::Refund, amount: charge.amount, at: *refunded_at },
            ],
        }
    }
}
