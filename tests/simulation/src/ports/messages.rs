//! The bus and the queues, at the sender's end.

use std::sync::Arc;
use std::time::Duration;

use billing::handlers::react::Reminder;
use contracts::id::BillReference;
use outbox::publish::{BusError, Entry, Parked};

use crate::line::{Access, Cut, Line};
use crate::world::World;

fn bus(cut: Cut) -> BusError {
    BusError(Box::new(cut))
}

/// The bus.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bus<'a>(pub(crate) &'a Arc<Line>);

impl outbox::publish::Bus for Bus<'_> {
    async fn put(&self, entries: &[Entry]) -> Result<Vec<bool>, BusError> {
        let (entries, is_later) = (entries.to_vec(), self.0.is_later);
        let put = move |world: &World| {
            let taken = entries.iter().map(|entry| {
                let is_taken = !world.befalls(world.plan.throttled);
                if is_taken {
                    world.queues.publish(world, entry, is_later);
                }
                is_taken
            });
            taken.collect()
        };
        self.0.call(Access::Write, "put events", put).await.map_err(bus)
    }
}

/// The queue of what can't be handled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeadLetters<'a>(pub(crate) &'a Arc<Line>);

impl outbox::publish::DeadLetters for DeadLetters<'_> {
    async fn park(&self, parked: Parked) -> Result<(), BusError> {
        let park = move |world: &World| world.queues.park(parked.clone());
        self.0.call(Access::Write, "park a record", park).await.map_err(bus)
    }
}

/// Messages to oneself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reminders<'a> {
    pub(crate) line: &'a Arc<Line>,
    pub(crate) queue: &'static str,
}

impl billing::ports::Reminders for Reminders<'_> {
    async fn remind(&self, reference: BillReference, after: Duration) -> Result<(), BusError> {
        let body = serde_json::to_string(&Reminder { due: reference }).expect("a reference");
        let queue = self.queue;
        let send = move |world: &World| world.queues.send(world, queue, body.clone(), after);
        self.line.call(Access::Write, "send a reminder", send).await.map_err(bus)
    }
}
