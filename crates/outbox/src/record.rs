//! What a record of the table's stream shows of a stored aggregate.

use aws_lambda_events::dynamodb::EventRecord;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::publish::Poison;

/// An aggregate as it was after some change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown<S> {
    /// Its key.
    pub id: String,
    /// Number of its changes so far; records may come twice or late, so only the highest counts.
    pub version: u64,
    /// Its state.
    pub state: S,
}

#[derive(Deserialize)]
struct Image {
    id: String,
    version: Option<u64>,
    state: Option<String>,
}

/// Reads a record; nothing if it shows no aggregate: a bar, a version without a state, something that has expired.
///
/// # Errors
///
/// If the record is none of a [`StateStore`](crate::state::StateStore)'s.
pub fn shown<S: DeserializeOwned>(record: &EventRecord) -> Result<Option<Shown<S>>, Poison> {
    if record.event_name == "REMOVE" {
        return Ok(None);
    }
    let image: Image = serde_dynamo::from_item(record.change.new_image.clone())
        .map_err(|error| Poison(error.to_string()))?;
    let (Some(version), Some(state)) = (image.version, image.state) else { return Ok(None) };
    let state = serde_json::from_str(&state).map_err(|error| Poison(error.to_string()))?;
    Ok(Some(Shown { id: image.id, version, state }))
}
