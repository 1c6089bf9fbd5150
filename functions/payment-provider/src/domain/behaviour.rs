//! What each token orders, after the habit of real providers' test cards.

use super::Token;

/// Attempts that `tok_flaky` turns away before it lets one through.
const FLAKY_FAILURES: u32 = 2;

/// How a charge with some token goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// `tok_visa`: the money is taken, and the answer comes at once.
    Prompt,
    /// `tok_slow`: the money is taken, and the answer takes its time.
    Slow,
    /// `tok_timeout`: the money is taken, and whoever took it never hears of it; asking again tells.
    Silent,
    /// `tok_flaky` for its first attempts, `tok_down` for ever: nothing is taken, not now.
    Unavailable,
    /// `tok_declined`, `tok_insufficient_funds`, and every token that nobody has issued: no, for this reason.
    Declined(&'static str),
}

impl Behaviour {
    /// What a token orders for an attempt, of which so many came before.
    #[must_use]
    pub fn of(token: &Token, attempts_before: u32) -> Self {
        match token.as_str() {
            "tok_visa" => Self::Prompt,
            "tok_slow" => Self::Slow,
            "tok_timeout" => Self::Silent,
            "tok_flaky" if attempts_before >= FLAKY_FAILURES => Self::Prompt,
            "tok_flaky" | "tok_down" => Self::Unavailable,
            "tok_declined" => Self::Declined("card_declined"),
            "tok_insufficient_funds" => Self::Declined("insufficient_funds"),
            _ => Self::Declined("token_unknown"),
        }
    }
}
