//! A hundred bookings while functions die and messages come twice and late: `cargo xtask test --only e2e`.
//!
//! `PARKADE_CHAOS_SEED` makes the choices of a run those of another: who books what, who is killed for it, what is copied.
//! When all this happens is up to the machine. Bills have to fall due while one waits: `--set BillDueSeconds=25`.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]
#![expect(clippy::print_stderr, reason = "it takes a minute: whoever waits sees how far it is")]

mod catcher;
mod changes;
mod customers;
mod mischief;
mod progress;
mod rest;
mod truth;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use platform::{Platform, variable};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use catcher::Catcher;
use changes::{Changes, Committed};
use customers::{BOOKINGS, Plan};
use mischief::{Killer, Postman};
use progress::Progress;
use truth::Broken;

const BUS: &str = "parkade-local";
/// Every wait within has a limit of its own, and says what it has waited for; this is for what nobody has thought of.
const ENDS_WITHIN: Duration = Duration::from_secs(420);
/// What was committed last may still be on its way to the bus.
const HEARD_WITHIN: Duration = Duration::from_secs(20);
/// If fewer die or less is copied, it was no chaos.
const MISCHIEF_MIN: usize = 60;
/// If fewer end so, the run has proved little.
const OUTCOME_MIN: usize = 10;

/// The address of a queue of the platform.
async fn queue_url(platform: &Platform, name: &str) -> String {
    let told = platform.sqs().get_queue_url().queue_name(format!("parkade-local-{name}"));
    told.send().await.unwrap().queue_url.unwrap()
}

/// The dead letters of all queues, by their names.
async fn dead_letters(platform: &Platform) -> BTreeMap<String, Value> {
    let shown = platform.operator().await.get("/operator/dead-letters").await.expect(200);
    assert_eq!(shown.get("degraded"), None);
    let items = shown["items"].as_array().unwrap().iter();
    items.map(|it| (it["messageId"].as_str().unwrap().to_owned(), it.clone())).collect()
}

/// What was committed, once all of it was heard or it can't be waited for any longer.
async fn committed(changes: &Changes, catcher: &Catcher) -> BTreeMap<String, Committed> {
    let deadline = Instant::now() + HEARD_WITHIN;
    loop {
        let (committed, heard) = (changes.events().await, catcher.heard());
        if committed.keys().all(|it| heard.contains_key(it)) || Instant::now() > deadline {
            return committed;
        }
        sleep(Duration::from_millis(500)).await;
    }
}

async fn run(seed: u64, progress: Arc<Progress>) {
    let platform = Platform::up();
    platform.hold_provider_circuit().await;
    let letters = dead_letters(&platform).await;
    // Before the first slot, whose events are to be heard too.
    let catcher = Catcher::begin(&platform).await;
    let changes = Changes::from_now_on(&platform).await;
    let plan = Plan::new(seed);
    progress.stage("slots are made");
    let slots = plan.slots(&platform).await;

    progress.stage("bookings are made");
    let killer = Killer::new(&platform);
    let postman = Postman::begin(&platform, seed, &catcher, &progress).await;
    let booked = customers::book(&platform, &plan, &slots, &killer, &progress).await;
    progress.stage("the last copies are sent");
    postman.end().await;

    let truth = rest::comes(&platform, &slots, &catcher, &progress).await;
    progress.stage("all is compared");
    let committed = committed(&changes, &catcher).await;
    let heard = catcher.heard();
    let mut broken = Broken::default();
    truth::every_booking_is_final(&truth, &booked, &mut broken);
    truth::no_slot_is_held_by_nobody(&truth, &slots, &mut broken);
    truth::the_ledger_adds_up(&platform, &truth, &booked, &mut broken).await;
    truth::every_event_was_published(&truth, &committed, &heard, &mut broken);
    truth::the_history_is_what_was_heard(&platform, &truth, &heard, &mut broken).await;
    truth::the_views_agree(&platform, &truth, &booked, &mut broken).await;
    for (id, letter) in dead_letters(&platform).await {
        broken.hold(letters.contains_key(&id), || format!("there is a dead letter: {letter}"));
    }
    let outcomes = truth.outcomes();
    let events = committed.len();
    progress.say(format!("{progress}; {outcomes:?}; {events} events"));
    progress.say(progress.whole());
    broken.none();

    assert_eq!(booked.len(), BOOKINGS);
    let (killed, counts) = progress.mischief();
    let copied: usize = counts.iter().sum();
    assert!(killed >= MISCHIEF_MIN && copied >= MISCHIEF_MIN, "{progress}");
    let kept = ["completed", "checked_out"].map(|it| outcomes.get(it).copied().unwrap_or_default());
    let kept: usize = kept.iter().sum();
    assert!(kept >= OUTCOME_MIN && BOOKINGS - kept >= OUTCOME_MIN, "{outcomes:?}");
    catcher.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_dies_and_comes_twice_or_late_a_hundred_bookings_end_as_they_must() {
    let seed = variable("PARKADE_CHAOS_SEED").map_or_else(
        || Uuid::new_v4().as_u64_pair().0,
        |it| it.parse().expect("PARKADE_CHAOS_SEED is a number"),
    );
    let progress = Arc::new(Progress::new());
    progress.say(format!("PARKADE_CHAOS_SEED={seed}"));
    let mut teller = JoinSet::new();
    let told = Arc::clone(&progress);
    teller.spawn(async move { told.tell().await });
    let ended = timeout(ENDS_WITHIN, run(seed, Arc::clone(&progress))).await;
    assert!(ended.is_ok(), "no end within {ENDS_WITHIN:?}: {}", progress.whole());
}
