//! `billing-project`: stream → view.

use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::streams::DynamoDbEventResponse;
use cqrs::follow::{ProjectError, follow};
use cqrs::view::View;
use outbox::publish::DeadLetters;
use outbox::record::{Shown, shown};

use crate::contract;
use crate::domain::Bill;
use crate::view::BillRow;

/// Applies a batch of the stream to the view.
pub async fn handle(
    view: &impl View<BillRow>,
    dead_letters: &impl DeadLetters,
    batch: Event,
) -> DynamoDbEventResponse {
    follow(batch, async |record| project(view, record).await, dead_letters).await
}

async fn project(view: &impl View<BillRow>, record: &EventRecord) -> Result<(), ProjectError> {
    // Each record shows the whole bill, so that a gap heals itself.
    let Some(Shown { id, version, state }) = shown::<Bill>(record)? else { return Ok(()) };
    // Nobody asks for a bill that was never issued.
    let Some(row) = contract::public(&state, version) else { return Ok(()) };
    let advanced = view.advance(&id, version, &BillRow(row)).await?;
    tracing::debug!(reference = id, version, advanced, "projected");
    Ok(())
}
