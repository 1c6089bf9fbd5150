//! Reads the stored state directly from the tables, and verifies it once the platform is quiescent.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use futures::StreamExt as _;
use platform::Platform;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::changes::Committed;
use crate::customers::Booked;
use crate::recorder::Recorded;

/// The write models; all other tables are derived from them.
pub(crate) const TABLES: [&str; 3] = ["bookings", "slots", "bills"];
const TOTAL_CENTS: i64 = 10_000;
/// The number of concurrent requests.
const CONCURRENCY: usize = 8;
/// A stream is read again within a second or two after its function was killed.
const VIEW_LAG_MAX: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(500);

type Item = HashMap<String, AttributeValue>;

/// A booking, folded from its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Booking {
    pub(crate) slot: String,
    pub(crate) status: &'static str,
    pub(crate) version: u64,
}

/// A slot or a bill with its version.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Versioned {
    pub(crate) version: u64,
    pub(crate) state: Value,
}

/// All stored state about these slots.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredState {
    pub(crate) bookings: BTreeMap<String, Booking>,
    pub(crate) slots: BTreeMap<String, Versioned>,
    pub(crate) bills: BTreeMap<String, Versioned>,
}

impl StoredState {
    pub(crate) async fn read(platform: &Platform, slots: &[String]) -> Self {
        let ours: BTreeSet<&str> = slots.iter().map(String::as_str).collect();
        let mut commits = scan(platform, "bookings").await;
        commits.sort_by_key(|it| (text(it, "stream").to_owned(), number(it, "version")));
        let mut bookings = BTreeMap::<String, Booking>::new();
        for commit in &commits {
            let booking = bookings.entry(text(commit, "stream").to_owned()).or_default();
            let first = number(commit, "version");
            assert_eq!(first, booking.version + 1, "there is a gap in {commit:?}");
            booking.version = number(commit, "last");
            let events: Vec<Value> = serde_json::from_str(text(commit, "events")).unwrap();
            for recorded in events {
                let data = &recorded["event"]["data"];
                data["slotId"].as_str().unwrap().clone_into(&mut booking.slot);
                booking.status = match recorded["event"]["type"].as_str().unwrap() {
                    "BookingCreated" | "BookingReserved" => "pending",
                    "BookingCompleted" => "completed",
                    "BookingFailed" => "failed",
                    "BookingCancelled" => "cancelled",
                    "BookingCheckedOut" => "checked_out",
                    other => unreachable!("{other} is not an event of a booking"),
                };
            }
        }
        bookings.retain(|_, booking| ours.contains(booking.slot.as_str()));
        let mut slots = states(platform, "slots").await;
        slots.retain(|id, _| ours.contains(id.as_str()));
        let mut bills = states(platform, "bills").await;
        bills.retain(|id, _| id.split(':').next().is_some_and(|slot| ours.contains(slot)));
        Self { bookings, slots, bills }
    }

    /// The descriptions of everything that is not final yet.
    pub(crate) fn unfinished(&self) -> Vec<String> {
        let pending = self.bookings.iter().filter(|(_, it)| it.status == "pending");
        let pending = pending.map(|(id, _)| format!("booking {id} is pending"));
        let blocked = self.slots.iter().filter(|(_, it)| it.state["status"] == "blocked");
        let blocked = blocked.map(|(id, it)| format!("slot {id} is blocked: {}", it.state));
        let open = self.bills.iter().filter(|(_, it)| {
            let stage = &it.state["stage"];
            let payments = stage["payments"].as_array().map_or(&[][..], Vec::as_slice);
            stage["stage"] == "closing"
                || payments.iter().any(|it| it["state"]["state"] == "requested")
        });
        let open = open.map(|(id, it)| format!("bill {id} is incomplete: {}", it.state));
        pending.chain(blocked).chain(open).collect()
    }

    /// The number of bookings by status.
    pub(crate) fn outcomes(&self) -> BTreeMap<&'static str, usize> {
        let mut outcomes = BTreeMap::new();
        for booking in self.bookings.values() {
            *outcomes.entry(booking.status).or_default() += 1;
        }
        outcomes
    }
}

async fn states(platform: &Platform, table: &str) -> BTreeMap<String, Versioned> {
    let items = scan(platform, table).await;
    // A tombstone may have created an item without a state.
    let items = items.iter().filter(|it| text(it, "part") == "state" && it.contains_key("state"));
    let states = items.map(|item| {
        let state = serde_json::from_str(text(item, "state")).unwrap();
        (text(item, "id").to_owned(), Versioned { version: number(item, "version"), state })
    });
    states.collect()
}

async fn scan(platform: &Platform, table: &str) -> Vec<Item> {
    let scan = platform.dynamodb().scan().table_name(format!("parkade-local-{table}"));
    let mut pages = scan.consistent_read(true).into_paginator().items().send();
    let mut items = Vec::new();
    while let Some(item) = pages.next().await {
        items.push(item.unwrap());
    }
    items
}

fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item[name].as_s().unwrap()
}

fn number(item: &Item, name: &str) -> u64 {
    item[name].as_n().unwrap().parse().unwrap()
}

/// The violated invariants.
#[derive(Debug, Default)]
pub(crate) struct Violations(Vec<String>);

impl Violations {
    pub(crate) fn check(&mut self, holds: bool, message: impl FnOnce() -> String) {
        if !holds {
            self.0.push(message());
        }
    }

    #[track_caller]
    pub(crate) fn assert_none(self) {
        assert!(
            self.0.is_empty(),
            "{} invariants are violated:\n{}",
            self.0.len(),
            self.0.join("\n")
        );
    }
}

/// Every requested booking exists once and is final, and its customer read correct statuses.
pub(crate) fn every_booking_is_final(
    stored: &StoredState,
    booked: &[Booked],
    violations: &mut Violations,
) {
    let requested: BTreeSet<_> = booked.iter().map(|it| it.id.clone()).collect();
    let known: BTreeSet<_> = stored.bookings.keys().cloned().collect();
    violations.check(requested == known, || {
        format!("bookings are {known:?}, requested were {requested:?}")
    });
    for it in booked {
        let Some(booking) = stored.bookings.get(&it.id) else { continue };
        violations.check(booking.status != "pending", || format!("{} stays pending", it.id));
        violations
            .check(booking.slot == it.slot, || format!("{} is for slot {}", it.id, booking.slot));
        for seen in &it.statuses {
            let is_true = booking.status == seen
                || seen == "completed" && ["cancelled", "checked_out"].contains(&booking.status);
            violations.check(is_true, || {
                format!("{} is {}, its customer read {:?}", it.id, booking.status, it.statuses)
            });
        }
    }
}

/// Each reserved slot is held by a completed booking, each completed booking holds its slot, and no slot is blocked.
pub(crate) fn every_reserved_slot_has_a_completed_booking(
    stored: &StoredState,
    slots: &[String],
    violations: &mut Violations,
) {
    let mut held = BTreeMap::new();
    for slot in slots {
        let Some(Versioned { state, .. }) = stored.slots.get(slot) else {
            violations.check(false, || format!("slot {slot} is missing"));
            continue;
        };
        let holder = state["bookingId"].as_str();
        match state["status"].as_str() {
            Some("available") => violations.check(holder.is_none(), || format!("{slot}: {state}")),
            Some("reserved") => {
                let booking = holder.and_then(|it| stored.bookings.get(it));
                let is_right =
                    booking.is_some_and(|it| it.status == "completed" && it.slot == *slot);
                violations.check(is_right, || format!("{slot} is {state}, held by {booking:?}"));
                held.insert(slot.as_str(), holder.unwrap_or_default());
            }
            _ => violations.check(false, || format!("slot {slot} stays {state}")),
        }
    }
    for (id, booking) in stored.bookings.iter().filter(|(_, it)| it.status == "completed") {
        violations.check(held.get(booking.slot.as_str()) == Some(&id.as_str()), || {
            format!("{id} is complete and does not hold {}", booking.slot)
        });
    }
}

/// A booking that has its slot, or had it until check-out, is paid once; all other charges are refunded.
pub(crate) async fn the_ledger_matches_the_bookings(
    platform: &Platform,
    stored: &StoredState,
    booked: &[Booked],
    violations: &mut Violations,
) {
    let money = booked.iter().map(async |it| (it, platform.money(&it.reference()).await));
    let mut money = futures::stream::iter(money).buffer_unordered(CONCURRENCY);
    while let Some((it, (charges, refunds))) = money.next().await {
        let Some(booking) = stored.bookings.get(&it.id) else { continue };
        let is_kept = ["completed", "checked_out"].contains(&booking.status);
        let (charged, refunded): (i64, i64) = (charges.iter().sum(), refunds.iter().sum());
        let is_right = if is_kept {
            charged == TOTAL_CENTS && refunds.is_empty()
        } else {
            charged == refunded
        };
        violations.check(is_right, || {
            format!("{} is {}: charged {charges:?}, refunded {refunds:?}", it.id, booking.status)
        });
        let bill = stored.bills.get(&it.reference()).map(|it| &it.state["stage"]);
        let stage = bill.map(|it| it["stage"].as_str().unwrap_or_default());
        let is_right =
            if is_kept { stage == Some("open") } else { matches!(stage, None | Some("closed")) };
        violations
            .check(is_right, || format!("{} is {}, its bill {bill:?}", it.id, booking.status));
    }
    // The provider stores the reference of each charge: no charge is without a booking.
    let ours: BTreeSet<_> = booked.iter().map(Booked::reference).collect();
    for item in scan(platform, "ledger").await {
        let reference = text(&item, "reference");
        let of_ours = reference.split(':').next().is_some_and(|it| stored.slots.contains_key(it));
        violations.check(!of_ours || ours.contains(reference), || {
            format!("a charge without a booking: {item:?}")
        });
    }
}

/// The events on the bus are exactly the committed events.
pub(crate) fn every_event_was_published(
    stored: &StoredState,
    committed: &BTreeMap<String, Committed>,
    published: &BTreeMap<String, Recorded>,
    violations: &mut Violations,
) {
    for (id, event) in committed {
        let is_right = published.get(id).is_some_and(|published| {
            published.text("subject") == event.subject
                && published.detail["sequence"] == event.sequence
                && published.kind == event.kind
        });
        violations.check(is_right, || {
            format!("{event:?} was committed, and published as {:?}", published.get(id))
        });
    }
    let ours = |subject: &str| {
        stored.bookings.contains_key(subject)
            || stored.slots.contains_key(subject)
            || subject.split(':').next().is_some_and(|it| stored.slots.contains_key(it))
    };
    for (id, event) in published.iter().filter(|(_, it)| ours(it.text("subject"))) {
        violations.check(committed.contains_key(id), || {
            format!("{event:?} was published without a commit")
        });
    }
    for (id, booking) in &stored.bookings {
        let seen = published.values().filter(|it| it.text("subject") == id);
        let seen: BTreeSet<_> = seen.filter_map(|it| it.detail["sequence"].as_u64()).collect();
        violations.check((1..=booking.version).eq(seen.iter().copied()), || {
            format!("{id} is at {}, published were {seen:?}", booking.version)
        });
    }
}

/// The history that the operator API shows is the published events.
pub(crate) async fn the_history_matches_the_published_events(
    platform: &Platform,
    stored: &StoredState,
    published: &BTreeMap<String, Recorded>,
    violations: &mut Violations,
) {
    let operator = platform.operator().await;
    let histories = stored.bookings.keys().map(async |id| {
        let path = format!("/operator/bookings/{id}/events");
        (id, operator.get(&path).await.expect(200))
    });
    let mut histories = futures::stream::iter(histories).buffer_unordered(CONCURRENCY);
    while let Some((id, history)) = histories.next().await {
        let shown = history["events"].as_array().unwrap().iter().map(|it| {
            let text = |name: &str| it[name].as_str().unwrap().to_owned();
            (it["version"].as_u64(), text("type"), text("id"))
        });
        let shown: Vec<_> = shown.collect();
        let mut seen: Vec<_> = published
            .values()
            .filter(|it| it.text("subject") == id)
            .map(|it| (it.detail["sequence"].as_u64(), it.kind.clone(), it.text("id").to_owned()))
            .collect();
        seen.sort();
        violations.check(shown == seen, || format!("{id}: shown {shown:?}, published {seen:?}"));
    }
}

/// The views match the write models, possibly after a moment.
pub(crate) async fn the_views_match(
    platform: &Platform,
    stored: &StoredState,
    booked: &[Booked],
    violations: &mut Violations,
) {
    let deadline = Instant::now() + VIEW_LAG_MAX;
    let wrong = loop {
        let wrong = differences(platform, stored, booked).await;
        if wrong.is_empty() || Instant::now() > deadline {
            break wrong;
        }
        sleep(PAUSE).await;
    };
    for difference in wrong {
        violations.check(false, || difference);
    }
}

/// The differences between the public API and the write models.
async fn differences(platform: &Platform, stored: &StoredState, booked: &[Booked]) -> Vec<String> {
    let operator = platform.operator().await;
    let mut wrong = Vec::new();
    let shown = booked.iter().filter_map(|it| Some((it, stored.bookings.get(&it.id)?)));
    let shown = shown.map(async |(it, booking)| {
        (it, booking, it.customer.get(&format!("/mobile/bookings/{}", it.id)).await)
    });
    let mut shown = futures::stream::iter(shown).buffer_unordered(CONCURRENCY);
    while let Some((it, booking, reply)) = shown.next().await {
        let bill = reply.body["bill"]["status"].as_str();
        let is_right = reply.body["status"] == booking.status
            && reply.body["version"] == booking.version
            && match booking.status {
                "completed" | "checked_out" => bill == Some("paid"),
                _ => matches!(bill, None | Some("refunded" | "expired")),
            };
        if !is_right {
            wrong.push(format!("{} is {booking:?}, shown as {}", it.id, reply.text));
        }
    }
    let shown = stored
        .slots
        .iter()
        .map(async |(id, slot)| (id, slot, operator.get(&format!("/operator/slots/{id}")).await));
    let mut shown = futures::stream::iter(shown).buffer_unordered(CONCURRENCY);
    while let Some((id, slot, reply)) = shown.next().await {
        if reply.body["status"] != slot.state["status"] {
            wrong.push(format!("{id} is {}, shown as {}", slot.state, reply.text));
        }
    }
    wrong
}
