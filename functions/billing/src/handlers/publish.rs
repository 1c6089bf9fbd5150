//! `billing-publish`: publishes the stream of the bills on the bus, and republishes stored events for an operator.

use contracts::billing::SOURCE;
use outbox::bus::Bus;
use outbox::dead_letters::DeadLetters;
use outbox::publish::publish;
use outbox::record::events_of_change;
use outbox::redrive::{Trigger, TriggerResponse};
use outbox::republish::{RepublishQueue, RepublishSource, publish_or_republish};

/// Publishes a batch of the stream, or republishes the events that messages of the queue request.
pub async fn handle(
    source: &impl RepublishSource,
    bus: &impl Bus,
    republish_queue: &impl RepublishQueue,
    dead_letters: &impl DeadLetters,
    trigger: Trigger,
) -> TriggerResponse {
    let events_of = |record: &_| events_of_change(SOURCE, record);
    let publish = async |records| publish(records, events_of, bus, dead_letters).await;
    publish_or_republish(trigger, SOURCE, source, bus, republish_queue, dead_letters, publish).await
}
