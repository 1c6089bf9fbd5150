//! The bus and the queues, at the sender's end.

use std::sync::Arc;
use std::time::Duration;

use billing::handlers::react::Reminder;
use contracts::id::BillReference;
use outbox::bus::{Entry, SendError};
use outbox::dead_letters::DeadLetter;
use outbox::republish::{Republish, RepublishQueue as RepublishQueuePort};

use crate::line::{Access, Cut, Line};
use crate::world::World;

fn bus(cut: Cut) -> SendError {
    SendError(Box::new(cut))
}

/// The bus.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bus<'a>(pub(crate) &'a Arc<Line>);

impl outbox::bus::Bus for Bus<'_> {
    async fn put(&self, entries: &[Entry]) -> Result<Vec<bool>, SendError> {
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

/// The dead letters of the queue that the function reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeadLetters<'a>(pub(crate) &'a Arc<Line>);

impl outbox::dead_letters::DeadLetters for DeadLetters<'_> {
    async fn add(&self, letter: DeadLetter) -> Result<(), SendError> {
        let queue = self.0.queue();
        let park = move |world: &World| world.queues.add(queue.clone(), letter.clone());
        self.0.call(Access::Write, "park", park).await.map_err(bus)
    }
}

/// Messages of a publisher to itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RepublishQueue<'a>(pub(crate) &'a Arc<Line>);

impl RepublishQueuePort for RepublishQueue<'_> {
    async fn send(&self, wish: &Republish) -> Result<(), SendError> {
        let (queue, body) = (self.0.queue(), serde_json::to_string(wish).expect("a wish is JSON"));
        let send =
            move |world: &World| world.queues.send(world, &queue, body.clone(), Duration::ZERO);
        self.0.call(Access::Write, "send a wish", send).await.map_err(bus)
    }
}

/// Messages to oneself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reminders<'a> {
    pub(crate) line: &'a Arc<Line>,
    pub(crate) queue: &'static str,
}

impl billing::ports::Reminders for Reminders<'_> {
    async fn remind(&self, reference: BillReference, after: Duration) -> Result<(), SendError> {
        let body = serde_json::to_string(&Reminder { due: reference }).expect("a reference");
        let queue = self.queue;
        let send = move |world: &World| world.queues.send(world, queue, body.clone(), after);
        self.line.call(Access::Write, "send a reminder", send).await.map_err(bus)
    }
}
