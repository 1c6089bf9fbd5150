//! The saga with every step failing in every way: `cargo xtask test --only e2e`.
//!
//! While these tests run, the deployed machine is another: each of its tasks goes through a function that does with it
//! what a plan says (`src/bin/double.rs`). So they run after the others, and one by one.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod machine;
mod world;

use std::time::Duration;

use futures::StreamExt as _;
use platform::{Caller, Platform, eventually, within};
use serde_json::{Value, json};

use machine::{Substituted, Task};
use world::{Outcome, remains};

/// So many bookings are on their way at once.
const AT_ONCE: usize = 8;
/// The longest that a case takes, waiting for twelve repeats among others.
const ENDS_WITHIN: Duration = Duration::from_secs(120);

/// One way in which a saga can go wrong.
#[derive(Clone, Debug)]
struct Case {
    name: String,
    plan: Value,
    ends: Outcome,
    wants_operator: bool,
}

impl Case {
    fn new(name: String, plan: Value, ends: Outcome) -> Self {
        Self { name, plan, ends, wants_operator: false }
    }
}

/// Every step of the machine in every way.
fn cases(tasks: &[Task]) -> Vec<Case> {
    let dos: Vec<&Task> = tasks.iter().filter(|task| task.undo.is_some()).collect();
    let last = dos.last().unwrap().name.clone();
    let before_last = dos[dos.len() - 2].name.clone();
    let mut cases = Vec::new();
    for task in &dos {
        let is_last = task.name == last;
        let unknown = if is_last { Outcome::Completed } else { Outcome::Failed };
        for (action, ends) in [
            ("refuse", Outcome::Failed),
            ("broken", Outcome::Failed),
            ("transient", Outcome::Completed),
            ("transient*", Outcome::Failed),
            ("kill_before", Outcome::Completed),
            ("kill_before*", Outcome::Failed),
            ("kill_after", Outcome::Completed),
            // Done, and nobody ever hears of it.
            ("kill_after*", unknown),
            ("hang_after", Outcome::Completed),
            ("late", Outcome::Completed),
            // The first comes late, and before the last is given up.
            ("late*", unknown),
            ("twice", Outcome::Completed),
            ("undo_first", Outcome::Failed),
        ] {
            let plan = json!({ task.name.as_str(): [action] });
            cases.push(Case::new(format!("{}: {action}", task.name), plan, ends));
        }
    }
    for task in tasks.iter().filter(|task| task.undo.is_none()) {
        let name = task.name.as_str();
        // What leads to it: the last step, of which nobody knows; or the one before it, which is refused.
        let is_judge = dos.last().unwrap().undo.as_deref() == Some(name);
        let (first, how) = if is_judge { (&last, "transient*") } else { (&before_last, "refuse") };
        for action in ["transient", "kill_before", "kill_after", "hang_after", "late", "twice"] {
            let plan = json!({ first.as_str(): [how], name: [action] });
            cases.push(Case::new(format!("{name}: {action}"), plan, Outcome::Failed));
        }
        let plan = json!({ first.as_str(): [how], name: ["transient*"] });
        let mut case = Case::new(format!("{name}: fails for ever"), plan, Outcome::Failed);
        case.wants_operator = true;
        cases.push(case);
    }
    cases
}

async fn saga(operator: &Caller, booking: &str) -> Value {
    let path = format!("/operator/bookings/{booking}/saga");
    eventually(&format!("saga of {booking} has begun"), async || {
        let reply = operator.get(&path).await;
        (reply.status == 200).then_some(reply.body)
    })
    .await
}

async fn ended(operator: &Caller, booking: &str, what: &str) -> Value {
    within(ENDS_WITHIN, &format!("{what}: saga of {booking} has ended"), async || {
        let saga = saga(operator, booking).await;
        (saga["status"] != "running").then_some(saga)
    })
    .await
}

async fn live_through(platform: &Platform, machine: &Substituted, case: &Case) {
    let (operator, customer) = (platform.operator().await, platform.customer().await);
    let slot = platform.slot().await;
    machine.plan(&slot, &case.plan);
    let booking = customer.book_instant(&slot, "tok_visa").await;
    let saga = ended(&operator, &booking, &case.name).await;
    let wants_operator = saga["error"] == "ManualInterventionRequired";
    assert_eq!(wants_operator, case.wants_operator, "{}: {booking}: {saga}", case.name);
    if wants_operator {
        let letters = operator.get("/operator/dead-letters").await.expect(200);
        let mut letters = letters["items"].as_array().unwrap().iter();
        let is_told = letters.any(|it| {
            it["queue"] == "booking-resume" && it["body"].as_str().unwrap().contains(&booking)
        });
        assert!(is_told, "{}: {booking} has no letter", case.name);
        // The machine that takes sagas up asks the services themselves: the cause is gone.
        within(ENDS_WITHIN, &format!("{}: {booking} is taken up", case.name), async || {
            let path = "/operator/dead-letters/booking-resume/redrive";
            operator.send(reqwest::Method::POST, path, &[], None).await.expect(202);
            let taken_up = self::saga(&operator, &booking).await;
            (taken_up["error"] == "BookingFailed").then_some(())
        })
        .await;
    }
    remains(platform, &customer, &slot, &booking, case.ends, &case.name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_fails_in_every_way_and_nothing_remains() {
    let platform = Platform::up();
    platform.hold_provider_circuit().await;
    let machine = Substituted::deploy(&platform).await;
    let cases = cases(machine.tasks());
    assert!(cases.len() > 70, "{} cases", cases.len());
    let cases =
        futures::stream::iter(cases.iter().map(|case| live_through(&platform, &machine, case)));
    cases.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    machine.restore().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_cancels_at_any_step_wins_or_loses_cleanly() {
    let platform = Platform::up();
    platform.hold_provider_circuit().await;
    let machine = Substituted::deploy(&platform).await;
    let dos: Vec<&Task> = machine.tasks().iter().filter(|task| task.undo.is_some()).collect();
    let (last, before_last) = (dos[dos.len() - 1].name.clone(), dos[dos.len() - 2].name.clone());
    let judge = dos[dos.len() - 1].undo.clone().unwrap();
    let cases = machine.tasks().iter().map(|task| {
        let name = task.name.as_str();
        let plan = match &task.undo {
            Some(_) => json!({ name: ["pause"] }),
            None if name == judge => json!({ last.as_str(): ["transient*"], name: ["pause"] }),
            None => json!({ before_last.as_str(): ["refuse"], name: ["pause"] }),
        };
        (name, plan)
    });
    let cancel = async |(name, plan): (&str, Value)| {
        let (operator, customer) = (platform.operator().await, platform.customer().await);
        let slot = platform.slot().await;
        machine.plan(&slot, &plan);
        let booking = customer.book_instant(&slot, "tok_visa").await;
        machine.comes_to(&slot, name).await;
        let reply = customer.cancel(&booking).await;
        let told = match reply.status {
            202 => Outcome::Cancelled,
            _ => {
                reply.expect_problem(409, "conflict");
                Outcome::Failed
            }
        };
        ended(&operator, &booking, name).await;
        remains(&platform, &customer, &slot, &booking, told, &format!("cancelled at {name}")).await;
    };
    let cases = futures::stream::iter(cases.map(cancel));
    cases.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    // Before it has begun, as nearly as one can.
    let (customer, slot) = (platform.customer().await, platform.slot().await);
    let booking = customer.book_instant(&slot, "tok_visa").await;
    customer.cancel(&booking).await.expect(202);
    remains(&platform, &customer, &slot, &booking, Outcome::Cancelled, "cancelled at once").await;
    machine.restore().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_of_the_machine_leaves_alone_what_runs() {
    let platform = Platform::up();
    platform.hold_provider_circuit().await;
    let machine = Substituted::deploy(&platform).await;
    let (operator, customer) = (platform.operator().await, platform.customer().await);
    let slot = platform.slot().await;
    machine.plan(&slot, &json!({ "AuthorisePayment": ["pause"] }));
    let running = customer.book_instant(&slot, "tok_visa").await;
    machine.comes_to(&slot, "AuthorisePayment").await;
    machine.ends_otherwise("BookingCompleted").await;
    let (other, next_slot) = (platform.customer().await, platform.slot().await);
    let next = other.book_instant(&next_slot, "tok_visa").await;
    let told = ended(&operator, &running, "the old version").await;
    assert_eq!((&told["status"], told.get("error")), (&json!("succeeded"), None), "{told}");
    let told = ended(&operator, &next, "the new version").await;
    assert_eq!(told["error"], "AnotherVersion", "{told}");
    machine.restore().await;
    for (customer, slot, booking) in [(customer, slot, running), (other, next_slot, next)] {
        remains(&platform, &customer, &slot, &booking, Outcome::Completed, "both").await;
    }
}
