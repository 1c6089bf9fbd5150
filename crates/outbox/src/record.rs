//! Reads a stream record of a [`StateStore`](crate::state::StateStore)'s table.

use aws_lambda_events::dynamodb::EventRecord;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use trace_context::Origin;

use crate::bus::Entry;
use crate::envelope::{Envelope, RawEvent};
use crate::stream::Poison;

/// An aggregate as it was after one change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamImage<S> {
    /// The key of the aggregate.
    pub id: String,
    /// The version of the aggregate. Records may arrive twice or late, so only the highest version counts.
    pub version: u64,
    /// The state of the aggregate.
    pub state: S,
}

#[derive(Deserialize)]
struct Image {
    id: String,
    version: Option<u64>,
    state: Option<String>,
}

/// Reads the aggregate that a record shows. A tombstone, a version without a state, and an expired item show none.
///
/// # Errors
///
/// If the record was not written by a [`StateStore`](crate::state::StateStore).
pub fn read_image<S: DeserializeOwned>(
    record: &EventRecord,
) -> Result<Option<StreamImage<S>>, Poison> {
    if record.event_name == "REMOVE" {
        return Ok(None);
    }
    let image: Image = serde_dynamo::from_item(record.change.new_image.clone())
        .map_err(|error| Poison(error.to_string()))?;
    let (Some(version), Some(state)) = (image.version, image.state) else { return Ok(None) };
    let state = serde_json::from_str(&state).map_err(|error| Poison(error.to_string()))?;
    Ok(Some(StreamImage { id: image.id, version, state }))
}

/// The events that were stored with the change that a record shows, ready for the bus.
///
/// # Errors
///
/// If the record was not written by a [`StateStore`](crate::state::StateStore).
pub fn events_of_change(source: &'static str, record: &EventRecord) -> Result<Vec<Entry>, Poison> {
    let envelopes = envelopes(record)?;
    envelopes
        .iter()
        .map(|envelope| Entry::new(source, envelope).map_err(|error| Poison(error.to_string())))
        .collect()
}

/// Where the change that a record shows comes from, as its last event says it.
#[must_use]
pub fn origin_of_change(record: &EventRecord) -> Option<Origin> {
    envelopes(record).ok()?.last().map(Envelope::origin)
}

fn envelopes(record: &EventRecord) -> Result<Vec<Envelope<RawEvent>>, Poison> {
    if record.event_name == "REMOVE" {
        return Ok(Vec::new());
    }
    let item = &record.change.new_image;
    let Some(events) = item.get("events") else {
        // A tombstone, or the version increment that belongs to it.
        return Ok(Vec::new());
    };
    if item.get("changed").is_some_and(|changed| item.get("version") != Some(changed)) {
        // The events belong to an earlier change, and the record of that change carried them.
        return Ok(Vec::new());
    }
    let serde_dynamo::AttributeValue::S(events) = events else {
        return Err(Poison("attribute `events` is not a string".to_owned()));
    };
    serde_json::from_str(events).map_err(|error| Poison(error.to_string()))
}
