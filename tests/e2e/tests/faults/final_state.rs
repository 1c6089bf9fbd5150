//! The final state of a booking, in every table and in the provider's ledger.

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

/// Waits until the booking and its saga have ended, and checks the remaining state.
pub(crate) async fn check_final_state(
    platform: &Platform,
    customer: &Caller,
    slot: &str,
    booking: &str,
    outcome: Outcome,
    what: &str,
) {
    let found = customer.finished(booking).await;
    assert_eq!(found["status"], outcome.status(), "{what}: {booking}: {found}");
    let (reference, is_complete) = (format!("{slot}:{booking}"), outcome == Outcome::Completed);
    let slot_status = if is_complete { "reserved" } else { "available" };
    platform.slot_becomes(slot, slot_status).await;
    let expected_net = if is_complete { 10_000 } else { 0 };
    eventually(&format!("{what}: {booking}: the payment matches"), async || {
        (platform.net(&reference).await == expected_net).then_some(())
    })
    .await;
    // The view of the bill may lag, and the events of the cancellation may be on their way.
    eventually(&format!("{what}: {booking}: no other state remains"), async || {
        unexpected_items(platform, slot, booking, is_complete).await.is_empty().then_some(())
    })
    .await;
    assert_eq!(
        unexpected_items(platform, slot, booking, is_complete).await,
        [""; 0],
        "{what}: {booking}"
    );
}

/// Every item that should not remain.
async fn unexpected_items(
    platform: &Platform,
    slot: &str,
    booking: &str,
    is_complete: bool,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for table in tables(platform).await {
        for item in mentions(platform, &table, slot, booking).await {
            let name = table.trim_start_matches("parkade-local-");
            if !is_expected(name, &item, booking, is_complete) {
                wrong.push(format!("{name}: {item:?}"));
            }
        }
    }
    wrong
}

/// Whether an item may remain after the end.
fn is_expected(table: &str, item: &Item, booking: &str, is_complete: bool) -> bool {
    let text = |name: &str| item.get(name).and_then(|it| it.as_s().ok()).map_or("", String::as_str);
    let state = |name: &str| serde_json::from_str::<Value>(text(name)).unwrap_or_default();
    let holds = |slot: &Value| {
        let is_ours = slot["bookingId"] == booking;
        let status = slot["status"].as_str().unwrap_or_default().to_owned();
        if is_complete { is_ours && status == "reserved" } else { status == "available" }
    };
    match table {
        // A tombstone stays for as long as a late action could arrive.
        "slots" | "bills" if text("part").starts_with("bar#") => true,
        "slots" => holds(&state("state")),
        "bills" => {
            let bill = state("state");
            let stage = bill["stage"]["stage"].as_str().unwrap_or_default();
            if is_complete { stage == "open" } else { stage == "closed" }
        }
        "slots-view" | "bookings-view" | "bills-view" => {
            let text_of_item = format!("{item:?}");
            // No status that is not final.
            !["\"pending\"", "\\\"pending\\\"", "\"blocked\"", "\\\"blocked\\\""]
                .iter()
                .any(|it| text_of_item.contains(it))
        }
        // Events and ledger entries, which are checked through the APIs.
        "bookings" | "ledger" => true,
        _ => false,
    }
}

async fn tables(platform: &Platform) -> Vec<String> {
    let listed =
        platform.dynamodb().list_tables().send().await.unwrap().table_names.unwrap_or_default();
    listed.into_iter().filter(|name| name.starts_with("parkade-local-")).collect()
}

/// The items of a table that mention a slot or a booking.
async fn mentions(platform: &Platform, table: &str, slot: &str, booking: &str) -> Vec<Item> {
    let scan = platform.dynamodb().scan().table_name(table).consistent_read(true);
    let mut pages = scan.into_paginator().items().send();
    let mut found = Vec::new();
    while let Some(item) = pages.next().await {
        let item = item.unwrap();
        let text_of_item = format!("{item:?}");
        if text_of_item.contains(slot) || text_of_item.contains(booking) {
            found.push(item);
        }
    }
    found
}
