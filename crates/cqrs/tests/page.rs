//! One list over several partitions: complete, in order, and without duplicates.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

use std::collections::BTreeMap;

use cqrs::conformance::{Car, INDEX};
use cqrs::memory::MemoryView;
use cqrs::page::{Listing, Page, read};
use cqrs::view::{Order, Positioned, Range, Reader, Versioned, View, ViewError};
use proptest::prelude::*;

const COLOURS: [&str; 3] = ["red", "green", "blue"];

fn car(colour: usize, number: u16) -> Car {
    Car { colour: COLOURS[colour].to_owned(), number: format!("{number:05}"), text: String::new() }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

async fn fill(view: &MemoryView<Car>, rows: &BTreeMap<u16, usize>) {
    for (number, colour) in rows {
        view.upsert_if_newer(&number.to_string(), 1, &car(*colour, *number)).await.unwrap();
    }
}

fn listing(order: Order, limit: usize) -> Listing<'static> {
    Listing { index: INDEX, attribute: "colour", partitions: &COLOURS, order, after: None, limit }
}

fn any_order() -> impl Strategy<Value = Order> {
    prop_oneof![Just(Order::Ascending), Just(Order::Descending)]
}

/// Numbers are unique; each has a colour.
fn any_rows() -> impl Strategy<Value = BTreeMap<u16, usize>> {
    prop::collection::btree_map(any::<u16>(), 0..COLOURS.len(), 0..40)
}

proptest! {
    #[test]
    fn the_pages_together_are_the_whole_list(
        rows in any_rows(),
        limit in 1..50_usize,
        order in any_order(),
    ) {
        run(async {
            let view = MemoryView::default();
            fill(&view, &rows).await;
            let mut found = Vec::new();
            let mut after: Option<String> = None;
            loop {
                let listing = Listing { after: after.as_deref(), ..listing(order, limit) };
                let page = read(&view, listing).await.unwrap();
                prop_assert!(page.rows.len() <= limit);
                // Another page follows exactly if another row exists.
                prop_assert_eq!(page.next.is_some(), found.len() + page.rows.len() < rows.len());
                found.extend(page.rows.into_iter().map(|it| it.row));
                match page.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
            let mut expected: Vec<Car> =
                rows.iter().map(|(number, colour)| car(*colour, *number)).collect();
            if order == Order::Descending {
                expected.reverse();
            }
            prop_assert_eq!(found, expected);
            Ok(())
        })?;
    }

    #[test]
    fn rows_that_change_during_paging_hide_no_other_row_and_repeat_none(
        rows in any_rows(),
        limit in 1..10_usize,
        order in any_order(),
        moves in prop::collection::vec((any::<prop::sample::Index>(), 0..COLOURS.len()), 0..20),
    ) {
        run(async {
            let view = MemoryView::default();
            fill(&view, &rows).await;
            let numbers: Vec<u16> = rows.keys().copied().collect();
            let mut moves = moves.into_iter();
            let mut found: Vec<String> = Vec::new();
            let mut after: Option<String> = None;
            let mut version = 1;
            loop {
                let listing = Listing { after: after.as_deref(), ..listing(order, limit) };
                let page = read(&view, listing).await.unwrap();
                found.extend(page.rows.into_iter().map(|it| it.position));
                match page.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
                if let Some((which, colour)) = moves.next() {
                    let number = *which.get(&numbers);
                    version += 1;
                    view.upsert_if_newer(&number.to_string(), version, &car(colour, number)).await.unwrap();
                }
            }
            let mut expected: Vec<String> = numbers.iter().map(|it| format!("{it:05}")).collect();
            if order == Order::Descending {
                expected.reverse();
            }
            prop_assert_eq!(found, expected);
            Ok(())
        })?;
    }
}

/// A row that moves while the partitions are read: each partition shows it as it was.
struct Torn;

impl Reader<Car> for Torn {
    async fn get(&self, _: &str) -> Result<Option<Versioned<Car>>, ViewError> {
        Ok(None)
    }

    async fn count(&self, _: Range<'_>) -> Result<usize, ViewError> {
        Ok(0)
    }

    async fn list(&self, range: Range<'_>) -> Result<Vec<Positioned<Car>>, ViewError> {
        let (colour, version) = match range.partition {
            "red" => (0, 1),
            "green" => (1, 2),
            _ => return Ok(Vec::new()),
        };
        let row = car(colour, 1);
        Ok(vec![Positioned { position: row.number.clone(), version, row }])
    }
}

#[test]
fn of_a_row_that_is_read_twice_the_newer_version_is_returned() {
    for order in [Order::Ascending, Order::Descending] {
        let Page { rows, next } = run(read(&Torn, listing(order, 10))).unwrap();
        let shown: Vec<_> = rows.iter().map(|it| (it.version, it.row.colour.as_str())).collect();
        assert_eq!(shown, [(2, "green")]);
        assert_eq!(next, None);
    }
}
