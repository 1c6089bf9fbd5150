//! `parking-publish`: stream → bus.

use aws_lambda_events::dynamodb::Event;
use aws_lambda_events::streams::DynamoDbEventResponse;
use contracts::parking::SOURCE;
use outbox::publish::{Bus, DeadLetters, events_of_change, publish};

/// Publishes a batch of the stream.
pub async fn handle(
    bus: &impl Bus,
    dead_letters: &impl DeadLetters,
    batch: Event,
) -> DynamoDbEventResponse {
    publish(batch, |record| events_of_change(SOURCE, record), bus, dead_letters).await
}
