//! What a snapshot spares, and what it must not change.

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::log::{EVERY, Log, Noted, note, note_at};
use super::watched::Watched;
use super::{commit, load, new_stream};
use crate::decider::fold;
use crate::snapshot::MAX_COMMANDS;
use crate::state::{StateAtVersion, at_time, at_version, latest};
use crate::store::{Commit, EventStore};

pub(super) async fn all(store: &(impl EventStore<Noted> + Sync)) {
    a_long_stream_costs_no_more_than_a_short_one(store).await;
    a_snapshot_that_cannot_be_used_costs_time_and_not_truth(store).await;
    a_repeat_is_known_across_a_snapshot(store).await;
    a_snapshot_that_knows_too_much_is_not_believed(store).await;
    a_snapshot_tells_nothing_of_the_midst_of_its_commit(store).await;
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
    // It has no snapshot yet, so that one is taken at once.
    note(store, &stream, Uuid::now_v7(), &["first"]).await.expect("taken");
    for number in 0..EVERY + 20 {
        let watched = Watched::new(store);
        let told = note(&watched, &stream, Uuid::now_v7(), &["more"]).await.expect("taken");
        assert_eq!(told.version, 10_002 + number);
        let [reads, commits_read, appends] = watched.seen();
        assert!(reads == 1 && commits_read <= 100 && appends == 1, "{reads}, {commits_read}");
    }
    assert_eq!(latest(store, &stream).await.expect("readable"), truth(store, &stream).await);
    // So is the past.
    let watched = Watched::new(store);
    at_version::<Log>(&watched, &stream, 10_090).await.expect("readable").expect("was");
    assert!(watched.seen()[1] <= 100);
}

async fn a_snapshot_that_cannot_be_used_costs_time_and_not_truth(
    store: &(impl EventStore<Noted> + Sync),
) {
    let lie = r#"{"shape":SHAPE,"state":{"NAME":7777,"digest":1},"commands":"COMMANDS"}"#;
    let lie = |shape: &str, name: &str, commands: &str| {
        lie.replace("SHAPE", shape).replace("NAME", name).replace("COMMANDS", commands)
    };
    let unusable = [
        String::new(),
        "no JSON".to_owned(),
        "{}".to_owned(),
        // A shape that can't be read any more, one that is not known yet, and none.
        lie("1", "count", ""),
        lie("4", "notes", ""),
        lie("0", "notes", ""),
        lie("\"3\"", "notes", ""),
        // Another shape than it says.
        lie("3", "count", ""),
        lie("2", "notes", ""),
        // Half an id, and none.
        lie("3", "notes", "AAAA"),
        lie("3", "notes", "§"),
    ];
    for snapshot in unusable {
        let stream = new_stream();
        for _ in 0..EVERY / 10 {
            note(store, &stream, Uuid::now_v7(), &["a"; 10]).await.expect("taken");
        }
        let broken = Commit { snapshot: Some(snapshot.clone()), ..commit(EVERY + 1, &["b"]) };
        store.append(&stream, broken).await.expect("version is free");
        let read = latest::<Log>(store, &stream).await.expect("readable");
        assert_eq!(read, truth(store, &stream).await, "{snapshot}");
    }

    // Where no other is left, the next commit brings a new one.
    let stream = new_stream();
    for version in 1..=EVERY {
        let broken = Some("no JSON".to_owned());
        let commit = Commit { snapshot: broken, ..commit(version, &["a"]) };
        store.append(&stream, commit).await.expect("version is free");
    }
    note(store, &stream, Uuid::now_v7(), &["mended"]).await.expect("taken");
    let watched = Watched::new(store);
    note(&watched, &stream, Uuid::now_v7(), &["after"]).await.expect("taken");
    assert_eq!(load(store, &stream, EVERY + 1).await[0].snapshot, None);
    assert_eq!(latest(store, &stream).await.expect("readable"), truth(store, &stream).await);

    // An older shape that can be read is used: only it knows this number of notes.
    let old = Commit { snapshot: Some(lie("2", "count", "")), ..commit(EVERY + 3, &["c"]) };
    store.append(&stream, old).await.expect("version is free");
    assert_eq!(latest::<Log>(store, &stream).await.expect("readable").state.notes, 7777);
}

async fn a_repeat_is_known_across_a_snapshot(store: &(impl EventStore<Noted> + Sync)) {
    let stream = new_stream();
    // Two notes each, so that there are snapshots after commands 50, 100 and 150.
    let commands: Vec<_> = (0..160).map(|_| Uuid::now_v7()).collect();
    let mut told = Vec::new();
    for (number, command) in commands.iter().enumerate() {
        let notes = number.to_string();
        told.push(note(store, &stream, *command, &[&notes, "and"]).await.expect("taken"));
    }
    // Those since the last snapshot, and as many before it as are kept.
    let oldest = 150 - MAX_COMMANDS;
    for number in [oldest, oldest + 1, 99, 100, 149, 150, 159] {
        let watched = Watched::new(store);
        let again = note(&watched, &stream, commands[number], &["again"]).await.expect("known");
        assert_eq!(again, told[number], "command {number}");
        let [reads, commits_read, appends] = watched.seen();
        assert!(reads <= 4 && commits_read <= 400 && appends == 0, "{reads}, {commits_read}");
    }
    assert_eq!(truth(store, &stream).await.version, 320);
    // Beyond that its id is forgotten, and only the rules can tell.
    let anew = note(store, &stream, commands[oldest - 1], &["again"]).await.expect("taken");
    assert_eq!(anew.version, 321);
}

async fn a_snapshot_that_knows_too_much_is_not_believed(store: &(impl EventStore<Noted> + Sync)) {
    let (stream, command) = (new_stream(), Uuid::nil());
    // It names a command (of zeros) that has never been carried out.
    let state =
        r#"{"shape":3,"state":{"notes":1,"digest":97},"commands":"AAAAAAAAAAAAAAAAAAAAAA"}"#;
    let wrong = Commit { snapshot: Some(state.to_owned()), ..commit(1, &["a"]) };
    store.append(&stream, wrong).await.expect("stream is new");
    assert_eq!(note(store, &stream, command, &["b"]).await.expect("taken").version, 2);
}

async fn a_snapshot_tells_nothing_of_the_midst_of_its_commit(
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
    let begun = at_time::<Log>(store, &stream, second(0)).await.expect("readable");
    assert_eq!(begun, StateAtVersion::default());
    let mut told = vec![begun];
    for number in 1..=EVERY + 30 {
        // Every tenth writer's clock is slow by a minute.
        let now = if number % 10 == 0 { number.saturating_sub(60) } else { number };
        let done = note_at(store, &stream, Uuid::now_v7(), &["a"], second(now)).await;
        told.push(done.expect("taken"));
    }
    let times: Vec<_> =
        load(store, &stream, 0).await.iter().map(|commit| commit.occurred_at).collect();
    assert!(times.is_sorted(), "time does not run backwards in a stream");
    for number in [0, 1, 9, 11, EVERY - 1, EVERY + 1, EVERY + 28] {
        // Each tenth took the time of the one before it.
        let last = if number % 10 == 9 { number + 1 } else { number };
        let stood = at_time::<Log>(store, &stream, second(number)).await.expect("readable");
        assert_eq!(Some(&stood), told.get(usize::try_from(last).expect("few")), "second {number}");
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
    assert_eq!(read, truth(store, &stream).await);
}

/// The state as the events alone tell it.
async fn truth(store: &impl EventStore<Noted>, stream: &str) -> StateAtVersion<Log> {
    let commits = load(store, stream, 0).await;
    let events = commits.iter().flat_map(|commit| &commit.events).map(|it| &it.event);
    StateAtVersion { state: fold(events), version: commits.last().map_or(0, Commit::last_version) }
}
