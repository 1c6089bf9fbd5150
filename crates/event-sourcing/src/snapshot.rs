//! Snapshots: the state after a commit, stored in the commit, so that reads of a long stream need not start at its first event.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::upcast::{self, Upcast};

/// How many commands before a snapshot are still recognised by their ids.
///
/// An id takes 22 bytes, so the ids cost two write units of a snapshot, once in [`every`](Snapshots::every) events.
pub const MAX_COMMANDS: usize = 100;

/// Whether and how a decider's state is stored in snapshots.
#[derive(Debug)]
pub struct Snapshots<D> {
    pub(crate) every: u64,
    write: fn(&D, &[Uuid]) -> Result<String, serde_json::Error>,
    read: fn(&str) -> Option<Snapshot<D>>,
}

/// A snapshot that was read.
#[derive(Debug)]
pub(crate) struct Snapshot<D> {
    pub(crate) state: D,
    /// The ids of the last commands before the snapshot, including its own.
    pub(crate) commands: Vec<Uuid>,
}

#[derive(Serialize)]
struct StoredSnapshot<'a, D> {
    shape: u32,
    state: &'a D,
    commands: String,
}

#[derive(Deserialize)]
struct RawSnapshot {
    shape: u32,
    state: Value,
    commands: String,
}

impl<D: Upcast> Snapshots<D> {
    /// Stores the state with the first commit that ends `events` or more events after the previous snapshot.
    #[must_use]
    pub const fn every(events: u64) -> Self {
        Self { every: events, write: write::<D>, read: read::<D> }
    }
}

impl<D> Snapshots<D> {
    pub(crate) fn write(&self, state: &D, commands: &[Uuid]) -> Option<String> {
        let known = commands.get(commands.len().saturating_sub(MAX_COMMANDS)..).unwrap_or(commands);
        (self.write)(state, known)
            .inspect_err(|error| {
                // A snapshot only saves time.
                tracing::warn!(error = error as &dyn std::error::Error, "snapshot not written");
            })
            .ok()
    }

    /// Returns nothing for an unusable snapshot; the events before it contain the same information.
    pub(crate) fn read(&self, text: &str) -> Option<Snapshot<D>> {
        (self.read)(text)
    }
}

fn write<D: Upcast>(state: &D, commands: &[Uuid]) -> Result<String, serde_json::Error> {
    let bytes: Vec<u8> = commands.iter().flat_map(Uuid::as_bytes).copied().collect();
    let commands = URL_SAFE_NO_PAD.encode(bytes);
    serde_json::to_string(&StoredSnapshot { shape: D::VERSION, state, commands })
}

fn read<D: Upcast>(text: &str) -> Option<Snapshot<D>> {
    let read: RawSnapshot = serde_json::from_str(text).ok()?;
    let bytes = URL_SAFE_NO_PAD.decode(read.commands).ok()?;
    let (ids, rest) = bytes.as_chunks();
    if !rest.is_empty() {
        return None;
    }
    let commands = ids.iter().copied().map(Uuid::from_bytes).collect();
    Some(Snapshot { state: upcast::read(read.shape, read.state).ok()?, commands })
}
