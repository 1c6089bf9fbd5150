//! `parking-project`: stream → view.

use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::streams::DynamoDbEventResponse;
use contracts::id::SlotId;
use cqrs::follow::{ProjectError, follow};
use cqrs::view::View;
use outbox::publish::{DeadLetters, Poison};
use outbox::record::shown;

use crate::contract;
use crate::domain::Slot;
use crate::view::SlotRow;

/// Brings the view up to a batch of the stream.
pub async fn handle(
    view: &impl View<SlotRow>,
    dead_letters: &impl DeadLetters,
    batch: Event,
) -> DynamoDbEventResponse {
    follow(batch, async |record| project(view, record).await, dead_letters).await
}

/// A record shows the whole slot, so that the latest is all that counts, whatever came before it.
async fn project(view: &impl View<SlotRow>, record: &EventRecord) -> Result<(), ProjectError> {
    let Some(shown) = shown::<Slot>(record)? else { return Ok(()) };
    let slot_id: SlotId =
        shown.id.parse().map_err(|error| Poison(format!("{}: {error}", shown.id)))?;
    let Some(slot) = contract::published(slot_id, shown.version, &shown.state) else {
        // It has only been refused to somebody: nobody has added it.
        return Ok(());
    };
    let advanced = view.advance(&shown.id, shown.version, &SlotRow(slot)).await?;
    tracing::debug!(%slot_id, version = shown.version, advanced, "projected");
    Ok(())
}
