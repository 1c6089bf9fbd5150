//! What a circuit breaker needs of a function: a clock, dice, and somebody to tell.

use std::error::Error as StdError;

use circuit_breaker::breaker::{Reason, Stand};
use circuit_breaker::call::{Event, Host};
use jiff::Timestamp;

use crate::metrics;

/// Tells the log and the metrics of what happens to a breaker.
#[derive(Clone, Copy, Debug)]
pub struct BreakerTelemetry;

impl Host for BreakerTelemetry {
    fn now(&self) -> Timestamp {
        crate::now()
    }

    fn random(&self) -> u64 {
        crate::random()
    }

    fn observe(&self, breaker: &str, event: &Event<'_>) {
        match event {
            Event::Stepped(step) => {
                let (from, to, reason) = (step.from, step.to, step.reason);
                tracing::warn!(breaker, ?from, ?to, ?reason, "circuit has taken a step");
                let counted = match (step.to, step.reason) {
                    // A probe that was lost is followed by another: nothing was opened or closed.
                    (_, Reason::ProbeLost) => return,
                    (Stand::Open | Stand::ForcedOpen, _) => metrics::Circuit::Opened,
                    (Stand::Closed | Stand::ForcedClosed | Stand::Disabled, _) => {
                        metrics::Circuit::Closed
                    }
                    (Stand::HalfOpen, _) => metrics::Circuit::HalfOpened,
                };
                metrics::circuit(breaker, counted, crate::now());
            }
            Event::Tripped => tracing::warn!(breaker, "calls fail here"),
            Event::Refused => metrics::circuit(breaker, metrics::Circuit::Refused, crate::now()),
            Event::Probing { .. } => {
                metrics::circuit(breaker, metrics::Circuit::Probing, crate::now());
            }
            Event::StoreFailed(error) => {
                let error = *error as &dyn StdError;
                tracing::warn!(breaker, error, "breaker's state is out of reach");
            }
        }
    }
}
