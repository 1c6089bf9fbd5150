//! What every view must do, as tests: call [`all`] from a test of the view.
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
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::view::{Order, Positioned, Range, Row, View};

/// The index that the suite's table must have: partition attribute `colour`, sort attribute `position`.
pub const INDEX: &str = "by-colour";

/// What the suite keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Car {
    /// Names the partition.
    pub colour: String,
    /// Its place in the list.
    pub number: String,
    /// Anything.
    pub text: String,
}

impl Row for Car {
    fn index(&self) -> Vec<(&'static str, String)> {
        vec![("colour", self.colour.clone()), ("position", self.number.clone())]
    }
}

/// Runs the whole suite; it uses ids of its own and can share a table.
///
/// # Panics
///
/// When the view does not do what it must.
pub async fn all(view: &impl View<Car>) {
    a_row_that_is_not_there_is_nothing(view).await;
    what_was_advanced_is_read_at_once(view).await;
    a_row_never_goes_back(view).await;
    of_32_racing_versions_the_highest_stays(view).await;
    a_range_is_in_the_order_of_its_positions(view).await;
    a_range_begins_behind_a_position(view).await;
    a_range_has_no_more_rows_than_asked_for(view).await;
    a_long_range_comes_back_whole(view).await;
    a_row_moves_from_one_range_to_another(view).await;
    ranges_do_not_mix(view).await;
}

/// No row, no version.
pub async fn a_row_that_is_not_there_is_nothing(view: &impl View<Car>) {
    assert_eq!(view.get(&new_id()).await.expect("view can be read"), None);
}

/// A read that follows an advance sees it.
pub async fn what_was_advanced_is_read_at_once(view: &impl View<Car>) {
    let id = new_id();
    // Versions need not follow one another: a view may have missed some.
    for version in [1, 2, 7] {
        let car = car(&id, "1", &format!("Straße {version}\n\"🅿\""));
        assert!(advance(view, &id, version, &car).await);
        let found = view.get(&id).await.expect("view can be read").expect("it was advanced");
        assert_eq!((found.version, found.row), (version, car));
    }
}

/// What comes late or twice changes nothing.
pub async fn a_row_never_goes_back(view: &impl View<Car>) {
    let id = new_id();
    assert!(advance(view, &id, 5, &car(&id, "1", "new")).await);
    for old in [1, 4, 5] {
        assert!(!advance(view, &id, old, &car(&id, "1", "old")).await, "{old}");
    }
    let found = view.get(&id).await.expect("view can be read").expect("it was advanced");
    assert_eq!((found.version, found.row.text.as_str()), (5, "new"));
}

/// Whoever writes at once.
pub async fn of_32_racing_versions_the_highest_stays(view: &impl View<Car>) {
    let id = new_id();
    // Neither upwards nor downwards: 7 and 32 have no divisor in common.
    let advances = (0..32_u64).map(|number| {
        let version = number * 7 % 32 + 1;
        let car = car(&id, "1", &version.to_string());
        let id = id.clone();
        async move { view.advance(&id, version, &car).await.expect("view can be written") }
    });
    let written = join_all(advances).await;
    assert!(written.contains(&true));
    let found = view.get(&id).await.expect("view can be read").expect("it was advanced");
    assert_eq!((found.version, found.row.text.as_str()), (32, "32"));
}

/// In both directions.
pub async fn a_range_is_in_the_order_of_its_positions(view: &impl View<Car>) {
    let colour = new_id();
    fill(view, &colour, &["3", "1", "4", "15", "9", "2"]).await;
    let expected = ["1", "15", "2", "3", "4", "9"];
    list(view, range(&colour, Order::Ascending), &expected).await;
    let backwards: Vec<_> = expected.into_iter().rev().collect();
    list(view, range(&colour, Order::Descending), &backwards).await;
}

/// Not at it; and the position need not be there.
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

/// The first ones.
pub async fn a_range_has_no_more_rows_than_asked_for(view: &impl View<Car>) {
    let colour = new_id();
    fill(view, &colour, &["1", "2", "3"]).await;
    list(view, Range { limit: 2, ..range(&colour, Order::Ascending) }, &["1", "2"]).await;
    list(view, Range { limit: 2, ..range(&colour, Order::Descending) }, &["3", "2"]).await;
    list(view, Range { limit: 3, ..range(&colour, Order::Ascending) }, &["1", "2", "3"]).await;
}

/// However many pages it takes.
pub async fn a_long_range_comes_back_whole(view: &impl View<Car>) {
    let colour = new_id();
    // 1.6 MB: more than DynamoDB returns at once.
    let long = "x".repeat(40_000);
    let numbers: Vec<String> = (0..40).map(|number| format!("{number:02}")).collect();
    for number in &numbers {
        assert!(advance(view, &new_id(), 1, &car(&colour, number, &long)).await);
    }
    let expected: Vec<&str> = numbers.iter().map(String::as_str).collect();
    list(view, range(&colour, Order::Ascending), &expected).await;
    let few = Range { limit: 35, ..range(&colour, Order::Ascending) };
    list(view, few, expected.get(..35).unwrap_or_default()).await;
}

/// It leaves the one when it enters the other.
pub async fn a_row_moves_from_one_range_to_another(view: &impl View<Car>) {
    let (red, blue, id) = (new_id(), new_id(), new_id());
    assert!(advance(view, &id, 1, &car(&red, "1", "")).await);
    list(view, range(&red, Order::Ascending), &["1"]).await;
    assert!(advance(view, &id, 2, &car(&blue, "1", "")).await);
    list(view, range(&blue, Order::Ascending), &["1"]).await;
    list(view, range(&red, Order::Ascending), &[]).await;
}

/// A partition whose name begins like another's is another.
pub async fn ranges_do_not_mix(view: &impl View<Car>) {
    let colour = new_id();
    fill(view, &colour, &["1"]).await;
    fill(view, &format!("{colour}0"), &["2"]).await;
    list(view, range(&colour, Order::Ascending), &["1"]).await;
    list(view, range(&new_id(), Order::Ascending), &[]).await;
}

async fn advance(view: &impl View<Car>, id: &str, version: u64, car: &Car) -> bool {
    view.advance(id, version, car).await.expect("view can be written")
}

async fn fill(view: &impl View<Car>, colour: &str, numbers: &[&str]) {
    for number in numbers {
        assert!(advance(view, &new_id(), 1, &car(colour, number, "")).await);
    }
}

/// An index may lag behind: it is given some time.
async fn list(view: &impl View<Car>, range: Range<'_>, expected: &[&str]) {
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
