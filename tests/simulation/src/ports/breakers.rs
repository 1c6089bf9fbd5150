//! The tables of circuit breakers, and the environment of a breaker.

use std::sync::Arc;

use circuit_breaker::breaker::{Environment, Event};
use circuit_breaker::settings::{Refresh, Settings};
use circuit_breaker::shared_state::SharedState;
use circuit_breaker::store::{Store, StoreError, Swapped};
use jiff::Timestamp;

use super::now_or_panic;
use crate::transport::{Access, CallError, FaultyTransport};
use crate::world::World;

/// Billing's table and that of the backends in one: their breakers have different names.
#[derive(Clone, Debug)]
pub(crate) struct Breakers(pub(crate) Arc<FaultyTransport>);

/// The telemetry of the breakers of one process.
#[derive(Clone, Debug)]
pub(crate) struct BreakerTelemetry(pub(crate) Arc<FaultyTransport>);

/// The deployed settings, as far as they matter here.
pub(crate) fn settings(open_ms: u64) -> Settings {
    Settings { refresh: Refresh::Concurrent, open_ms, store_deadline_ms: 50, ..Settings::default() }
}

fn store(error: CallError) -> StoreError {
    match error {
        CallError::Throttled => StoreError::Throttled(Box::new(error)),
        CallError::NoResponse | CallError::Conflict => StoreError::Unavailable(Box::new(error)),
    }
}

impl Store for Breakers {
    async fn load(&self, name: &str) -> Result<Option<SharedState>, StoreError> {
        let name = name.to_owned();
        let get = move |world: &World| now_or_panic(world.breakers.load(&name));
        self.0.call(Access::Read, "get a breaker", get).await.map_err(store)?
    }

    async fn swap(
        &self,
        name: &str,
        expected: u64,
        next: &SharedState,
    ) -> Result<Swapped, StoreError> {
        let (name, next) = (name.to_owned(), next.clone());
        let put = move |world: &World| {
            let before = now_or_panic(world.breakers.load(&name))?.unwrap_or_default();
            let swapped = now_or_panic(world.breakers.swap(&name, expected, &next))?;
            if swapped == Swapped::Done && before.version == expected {
                world.invariants.circuit_changed(world, &name, &before, &next);
            }
            Ok(swapped)
        };
        self.0.call(Access::Conditional, "put a breaker", put).await.map_err(store)?
    }
}

impl Environment for BreakerTelemetry {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn random(&self) -> u64 {
        self.0.world.rng.below(u64::MAX)
    }

    fn observe(&self, breaker: &str, event: &Event<'_>) {
        self.0.log(|| format!("  circuit {breaker}: {event:?}"));
        if matches!(event, Event::Rejected) {
            self.0.world.invariants.count_rejection(breaker);
        }
    }
}
