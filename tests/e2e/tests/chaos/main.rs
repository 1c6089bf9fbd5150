//! Runs a hundred bookings while functions are killed, and messages duplicated and delayed: `cargo xtask test --only
//! e2e`.
//!
//! `PARKADE_CHAOS_SEED` repeats the choices of an earlier run: the bookings, the functions killed during each, the
//! duplicated events. The timing depends on the machine. Bills must expire during the test: `--set BillDueSeconds=25`.

#![expect(clippy::unwrap_used, reason = "a failing test says where")]
#![expect(clippy::print_stderr, reason = "the test takes a minute: it prints its progress")]

mod changes;
mod customers;
mod fault_injection;
mod progress;
mod quiescence;
mod recorder;
mod verifier;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use platform::{Platform, variable};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use changes::{Changes, Committed};
use customers::{BOOKINGS, Plan};
use fault_injection::{Duplicator, Killer};
use progress::Progress;
use recorder::Recorder;
use verifier::Violations;

const BUS: &str = "parkade-local";
/// The limit of the whole run. Each wait in it has a limit of its own, with a message.
const ENDS_WITHIN: Duration = Duration::from_secs(420);
/// The last committed events may still be on their way to the bus.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(20);
/// With fewer kills or duplicates, the run has proved little.
const MIN_FAULTS: usize = 60;
/// With fewer bookings in either group, the run has proved little.
const MIN_OUTCOMES: usize = 10;

/// The URL of a queue of the platform.
async fn queue_url(platform: &Platform, name: &str) -> String {
    let request = platform.sqs().get_queue_url().queue_name(format!("parkade-local-{name}"));
    request.send().await.unwrap().queue_url.unwrap()
}

/// The dead letters of all queues, by message id.
async fn dead_letters(platform: &Platform) -> BTreeMap<String, Value> {
    let listed = platform.operator().await.get("/operator/dead-letters").await.expect(200);
    assert_eq!(listed.get("degraded"), None);
    let items = listed["items"].as_array().unwrap().iter();
    items.map(|it| (it["messageId"].as_str().unwrap().to_owned(), it.clone())).collect()
}

/// The committed events, once all of them were published or the time is up.
async fn committed(changes: &Changes, recorder: &Recorder) -> BTreeMap<String, Committed> {
    let deadline = Instant::now() + PUBLISHED_WITHIN;
    loop {
        let (committed, published) = (changes.events().await, recorder.events());
        if committed.keys().all(|it| published.contains_key(it)) || Instant::now() > deadline {
            return committed;
        }
        sleep(Duration::from_millis(500)).await;
    }
}

async fn run(seed: u64, progress: Arc<Progress>) {
    let platform = Platform::up();
    platform.hold_provider_circuit().await;
    let dead_letters_before = dead_letters(&platform).await;
    // Before the first slot, whose events are recorded too.
    let recorder = Recorder::start(&platform).await;
    let changes = Changes::start(&platform).await;
    let plan = Plan::new(seed);
    progress.stage("creating slots");
    let slots = plan.slots(&platform).await;

    progress.stage("booking");
    let killer = Killer::new(&platform);
    let duplicator = Duplicator::start(&platform, seed, &recorder, &progress).await;
    let booked = customers::book(&platform, &plan, &slots, &killer, &progress).await;
    progress.stage("sending the last duplicates");
    duplicator.end().await;

    let state = quiescence::reached(&platform, &slots, &recorder, &progress).await;
    progress.stage("verifying");
    let committed = committed(&changes, &recorder).await;
    let published = recorder.events();
    let mut violations = Violations::default();
    verifier::every_booking_is_final(&state, &booked, &mut violations);
    verifier::every_reserved_slot_has_a_completed_booking(&state, &slots, &mut violations);
    verifier::the_ledger_matches_the_bookings(&platform, &state, &booked, &mut violations).await;
    verifier::every_event_was_published(&state, &committed, &published, &mut violations);
    verifier::the_history_matches_the_published_events(
        &platform,
        &state,
        &published,
        &mut violations,
    )
    .await;
    verifier::the_views_match(&platform, &state, &booked, &mut violations).await;
    for (id, message) in dead_letters(&platform).await {
        violations.check(dead_letters_before.contains_key(&id), || {
            format!("unexpected dead letter: {message}")
        });
    }
    let outcomes = state.outcomes();
    let events = committed.len();
    progress.print(format!("{progress}; {outcomes:?}; {events} events"));
    progress.print(progress.details());
    violations.assert_none();

    assert_eq!(booked.len(), BOOKINGS);
    let (killed, counts) = progress.fault_counts();
    let redelivered: usize = counts.iter().sum();
    assert!(killed >= MIN_FAULTS && redelivered >= MIN_FAULTS, "{progress}");
    let kept = ["completed", "checked_out"].map(|it| outcomes.get(it).copied().unwrap_or_default());
    let kept: usize = kept.iter().sum();
    assert!(kept >= MIN_OUTCOMES && BOOKINGS - kept >= MIN_OUTCOMES, "{outcomes:?}");
    recorder.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_bookings_reach_correct_final_states_despite_kills_duplicates_and_delays() {
    let seed = variable("PARKADE_CHAOS_SEED").map_or_else(
        || Uuid::new_v4().as_u64_pair().0,
        |it| it.parse().expect("PARKADE_CHAOS_SEED is a number"),
    );
    let progress = Arc::new(Progress::new());
    progress.print(format!("PARKADE_CHAOS_SEED={seed}"));
    let mut reporting = JoinSet::new();
    let reporter = Arc::clone(&progress);
    reporting.spawn(async move { reporter.report().await });
    let ended = timeout(ENDS_WITHIN, run(seed, Arc::clone(&progress))).await;
    assert!(ended.is_ok(), "not finished within {ENDS_WITHIN:?}: {}", progress.details());
}
