//! The state of a stream: now, at a version, and at a time.

use jiff::Timestamp;
use uuid::Uuid;

use crate::decider::Decider;
use crate::store::{Commit, EventStore, StoreError};

/// A state, and the version of the stream at which it was reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateAtVersion<D> {
    /// The state.
    pub state: D,
    /// The number of events folded into the state; 0 before the first.
    pub version: u64,
}

/// Reads the current state of a stream.
///
/// With snapshots this reads back to the last one; without them it reads the whole stream.
///
/// # Errors
///
/// If the store can't be read.
pub async fn latest<D: Decider>(
    store: &impl EventStore<D::Event>,
    stream: &str,
) -> Result<StateAtVersion<D>, StoreError> {
    let (mut head, commits) = StreamHead::<D>::load(store, stream, PointInTime::Latest).await?;
    for commit in &commits {
        head.apply(commit)?;
    }
    Ok(StateAtVersion { state: head.state, version: head.version })
}

/// Reads the state after the first `version` events; nothing if the stream has fewer.
///
/// # Errors
///
/// If the store can't be read.
pub async fn at_version<D: Decider>(
    store: &impl EventStore<D::Event>,
    stream: &str,
    version: u64,
) -> Result<Option<StateAtVersion<D>>, StoreError> {
    let (mut head, commits) =
        StreamHead::<D>::load(store, stream, PointInTime::Version(version)).await?;
    for commit in &commits {
        if commit.last_version() <= version {
            head.apply(commit)?;
            continue;
        }
        // The version is within a commit.
        for (at, recorded) in commit.versioned().filter(|(at, _)| *at <= version) {
            head.state = head.state.evolve(&recorded.event);
            head.version = at;
        }
    }
    let reached = StateAtVersion { state: head.state, version: head.version };
    Ok((reached.version == version).then_some(reached))
}

/// Reads the state at a time, including everything committed at exactly that time; version 0 before the first event.
///
/// The times are those of the commits, which never decrease within a stream.
///
/// # Errors
///
/// If the store can't be read.
pub async fn at_time<D: Decider>(
    store: &impl EventStore<D::Event>,
    stream: &str,
    time: Timestamp,
) -> Result<StateAtVersion<D>, StoreError> {
    let (mut head, commits) = StreamHead::<D>::load(store, stream, PointInTime::Time(time)).await?;
    for commit in &commits {
        head.apply(commit)?;
    }
    Ok(StateAtVersion { state: head.state, version: head.version })
}

/// A point in time of a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PointInTime {
    Latest,
    Version(u64),
    Time(Timestamp),
}

impl PointInTime {
    /// The last version that the point may include.
    fn max_version(self) -> u64 {
        match self {
            Self::Version(version) => version,
            Self::Latest | Self::Time(_) => u64::MAX,
        }
    }

    fn covers<E>(self, commit: &Commit<E>) -> bool {
        match self {
            Self::Latest => true,
            Self::Version(version) => commit.version <= version,
            Self::Time(time) => commit.occurred_at <= time,
        }
    }
}

/// The part of a stream that has been read and folded.
#[derive(Debug)]
pub(crate) struct StreamHead<D> {
    pub(crate) state: D,
    pub(crate) version: u64,
    pub(crate) occurred_at: Timestamp,
    /// The version of the last readable snapshot; 0 without one.
    pub(crate) snapshot_version: u64,
    /// The ids of the commands so far, as far as they are known, the latest last.
    pub(crate) commands: Vec<Uuid>,
}

impl<D: Decider> StreamHead<D> {
    fn empty() -> Self {
        Self {
            state: D::default(),
            version: 0,
            occurred_at: Timestamp::MIN,
            snapshot_version: 0,
            commands: Vec::new(),
        }
    }

    /// Reads the stream at its last snapshot before a point, and the commits from there to the point.
    pub(crate) async fn load(
        store: &impl EventStore<D::Event>,
        stream: &str,
        point: PointInTime,
    ) -> Result<(Self, Vec<Commit<D::Event>>), StoreError> {
        let Some(snapshots) = D::SNAPSHOTS else {
            let commits = store.load(stream, 0).await?;
            let wanted = commits.into_iter().take_while(|commit| point.covers(commit));
            return Ok((Self::empty(), wanted.collect()));
        };
        let mut commits = Vec::new();
        let mut from = point.max_version();
        // If every snapshot is readable, the last one is at most this many commits back, so one page contains it.
        let mut limit = usize::try_from(snapshots.every).unwrap_or(usize::MAX).max(1);
        while from > 0 {
            let page = store.load_back(stream, from, limit).await?;
            from = page.last().map_or(0, |commit| commit.version - 1);
            for commit in page.into_iter().filter(|commit| point.covers(commit)) {
                // The state after a commit can't be used for a version within the commit.
                let text = commit
                    .snapshot
                    .as_ref()
                    .filter(|_| commit.last_version() <= point.max_version());
                if let Some(snapshot) = text.and_then(|text| snapshots.read(text)) {
                    let head = Self {
                        state: snapshot.state,
                        version: commit.last_version(),
                        occurred_at: commit.occurred_at,
                        snapshot_version: commit.last_version(),
                        commands: snapshot.commands,
                    };
                    commits.reverse();
                    return Ok((head, commits));
                }
                commits.push(commit);
            }
            // No usable snapshot so far, so the search may go back to the first commit: read larger pages.
            limit = limit.saturating_mul(10);
        }
        commits.reverse();
        Ok((Self::empty(), commits))
    }

    /// Folds in the next commit.
    pub(crate) fn apply(&mut self, commit: &Commit<D::Event>) -> Result<(), StoreError> {
        if commit.version != self.version + 1 {
            return Err(StoreError::Corrupt(
                format!("version {} follows on {}", commit.version, self.version).into(),
            ));
        }
        let state = std::mem::take(&mut self.state);
        self.state = commit.events.iter().fold(state, |state, it| state.evolve(&it.event));
        self.version = commit.last_version();
        self.occurred_at = commit.occurred_at;
        self.commands.push(commit.command_id);
        if let (Some(snapshots), Some(text)) = (D::SNAPSHOTS, &commit.snapshot)
            && snapshots.read(text).is_some()
        {
            self.snapshot_version = self.version;
        }
        Ok(())
    }
}
