//! `billing-project`: stream → view.

use aws_lambda_events::dynamodb::EventRecord;
use cqrs::follow::{ProjectError, follow};
use cqrs::view::View;
use outbox::dead_letters::DeadLetters;
use outbox::record::{Shown, shown};
use outbox::redrive::{Answer, Occasion, follow_or_redrive};

use crate::contract;
use crate::domain::Bill;
use crate::view::BillRow;

/// Applies a batch of the stream, or records that were put aside, to the view.
pub async fn handle(
    view: &impl View<BillRow>,
    dead_letters: &impl DeadLetters,
    occasion: Occasion,
) -> Answer {
    let apply = async |record: &EventRecord| project(view, record).await;
    let handle = async |batch| follow(batch, &apply, dead_letters).await;
    follow_or_redrive(occasion, dead_letters, handle).await
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
