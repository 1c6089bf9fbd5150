//! Every step of the saga fails in every way: `cargo xtask test --only e2e`.
//!
//! While these tests run, the deployed state machine is substituted: each of its tasks invokes a function that follows
//! a plan (`src/bin/double.rs`). So they run after the other tests, and one at a time.

#![expect(clippy::unwrap_used, reason = "a failing test says where")]

mod final_state;
mod machine;

use std::time::Duration;

use futures::StreamExt as _;
use platform::{Caller, Platform, eventually, within};
use serde_json::{Value, json};

use final_state::{Outcome, check_final_state};
use machine::{Substituted, Task};

/// The number of concurrent bookings.
const CONCURRENCY: usize = 8;
/// The longest duration of a case, including twelve retries.
const ENDS_WITHIN: Duration = Duration::from_secs(120);

/// One way in which a saga can fail.
#[derive(Clone, Debug)]
struct Case {
    name: String,
    plan: Value,
    outcome: Outcome,
    needs_operator: bool,
}

impl Case {
    fn new(name: String, plan: Value, outcome: Outcome) -> Self {
        Self { name, plan, outcome, needs_operator: false }
    }
}

/// Every step of the state machine in every way.
fn cases(tasks: &[Task]) -> Vec<Case> {
    let steps: Vec<&Task> = tasks.iter().filter(|task| task.compensation.is_some()).collect();
    let last = steps.last().unwrap().name.clone();
    let before_last = steps[steps.len() - 2].name.clone();
    let mut cases = Vec::new();
    for task in &steps {
        let is_last = task.name == last;
        let unknown = if is_last { Outcome::Completed } else { Outcome::Failed };
        for (action, outcome) in [
            ("reject", Outcome::Failed),
            ("broken", Outcome::Failed),
            ("transient", Outcome::Completed),
            ("transient*", Outcome::Failed),
            ("crash_before", Outcome::Completed),
            ("crash_before*", Outcome::Failed),
            ("crash_after", Outcome::Completed),
            // Done, and all responses are lost.
            ("crash_after*", unknown),
            ("hang_after", Outcome::Completed),
            ("late", Outcome::Completed),
            // The first attempt takes effect late, but before the last attempt is abandoned.
            ("late*", unknown),
            ("duplicate", Outcome::Completed),
            ("compensate_first", Outcome::Failed),
        ] {
            let plan = json!({ task.name.as_str(): [action] });
            cases.push(Case::new(format!("{}: {action}", task.name), plan, outcome));
        }
    }
    for task in tasks.iter().filter(|task| task.compensation.is_none()) {
        let name = task.name.as_str();
        // What leads to it: the last step with an unknown result, or a rejection of the step before it.
        let is_last_compensation = steps.last().unwrap().compensation.as_deref() == Some(name);
        let (first, first_action) =
            if is_last_compensation { (&last, "transient*") } else { (&before_last, "reject") };
        for action in
            ["transient", "crash_before", "crash_after", "hang_after", "late", "duplicate"]
        {
            let plan = json!({ first.as_str(): [first_action], name: [action] });
            cases.push(Case::new(format!("{name}: {action}"), plan, Outcome::Failed));
        }
        let plan = json!({ first.as_str(): [first_action], name: ["transient*"] });
        let mut case = Case::new(format!("{name}: always fails"), plan, Outcome::Failed);
        case.needs_operator = true;
        cases.push(case);
    }
    cases
}

async fn saga(operator: &Caller, booking: &str) -> Value {
    let path = format!("/operator/bookings/{booking}/saga");
    eventually(&format!("saga of {booking} has started"), async || {
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

async fn run_case(platform: &Platform, machine: &Substituted, case: &Case) {
    let (operator, customer) = (platform.operator().await, platform.customer().await);
    let slot = platform.slot().await;
    machine.plan(&slot, &case.plan);
    let booking = customer.book_instant(&slot, "tok_visa").await;
    let saga = ended(&operator, &booking, &case.name).await;
    let needs_operator = saga["error"] == "ManualInterventionRequired";
    assert_eq!(needs_operator, case.needs_operator, "{}: {booking}: {saga}", case.name);
    if needs_operator {
        let dead_letters = operator.get("/operator/dead-letters").await.expect(200);
        let mut dead_letters = dead_letters["items"].as_array().unwrap().iter();
        let is_dead_lettered = dead_letters.any(|it| {
            it["queue"] == "booking-resume" && it["body"].as_str().unwrap().contains(&booking)
        });
        assert!(is_dead_lettered, "{}: {booking} has no dead letter", case.name);
        // The recovery machine calls the services directly, so the cause is gone.
        within(ENDS_WITHIN, &format!("{}: {booking} is recovered", case.name), async || {
            let path = "/operator/dead-letters/booking-resume/redrive";
            operator.send(reqwest::Method::POST, path, &[], None).await.expect(202);
            let recovered = self::saga(&operator, &booking).await;
            (recovered["error"] == "BookingFailed").then_some(())
        })
        .await;
    }
    check_final_state(platform, &customer, &slot, &booking, case.outcome, &case.name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_failure_of_every_step_is_retried_or_compensated() {
    let platform = Platform::up();
    platform.hold_provider_circuit().await;
    let machine = Substituted::deploy(&platform).await;
    let cases = cases(machine.tasks());
    assert!(cases.len() > 70, "{} cases", cases.len());
    let cases = futures::stream::iter(cases.iter().map(|case| run_case(&platform, &machine, case)));
    cases.buffer_unordered(CONCURRENCY).collect::<Vec<()>>().await;
    machine.restore().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_at_any_step_either_succeeds_or_is_rejected() {
    let platform = Platform::up();
    platform.hold_provider_circuit().await;
    let machine = Substituted::deploy(&platform).await;
    let steps: Vec<&Task> =
        machine.tasks().iter().filter(|task| task.compensation.is_some()).collect();
    let (last, before_last) =
        (steps[steps.len() - 1].name.clone(), steps[steps.len() - 2].name.clone());
    let last_compensation = steps[steps.len() - 1].compensation.clone().unwrap();
    let cases = machine.tasks().iter().map(|task| {
        let name = task.name.as_str();
        let plan = match &task.compensation {
            Some(_) => json!({ name: ["pause"] }),
            None if name == last_compensation => {
                json!({ last.as_str(): ["transient*"], name: ["pause"] })
            }
            None => json!({ before_last.as_str(): ["reject"], name: ["pause"] }),
        };
        (name, plan)
    });
    let cancel = async |(name, plan): (&str, Value)| {
        let (operator, customer) = (platform.operator().await, platform.customer().await);
        let slot = platform.slot().await;
        machine.plan(&slot, &plan);
        let booking = customer.book_instant(&slot, "tok_visa").await;
        machine.reaches(&slot, name).await;
        let reply = customer.cancel(&booking).await;
        let outcome = match reply.status {
            202 => Outcome::Cancelled,
            _ => {
                reply.expect_problem(409, "conflict");
                Outcome::Failed
            }
        };
        ended(&operator, &booking, name).await;
        check_final_state(
            &platform,
            &customer,
            &slot,
            &booking,
            outcome,
            &format!("cancelled at {name}"),
        )
        .await;
    };
    let cases = futures::stream::iter(cases.map(cancel));
    cases.buffer_unordered(CONCURRENCY).collect::<Vec<()>>().await;
    // Before the saga has started, as far as possible.
    let (customer, slot) = (platform.customer().await, platform.slot().await);
    let booking = customer.book_instant(&slot, "tok_visa").await;
    customer.cancel(&booking).await.expect(202);
    check_final_state(
        &platform,
        &customer,
        &slot,
        &booking,
        Outcome::Cancelled,
        "cancelled immediately",
    )
    .await;
    machine.restore().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_of_the_state_machine_does_not_change_running_executions() {
    let platform = Platform::up();
    platform.hold_provider_circuit().await;
    let machine = Substituted::deploy(&platform).await;
    let (operator, customer) = (platform.operator().await, platform.customer().await);
    let slot = platform.slot().await;
    machine.plan(&slot, &json!({ "AuthorisePayment": ["pause"] }));
    let running = customer.book_instant(&slot, "tok_visa").await;
    machine.reaches(&slot, "AuthorisePayment").await;
    machine.fail_at("BookingCompleted").await;
    let (other, next_slot) = (platform.customer().await, platform.slot().await);
    let next = other.book_instant(&next_slot, "tok_visa").await;
    let final_saga = ended(&operator, &running, "the old version").await;
    assert_eq!(
        (&final_saga["status"], final_saga.get("error")),
        (&json!("succeeded"), None),
        "{final_saga}"
    );
    let final_saga = ended(&operator, &next, "the new version").await;
    assert_eq!(final_saga["error"], "AnotherVersion", "{final_saga}");
    machine.restore().await;
    for (customer, slot, booking) in [(customer, slot, running), (other, next_slot, next)] {
        check_final_state(&platform, &customer, &slot, &booking, Outcome::Completed, "both").await;
    }
}
