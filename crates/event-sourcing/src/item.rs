//! A commit as a table keeps it and a stream shows it.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::store::Commit;

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
}

impl CommitItem {
    /// Writes a commit down.
    ///
    /// # Errors
    ///
    /// If an event can't be written as JSON.
    pub fn new<E: Serialize>(stream: &str, commit: &Commit<E>) -> Result<Self, serde_json::Error> {
        Ok(Self {
            stream: stream.to_owned(),
            version: commit.version,
            last: commit.last_version(),
            command: commit.command_id,
            at: commit.occurred_at,
            correlation: commit.correlation_id,
            causation: commit.causation_id,
            events: serde_json::to_string(&commit.events)?,
        })
    }

    /// Reads the commit back.
    ///
    /// # Errors
    ///
    /// If an event is unreadable.
    pub fn commit<E: DeserializeOwned>(&self) -> Result<Commit<E>, serde_json::Error> {
        Ok(Commit {
            version: self.version,
            command_id: self.command,
            occurred_at: self.at,
            correlation_id: self.correlation,
            causation_id: self.causation,
            events: serde_json::from_str(&self.events)?,
        })
    }
}
