//! `booking-publish`: stream → bus, and republishing from the event store.

use contracts::booking::SOURCE;
use outbox::bus::Bus;
use outbox::dead_letters::DeadLetters;
use outbox::publish::publish;
use outbox::redrive::{Trigger, TriggerResponse};
use outbox::republish::{RepublishQueue, RepublishSource, publish_or_republish};

use super::project::committed;
use crate::contract::published;

/// Publishes the records of a stream batch, or handles the messages of the function's queue.
pub async fn handle(
    source: &impl RepublishSource,
    bus: &impl Bus,
    republish_queue: &impl RepublishQueue,
    dead_letters: &impl DeadLetters,
    trigger: Trigger,
) -> TriggerResponse {
    let events_of = |record: &_| match committed(record)? {
        Some((booking_id, commit)) => published(booking_id, &commit),
        None => Ok(Vec::new()),
    };
    let publish = async |records| publish(records, events_of, bus, dead_letters).await;
    publish_or_republish(trigger, SOURCE, source, bus, republish_queue, dead_letters, publish).await
}
