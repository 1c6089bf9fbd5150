//! A commit as a table keeps it and a stream shows it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::store::{Commit, Recorded};
use crate::upcast::{UnreadableError, Upcast, read};

/// One item of the table; its attributes bear these names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitItem {
    /// Partition key.
    pub stream: String,
    /// Sort key: version of the first event.
    pub version: u64,
    /// Version of the last event.
    pub last: u64,
    /// The command that led to it.
    pub command: Uuid,
    /// When.
    pub at: Timestamp,
    /// The business transaction that it belongs to.
    pub correlation: Uuid,
    /// What set it off.
    pub causation: Uuid,
    /// JSON array of recorded events: a text, so that the item costs what its content does.
    pub events: String,
    /// Version of the events' vocabulary; absent for the first.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub schema: u32,
    /// The state after it, in some commits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
}

fn first() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_first(schema: &u32) -> bool {
    *schema == first()
}

impl CommitItem {
    /// Writes a commit down.
    ///
    /// # Errors
    ///
    /// If an event can't be written as JSON.
    pub fn new<E: Upcast>(stream: &str, commit: &Commit<E>) -> Result<Self, serde_json::Error> {
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
        })
    }

    /// Reads the commit back, in today's words.
    ///
    /// # Errors
    ///
    /// If an event is unreadable.
    pub fn commit<E: Upcast>(&self) -> Result<Commit<E>, UnreadableError> {
        Ok(Commit {
            version: self.version,
            command_id: self.command,
            occurred_at: self.at,
            correlation_id: self.correlation,
            causation_id: self.causation,
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
