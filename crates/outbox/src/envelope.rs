//! The envelope that every published event carries.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An event with its metadata.
///
/// `E` is an enum with `#[serde(tag = "type", content = "data")]`, or [`RawEvent`] for an event that is not decoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope<E> {
    /// The id of the event (UUIDv7). Every delivery of the event has the same id.
    pub id: Uuid,
    /// The version of the schema of `data`, from 1.
    pub schema_version: u32,
    /// When the event occurred.
    pub occurred_at: Timestamp,
    /// The id of the business transaction that the event belongs to.
    pub correlation_id: Uuid,
    /// The id of the command or event that caused this event.
    pub causation_id: Uuid,
    /// The key of the aggregate that the event belongs to.
    pub subject: String,
    /// The version of the aggregate with this event, from 1. A consumer may ignore an event with a lower number.
    pub sequence: u64,
    /// The event itself: `type` and `data`.
    #[serde(flatten)]
    pub event: E,
}

/// An event that is passed on without being decoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawEvent {
    /// The name of the event.
    #[serde(rename = "type")]
    pub kind: String,
    /// The content of the event.
    pub data: serde_json::Value,
}

impl RawEvent {
    /// Turns an event into plain JSON.
    ///
    /// # Errors
    ///
    /// If the event is not serialised as `type` and `data`.
    pub fn new(event: &impl Serialize) -> Result<Self, serde_json::Error> {
        serde_json::from_value(serde_json::to_value(event)?)
    }

    /// Decodes the event.
    ///
    /// # Errors
    ///
    /// If it is not one of `E`'s events.
    pub fn decode<E: for<'de> Deserialize<'de>>(&self) -> Result<E, serde_json::Error> {
        serde_json::from_value(serde_json::to_value(self)?)
    }
}

impl<E: Serialize> Envelope<E> {
    /// The same envelope, with the event as plain JSON.
    ///
    /// # Errors
    ///
    /// If the event is not serialised as `type` and `data`.
    pub fn to_raw(&self) -> Result<Envelope<RawEvent>, serde_json::Error> {
        Ok(Envelope {
            id: self.id,
            schema_version: self.schema_version,
            occurred_at: self.occurred_at,
            correlation_id: self.correlation_id,
            causation_id: self.causation_id,
            subject: self.subject.clone(),
            sequence: self.sequence,
            event: RawEvent::new(&self.event)?,
        })
    }
}
