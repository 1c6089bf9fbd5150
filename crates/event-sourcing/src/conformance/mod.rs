//! Tests that every event store must pass: call [`all`] from a test of the store.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use event_sourcing::conformance;
//! use event_sourcing::memory::MemoryStore;
//!
//! conformance::all(&MemoryStore::default()).await;
//! # });
//! ```

mod commands;
mod log;
mod observed_store;
mod snapshots;

use futures::future::join_all;
use jiff::Timestamp;
use trace_context::TraceFields;
use uuid::Uuid;

pub use log::Noted;

use crate::store::{Commit, EventStore, Log, Recorded, StoreError, Streams};

/// Runs the whole suite. It uses streams of its own, and can share a table.
///
/// # Panics
///
/// If the store breaks a rule.
pub async fn all(store: &(impl EventStore<Noted> + Streams + Log<Noted> + Sync)) {
    what_was_appended_can_be_read_immediately(store).await;
    a_commit_is_stored_whole(store).await;
    a_taken_version_is_a_conflict(store).await;
    the_same_commit_again_is_the_same_commit(store).await;
    two_commits_of_one_command_are_two(store).await;
    the_same_command_at_once_is_another_commit(store).await;
    of_32_writers_one_wins(store).await;
    racing_writers_leave_no_gap_and_lose_nothing(store).await;
    a_long_stream_is_read_completely(store).await;
    only_the_tail_is_read(store).await;
    a_stream_is_read_back_page_by_page(store).await;
    a_snapshot_is_kept_as_it_is(store).await;
    streams_do_not_mix(store).await;
    commands::all(store).await;
    snapshots::all(store).await;
    // Last, because the streams of the other tests fill several pages.
    every_stream_is_named_once(store).await;
    every_commit_is_listed_once(store).await;
}

/// A read that begins after an append returns its events.
pub async fn what_was_appended_can_be_read_immediately(store: &impl EventStore<Noted>) {
    let stream = new_stream();
    assert_eq!(load(store, &stream, 0).await, vec![]);
    let commit = commit(1, &["made"]);
    store.append(&stream, commit.clone()).await.expect("stream is new");
    assert_eq!(load(store, &stream, 0).await, vec![commit]);
}

/// All events of a commit are stored, or none.
pub async fn a_commit_is_stored_whole(store: &impl EventStore<Noted>) {
    let stream = new_stream();
    store.append(&stream, commit(1, &["a", "b", "c"])).await.expect("stream is new");
    let lost = store.append(&stream, commit(1, &["x", "y"])).await;
    assert!(matches!(lost, Err(StoreError::Conflict)), "{lost:?}");
    let events: Vec<String> = events(&load(store, &stream, 0).await);
    assert_eq!(events, ["a", "b", "c"]);
}

/// The second of two writers gets a conflict.
pub async fn a_taken_version_is_a_conflict(store: &impl EventStore<Noted>) {
    let stream = new_stream();
    store.append(&stream, commit(1, &["a"])).await.expect("stream is new");
    store.append(&stream, commit(2, &["b"])).await.expect("version is free");
    for taken in [1, 2] {
        let lost = store.append(&stream, commit(taken, &["x"])).await;
        assert!(matches!(lost, Err(StoreError::Conflict)), "{lost:?}");
    }
}

/// A writer that retries after a lost response has not lost against itself.
pub async fn the_same_commit_again_is_the_same_commit(store: &impl EventStore<Noted>) {
    let stream = new_stream();
    let commit = commit(1, &["a"]);
    for _ in 0..3 {
        store.append(&stream, commit.clone()).await.expect("it is our own");
    }
    assert_eq!(load(store, &stream, 0).await, vec![commit.clone()]);
    // Also if other commits followed in between.
    store.append(&stream, self::commit(2, &["b"])).await.expect("version is free");
    store.append(&stream, commit).await.expect("it is our own");
    assert_eq!(events(&load(store, &stream, 0).await), ["a", "b"]);
}

/// Another commit of the same command at another version is not a retry of the first.
pub async fn two_commits_of_one_command_are_two(store: &impl EventStore<Noted>) {
    let stream = new_stream();
    let first = commit(1, &["a"]);
    let second = Commit { version: 2, ..first.clone() };
    store.append(&stream, first).await.expect("stream is new");
    store.append(&stream, second).await.expect("version is free");
    assert_eq!(load(store, &stream, 0).await.len(), 2);
}

/// A command that is executed twice concurrently is decided twice: the second must read the events of the first.
pub async fn the_same_command_at_once_is_another_commit(store: &impl EventStore<Noted>) {
    let stream = new_stream();
    let first = commit(1, &["a"]);
    let second = Commit { command_id: first.command_id, ..commit(1, &["a"]) };
    store.append(&stream, first).await.expect("stream is new");
    let lost = store.append(&stream, second).await;
    assert!(matches!(lost, Err(StoreError::Conflict)), "{lost:?}");
}

/// Each version has one commit.
pub async fn of_32_writers_one_wins(store: &impl EventStore<Noted>) {
    let stream = new_stream();
    let appends = (0..32).map(|_| store.append(&stream, commit(1, &["a"])));
    let results = join_all(appends).await;
    let won = results.iter().filter(|result| result.is_ok()).count();
    let lost = results.iter().filter(|it| matches!(it, Err(StoreError::Conflict))).count();
    assert_eq!((won, lost), (1, 31));
}

/// Each of many concurrent writers appends its thousand events in order.
pub async fn racing_writers_leave_no_gap_and_lose_nothing(store: &impl EventStore<Noted>) {
    const WRITERS: u64 = 4;
    const COMMITS: u64 = 250;
    let stream = new_stream();
    let write = async |writer: u64| {
        let mut version = 0;
        for number in 0..COMMITS {
            let name = format!("{writer}/{number}");
            loop {
                match store.append(&stream, commit(version + 1, &[&name])).await {
                    Ok(()) => break,
                    Err(StoreError::Conflict) => {}
                    Err(error) => unreachable!("{error}"),
                }
                let tail = load(store, &stream, version).await;
                version = tail.last().map_or(version, Commit::last_version);
            }
            version += 1;
        }
    };
    join_all((0..WRITERS).map(write)).await;
    let commits = load(store, &stream, 0).await;
    let versions: Vec<u64> = commits.iter().map(|commit| commit.version).collect();
    assert_eq!(versions, (1..=WRITERS * COMMITS).collect::<Vec<u64>>());
    let mut names = events(&commits);
    names.sort();
    names.dedup();
    assert_eq!(names.len() as u64, WRITERS * COMMITS);
}

/// A stream may take several pages.
pub async fn a_long_stream_is_read_completely(store: &impl EventStore<Noted>) {
    let stream = new_stream();
    // 1.6 MB: more than DynamoDB returns at once.
    let long = "x".repeat(40_000);
    for version in 1..=40 {
        store.append(&stream, commit(version, &[&long])).await.expect("version is free");
    }
    let commits = load(store, &stream, 0).await;
    let versions: Vec<u64> = commits.iter().map(|commit| commit.version).collect();
    assert_eq!(versions, (1..=40).collect::<Vec<u64>>());
}

/// A writer that lost a race reads the commits that it missed.
pub async fn only_the_tail_is_read(store: &impl EventStore<Noted>) {
    let stream = new_stream();
    store.append(&stream, commit(1, &["a", "b"])).await.expect("stream is new");
    store.append(&stream, commit(3, &["c"])).await.expect("version is free");
    assert_eq!(events(&load(store, &stream, 2).await), ["c"]);
    assert_eq!(load(store, &stream, 3).await, vec![]);
}

/// The latest first, up to the limit, down to version 1.
pub async fn a_stream_is_read_back_page_by_page(store: &impl EventStore<Noted>) {
    let stream = new_stream();
    assert!(back(store, &stream, u64::MAX, 3).await.is_empty());
    // 1.2 MB: the store may return fewer than the limit here too.
    let long = "x".repeat(100_000);
    for version in (1..=24).step_by(2) {
        store.append(&stream, commit(version, &["a", &long])).await.expect("version is free");
    }
    assert_eq!(back(store, &stream, u64::MAX, 3).await, [23, 21, 19]);
    assert_eq!(back(store, &stream, 6, 2).await, [5, 3], "a commit that begins before it");
    let (mut from, mut seen) = (u64::MAX, Vec::new());
    while from > 0 {
        seen.extend(back(store, &stream, from, 100).await);
        from = seen.last().expect("a page has a commit") - 1;
    }
    let expected: Vec<u64> = (0..12).map(|number| 23 - 2 * number).collect();
    assert_eq!(seen, expected);
}

/// A store does not interpret a snapshot.
pub async fn a_snapshot_is_kept_as_it_is(store: &impl EventStore<Noted>) {
    let stream = new_stream();
    let commit = Commit { snapshot: Some("whatever".to_owned()), ..commit(1, &["a"]) };
    store.append(&stream, commit.clone()).await.expect("stream is new");
    assert_eq!(load(store, &stream, 0).await, vec![commit.clone()]);
    assert_eq!(store.load_back(&stream, 1, 1).await.expect("readable"), vec![commit.clone()]);
    // If the store has no room for a snapshot, it stores the events all the same.
    let huge = Some("x".repeat(500_000));
    let commit = Commit { snapshot: huge, version: 2, ..commit };
    store.append(&stream, commit.clone()).await.expect("version is free");
    assert_eq!(load(store, &stream, 1).await[0].events, commit.events);
}

/// Streams whose names have the same prefix are separate.
pub async fn streams_do_not_mix(store: &impl EventStore<Noted>) {
    let stream = new_stream();
    let other = format!("{stream}0");
    store.append(&stream, commit(1, &["mine"])).await.expect("stream is new");
    store.append(&other, commit(1, &["yours"])).await.expect("stream is new");
    assert_eq!(events(&load(store, &stream, 0).await), ["mine"]);
}

/// Every stream is listed page by page, and none to which nothing was ever appended.
pub async fn every_stream_is_named_once(store: &(impl EventStore<Noted> + Streams)) {
    let mut made: Vec<String> = (0..25).map(|_| new_stream()).collect();
    for stream in &made {
        for version in 1..=3 {
            store.append(stream, commit(version, &["a"])).await.expect("version is free");
        }
    }
    let absent = new_stream();
    assert_eq!(load(store, &absent, 0).await, vec![]);
    let (mut named, mut after) = (Vec::new(), None);
    loop {
        let page = store.streams(after.as_deref()).await.expect("store can be read");
        named.extend(page.streams);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(!named.contains(&absent));
    named.retain(|name| made.contains(name));
    named.sort();
    made.sort();
    assert_eq!(named, made);
}

/// Every commit of every stream is listed page by page.
pub async fn every_commit_is_listed_once(store: &(impl EventStore<Noted> + Log<Noted>)) {
    let mut made = Vec::new();
    for stream in (0..15).map(|_| new_stream()) {
        for version in 1..=2 {
            let made_now = commit(version, &["a"]);
            store.append(&stream, made_now.clone()).await.expect("version is free");
            made.push((stream.clone(), made_now));
        }
    }
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = store.commits(after.as_deref()).await.expect("store can be read");
        listed.extend(page.commits.into_iter().filter(|it| made.contains(it)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let key = |it: &(String, Commit<Noted>)| (it.0.clone(), it.1.version);
    listed.sort_by_key(key);
    made.sort_by_key(key);
    assert_eq!(listed, made);
}

async fn load(store: &impl EventStore<Noted>, stream: &str, after: u64) -> Vec<Commit<Noted>> {
    store.load(stream, after).await.expect("store can be read")
}

async fn back(store: &impl EventStore<Noted>, stream: &str, from: u64, limit: usize) -> Vec<u64> {
    let page = store.load_back(stream, from, limit).await.expect("store can be read");
    assert!(page.len() <= limit);
    page.iter().map(|commit| commit.version).collect()
}

fn events(commits: &[Commit<Noted>]) -> Vec<String> {
    commits.iter().flat_map(|commit| &commit.events).map(|it| it.event.0.clone()).collect()
}

fn new_stream() -> String {
    Uuid::now_v7().to_string()
}

fn commit(version: u64, events: &[&str]) -> Commit<Noted> {
    let id = Uuid::now_v7();
    let recorded = events
        .iter()
        .map(|event| Recorded { id: Uuid::now_v7(), event: Noted((*event).to_owned()) });
    Commit {
        version,
        command_id: id,
        occurred_at: Timestamp::UNIX_EPOCH,
        correlation_id: id,
        causation_id: id,
        trace: TraceFields::new("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        events: recorded.collect(),
        snapshot: None,
    }
}
