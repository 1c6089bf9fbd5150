//! The behaviour that each test token selects, like the test cards of real providers.

use super::Token;

/// The number of attempts with `tok_flaky` that fail before one succeeds.
const FLAKY_FAILURES: u32 = 2;

/// How the provider processes a charge with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// `tok_visa`: the card is charged, and the provider responds immediately.
    Prompt,
    /// `tok_slow`: the card is charged, and the provider responds late.
    Slow,
    /// `tok_timeout`: the card is charged, and the client receives no response. A retry returns the result.
    NoResponse,
    /// `tok_flaky` for its first attempts, `tok_down` always: the card is not charged, and a retry may succeed.
    Unavailable,
    /// `tok_declined`, `tok_insufficient_funds` and every unknown token: the card is declined for this reason.
    Declined(&'static str),
}

impl Behaviour {
    /// The behaviour for an attempt with a token, given the number of earlier attempts.
    #[must_use]
    pub fn of(token: &Token, attempts_before: u32) -> Self {
        match token.as_str() {
            "tok_visa" => Self::Prompt,
            "tok_slow" => Self::Slow,
            "tok_timeout" => Self::NoResponse,
            "tok_flaky" if attempts_before >= FLAKY_FAILURES => Self::Prompt,
            "tok_flaky" | "tok_down" => Self::Unavailable,
            "tok_declined" => Self::Declined("card_declined"),
            "tok_insufficient_funds" => Self::Declined("insufficient_funds"),
            _ => Self::Declined("token_unknown"),
        }
    }
}
