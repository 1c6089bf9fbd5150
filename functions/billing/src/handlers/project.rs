//! `billing-project`: stream → view.

use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::streams::DynamoDbEventResponse;
use cqrs::follow::{ProjectError, follow};
use cqrs::view::View;
use outbox::publish::{DeadLetters, Poison};
use serde::Deserialize;

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

/// What is of interest in a record: the whole state, so that a gap heals itself.
#[derive(Deserialize)]
struct Image {
    version: u64,
    state: String,
}

async fn project(view: &impl View<BillRow>, record: &EventRecord) -> Result<(), ProjectError> {
    if record.event_name == "REMOVE" {
        return Ok(());
    }
    let poison = |error: &dyn std::error::Error| Poison(error.to_string());
    let item = record.change.new_image.clone();
    if !item.contains_key("state") {
        return Ok(());
    }
    let image: Image = serde_dynamo::from_item(item).map_err(|error| poison(&error))?;
    let bill: Bill = serde_json::from_str(&image.state).map_err(|error| poison(&error))?;
    // Nobody asks for a bill that was never issued.
    let Some(row) = contract::public(&bill, image.version) else { return Ok(()) };
    let advanced = view.advance(&bill.reference.to_string(), image.version, &BillRow(row)).await?;
    tracing::debug!(reference = %bill.reference, version = image.version, advanced, "projected");
    Ok(())
}
