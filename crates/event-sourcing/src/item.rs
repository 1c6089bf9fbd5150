//! The item of a commit, as the table stores it and its stream shows it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use trace_context::TraceFields;
use uuid::Uuid;

use crate::store::{Commit, Recorded};
use crate::upcast::{UnreadableError, Upcast, read};

/// One item of the table. The fields are its attributes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitItem {
    /// The partition key: the name of the stream.
    pub stream: String,
    /// The sort key: the version of the first event.
    pub version: u64,
    /// The version of the last event.
    pub last: u64,
    /// The id of the command that led to the commit.
    pub command: Uuid,
    /// When the events occurred.
    pub at: Timestamp,
    /// The id of the business transaction that the commit belongs to.
    pub correlation: Uuid,
    /// The id of the command or event that caused the commit.
    pub causation: Uuid,
    /// The recorded events as a JSON array. A string costs fewer bytes than nested attributes.
    pub events: String,
    /// The schema version of the events; absent for version 1.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub schema: u32,
    /// The state after the commit, in some commits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// The trace that the commit belongs to, as W3C's `traceparent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// What vendors add to the trace, as W3C's `tracestate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracestate: Option<String>,
}

fn first() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "required by serde")]
fn is_first(schema: &u32) -> bool {
    *schema == first()
}

impl CommitItem {
    /// Serialises a commit.
    ///
    /// # Errors
    ///
    /// If an event can't be serialised as JSON.
    pub fn new<E: Upcast>(stream: &str, commit: &Commit<E>) -> Result<Self, serde_json::Error> {
        let TraceFields { traceparent, tracestate } = commit.trace.clone();
        Ok(Self {
            stream: stream.to_owned(),
            version: commit.version,
            last: commit.last_version(),
            command: commit.command_id,
            at: commit.occurred_at,
            correlation: commit.correlation_id,
            causation: commit.causation_id,
            events: serde_json::to_string(&commit.events)?,
            schema: E::VERSION,
            snapshot: commit.snapshot.clone(),
            traceparent,
            tracestate,
        })
    }

    /// Reads the commit, upcast to the current schema.
    ///
    /// # Errors
    ///
    /// If an event is unreadable.
    pub fn commit<E: Upcast>(&self) -> Result<Commit<E>, UnreadableError> {
        let (traceparent, tracestate) = (self.traceparent.clone(), self.tracestate.clone());
        Ok(Commit {
            version: self.version,
            command_id: self.command,
            occurred_at: self.at,
            correlation_id: self.correlation,
            causation_id: self.causation,
            trace: TraceFields { traceparent, tracestate },
            events: self.events()?,
            snapshot: self.snapshot.clone(),
        })
    }

    fn events<E: Upcast>(&self) -> Result<Vec<Recorded<E>>, UnreadableError> {
        if self.schema == E::VERSION {
            return Ok(serde_json::from_str(&self.events)?);
        }
        let written: Vec<Recorded<Value>> = serde_json::from_str(&self.events)?;
        let today = written.into_iter().map(|Recorded { id, event }| {
            read(self.schema, event).map(|event| Recorded { id, event })
        });
        today.collect()
    }
}
