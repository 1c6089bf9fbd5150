//! `parking-project`: stream → view.

use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::streams::DynamoDbEventResponse;
use contracts::id::SlotId;
use cqrs::follow::ProjectError;
use cqrs::generation::Generations;
use cqrs::lag::Gauge;
use cqrs::projector;
use cqrs::view::View;
use jiff::Timestamp;
use outbox::dead_letters::DeadLetters;
use outbox::publish::Poison;
use outbox::record::shown;
use outbox::redrive::{Answer, Occasion, follow_or_redrive};

use crate::contract;
use crate::domain::Slot;
use crate::view::SlotRow;

/// Brings every generation of the view up to a batch of the stream, or to records that were put aside.
pub async fn handle<G: Generations<SlotRow>>(
    views: &G,
    dead_letters: &impl DeadLetters,
    gauge: &Gauge,
    clock: impl Fn() -> Timestamp,
    occasion: Occasion,
) -> Answer {
    let handle = async |batch| batched(views, dead_letters, gauge, &clock, batch).await;
    follow_or_redrive(occasion, dead_letters, handle).await
}

async fn batched<G: Generations<SlotRow>>(
    views: &G,
    dead_letters: &impl DeadLetters,
    gauge: &Gauge,
    clock: impl Fn() -> Timestamp,
    batch: Event,
) -> DynamoDbEventResponse {
    let apply = async |view: &G::View, record: &EventRecord| project(view, record).await;
    let projected = projector::project(views, gauge, &clock, batch, apply, dead_letters).await;
    if let Some(measured) = projected.measured {
        function::metrics::projection(
            "slots",
            measured.lag_seconds,
            measured.iterator_age_ms,
            clock(),
        );
    }
    projected.response
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
