//! The requests that clients send with an idempotency key.

use contracts::money::Money;
use serde::{Deserialize, Serialize};

use super::Token;

/// A requested charge. A request with the same key but another amount or token is another charge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// The amount.
    pub amount: Money,
    /// The token of the card.
    pub token: Token,
}

/// A request about the charge of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Charge the card.
    Charge(Charge),
    /// Refund the charge if there is one, and reject it if it arrives later.
    Refund,
}

impl Request {
    /// Its name for logs, without its content, which is confidential.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Charge(_) => "charge",
            Self::Refund => "refund",
        }
    }
}
