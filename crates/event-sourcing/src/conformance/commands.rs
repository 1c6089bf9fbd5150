//! A command has one effect, also if messages are lost, repeated or overtaken.

use futures::future::join_all;
use uuid::Uuid;

use super::log::{Log, Noted, Nothing, note};
use super::observed_store::{Fault, ObservedStore};
use super::{commit, events, load, new_stream};
use crate::execute::ExecuteError;
use crate::state::{at_version, latest};
use crate::store::{EventStore, StoreError};

pub(super) async fn all(store: &(impl EventStore<Noted> + Sync)) {
    a_repeated_command_returns_its_original_result_and_writes_nothing(store).await;
    a_rejected_command_stores_nothing(store).await;
    a_command_whose_response_was_lost_has_one_effect(store).await;
    a_command_that_was_lost_takes_effect_when_repeated(store).await;
    a_lost_race_costs_one_read_of_the_tail(store).await;
    a_command_sent_many_times_at_once_has_one_effect(store).await;
    a_stream_has_a_state_at_each_version(store).await;
}

async fn a_repeated_command_returns_its_original_result_and_writes_nothing(
    store: &(impl EventStore<Noted> + Sync),
) {
    let (stream, command) = (new_stream(), Uuid::now_v7());
    let first = note(store, &stream, command, &["a", "b"]).await.expect("taken");
    assert_eq!((first.version, first.state.notes), (2, 2));
    note(store, &stream, Uuid::now_v7(), &["c"]).await.expect("taken");
    let observed = ObservedStore::new(store);
    let again = note(&observed, &stream, command, &["a", "b"]).await.expect("known");
    assert_eq!(again, first);
    assert_eq!(observed.seen(), [1, 2, 0]);
}

async fn a_rejected_command_stores_nothing(store: &(impl EventStore<Noted> + Sync)) {
    let stream = new_stream();
    let refused = note(store, &stream, Uuid::now_v7(), &[]).await;
    assert!(matches!(refused, Err(ExecuteError::Rejected(Nothing))));
    assert_eq!(load(store, &stream, 0).await, vec![]);
}

async fn a_command_whose_response_was_lost_has_one_effect(store: &(impl EventStore<Noted> + Sync)) {
    let (stream, command) = (new_stream(), Uuid::now_v7());
    let broken = ObservedStore::new(store).fail_next(Fault::ResponseLost);
    let lost = note(&broken, &stream, command, &["a"]).await;
    assert!(matches!(lost, Err(ExecuteError::Store(StoreError::Unavailable(_)))));
    note(store, &stream, Uuid::now_v7(), &["b"]).await.expect("taken");
    assert_eq!(note(store, &stream, command, &["a"]).await.expect("known").version, 1);
    assert_eq!(events(&load(store, &stream, 0).await), ["a", "b"]);
}

async fn a_command_that_was_lost_takes_effect_when_repeated(
    store: &(impl EventStore<Noted> + Sync),
) {
    let (stream, command) = (new_stream(), Uuid::now_v7());
    let broken = ObservedStore::new(store).fail_next(Fault::RequestLost);
    assert!(note(&broken, &stream, command, &["a"]).await.is_err());
    assert_eq!(note(store, &stream, command, &["a"]).await.expect("taken").version, 1);
    assert_eq!(events(&load(store, &stream, 0).await), ["a"]);
}

async fn a_lost_race_costs_one_read_of_the_tail(store: &(impl EventStore<Noted> + Sync)) {
    let stream = new_stream();
    for version in 1..=5 {
        store.append(&stream, commit(version, &["a"])).await.expect("version is free");
    }
    let observed = ObservedStore::new(store).fail_next(Fault::Rival(commit(6, &["rival"])));
    let late = note(&observed, &stream, Uuid::now_v7(), &["late"]).await.expect("taken");
    assert_eq!(late.version, 7);
    assert_eq!(observed.seen(), [2, 5 + 1, 2]);
    assert_eq!(latest::<Log>(store, &stream).await.expect("readable"), late);
}

async fn a_command_sent_many_times_at_once_has_one_effect(store: &(impl EventStore<Noted> + Sync)) {
    let (stream, command) = (new_stream(), Uuid::now_v7());
    let results = join_all((0..32).map(|_| note(store, &stream, command, &["a"]))).await;
    for result in results {
        assert_eq!(result.expect("taken or known").version, 1);
    }
    assert_eq!(events(&load(store, &stream, 0).await), ["a"]);
}

async fn a_stream_has_a_state_at_each_version(store: &(impl EventStore<Noted> + Sync)) {
    let stream = new_stream();
    let mut results = Vec::new();
    for notes in [["a", "b"].as_slice(), &["c"], &["d", "e"]] {
        results.push(note(store, &stream, Uuid::now_v7(), notes).await.expect("taken"));
    }
    for (version, expected) in [(2, &results[0]), (3, &results[1]), (5, &results[2])] {
        let reached = at_version::<Log>(store, &stream, version).await.expect("readable");
        assert_eq!(reached.as_ref(), Some(expected));
    }
    // Also within a commit, and not beyond the last one.
    let within = at_version::<Log>(store, &stream, 4).await.expect("readable").expect("was");
    assert_eq!((within.version, within.state.notes), (4, 4));
    assert_eq!(at_version::<Log>(store, &stream, 6).await.expect("readable"), None);
}
