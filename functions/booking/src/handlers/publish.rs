//! `booking-publish`: stream → bus, and once more from the source when an operator wants it.

use contracts::booking::SOURCE;
use outbox::dead_letters::DeadLetters;
use outbox::publish::{Bus, publish};
use outbox::redrive::{Answer, Occasion};
use outbox::republish::{Source, Wishes, publish_or_republish};

use super::project::committed;
use crate::contract::published;

/// Publishes a batch of the stream, or what messages of the queue ask for.
pub async fn handle(
    source: &impl Source,
    bus: &impl Bus,
    wishes: &impl Wishes,
    dead_letters: &impl DeadLetters,
    occasion: Occasion,
) -> Answer {
    let events_of = |record: &_| match committed(record)? {
        Some((booking_id, commit)) => published(booking_id, &commit),
        None => Ok(Vec::new()),
    };
    let publish = async |batch| publish(batch, events_of, bus, dead_letters).await;
    publish_or_republish(occasion, SOURCE, source, bus, wishes, dead_letters, publish).await
}
