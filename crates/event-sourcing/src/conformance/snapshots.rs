//! What a snapshot saves, and what it must not change.

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::log::{EVERY, Log, Noted, note, note_at};
use super::observed_store::ObservedStore;
use super::{commit, load, new_stream};
use crate::decider::fold;
use crate::snapshot::MAX_COMMANDS;
use crate::state::{StateAtVersion, at_time, at_version, latest};
use crate::store::{Commit, EventStore};

pub(super) async fn all(store: &(impl EventStore<Noted> + Sync)) {
    a_long_stream_costs_no_more_than_a_short_one(store).await;
    an_unusable_snapshot_costs_time_and_changes_nothing(store).await;
    a_repeated_command_is_recognised_across_a_snapshot(store).await;
    a_snapshot_that_lists_an_unknown_command_is_not_trusted(store).await;
    a_snapshot_is_not_used_for_a_version_within_its_commit(store).await;
    snapshots_and_times_agree(store).await;
    racing_commands_agree_with_their_snapshots(store).await;
}

/// 10,000 events, in commits of ten, without a snapshot.
async fn ten_thousand(store: &impl EventStore<Noted>) -> String {
    let stream = new_stream();
    for version in (1..=10_000).step_by(10) {
        let notes: Vec<_> = (version..version + 10).map(|it| it.to_string()).collect();
        let notes: Vec<_> = notes.iter().map(String::as_str).collect();
        store.append(&stream, commit(version, &notes)).await.expect("version is free");
    }
    stream
}

async fn a_long_stream_costs_no_more_than_a_short_one(store: &(impl EventStore<Noted> + Sync)) {
    let stream = ten_thousand(store).await;
    // The stream has no snapshot yet, so this commit takes one.
    note(store, &stream, Uuid::now_v7(), &["first"]).await.expect("taken");
    for number in 0..EVERY + 20 {
        let observed = ObservedStore::new(store);
        let results = note(&observed, &stream, Uuid::now_v7(), &["more"]).await.expect("taken");
        assert_eq!(results.version, 10_002 + number);
        let [reads, commits_read, appends] = observed.seen();
        assert!(reads == 1 && commits_read <= 100 && appends == 1, "{reads}, {commits_read}");
    }
    assert_eq!(latest(store, &stream).await.expect("readable"), folded(store, &stream).await);
    // Past versions cost no more either.
    let observed = ObservedStore::new(store);
    at_version::<Log>(&observed, &stream, 10_090).await.expect("readable").expect("was");
    assert!(observed.seen()[1] <= 100);
}

async fn an_unusable_snapshot_costs_time_and_changes_nothing(
    store: &(impl EventStore<Noted> + Sync),
) {
    let wrong = r#"{"shape":SHAPE,"state":{"NAME":7777,"digest":1},"commands":"COMMANDS"}"#;
    let wrong = |shape: &str, name: &str, commands: &str| {
        wrong.replace("SHAPE", shape).replace("NAME", name).replace("COMMANDS", commands)
    };
    let unusable = [
        String::new(),
        "no JSON".to_owned(),
        "{}".to_owned(),
        // A version without an upcaster, one that is not known yet, and none.
        wrong("1", "count", ""),
        wrong("4", "notes", ""),
        wrong("0", "notes", ""),
        wrong("\"3\"", "notes", ""),
        // A document that does not match its version.
        wrong("3", "count", ""),
        wrong("2", "notes", ""),
        // Half an id, and no id.
        wrong("3", "notes", "AAAA"),
        wrong("3", "notes", "§"),
    ];
    for snapshot in unusable {
        let stream = new_stream();
        for _ in 0..EVERY / 10 {
            note(store, &stream, Uuid::now_v7(), &["a"; 10]).await.expect("taken");
        }
        let broken = Commit { snapshot: Some(snapshot.clone()), ..commit(EVERY + 1, &["b"]) };
        store.append(&stream, broken).await.expect("version is free");
        let read = latest::<Log>(store, &stream).await.expect("readable");
        assert_eq!(read, folded(store, &stream).await, "{snapshot}");
    }

    // If no usable snapshot is left, the next commit takes a new one.
    let stream = new_stream();
    for version in 1..=EVERY {
        let broken = Some("no JSON".to_owned());
        let commit = Commit { snapshot: broken, ..commit(version, &["a"]) };
        store.append(&stream, commit).await.expect("version is free");
    }
    note(store, &stream, Uuid::now_v7(), &["fixed"]).await.expect("taken");
    let observed = ObservedStore::new(store);
    note(&observed, &stream, Uuid::now_v7(), &["after"]).await.expect("taken");
    assert_eq!(load(store, &stream, EVERY + 1).await[0].snapshot, None);
    assert_eq!(latest(store, &stream).await.expect("readable"), folded(store, &stream).await);

    // An older version with an upcaster is used: only this snapshot has this number of notes.
    let old = Commit { snapshot: Some(wrong("2", "count", "")), ..commit(EVERY + 3, &["c"]) };
    store.append(&stream, old).await.expect("version is free");
    assert_eq!(latest::<Log>(store, &stream).await.expect("readable").state.notes, 7777);
}

async fn a_repeated_command_is_recognised_across_a_snapshot(
    store: &(impl EventStore<Noted> + Sync),
) {
    let stream = new_stream();
    // Two notes each, so that there are snapshots after commands 50, 100 and 150.
    let commands: Vec<_> = (0..160).map(|_| Uuid::now_v7()).collect();
    let mut results = Vec::new();
    for (number, command) in commands.iter().enumerate() {
        let notes = number.to_string();
        results.push(note(store, &stream, *command, &[&notes, "and"]).await.expect("taken"));
    }
    // The commands since the last snapshot, and as many before it as it lists.
    let oldest = 150 - MAX_COMMANDS;
    for number in [oldest, oldest + 1, 99, 100, 149, 150, 159] {
        let observed = ObservedStore::new(store);
        let again = note(&observed, &stream, commands[number], &["again"]).await.expect("known");
        assert_eq!(again, results[number], "command {number}");
        let [reads, commits_read, appends] = observed.seen();
        assert!(reads <= 4 && commits_read <= 400 && appends == 0, "{reads}, {commits_read}");
    }
    assert_eq!(folded(store, &stream).await.version, 320);
    // Before that the id is not listed any more, so the rules decide.
    let repeated = note(store, &stream, commands[oldest - 1], &["again"]).await.expect("taken");
    assert_eq!(repeated.version, 321);
}

async fn a_snapshot_that_lists_an_unknown_command_is_not_trusted(
    store: &(impl EventStore<Noted> + Sync),
) {
    let (stream, command) = (new_stream(), Uuid::nil());
    // The snapshot lists a command (of zeros) that was never executed.
    let state =
        r#"{"shape":3,"state":{"notes":1,"digest":97},"commands":"AAAAAAAAAAAAAAAAAAAAAA"}"#;
    let wrong = Commit { snapshot: Some(state.to_owned()), ..commit(1, &["a"]) };
    store.append(&stream, wrong).await.expect("stream is new");
    assert_eq!(note(store, &stream, command, &["b"]).await.expect("taken").version, 2);
}

async fn a_snapshot_is_not_used_for_a_version_within_its_commit(
    store: &(impl EventStore<Noted> + Sync),
) {
    let stream = new_stream();
    note(store, &stream, Uuid::now_v7(), &["a"; 150]).await.expect("taken");
    assert!(load(store, &stream, 0).await[0].snapshot.is_some());
    let within = at_version::<Log>(store, &stream, 120).await.expect("readable").expect("was");
    assert_eq!((within.version, within.state.notes), (120, 120));
}

async fn snapshots_and_times_agree(store: &(impl EventStore<Noted> + Sync)) {
    let stream = new_stream();
    let second = |number: u64| {
        let seconds = i64::try_from(number).expect("few");
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    };
    let started = at_time::<Log>(store, &stream, second(0)).await.expect("readable");
    assert_eq!(started, StateAtVersion::default());
    let mut results = vec![started];
    for number in 1..=EVERY + 30 {
        // The clock of every tenth writer is a minute slow.
        let now = if number % 10 == 0 { number.saturating_sub(60) } else { number };
        let done = note_at(store, &stream, Uuid::now_v7(), &["a"], second(now)).await;
        results.push(done.expect("taken"));
    }
    let times: Vec<_> =
        load(store, &stream, 0).await.iter().map(|commit| commit.occurred_at).collect();
    assert!(times.is_sorted(), "time does not run backwards in a stream");
    for number in [0, 1, 9, 11, EVERY - 1, EVERY + 1, EVERY + 28] {
        // Every tenth commit took the time of the one before it.
        let last = if number % 10 == 9 { number + 1 } else { number };
        let reached = at_time::<Log>(store, &stream, second(number)).await.expect("readable");
        assert_eq!(
            Some(&reached),
            results.get(usize::try_from(last).expect("few")),
            "second {number}"
        );
    }
}

async fn racing_commands_agree_with_their_snapshots(store: &(impl EventStore<Noted> + Sync)) {
    let stream = new_stream();
    let write = async |writer: u64| {
        for number in 0..EVERY / 2 {
            let (command, name) = (Uuid::now_v7(), format!("{writer}/{number}"));
            while note(store, &stream, command, &[&name]).await.is_err() {}
        }
    };
    join_all((0..3).map(write)).await;
    let read = latest::<Log>(store, &stream).await.expect("readable");
    assert_eq!(read.version, 3 * EVERY / 2);
    assert_eq!(read, folded(store, &stream).await);
}

/// The state as folded from the events only.
async fn folded(store: &impl EventStore<Noted>, stream: &str) -> StateAtVersion<Log> {
    let commits = load(store, stream, 0).await;
    let events = commits.iter().flat_map(|commit| &commit.events).map(|it| &it.event);
    StateAtVersion { state: fold(events), version: commits.last().map_or(0, Commit::last_version) }
}
