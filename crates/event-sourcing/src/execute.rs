//! The command loop: load, fold, decide, append.

use jiff::Timestamp;
use trace_context::TraceFields;
use uuid::Uuid;

use crate::decider::Decider;
use crate::snapshot::MAX_COMMANDS;
use crate::state::{PointInTime, StateAtVersion, StreamHead, at_version};
use crate::store::{Commit, EventStore, Recorded, StoreError};

/// How many times a command is decided against other writers before its caller must retry.
const MAX_ATTEMPTS: usize = 8;

/// The metadata of a command, stored with the events that it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The id of the command. A command that is sent twice under one id has one effect.
    pub command_id: Uuid,
    /// The time of execution.
    pub now: Timestamp,
    /// The id of the business transaction that the command belongs to.
    pub correlation_id: Uuid,
    /// The id of the command or event that caused this command.
    pub causation_id: Uuid,
}

impl Metadata {
    /// The metadata of a command without a wider transaction: all ids are that of the command.
    #[must_use]
    pub fn new(command_id: Uuid, now: Timestamp) -> Self {
        Self { command_id, now, correlation_id: command_id, causation_id: command_id }
    }
}

/// Why a command was not executed.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError<R> {
    /// A rule rejects the command; nothing was stored.
    #[error("command is rejected")]
    Rejected(R),
    /// The store failed. After a conflict nothing was stored; after any other error the outcome is unknown.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Executes one command, and returns the state after it.
///
/// A command that was executed before returns its original result, and writes nothing. Of a stream without snapshots
/// every command is recognised; with snapshots, those since the last snapshot and the [`MAX_COMMANDS`] before it. A later
/// repetition is decided as a new command.
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
) -> Result<StateAtVersion<D>, ExecuteError<D::Rejection>> {
    let (mut head, mut commits) = StreamHead::<D>::load(store, stream, PointInTime::Latest).await?;
    if head.commands.contains(&metadata.command_id)
        && let Some(first) =
            original_result(store, stream, head.version, metadata.command_id).await?
    {
        return Ok(first);
    }
    let mut attempt = 1;
    loop {
        for commit in &commits {
            head.apply(commit)?;
            if commit.command_id == metadata.command_id {
                return Ok(StateAtVersion { state: head.state, version: head.version });
            }
        }
        let events = head.state.decide(command).map_err(ExecuteError::Rejected)?;
        if events.is_empty() {
            return Ok(StateAtVersion { state: head.state, version: head.version });
        }
        let state = events.iter().fold(head.state.clone(), D::evolve);
        let events = events.into_iter().map(|event| Recorded { id: new_id(), event });
        let mut commit = Commit {
            version: head.version + 1,
            command_id: metadata.command_id,
            // Clocks differ; a slow one must not change the past of a stream.
            occurred_at: metadata.now.max(head.occurred_at),
            correlation_id: metadata.correlation_id,
            causation_id: metadata.causation_id,
            trace: TraceFields::current(),
            events: events.collect(),
            snapshot: None,
        };
        let version = commit.last_version();
        if let Some(snapshots) = D::SNAPSHOTS
            && version - head.snapshot_version >= snapshots.every
        {
            let commands = [head.commands.as_slice(), &[metadata.command_id]].concat();
            commit.snapshot = snapshots.write(&state, &commands);
        }
        match store.append(stream, commit).await {
            Ok(()) => return Ok(StateAtVersion { state, version }),
            Err(StoreError::Conflict) if attempt < MAX_ATTEMPTS => attempt += 1,
            Err(error) => return Err(error.into()),
        }
        // After a lost race, only the commits of the other writers are read.
        commits = store.load(stream, head.version).await?;
    }
}

/// The original result of a command that a snapshot of `version` lists.
///
/// This is rare, so a snapshot lists ids only, and the commit is searched for.
async fn original_result<D: Decider>(
    store: &impl EventStore<D::Event>,
    stream: &str,
    version: u64,
    command_id: Uuid,
) -> Result<Option<StateAtVersion<D>>, StoreError> {
    let mut from = version;
    while from > 0 {
        let page = store.load_back(stream, from, MAX_COMMANDS).await?;
        if let Some(commit) = page.iter().find(|commit| commit.command_id == command_id) {
            return at_version(store, stream, commit.last_version()).await;
        }
        from = page.last().map_or(0, |commit| commit.version - 1);
    }
    // The snapshot was wrong. The events are the source of truth.
    Ok(None)
}
