//! `booking-publish`: stream → bus.

use aws_lambda_events::dynamodb::Event;
use aws_lambda_events::streams::DynamoDbEventResponse;
use outbox::publish::{Bus, DeadLetters, publish};

use super::project::committed;
use crate::contract::published;

/// Publishes a batch of the stream.
pub async fn handle(
    bus: &impl Bus,
    dead_letters: &impl DeadLetters,
    batch: Event,
) -> DynamoDbEventResponse {
    let events_of = |record: &_| match committed(record)? {
        Some((booking_id, commit)) => published(booking_id, &commit),
        None => Ok(Vec::new()),
    };
    publish(batch, events_of, bus, dead_letters).await
}
