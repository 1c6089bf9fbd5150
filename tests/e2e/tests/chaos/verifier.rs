//! What is stored, behind all doors, and what must be true of it once all is quiet.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use futures::StreamExt as _;
use platform::Platform;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::catcher::Caught;
use crate::changes::Committed;
use crate::customers::Booked;

/// The tables that are the truth; all others are made from them.
pub(crate) const TABLES: [&str; 3] = ["bookings", "slots", "bills"];
const TOTAL_CENTS: i64 = 10_000;
/// So many questions are asked at once.
const AT_ONCE: usize = 8;
/// A function that died comes back to its stream within a second or two.
const SHOWN_WITHIN: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(500);

type Item = HashMap<String, AttributeValue>;

/// A booking, by its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Booking {
    pub(crate) slot: String,
    pub(crate) status: &'static str,
    pub(crate) version: u64,
}

/// A slot or a bill.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored {
    pub(crate) version: u64,
    pub(crate) state: Value,
}

/// Everything that is about these slots.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Truth {
    pub(crate) bookings: BTreeMap<String, Booking>,
    pub(crate) slots: BTreeMap<String, Stored>,
    pub(crate) bills: BTreeMap<String, Stored>,
}

impl Truth {
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
                    other => unreachable!("{other} is no event of a booking"),
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

    /// What somebody has yet to bring to its end.
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
        let open = open.map(|(id, it)| format!("bill {id} is half done: {}", it.state));
        pending.chain(blocked).chain(open).collect()
    }

    /// How many bookings stand how.
    pub(crate) fn outcomes(&self) -> BTreeMap<&'static str, usize> {
        let mut outcomes = BTreeMap::new();
        for booking in self.bookings.values() {
            *outcomes.entry(booking.status).or_default() += 1;
        }
        outcomes
    }
}

async fn states(platform: &Platform, table: &str) -> BTreeMap<String, Stored> {
    let items = scan(platform, table).await;
    // A bar may have moved the version of what never had a state.
    let items = items.iter().filter(|it| text(it, "part") == "state" && it.contains_key("state"));
    let states = items.map(|item| {
        let state = serde_json::from_str(text(item, "state")).unwrap();
        (text(item, "id").to_owned(), Stored { version: number(item, "version"), state })
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

/// Laws that do not hold, in words.
#[derive(Debug, Default)]
pub(crate) struct Broken(Vec<String>);

impl Broken {
    pub(crate) fn hold(&mut self, is_so: bool, otherwise: impl FnOnce() -> String) {
        if !is_so {
            self.0.push(otherwise());
        }
    }

    #[track_caller]
    pub(crate) fn none(self) {
        assert!(self.0.is_empty(), "{} laws are broken:\n{}", self.0.len(), self.0.join("\n"));
    }
}

/// Every booking that was asked for is there once and final, and its customer was told the truth.
pub(crate) fn every_booking_is_final(truth: &Truth, booked: &[Booked], broken: &mut Broken) {
    let asked: BTreeSet<_> = booked.iter().map(|it| it.id.clone()).collect();
    let known: BTreeSet<_> = truth.bookings.keys().cloned().collect();
    broken.hold(asked == known, || {
        format!("bookings are {known:?}, and these were asked for: {asked:?}")
    });
    for it in booked {
        let Some(booking) = truth.bookings.get(&it.id) else { continue };
        broken.hold(booking.status != "pending", || format!("{} is pending for ever", it.id));
        broken.hold(booking.slot == it.slot, || format!("{} is of {}", it.id, booking.slot));
        for told in &it.told {
            let is_true = booking.status == told
                || told == "completed" && ["cancelled", "checked_out"].contains(&booking.status);
            broken.hold(is_true, || {
                format!("{} is {}, its customer was told {:?}", it.id, booking.status, it.told)
            });
        }
    }
}

/// Each reserved slot is held by a booking that is complete, each of these holds its slot, and nothing is blocked.
pub(crate) fn no_slot_is_held_by_nobody(truth: &Truth, slots: &[String], broken: &mut Broken) {
    let mut held = BTreeMap::new();
    for slot in slots {
        let Some(Stored { state, .. }) = truth.slots.get(slot) else {
            broken.hold(false, || format!("slot {slot} is gone"));
            continue;
        };
        let holder = state["bookingId"].as_str();
        match state["status"].as_str() {
            Some("available") => broken.hold(holder.is_none(), || format!("{slot}: {state}")),
            Some("reserved") => {
                let booking = holder.and_then(|it| truth.bookings.get(it));
                let is_right =
                    booking.is_some_and(|it| it.status == "completed" && it.slot == *slot);
                broken.hold(is_right, || format!("{slot} is {state}, held by {booking:?}"));
                held.insert(slot.as_str(), holder.unwrap_or_default());
            }
            _ => broken.hold(false, || format!("slot {slot} is left as {state}")),
        }
    }
    for (id, booking) in truth.bookings.iter().filter(|(_, it)| it.status == "completed") {
        broken.hold(held.get(booking.slot.as_str()) == Some(&id.as_str()), || {
            format!("{id} is complete and does not hold {}", booking.slot)
        });
    }
}

/// Who has the slot, or had it to the end, has paid for it once; nobody else has paid.
pub(crate) async fn the_ledger_adds_up(
    platform: &Platform,
    truth: &Truth,
    booked: &[Booked],
    broken: &mut Broken,
) {
    let money = booked.iter().map(async |it| (it, platform.money(&it.reference()).await));
    let mut money = futures::stream::iter(money).buffer_unordered(AT_ONCE);
    while let Some((it, (charges, refunds))) = money.next().await {
        let Some(booking) = truth.bookings.get(&it.id) else { continue };
        let is_kept = ["completed", "checked_out"].contains(&booking.status);
        let (charged, refunded): (i64, i64) = (charges.iter().sum(), refunds.iter().sum());
        let is_right = if is_kept {
            charged == TOTAL_CENTS && refunds.is_empty()
        } else {
            charged == refunded
        };
        broken.hold(is_right, || {
            format!("{} is {}: charged {charges:?}, refunded {refunds:?}", it.id, booking.status)
        });
        let bill = truth.bills.get(&it.reference()).map(|it| &it.state["stage"]);
        let stage = bill.map(|it| it["stage"].as_str().unwrap_or_default());
        let is_right =
            if is_kept { stage == Some("open") } else { matches!(stage, None | Some("closed")) };
        broken.hold(is_right, || format!("{} is {}, its bill {bill:?}", it.id, booking.status));
    }
    // The provider writes for whom each charge is: nobody is charged for what nobody has booked.
    let ours: BTreeSet<_> = booked.iter().map(Booked::reference).collect();
    for item in scan(platform, "ledger").await {
        let reference = text(&item, "reference");
        let of_ours = reference.split(':').next().is_some_and(|it| truth.slots.contains_key(it));
        broken.hold(!of_ours || ours.contains(reference), || {
            format!("nobody has booked what was charged: {item:?}")
        });
    }
}

/// What is on the bus is what was committed, all of it and nothing else.
pub(crate) fn every_event_was_published(
    truth: &Truth,
    committed: &BTreeMap<String, Committed>,
    heard: &BTreeMap<String, Caught>,
    broken: &mut Broken,
) {
    for (id, event) in committed {
        let is_right = heard.get(id).is_some_and(|heard| {
            heard.text("subject") == event.subject
                && heard.detail["sequence"] == event.sequence
                && heard.kind == event.kind
        });
        broken.hold(is_right, || {
            format!("{event:?} was committed, and was heard as {:?}", heard.get(id))
        });
    }
    let ours = |subject: &str| {
        truth.bookings.contains_key(subject)
            || truth.slots.contains_key(subject)
            || subject.split(':').next().is_some_and(|it| truth.slots.contains_key(it))
    };
    for (id, event) in heard.iter().filter(|(_, it)| ours(it.text("subject"))) {
        broken.hold(committed.contains_key(id), || format!("nobody has committed {event:?}"));
    }
    for (id, booking) in &truth.bookings {
        let told = heard.values().filter(|it| it.text("subject") == id);
        let told: BTreeSet<_> = told.filter_map(|it| it.detail["sequence"].as_u64()).collect();
        broken.hold((1..=booking.version).eq(told.iter().copied()), || {
            format!("{id} is at {}, and heard were {told:?}", booking.version)
        });
    }
}

/// What the operator is shown of a booking's past is what was on the bus.
pub(crate) async fn the_history_is_what_was_heard(
    platform: &Platform,
    truth: &Truth,
    heard: &BTreeMap<String, Caught>,
    broken: &mut Broken,
) {
    let operator = platform.operator().await;
    let histories = truth.bookings.keys().map(async |id| {
        let path = format!("/operator/bookings/{id}/events");
        (id, operator.get(&path).await.expect(200))
    });
    let mut histories = futures::stream::iter(histories).buffer_unordered(AT_ONCE);
    while let Some((id, history)) = histories.next().await {
        let shown = history["events"].as_array().unwrap().iter().map(|it| {
            let text = |name: &str| it[name].as_str().unwrap().to_owned();
            (it["version"].as_u64(), text("type"), text("id"))
        });
        let shown: Vec<_> = shown.collect();
        let mut told: Vec<_> = heard
            .values()
            .filter(|it| it.text("subject") == id)
            .map(|it| (it.detail["sequence"].as_u64(), it.kind.clone(), it.text("id").to_owned()))
            .collect();
        told.sort();
        broken.hold(shown == told, || format!("{id}: shown {shown:?}, heard {told:?}"));
    }
}

/// The views follow the truth; they may need a moment.
pub(crate) async fn the_views_agree(
    platform: &Platform,
    truth: &Truth,
    booked: &[Booked],
    broken: &mut Broken,
) {
    let deadline = Instant::now() + SHOWN_WITHIN;
    let wrong = loop {
        let wrong = differences(platform, truth, booked).await;
        if wrong.is_empty() || Instant::now() > deadline {
            break wrong;
        }
        sleep(LOOK_EVERY).await;
    };
    for difference in wrong {
        broken.hold(false, || difference);
    }
}

/// What the front door shows otherwise than it is.
async fn differences(platform: &Platform, truth: &Truth, booked: &[Booked]) -> Vec<String> {
    let operator = platform.operator().await;
    let mut wrong = Vec::new();
    let shown = booked.iter().filter_map(|it| Some((it, truth.bookings.get(&it.id)?)));
    let shown = shown.map(async |(it, booking)| {
        (it, booking, it.customer.get(&format!("/mobile/bookings/{}", it.id)).await)
    });
    let mut shown = futures::stream::iter(shown).buffer_unordered(AT_ONCE);
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
    let shown = truth
        .slots
        .iter()
        .map(async |(id, slot)| (id, slot, operator.get(&format!("/operator/slots/{id}")).await));
    let mut shown = futures::stream::iter(shown).buffer_unordered(AT_ONCE);
    while let Some((id, slot, reply)) = shown.next().await {
        if reply.body["status"] != slot.state["status"] {
            wrong.push(format!("{id} is {}, shown as {}", slot.state, reply.text));
        }
    }
    wrong
}
