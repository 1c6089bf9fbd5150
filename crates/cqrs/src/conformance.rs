//! Tests that every view must pass: call [`all`] from a test of the view.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! use cqrs::conformance;
//! use cqrs::memory::MemoryView;
//!
//! conformance::all(&MemoryView::default()).await;
//! # });
//! ```

use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::generation::{Generations, ProjectionState, ProjectionStateStore};
use crate::lag::LagReport;
use crate::parts::Parts;
use crate::view::{Order, Positioned, Range, Reader, Row, View};

/// The index that the table of the suite must have: partition attribute `colour`, sort attribute `position`.
pub const INDEX: &str = "by-colour";

/// A row of the suite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Car {
    /// The partition.
    pub colour: String,
    /// The position in the list.
    pub number: String,
    /// Any text.
    pub text: String,
}

impl Row for Car {
    fn index(&self) -> Vec<(&'static str, String)> {
        vec![("colour", self.colour.clone()), ("position", self.number.clone())]
    }
}

/// Runs the whole suite. It uses ids of its own, and can share a table.
///
/// # Panics
///
/// If the view breaks a rule.
pub async fn all(view: &impl View<Car>) {
    a_missing_row_reads_as_none(view).await;
    an_upserted_row_is_read_at_once(view).await;
    an_older_version_never_replaces_a_row(view).await;
    of_32_racing_versions_the_highest_stays(view).await;
    a_range_is_in_the_order_of_its_positions(view).await;
    a_range_begins_behind_a_position(view).await;
    a_range_has_no_more_rows_than_requested(view).await;
    a_long_range_is_returned_completely(view).await;
    a_row_moves_from_one_range_to_another(view).await;
    ranges_do_not_mix(view).await;
    a_range_is_counted_up_to_its_limit(view).await;
}

/// Runs the whole suite for generations. It needs a table of its own.
///
/// # Panics
///
/// If the generations break a rule.
pub async fn all_generations(views: &impl Generations<Car>) {
    all(&views.generation(7)).await;
    generations_do_not_mix(views).await;
    every_row_of_a_generation_is_listed_once(views).await;
    garbage_collection_deletes_dropped_generations_only(views).await;
    of_32_concurrent_updates_one_is_stored(views).await;
    lag_reports_and_state_updates_do_not_overwrite_each_other(views).await;
}

/// Runs the whole suite for rows in parts. It uses ids of its own, and can share a table.
///
/// # Panics
///
/// If the view breaks a rule.
pub async fn all_parts(parts: &impl Parts) {
    parts_arrive_in_any_order_and_concurrently(parts).await;
    an_older_version_never_replaces_a_part(parts).await;
}

/// A row that was never written does not exist.
pub async fn a_missing_row_reads_as_none(view: &impl View<Car>) {
    assert_eq!(view.get(&new_id()).await.expect("view can be read"), None);
}

/// A read that begins after an upsert returns its row.
pub async fn an_upserted_row_is_read_at_once(view: &impl View<Car>) {
    let id = new_id();
    // Versions may have gaps.
    for version in [1, 2, 7] {
        let car = car(&id, "1", &format!("Straße {version}\n\"🅿\""));
        assert!(upsert_if_newer(view, &id, version, &car).await);
        let found = view.get(&id).await.expect("view can be read").expect("it was advanced");
        assert_eq!((found.version, found.row), (version, car));
    }
}

/// An older or a repeated version changes nothing.
pub async fn an_older_version_never_replaces_a_row(view: &impl View<Car>) {
    let id = new_id();
    assert!(upsert_if_newer(view, &id, 5, &car(&id, "1", "new")).await);
    for old in [1, 4, 5] {
        assert!(!upsert_if_newer(view, &id, old, &car(&id, "1", "old")).await, "{old}");
    }
    let found = view.get(&id).await.expect("view can be read").expect("it was advanced");
    assert_eq!((found.version, found.row.text.as_str()), (5, "new"));
}

/// The newest version wins under concurrent writes.
pub async fn of_32_racing_versions_the_highest_stays(view: &impl View<Car>) {
    let id = new_id();
    // Neither ascending nor descending: 7 and 32 are coprime.
    let advances = (0..32_u64).map(|number| {
        let version = number * 7 % 32 + 1;
        let car = car(&id, "1", &version.to_string());
        let id = id.clone();
        async move { view.upsert_if_newer(&id, version, &car).await.expect("view can be written") }
    });
    let written = join_all(advances).await;
    assert!(written.contains(&true));
    let found = view.get(&id).await.expect("view can be read").expect("it was advanced");
    assert_eq!((found.version, found.row.text.as_str()), (32, "32"));
}

/// Lists are ordered in both directions.
pub async fn a_range_is_in_the_order_of_its_positions(view: &impl View<Car>) {
    let colour = new_id();
    fill(view, &colour, &["3", "1", "4", "15", "9", "2"]).await;
    let expected = ["1", "15", "2", "3", "4", "9"];
    list(view, range(&colour, Order::Ascending), &expected).await;
    let backwards: Vec<_> = expected.into_iter().rev().collect();
    list(view, range(&colour, Order::Descending), &backwards).await;
}

/// A list begins after the given position, which need not exist.
pub async fn a_range_begins_behind_a_position(view: &impl View<Car>) {
    let colour = new_id();
    fill(view, &colour, &["1", "3", "5"]).await;
    for (after, upwards, downwards) in [
        ("0", vec!["1", "3", "5"], vec![]),
        ("1", vec!["3", "5"], vec![]),
        ("2", vec!["3", "5"], vec!["1"]),
        ("3", vec!["5"], vec!["1"]),
        ("5", vec![], vec!["3", "1"]),
        ("9", vec![], vec!["5", "3", "1"]),
    ] {
        let ascending = Range { after: Some(after), ..range(&colour, Order::Ascending) };
        list(view, ascending, &upwards).await;
        let descending = Range { after: Some(after), ..range(&colour, Order::Descending) };
        list(view, descending, &downwards).await;
    }
}

/// A limit returns the first rows.
pub async fn a_range_has_no_more_rows_than_requested(view: &impl View<Car>) {
    let colour = new_id();
    fill(view, &colour, &["1", "2", "3"]).await;
    list(view, Range { limit: 2, ..range(&colour, Order::Ascending) }, &["1", "2"]).await;
    list(view, Range { limit: 2, ..range(&colour, Order::Descending) }, &["3", "2"]).await;
    list(view, Range { limit: 3, ..range(&colour, Order::Ascending) }, &["1", "2", "3"]).await;
}

/// A list may take several pages of the store.
pub async fn a_long_range_is_returned_completely(view: &impl View<Car>) {
    let colour = new_id();
    // 1.6 MB: more than DynamoDB returns at once.
    let long = "x".repeat(40_000);
    let numbers: Vec<String> = (0..40).map(|number| format!("{number:02}")).collect();
    for number in &numbers {
        assert!(upsert_if_newer(view, &new_id(), 1, &car(&colour, number, &long)).await);
    }
    let expected: Vec<&str> = numbers.iter().map(String::as_str).collect();
    list(view, range(&colour, Order::Ascending), &expected).await;
    let few = Range { limit: 35, ..range(&colour, Order::Ascending) };
    list(view, few, expected.get(..35).unwrap_or_default()).await;
}

/// A row that changes its partition leaves the old one.
pub async fn a_row_moves_from_one_range_to_another(view: &impl View<Car>) {
    let (red, blue, id) = (new_id(), new_id(), new_id());
    assert!(upsert_if_newer(view, &id, 1, &car(&red, "1", "")).await);
    list(view, range(&red, Order::Ascending), &["1"]).await;
    assert!(upsert_if_newer(view, &id, 2, &car(&blue, "1", "")).await);
    list(view, range(&blue, Order::Ascending), &["1"]).await;
    list(view, range(&red, Order::Ascending), &[]).await;
}

/// Partitions whose names have the same prefix are separate.
pub async fn ranges_do_not_mix(view: &impl View<Car>) {
    let colour = new_id();
    fill(view, &colour, &["1"]).await;
    fill(view, &format!("{colour}0"), &["2"]).await;
    list(view, range(&colour, Order::Ascending), &["1"]).await;
    list(view, range(&new_id(), Order::Ascending), &[]).await;
}

/// A count ends at its limit.
pub async fn a_range_is_counted_up_to_its_limit(view: &impl View<Car>) {
    let colour = new_id();
    fill(view, &colour, &["1", "2", "3"]).await;
    list(view, range(&colour, Order::Ascending), &["1", "2", "3"]).await;
    for (limit, expected) in [(1, 1), (3, 3), (100, 3)] {
        let range = Range { limit, ..range(&colour, Order::Ascending) };
        assert_eq!(view.count(range).await.expect("view can be read"), expected);
    }
}

/// Generations share neither rows nor indexes, also if their numbers have the same prefix.
pub async fn generations_do_not_mix(views: &impl Generations<Car>) {
    let (id, colour) = (new_id(), new_id());
    let (one, eleven) = (views.generation(1), views.generation(11));
    assert!(upsert_if_newer(&one, &id, 3, &car(&colour, "1", "one")).await);
    assert_eq!(eleven.get(&id).await.expect("view can be read"), None);
    assert!(upsert_if_newer(&eleven, &id, 2, &car(&colour, "2", "eleven")).await);
    assert_eq!(one.get(&id).await.expect("view can be read").map(|it| it.version), Some(3));
    list(&one, range(&colour, Order::Ascending), &["1"]).await;
    list(&eleven, range(&colour, Order::Ascending), &["2"]).await;
}

/// All rows of a generation are listed page by page, and none of others.
pub async fn every_row_of_a_generation_is_listed_once(views: &impl Generations<Car>) {
    let mut ids: Vec<String> = (0..25).map(|_| new_id()).collect();
    // A page of DynamoDB has 1 MB; the rows of other generations fill several. One id looks like a generation's.
    ids.push(format!("21#{}", new_id()));
    let view = views.generation(21);
    for id in &ids {
        assert!(upsert_if_newer(&view, id, 4, &car(id, "1", &"x".repeat(50_000))).await);
    }
    assert!(upsert_if_newer(&views.generation(2), &new_id(), 1, &car("red", "1", "")).await);
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = views.rows(21, after.as_deref()).await.expect("table can be read");
        for listed in page.rows {
            assert_eq!(listed.version, 4);
            assert_eq!(listed.row.map(|it| it.colour).as_ref(), Some(&listed.id));
            found.push(listed.id);
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    found.sort();
    ids.sort();
    assert_eq!(found, ids);
}

/// A newer generation is not deleted either, because a rebuild may have started since.
pub async fn garbage_collection_deletes_dropped_generations_only(views: &impl Generations<Car>) {
    let id = new_id();
    for number in [31, 32, 33, 34, 35] {
        assert!(upsert_if_newer(&views.generation(number), &id, 1, &car("red", "1", "")).await);
    }
    let mut after = views.collect_garbage(&[32, 34], 34, None).await.expect("table can be written");
    while let Some(next) = after {
        after =
            views.collect_garbage(&[32, 34], 34, Some(&next)).await.expect("table can be written");
    }
    for (number, is_kept) in [(31, false), (32, true), (33, false), (34, true), (35, true)] {
        let found = views.generation(number).get(&id).await.expect("view can be read");
        assert_eq!(found.is_some(), is_kept, "{number}");
    }
}

/// A lost update is reported as lost every time.
pub async fn of_32_concurrent_updates_one_is_stored(views: &impl ProjectionStateStore) {
    for _ in 0..3 {
        let (state, _) = views.state().await.expect("table can be read");
        let nexts: Vec<ProjectionState> = (0..32)
            .map(|number| ProjectionState {
                revision: state.revision + 1,
                newest: state.newest + 1 + number,
                ..state.clone()
            })
            .collect();
        let counts = join_all(nexts.iter().map(|next| views.update_state(next))).await;
        let counts: Vec<bool> =
            counts.into_iter().map(|it| it.expect("table can be written")).collect();
        assert_eq!(counts.iter().filter(|counts| **counts).count(), 1, "{counts:?}");
        let (found, _) = views.state().await.expect("table can be read");
        for (next, counts) in nexts.iter().zip(counts) {
            assert_eq!(*next == found, counts);
            // Like a client that lost the response.
            assert_eq!(views.update_state(next).await.expect("table can be written"), counts);
        }
    }
}

/// Reports and updates do not overwrite each other.
pub async fn lag_reports_and_state_updates_do_not_overwrite_each_other(
    views: &impl ProjectionStateStore,
) {
    let at = Timestamp::from_second(1_767_268_800).expect("a time");
    let blocked = LagReport { blocked: Some(("a".to_owned(), at)), ..LagReport::default() };
    views.report_lag(&blocked).await.expect("table can be written");
    let (state, lag) = views.state().await.expect("table can be read");
    assert_eq!(lag.blocked.get("a"), Some(&at));
    let next = ProjectionState { revision: state.revision + 1, ..state };
    assert!(views.update_state(&next).await.expect("table can be written"));
    let unblocked = vec!["a".to_owned(), "never".to_owned()];
    let unblocked =
        LagReport { measured: Some((at, 3)), unblocked, blocked: Some(("b".to_owned(), at)) };
    views.report_lag(&unblocked).await.expect("table can be written");
    let (found, lag) = views.state().await.expect("table can be read");
    assert_eq!(found, next);
    assert_eq!((lag.measured_at, lag.behind_seconds), (Some(at), 3));
    assert_eq!(lag.blocked.keys().collect::<Vec<_>>(), ["b"]);
}

/// Parts are independent of each other.
pub async fn parts_arrive_in_any_order_and_concurrently(parts: &impl Parts) {
    for turn in 0..6_usize {
        let id = new_id();
        let write = async |part: &'static str, version: u64| {
            let car = car(&id, &version.to_string(), part);
            parts
                .upsert_part_if_newer(&id, part, version, &car)
                .await
                .expect("view can be written");
        };
        // The first two versions of each part, in a different order each time.
        let mut republish_queue =
            [("body", 1), ("wheels", 1), ("wheels", 2), ("body", 2), ("engine", 1), ("engine", 2)];
        republish_queue.rotate_left(turn);
        join_all(republish_queue.map(|(part, version)| write(part, version))).await;
        let found = parts.get_parts(&id).await.expect("view can be read");
        assert_eq!(found.parts.len(), 3);
        for name in ["body", "wheels", "engine"] {
            let part = found.part::<Car>(name).expect("part can be read").expect("it is there");
            assert_eq!((part.version, part.row.text.as_str()), (2, name));
        }
    }
    let nothing = parts.get_parts(&new_id()).await.expect("view can be read");
    assert!(nothing.parts.is_empty());
}

/// An older version of a part changes nothing.
pub async fn an_older_version_never_replaces_a_part(parts: &impl Parts) {
    let id = new_id();
    let write = async |part: &'static str, version: u64| {
        let car = car(&id, "1", &version.to_string());
        parts.upsert_part_if_newer(&id, part, version, &car).await.expect("view can be written")
    };
    assert!(write("body", 5).await);
    assert!(write("wheels", 9).await);
    for old in [1, 5] {
        assert!(!write("body", old).await);
    }
    let found = parts.get_parts(&id).await.expect("view can be read");
    let body = found.part::<Car>("body").expect("part can be read").expect("it is there");
    assert_eq!((body.version, body.row.text.as_str()), (5, "5"));
}

async fn upsert_if_newer(view: &impl View<Car>, id: &str, version: u64, car: &Car) -> bool {
    view.upsert_if_newer(id, version, car).await.expect("view can be written")
}

async fn fill(view: &impl View<Car>, colour: &str, numbers: &[&str]) {
    for number in numbers {
        assert!(upsert_if_newer(view, &new_id(), 1, &car(colour, number, "")).await);
    }
}

/// Waits for an index, which may lag.
async fn list(view: &impl Reader<Car>, range: Range<'_>, expected: &[&str]) {
    let mut found: Vec<String> = Vec::new();
    for attempt in 0..100 {
        if attempt > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let rows = view.list(range).await.expect("view can be read");
        assert!(rows.iter().all(|it: &Positioned<Car>| it.position == it.row.number));
        assert!(rows.len() <= range.limit, "{} rows", rows.len());
        found = rows.into_iter().map(|it| it.position).collect();
        if found == expected {
            return;
        }
    }
    assert_eq!(found, expected, "{range:?}");
}

fn range(colour: &str, order: Order) -> Range<'_> {
    Range { index: INDEX, attribute: "colour", partition: colour, after: None, order, limit: 100 }
}

fn car(colour: &str, number: &str, text: &str) -> Car {
    Car { colour: colour.to_owned(), number: number.to_owned(), text: text.to_owned() }
}

fn new_id() -> String {
    Uuid::now_v7().to_string()
}
