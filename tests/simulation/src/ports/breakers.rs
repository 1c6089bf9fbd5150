//! The tables of circuit breakers, and what a breaker is told of the world around it.

use std::sync::Arc;

use circuit_breaker::breaker::Shared;
use circuit_breaker::call::{Event, Host};
use circuit_breaker::settings::{Settings, Watch};
use circuit_breaker::store::{Store, StoreError, Swapped};
use jiff::Timestamp;

use super::at_once;
use crate::line::{Access, Cut, Line};
use crate::world::World;

/// Billing's table and that of the backends, in one: no breaker of one has the name of one of the other.
#[derive(Clone, Debug)]
pub(crate) struct Breakers(pub(crate) Arc<Line>);

/// A process that has breakers.
#[derive(Clone, Debug)]
pub(crate) struct Told(pub(crate) Arc<Line>);

/// As deployed, in so far as it matters here.
pub(crate) fn settings(open_ms: u64) -> Settings {
    Settings { watch: Watch::Beside, open_ms, store_deadline_ms: 50, ..Settings::default() }
}

fn store(cut: Cut) -> StoreError {
    match cut {
        Cut::Throttled => StoreError::Throttled(Box::new(cut)),
        Cut::NoAnswer | Cut::Conflict => StoreError::Unavailable(Box::new(cut)),
    }
}

impl Store for Breakers {
    async fn load(&self, name: &str) -> Result<Option<Shared>, StoreError> {
        let name = name.to_owned();
        let get = move |world: &World| at_once(world.breakers.load(&name));
        self.0.call(Access::Read, "get a breaker", get).await.map_err(store)?
    }

    async fn swap(&self, name: &str, expected: u64, next: &Shared) -> Result<Swapped, StoreError> {
        let (name, next) = (name.to_owned(), next.clone());
        let put = move |world: &World| {
            let before = at_once(world.breakers.load(&name))?.unwrap_or_default();
            let swapped = at_once(world.breakers.swap(&name, expected, &next))?;
            if swapped == Swapped::Done && before.version == expected {
                world.laws.circuit_moved(world, &name, &before, &next);
            }
            Ok(swapped)
        };
        self.0.call(Access::Conditional, "put a breaker", put).await.map_err(store)?
    }
}

impl Host for Told {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn random(&self) -> u64 {
        self.0.world.dice.below(u64::MAX)
    }

    fn observe(&self, breaker: &str, event: &Event<'_>) {
        self.0.tell(|| format!("  circuit {breaker}: {event:?}"));
        if matches!(event, Event::Refused) {
            self.0.world.laws.count_refusal(breaker);
        }
    }
}
