//! What the ledger knows of one key. Stored: names and fields are frozen.

use contracts::money::Money;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Charge;

/// The charge of one key, as far as it has come.
///
/// A charge and its refund are one entry, so that they cannot disagree, whatever is lost between two writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Entry {
    /// Nobody has asked for it.
    #[default]
    Absent,
    /// Asked for and turned away each time, for now.
    Attempted {
        /// What was asked for.
        charge: Charge,
        /// How often.
        attempts: u32,
    },
    /// The money has been taken.
    Charged {
        /// What was asked for.
        charge: Charge,
        /// When it was taken.
        charged_at: Timestamp,
    },
    /// The card said no.
    Declined {
        /// What was asked for.
        charge: Charge,
        /// Why not.
        reason: String,
    },
    /// The money has been taken and given back.
    Refunded {
        /// What was asked for.
        charge: Charge,
        /// When it was taken.
        charged_at: Timestamp,
        /// When it was given back.
        refunded_at: Timestamp,
    },
    /// Given back before it was taken: it never will be.
    Voided {
        /// When.
        voided_at: Timestamp,
    },
}

/// Money that has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// In which direction.
    pub kind: MovementKind,
    /// How much.
    pub amount: Money,
    /// When.
    pub at: Timestamp,
}

/// A direction of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MovementKind {
    /// From the card.
    Charge,
    /// Back to it.
    Refund,
}

impl Entry {
    /// The money that has moved under this key.
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
