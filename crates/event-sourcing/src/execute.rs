//! The one loop that uses a store: load, fold, decide, append.

use jiff::Timestamp;
use uuid::Uuid;

use crate::decider::Decider;
use crate::store::{Commit, EventStore, Recorded, StoreError};

/// How often a command that loses a race is decided anew before its caller is told to come back.
const ATTEMPTS_MAX: usize = 8;

/// Where a command comes from; stored with what it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Names the command: sent twice, it has one effect.
    pub command_id: Uuid,
    /// When it is carried out.
    pub now: Timestamp,
    /// The business transaction that it belongs to.
    pub correlation_id: Uuid,
    /// What set it off.
    pub causation_id: Uuid,
}

impl Metadata {
    /// A command that belongs to nothing but itself.
    #[must_use]
    pub fn new(command_id: Uuid, now: Timestamp) -> Self {
        Self { command_id, now, correlation_id: command_id, causation_id: command_id }
    }
}

/// What a command has led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed<D> {
    /// The state after it.
    pub state: D,
    /// The stream's version after it.
    pub version: u64,
}

/// Why a command has not been carried out.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError<R> {
    /// The rules say no; nothing was stored.
    #[error("command is rejected")]
    Rejected(R),
    /// The store failed. After a conflict nothing was stored; after anything else it is unknown.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Carries out one command.
///
/// # Errors
///
/// See [`ExecuteError`].
pub async fn execute<D: Decider>(
    store: &impl EventStore<D::Event>,
    stream: &str,
    command: &D::Command,
    metadata: &Metadata,
    new_id: impl Fn() -> Uuid,
) -> Result<Executed<D>, ExecuteError<D::Rejection>> {
    let mut state = D::default();
    let mut version = 0;
    let mut attempt = 1;
    loop {
        // After a lost race only what the winner has added is read.
        for commit in store.load(stream, version).await? {
            state = commit.events.iter().fold(state, |state, it| state.evolve(&it.event));
            version = commit.last_version();
            if commit.command_id == metadata.command_id {
                return Ok(Executed { state, version });
            }
        }
        let events = state.decide(command).map_err(ExecuteError::Rejected)?;
        if events.is_empty() {
            return Ok(Executed { state, version });
        }
        let events: Vec<_> =
            events.into_iter().map(|event| Recorded { id: new_id(), event }).collect();
        let commit = Commit {
            version: version + 1,
            command_id: metadata.command_id,
            occurred_at: metadata.now,
            correlation_id: metadata.correlation_id,
            causation_id: metadata.causation_id,
            events: events.clone(),
        };
        let last_version = commit.last_version();
        match store.append(stream, commit).await {
            Ok(()) => {
                let state = events.iter().fold(state, |state, it| state.evolve(&it.event));
                return Ok(Executed { state, version: last_version });
            }
            Err(StoreError::Conflict) if attempt < ATTEMPTS_MAX => attempt += 1,
            Err(error) => return Err(error.into()),
        }
    }
}
