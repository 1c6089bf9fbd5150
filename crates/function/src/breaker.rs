//! The environment of a circuit breaker in a function: clock, random numbers, logs and metrics.

use std::error::Error as StdError;

use circuit_breaker::breaker::{Environment, Event};
use circuit_breaker::shared_state::{EffectiveState, Reason};
use jiff::Timestamp;

use crate::metrics;

/// Reports the events of a breaker to the log and the metrics.
#[derive(Clone, Copy, Debug)]
pub struct BreakerTelemetry;

impl Environment for BreakerTelemetry {
    fn now(&self) -> Timestamp {
        crate::now()
    }

    fn random(&self) -> u64 {
        crate::random()
    }

    fn observe(&self, breaker: &str, event: &Event<'_>) {
        match event {
            Event::StateChanged(step) => {
                let (from, to, reason) = (step.from, step.to, step.reason);
                tracing::warn!(breaker, ?from, ?to, ?reason, "circuit changed its state");
                let counted = match (step.to, step.reason) {
                    // A lost probe is followed by another one, so the circuit has neither opened nor closed.
                    (_, Reason::ProbeLost) => return,
                    (EffectiveState::Open | EffectiveState::ForcedOpen, _) => {
                        metrics::Circuit::Opened
                    }
                    (
                        EffectiveState::Closed
                        | EffectiveState::ForcedClosed
                        | EffectiveState::Disabled,
                        _,
                    ) => metrics::Circuit::Closed,
                    (EffectiveState::HalfOpen, _) => metrics::Circuit::HalfOpened,
                };
                metrics::circuit(breaker, counted);
            }
            Event::Tripped => {
                tracing::warn!(breaker, "local circuit tripped");
                metrics::circuit(breaker, metrics::Circuit::Tripped);
            }
            Event::Rejected => metrics::circuit(breaker, metrics::Circuit::Refused),
            Event::Probing { .. } => metrics::circuit(breaker, metrics::Circuit::Probing),
            Event::StoreFailed(error) => {
                let error = *error as &dyn StdError;
                tracing::warn!(breaker, error, "breaker state is unreachable");
            }
        }
    }
}
