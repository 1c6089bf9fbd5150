//! Tests that every state store must pass: call [`all`] from a test of the store.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use outbox::conformance;
//! use outbox::memory::MemoryStore;
//!
//! conformance::all(&MemoryStore::default()).await;
//! # });
//! ```

pub mod schedule;

use futures::future::join_all;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::state::{Aggregate, Change, Loaded, StateStore, States, StoreError};

/// The aggregate of the suite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thing {
    /// The holder of the thing.
    pub holder: Option<String>,
    /// Any text.
    pub text: String,
}

impl Aggregate for Thing {}

/// Runs the whole suite. It uses ids of its own, and can share a table.
///
/// # Panics
///
/// If the store breaks a rule.
pub async fn all(store: &(impl StateStore<Thing> + States<Thing>)) {
    what_was_never_saved_is_nothing(store).await;
    what_was_saved_is_loaded_at_once(store).await;
    a_large_state_is_read_completely(store).await;
    a_version_that_is_not_the_current_one_is_a_conflict(store).await;
    the_same_change_again_is_the_same_change(store).await;
    the_same_change_again_is_a_conflict_once_another_has_followed(store).await;
    of_32_savers_of_one_version_one_wins(store).await;
    racing_savers_lose_nothing(store).await;
    ids_do_not_mix(store).await;
    a_tombstone_is_for_its_holder_only(store).await;
    a_tombstone_leaves_the_state_as_it_is(store).await;
    a_tombstone_can_be_set_on_a_missing_aggregate(store).await;
    a_change_that_was_decided_before_a_tombstone_fails(store).await;
    a_change_that_was_saved_before_a_tombstone_is_still_recognised(store).await;
    a_tombstone_that_is_set_again_changes_nothing(store).await;
    a_holder_that_races_its_tombstone_holds_nothing_afterwards(store).await;
    // Last, because the aggregates of the other tests fill several pages.
    every_state_is_listed_once(store).await;
}

/// Every aggregate is listed page by page, but no tombstone, and nothing that has only a tombstone.
pub async fn every_state_is_listed_once(store: &(impl StateStore<Thing> + States<Thing>)) {
    let mut made: Vec<String> = (0..25).map(|_| new_id()).collect();
    for id in &made {
        store.save(id, change(0, "old")).await.expect("id is new");
        store.set_tombstone(id, ANN).await.expect("store can be written");
        store.save(id, change(2, id)).await.expect("version is the current one");
    }
    let tombstoned = new_id();
    store.set_tombstone(&tombstoned, ANN).await.expect("store can be written");
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = store.states(after.as_deref()).await.expect("store can be read");
        for it in page.states {
            assert_ne!(it.id, tombstoned);
            if made.contains(&it.id) {
                let state = it.state.expect("it can be read");
                assert_eq!((it.version, state.text.as_str()), (3, it.id.as_str()));
                listed.push(it.id);
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    listed.sort();
    made.sort();
    assert_eq!(listed, made);
}

/// A missing aggregate has version 0 and no tombstone.
pub async fn what_was_never_saved_is_nothing(store: &impl StateStore<Thing>) {
    let nothing = Loaded { version: 0, state: None, has_tombstone: false };
    let id = new_id();
    assert_eq!(store.load(&id, None).await.expect("store can be read"), nothing);
    assert_eq!(load(store, &id).await, nothing);
}

/// A load that begins after a save returns it, and versions count changes.
pub async fn what_was_saved_is_loaded_at_once(store: &impl StateStore<Thing>) {
    let id = new_id();
    for version in 1..=3 {
        let change = change(version - 1, &format!("Straße {version}\n\"🅿\""));
        store.save(&id, change.clone()).await.expect("version is the current one");
        let loaded = load(store, &id).await;
        assert_eq!(loaded, Loaded { version, state: Some(change.state), has_tombstone: false });
    }
}

/// An item may have the maximum size, including its events.
pub async fn a_large_state_is_read_completely(store: &impl StateStore<Thing>) {
    let id = new_id();
    let large = change(0, &"x".repeat(300_000));
    store.save(&id, large.clone()).await.expect("it fits");
    assert_eq!(load(store, &id).await.state, Some(large.state));
}

/// A change that was decided on another version gets a conflict, and stores nothing.
pub async fn a_version_that_is_not_the_current_one_is_a_conflict(store: &impl StateStore<Thing>) {
    let id = new_id();
    let ahead = store.save(&id, change(1, "ahead")).await;
    assert!(matches!(ahead, Err(StoreError::Conflict)), "{ahead:?}");
    store.save(&id, change(0, "first")).await.expect("id is new");
    store.save(&id, change(1, "second")).await.expect("version is the current one");
    for expected in [0, 1, 3, 9] {
        let lost = store.save(&id, change(expected, "lost")).await;
        assert!(matches!(lost, Err(StoreError::Conflict)), "{expected}: {lost:?}");
    }
    let loaded = load(store, &id).await;
    assert_eq!((loaded.version, text(loaded)), (2, "second".to_owned()));
}

/// A writer that retries after a lost response has not lost against itself.
pub async fn the_same_change_again_is_the_same_change(store: &impl StateStore<Thing>) {
    let id = new_id();
    for expected in [0, 1] {
        let change = change(expected, "once");
        for _ in 0..3 {
            store.save(&id, change.clone()).await.expect("it is our own");
        }
        assert_eq!(load(store, &id).await.version, expected + 1);
    }
}

/// Only the last change is recognised; the writer of an earlier one decides again.
pub async fn the_same_change_again_is_a_conflict_once_another_has_followed(
    store: &impl StateStore<Thing>,
) {
    let id = new_id();
    let first = change(0, "first");
    store.save(&id, first.clone()).await.expect("id is new");
    store.save(&id, change(1, "second")).await.expect("version is the current one");
    let late = store.save(&id, first).await;
    assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
    assert_eq!(text(load(store, &id).await), "second");
}

/// Each version has one change, also the first.
pub async fn of_32_savers_of_one_version_one_wins(store: &impl StateStore<Thing>) {
    let id = new_id();
    for expected in [0, 1] {
        let saves = (0..32).map(|number| store.save(&id, change(expected, &number.to_string())));
        let results = join_all(saves).await;
        let won = results.iter().filter(|result| result.is_ok()).count();
        let lost = results.iter().filter(|it| matches!(it, Err(StoreError::Conflict))).count();
        assert_eq!((won, lost), (1, 31));
        let winner = results.iter().position(Result::is_ok).map(|it| it.to_string());
        assert_eq!(Some(text(load(store, &id).await)), winner);
    }
}

/// Each of many concurrent writers stores its changes in order.
pub async fn racing_savers_lose_nothing(store: &impl StateStore<Thing>) {
    const WRITERS: usize = 8;
    const CHANGES: usize = 10;
    let id = new_id();
    let write = async |_| {
        for _ in 0..CHANGES {
            loop {
                let loaded = load(store, &id).await;
                let text = loaded.state.map_or_else(String::new, |it| it.text) + "x";
                match store.save(&id, change(loaded.version, &text)).await {
                    Ok(()) => break,
                    Err(StoreError::Conflict) => {}
                    Err(error) => unreachable!("{error}"),
                }
            }
        }
    };
    join_all((0..WRITERS).map(write)).await;
    let loaded = load(store, &id).await;
    assert_eq!(loaded.version, (WRITERS * CHANGES) as u64);
    assert_eq!(text(loaded).len(), WRITERS * CHANGES);
}

/// Ids with the same prefix are separate.
pub async fn ids_do_not_mix(store: &impl StateStore<Thing>) {
    let id = new_id();
    let other = format!("{id}0");
    store.save(&id, change(0, "mine")).await.expect("id is new");
    store.save(&other, change(0, "yours")).await.expect("id is new");
    store.set_tombstone(&other, ANN).await.expect("store can be written");
    let loaded = load(store, &id).await;
    assert_eq!((loaded.version, loaded.has_tombstone, text(loaded)), (1, false, "mine".to_owned()));
}

/// A tombstone is for one holder only.
pub async fn a_tombstone_is_for_its_holder_only(store: &impl StateStore<Thing>) {
    let id = new_id();
    store.save(&id, change(0, "it")).await.expect("id is new");
    store.set_tombstone(&id, ANN).await.expect("store can be written");
    for (holder, expected) in
        [(Some(ANN), true), (Some("bob"), false), (Some("an"), false), (None, false)]
    {
        let loaded = store.load(&id, holder).await.expect("store can be read");
        assert_eq!(loaded.has_tombstone, expected, "{holder:?}");
    }
}

/// A tombstone increments the version, and changes may follow.
pub async fn a_tombstone_leaves_the_state_as_it_is(store: &impl StateStore<Thing>) {
    let id = new_id();
    store.save(&id, change(0, "it")).await.expect("id is new");
    store.set_tombstone(&id, ANN).await.expect("store can be written");
    let loaded = load(store, &id).await;
    assert!(loaded.version > 1, "the version has not moved");
    store.save(&id, change(loaded.version, "more")).await.expect("version is the current one");
    assert_eq!(text(load(store, &id).await), "more");
    assert!(load(store, &id).await.has_tombstone, "a change has removed the bar");
}

/// A tombstone on a missing aggregate rejects later changes of its holder.
pub async fn a_tombstone_can_be_set_on_a_missing_aggregate(store: &impl StateStore<Thing>) {
    let id = new_id();
    store.set_tombstone(&id, ANN).await.expect("store can be written");
    let loaded = load(store, &id).await;
    assert_eq!((loaded.has_tombstone, loaded.state), (true, None));
    let early = store.save(&id, change(0, "decided before")).await;
    assert!(matches!(early, Err(StoreError::Conflict)), "{early:?}");
    store.save(&id, change(loaded.version, "it")).await.expect("version is the current one");
    assert!(load(store, &id).await.has_tombstone);
}

/// A change that was decided before the tombstone fails.
pub async fn a_change_that_was_decided_before_a_tombstone_fails(store: &impl StateStore<Thing>) {
    let id = new_id();
    store.save(&id, change(0, "it")).await.expect("id is new");
    let decided = load(store, &id).await;
    store.set_tombstone(&id, ANN).await.expect("store can be written");
    let late = store.save(&id, change(decided.version, "taken")).await;
    assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
    assert_eq!(text(load(store, &id).await), "it");
}

/// A tombstone does not hide which change is the last one.
pub async fn a_change_that_was_saved_before_a_tombstone_is_still_recognised(
    store: &impl StateStore<Thing>,
) {
    let id = new_id();
    let change = change(0, "it");
    store.save(&id, change.clone()).await.expect("id is new");
    store.set_tombstone(&id, ANN).await.expect("store can be written");
    store.save(&id, change).await.expect("it is our own");
}

/// Setting a tombstone again makes no other writer lose a race.
pub async fn a_tombstone_that_is_set_again_changes_nothing(store: &impl StateStore<Thing>) {
    let id = new_id();
    store.save(&id, change(0, "it")).await.expect("id is new");
    store.set_tombstone(&id, ANN).await.expect("store can be written");
    let before = load(store, &id).await;
    store.set_tombstone(&id, ANN).await.expect("store can be written");
    assert_eq!(load(store, &id).await, before);
}

/// A step and its compensation run concurrently, many times.
pub async fn a_holder_that_races_its_tombstone_holds_nothing_afterwards(
    store: &impl StateStore<Thing>,
) {
    for takers in 1..=4 {
        for barrers in 1..=2 {
            let id = new_id();
            store.save(&id, change(0, "it")).await.expect("id is new");
            let takes = join_all((0..takers).map(|_| take(store, &id)));
            let releases = join_all((0..barrers).map(|_| release_hold(store, &id)));
            futures::join!(takes, releases);
            assert_eq!(load(store, &id).await.state.and_then(|it| it.holder), None);
        }
    }
}

/// Takes a thing for Ann, as a command would: unless a tombstone exists, or another holder has it.
pub async fn take(store: &impl StateStore<Thing>, id: &str) {
    loop {
        let loaded = load(store, id).await;
        let (false, Some(state)) = (loaded.has_tombstone, loaded.state) else { return };
        let taken = Thing { holder: Some(ANN.to_owned()), ..state };
        match store.save(id, Change { state: taken, ..change(loaded.version, "") }).await {
            Ok(()) => return,
            Err(StoreError::Conflict) => {}
            Err(error) => unreachable!("{error}"),
        }
    }
}

/// Compensates for Ann: sets the tombstone first, then loads the thing and releases it.
pub async fn release_hold(store: &impl StateStore<Thing>, id: &str) {
    store.set_tombstone(id, ANN).await.expect("store can be written");
    loop {
        let loaded = store.load(id, None).await.expect("store can be read");
        let Some(state) = loaded.state.filter(|it| it.holder.is_some()) else { return };
        let free = Thing { holder: None, ..state };
        match store.save(id, Change { state: free, ..change(loaded.version, "") }).await {
            Ok(()) => return,
            Err(StoreError::Conflict) => {}
            Err(error) => unreachable!("{error}"),
        }
    }
}

/// The holder in this suite.
pub const ANN: &str = "ann";

/// A change of the suite's thing, without a holder.
#[must_use]
pub fn change(expected: u64, text: &str) -> Change<Thing> {
    let state = Thing { holder: None, text: text.to_owned() };
    Change { expected, id: Uuid::now_v7(), state, events: Vec::new() }
}

async fn load(store: &impl StateStore<Thing>, id: &str) -> Loaded<Thing> {
    store.load(id, Some(ANN)).await.expect("store can be read")
}

fn text(loaded: Loaded<Thing>) -> String {
    loaded.state.expect("something was saved").text
}

fn new_id() -> String {
    Uuid::now_v7().to_string()
}
