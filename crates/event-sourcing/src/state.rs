//! Where a stream stands, and where it stood.

use jiff::Timestamp;
use uuid::Uuid;

use crate::decider::Decider;
use crate::store::{Commit, EventStore, StoreError};

/// A state, and the version at which a stream has reached it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateAtVersion<D> {
    /// The state.
    pub state: D,
    /// Number of the events that have led to it; 0 before the first.
    pub version: u64,
}

/// The state now.
///
/// With snapshots this reads as far back as the last one, without them the whole stream.
///
/// # Errors
///
/// Fails when the store cannot be read.
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

/// The state after the first `version` events; nothing if there are not so many.
///
/// # Errors
///
/// Fails when the store cannot be read.
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
        // In the midst of a commit.
        for (at, recorded) in commit.versioned().filter(|(at, _)| *at <= version) {
            head.state = head.state.evolve(&recorded.event);
            head.version = at;
        }
    }
    let reached = StateAtVersion { state: head.state, version: head.version };
    Ok((reached.version == version).then_some(reached))
}

/// The state at a time, with all that was committed at it; version 0 if the stream had not begun.
///
/// The times are those that the commits bear, which never run backwards within a stream.
///
/// # Errors
///
/// Fails when the store cannot be read.
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

/// A point in the life of a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PointInTime {
    Latest,
    Version(u64),
    Time(Timestamp),
}

impl PointInTime {
    /// The last version that may have a part in it.
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

/// How far a stream has been read.
#[derive(Debug)]
pub(crate) struct StreamHead<D> {
    pub(crate) state: D,
    pub(crate) version: u64,
    pub(crate) occurred_at: Timestamp,
    /// Version of the last snapshot that could be read; 0 without one.
    pub(crate) snapshot_version: u64,
    /// The commands so far, as far as they are known, the latest last.
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

    /// The stream at its last snapshot before a point, and the commits that lead from there to the point.
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
        // The last snapshot is at most so many commits back if all can be read, so that one page has it.
        let mut limit = usize::try_from(snapshots.every).unwrap_or(usize::MAX).max(1);
        while from > 0 {
            let page = store.load_back(stream, from, limit).await?;
            from = page.last().map_or(0, |commit| commit.version - 1);
            for commit in page.into_iter().filter(|commit| point.covers(commit)) {
                // The state after a commit tells nothing of a point within it.
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
            // Whoever has to go further has no snapshot to use, and may have all the way to go.
            limit = limit.saturating_mul(10);
        }
        commits.reverse();
        Ok((Self::empty(), commits))
    }

    /// Takes in the next commit.
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
