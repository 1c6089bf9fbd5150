//! The bus and the queues, for senders.

use std::sync::Arc;
use std::time::Duration;

use billing::handlers::react::Reminder;
use contracts::id::BillReference;
use outbox::bus::{Entry, SendError};
use outbox::dead_letters::DeadLetter;
use outbox::republish::{Republish, RepublishQueue as RepublishQueuePort};

use crate::transport::{Access, CallError, FaultyTransport};
use crate::world::World;

fn bus(error: CallError) -> SendError {
    SendError(Box::new(error))
}

/// The bus.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bus<'a>(pub(crate) &'a Arc<FaultyTransport>);

impl outbox::bus::Bus for Bus<'_> {
    async fn put(&self, entries: &[Entry]) -> Result<Vec<bool>, SendError> {
        let (entries, is_later_release) = (entries.to_vec(), self.0.is_later_release);
        let put = move |world: &World| {
            let accepted = entries.iter().map(|entry| {
                let is_accepted = !world.injects(world.plan.throttled);
                if is_accepted {
                    world.queues.publish(world, entry, is_later_release);
                }
                is_accepted
            });
            accepted.collect()
        };
        self.0.call(Access::Write, "put events", put).await.map_err(bus)
    }
}

/// The dead-letter queue of the queue that the function reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeadLetters<'a>(pub(crate) &'a Arc<FaultyTransport>);

impl outbox::dead_letters::DeadLetters for DeadLetters<'_> {
    async fn add(&self, letter: DeadLetter) -> Result<(), SendError> {
        let queue = self.0.queue();
        let park = move |world: &World| world.queues.add(queue.clone(), letter.clone());
        self.0.call(Access::Write, "dead-letter", park).await.map_err(bus)
    }
}

/// Messages of a publisher to itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RepublishQueue<'a>(pub(crate) &'a Arc<FaultyTransport>);

impl RepublishQueuePort for RepublishQueue<'_> {
    async fn send(&self, command: &Republish) -> Result<(), SendError> {
        let (queue, body) =
            (self.0.queue(), serde_json::to_string(command).expect("a command is JSON"));
        let send =
            move |world: &World| world.queues.send(world, &queue, body.clone(), Duration::ZERO);
        self.0.call(Access::Write, "send a command", send).await.map_err(bus)
    }
}

/// Messages of billing to itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reminders<'a> {
    pub(crate) transport: &'a Arc<FaultyTransport>,
    pub(crate) queue: &'static str,
}

impl billing::ports::Reminders for Reminders<'_> {
    async fn remind(&self, reference: BillReference, after: Duration) -> Result<(), SendError> {
        let body = serde_json::to_string(&Reminder { due: reference }).expect("a reference");
        let queue = self.queue;
        let send = move |world: &World| world.queues.send(world, queue, body.clone(), after);
        self.transport.call(Access::Write, "send a reminder", send).await.map_err(bus)
    }
}
