//! What every published event carries, whatever it says.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An event and where it comes from.
///
/// `E` is an enum with `#[serde(tag = "type", content = "data")]`, or [`Unread`] for one that is only carried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope<E> {
    /// The event's own id (UUIDv7): the same however often it is delivered.
    pub id: Uuid,
    /// Version of the shape of `data`.
    pub schema_version: u32,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// The business transaction that it belongs to.
    pub correlation_id: Uuid,
    /// What set it off.
    pub causation_id: Uuid,
    /// The aggregate that it happened to.
    pub subject: String,
    /// The aggregate's version with this event, from 1: an older one says nothing new.
    pub sequence: u64,
    /// `type` and `data`.
    #[serde(flatten)]
    pub event: E,
}

/// An event that is carried, not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// Its name.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it says.
    pub data: serde_json::Value,
}

/// Why a set of events belongs together: copied into each envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The business transaction.
    pub correlation_id: Uuid,
    /// The command or event that set it off.
    pub causation_id: Uuid,
}

impl<E: Serialize> Envelope<E> {
    /// The same event, its content turned into plain JSON.
    ///
    /// # Errors
    ///
    /// If the event is not serialised as `type` and `data`.
    pub fn unread(&self) -> Result<Envelope<Unread>, serde_json::Error> {
        let event = serde_json::from_value(serde_json::to_value(&self.event)?)?;
        Ok(Envelope {
            id: self.id,
            schema_version: self.schema_version,
            occurred_at: self.occurred_at,
            correlation_id: self.correlation_id,
            causation_id: self.causation_id,
            subject: self.subject.clone(),
            sequence: self.sequence,
            event,
        })
    }
}
