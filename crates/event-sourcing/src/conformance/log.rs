//! The aggregate of the suite: notes, counted and digested in order.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::decider::Decider;
use crate::execute::{ExecuteError, Metadata, execute};
use crate::snapshot::Snapshots;
use crate::state::StateAtVersion;
use crate::store::EventStore;
use crate::upcast::Upcast;

/// The event of the suite's streams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Noted(pub String);

impl Upcast for Noted {}

/// The snapshot interval of the suite's aggregate.
pub(super) const EVERY: u64 = 100;

/// The notes so far. A missing, repeated or reordered note leads to another digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Log {
    pub(super) notes: u64,
    pub(super) digest: u64,
}

/// The notes of one command. The rules accept any note, so a repetition is recognised by its id only.
pub(super) type Note<'a> = &'a [&'a str];

/// The rejection of a command without notes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Nothing;

impl Decider for Log {
    type Command = Vec<String>;
    type Event = Noted;
    type Rejection = Nothing;

    const SNAPSHOTS: Option<Snapshots<Self>> = Some(Snapshots::every(EVERY));

    fn decide(&self, notes: &Vec<String>) -> Result<Vec<Noted>, Nothing> {
        if notes.is_empty() {
            return Err(Nothing);
        }
        Ok(notes.iter().cloned().map(Noted).collect())
    }

    fn evolve(self, Noted(note): &Noted) -> Self {
        let digest = note.bytes().fold(self.digest.wrapping_mul(31), |digest, byte| {
            digest.wrapping_mul(31).wrapping_add(u64::from(byte))
        });
        Self { notes: self.notes + 1, digest }
    }
}

impl Upcast for Log {
    const VERSION: u32 = 3;

    fn upcast(version: u32, mut state: Value) -> Option<Value> {
        // Version 1 has no upcaster; version 2 had another name for the number of notes.
        if version != 2 {
            return None;
        }
        let notes = state.as_object_mut()?.remove("count")?;
        state["notes"] = notes;
        Some(state)
    }
}

/// Executes one command under an id.
pub(super) async fn note(
    store: &impl EventStore<Noted>,
    stream: &str,
    command_id: Uuid,
    notes: Note<'_>,
) -> Result<StateAtVersion<Log>, ExecuteError<Nothing>> {
    note_at(store, stream, command_id, notes, Timestamp::UNIX_EPOCH).await
}

pub(super) async fn note_at(
    store: &impl EventStore<Noted>,
    stream: &str,
    command_id: Uuid,
    notes: Note<'_>,
    now: Timestamp,
) -> Result<StateAtVersion<Log>, ExecuteError<Nothing>> {
    let command = notes.iter().map(|it| (*it).to_owned()).collect();
    execute(store, stream, &command, &Metadata::new(command_id, now), Uuid::now_v7).await
}
