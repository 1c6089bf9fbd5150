//! The envelope that every published event carries.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trace_context::{Origin, TraceFields};
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
    /// The trace that the event belongs to, as the members `traceparent` and `tracestate` of CloudEvents' distributed tracing
    /// extension. Events that were stored before there was one have none.
    #[serde(flatten)]
    pub trace: TraceFields,
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

impl<E> Envelope<E> {
    /// Where the handling of the event comes from. An event without a trace starts a new one, the same at each delivery.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin::new(&self.trace, || self.id).correlated(self.correlation_id)
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
            trace: self.trace.clone(),
            event: RawEvent::new(&self.event)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The envelope as consumers that know no trace read it.
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct OldEnvelope {
        sequence: u64,
        #[serde(flatten)]
        event: OldEvent,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(tag = "type", content = "data")]
    enum OldEvent {
        Happened { what: String },
    }

    fn stored() -> Value {
        json!({
            "id": Uuid::from_u128(7), "schemaVersion": 1, "occurredAt": "2026-01-01T12:00:00Z",
            "correlationId": Uuid::nil(), "causationId": Uuid::nil(), "subject": "it", "sequence": 3,
            "type": "Happened", "data": {"what": "it"},
        })
    }

    #[test]
    fn an_event_that_was_stored_without_a_trace_stays_as_it_was() {
        let read: Envelope<RawEvent> = serde_json::from_value(stored()).unwrap();
        assert_eq!(read.trace, TraceFields::default());
        assert_eq!(serde_json::to_value(&read).unwrap(), stored());
        assert_eq!(read.origin(), read.origin(), "a redelivery belongs to the same trace");
    }

    #[test]
    fn a_consumer_that_knows_no_trace_reads_an_event_with_one() {
        let mut event: Envelope<RawEvent> = serde_json::from_value(stored()).unwrap();
        event.trace =
            TraceFields { traceparent: Some("p".to_owned()), tracestate: Some("s".to_owned()) };
        let written = serde_json::to_value(&event).unwrap();
        assert_eq!((&written["traceparent"], &written["tracestate"]), (&json!("p"), &json!("s")));
        let old: OldEnvelope = serde_json::from_value(written.clone()).unwrap();
        assert_eq!((old.sequence, old.event), (3, OldEvent::Happened { what: "it".to_owned() }));
        let new: Envelope<RawEvent> = serde_json::from_value(written).unwrap();
        assert_eq!(new, event);
    }

    #[test]
    fn a_malformed_trace_makes_no_event_unreadable() {
        for malformed in [json!(null), json!(7), json!({"a": 1}), json!("x")] {
            let mut event = stored();
            event["traceparent"] = malformed.clone();
            let read: Envelope<RawEvent> = serde_json::from_value(event).unwrap();
            assert_eq!(read.trace.context(), None, "{malformed}");
        }
    }
}
