//! What may be asked under a key.

use contracts::money::Money;
use serde::{Deserialize, Serialize};

use super::Token;

/// A charge as it was asked for. Another one under the same key is another charge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// How much.
    pub amount: Money,
    /// From which card.
    pub token: Token,
}

/// Something to do with the charge of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Take the money.
    Charge(Charge),
    /// Give back whatever was taken, and take nothing later.
    Refund,
}

impl Request {
    /// What it is called: in logs, where nothing that it holds may stand.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Charge(_) => "charge",
            Self::Refund => "refund",
        }
    }
}
