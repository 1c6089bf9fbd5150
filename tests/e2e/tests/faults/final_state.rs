//! What is left of a booking, in every table and in the provider's books.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use platform::{Caller, Platform, eventually};
use serde_json::Value;

/// How a booking ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Completed,
    Failed,
    Cancelled,
}

impl Outcome {
    fn status(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

type Item = HashMap<String, AttributeValue>;

/// Waits until all that was set off has ended, and holds what is left against what may be.
pub(crate) async fn remains(
    platform: &Platform,
    customer: &Caller,
    slot: &str,
    booking: &str,
    ends: Outcome,
    what: &str,
) {
    let found = customer.settled(booking).await;
    assert_eq!(found["status"], ends.status(), "{what}: {booking}: {found}");
    let (reference, is_complete) = (format!("{slot}:{booking}"), ends == Outcome::Completed);
    let standing = if is_complete { "reserved" } else { "available" };
    platform.slot_becomes(slot, standing).await;
    let owed = if is_complete { 10_000 } else { 0 };
    eventually(&format!("{what}: {booking}: the money adds up"), async || {
        (platform.net(&reference).await == owed).then_some(())
    })
    .await;
    // The view of the bill may have to follow, and the events of cancelling may be on their way.
    eventually(&format!("{what}: {booking}: nothing else remains"), async || {
        left(platform, slot, booking, is_complete).await.is_empty().then_some(())
    })
    .await;
    assert_eq!(left(platform, slot, booking, is_complete).await, [""; 0], "{what}: {booking}");
}

/// Everything that should not be there.
async fn left(platform: &Platform, slot: &str, booking: &str, is_complete: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for table in tables(platform).await {
        for item in mentions(platform, &table, slot, booking).await {
            let name = table.trim_start_matches("parkade-local-");
            if !may_be(name, &item, booking, is_complete) {
                wrong.push(format!("{name}: {item:?}"));
            }
        }
    }
    wrong
}

/// Whether an item may be there when all is over.
fn may_be(table: &str, item: &Item, booking: &str, is_complete: bool) -> bool {
    let text = |name: &str| item.get(name).and_then(|it| it.as_s().ok()).map_or("", String::as_str);
    let state = |name: &str| serde_json::from_str::<Value>(text(name)).unwrap_or_default();
    let holds = |slot: &Value| {
        let is_ours = slot["bookingId"] == booking;
        let status = slot["status"].as_str().unwrap_or_default().to_owned();
        if is_complete { is_ours && status == "reserved" } else { status == "available" }
    };
    match table {
        // A bar stays for as long as anything late could come.
        "slots" | "bills" if text("part").starts_with("bar#") => true,
        "slots" => holds(&state("state")),
        "bills" => {
            let bill = state("state");
            let stage = bill["stage"]["stage"].as_str().unwrap_or_default();
            if is_complete { stage == "open" } else { stage == "closed" }
        }
        "slots-view" | "bookings-view" | "bills-view" => {
            let told = format!("{item:?}");
            // Nothing that says that it is not over.
            !["\"pending\"", "\\\"pending\\\"", "\"blocked\"", "\\\"blocked\\\""]
                .iter()
                .any(|it| told.contains(it))
        }
        // What has happened, and what the provider has done: both have been looked at through their own doors.
        "bookings" | "ledger" => true,
        _ => false,
    }
}

async fn tables(platform: &Platform) -> Vec<String> {
    let listed =
        platform.dynamodb().list_tables().send().await.unwrap().table_names.unwrap_or_default();
    listed.into_iter().filter(|name| name.starts_with("parkade-local-")).collect()
}

/// The items of a table in which a slot or a booking occurs.
async fn mentions(platform: &Platform, table: &str, slot: &str, booking: &str) -> Vec<Item> {
    let scan = platform.dynamodb().scan().table_name(table).consistent_read(true);
    let mut pages = scan.into_paginator().items().send();
    let mut found = Vec::new();
    while let Some(item) = pages.next().await {
        let item = item.unwrap();
        let told = format!("{item:?}");
        if told.contains(slot) || told.contains(booking) {
            found.push(item);
        }
    }
    found
}
