//! The rules of the sagas: every step is retried, caught and compensated, and uses the commands of the services.

use std::collections::{BTreeSet, VecDeque};

use contracts::booking::FailureReason;
use contracts::message::Request;
use contracts::{billing, booking, parking};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use service_error::ErrorKind;

use crate::cloudformation::{Platform, Resource, STATE_MACHINE, entries, list, texts};
use crate::{files, read, root, stem};

/// A step with its compensation, in the order in which the steps are done.
struct Step {
    does: &'static str,
    compensation: &'static str,
    /// The reason of a booking whose step was refused.
    refused: FailureReason,
}

const BOOKING_SAGA: &[Step] = &[
    Step {
        does: "BlockSlot",
        compensation: "UnblockSlot",
        refused: FailureReason::SlotUnavailable,
    },
    Step {
        does: "AuthorisePayment",
        compensation: "RefundPayment",
        refused: FailureReason::PaymentDeclined,
    },
    // One compensation for both: it releases any hold of the booking on the slot.
    Step {
        does: "ReserveSlot",
        compensation: "UnblockSlot",
        refused: FailureReason::SlotUnavailable,
    },
    Step { does: "CompleteBooking", compensation: JUDGE, refused: FailureReason::Cancelled },
];

/// The end of a booking that came to nothing, whichever step it was that ended it.
const LAST: &str = "FailBooking";
/// Finds out whether a booking was completed although the response was lost, and is rejected only then.
const JUDGE: &str = "FailBookingUnlessCompleted";
/// Leaves a letter for the operator, and ends the execution.
const NOTIFY_OPERATOR: &str = "NotifyOperator";
const MANUAL_INTERVENTION_REQUIRED: &str = "ManualInterventionRequired";
const ALL: &str = "States.ALL";

fn machines() -> Vec<(String, Value)> {
    let found: Vec<_> = files(&root().join("statemachines"), ".asl.json")
        .iter()
        .map(|path| (stem(path), serde_json::from_str(&read(path)).expect("a definition is JSON")))
        .collect();
    assert!(!found.is_empty(), "there is no state machine");
    found
}

fn booking_saga() -> Value {
    machine("booking-saga")
}

fn machine(wanted: &str) -> Value {
    let found = machines().into_iter().find(|(name, _)| name == wanted);
    found.unwrap_or_else(|| unreachable!("there is no {wanted}")).1
}

fn tasks(machine: &Value) -> impl Iterator<Item = (&String, &Value)> {
    entries(&machine["States"]).filter(|(_, state)| state["Type"] == "Task")
}

/// The tasks that call a service, with the placeholder of its function.
fn commands(machine: &Value) -> impl Iterator<Item = (&String, &Value, &str)> {
    tasks(machine).filter_map(|(name, task)| {
        let function = task["Parameters"]["FunctionName"].as_str()?;
        Some((name, task, function.trim_start_matches("${").trim_end_matches('}')))
    })
}

fn is_compensation(name: &str) -> bool {
    name == LAST || BOOKING_SAGA.iter().any(|step| step.compensation == name)
}

/// Where a state may lead.
fn exits(state: &Value) -> BTreeSet<String> {
    let direct = [&state["Next"], &state["Default"]];
    let indirect = list(&state["Catch"]).chain(list(&state["Choices"])).map(|exit| &exit["Next"]);
    direct.into_iter().chain(indirect).filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The states that follow when nothing more goes wrong, the given one included.
fn path_from(machine: &Value, name: &str) -> Vec<String> {
    let next = |name: &String| machine["States"][name]["Next"].as_str().map(str::to_owned);
    std::iter::successors(Some(name.to_owned()), next).collect()
}

/// The number of attempts of a retrier, and the total of its pauses in seconds.
fn retry_budget(retrier: &Value) -> (u64, u64) {
    let attempts = retrier["MaxAttempts"].as_u64().expect("a retrier says how often");
    let mut pause = retrier["IntervalSeconds"].as_u64().unwrap_or(1);
    let factor = retrier["BackoffRate"].as_u64().unwrap_or(2);
    let most = retrier["MaxDelaySeconds"].as_u64().unwrap_or(u64::MAX);
    let mut pauses = 0;
    for _ in 0..attempts {
        pauses += pause.min(most);
        pause = pause.saturating_mul(factor);
    }
    (attempts, pauses)
}

/// The longest that a task may take with all its retries.
fn longest(task: &Value) -> u64 {
    let retriers: Vec<_> = list(&task["Retry"]).map(retry_budget).collect();
    let attempts: u64 = 1 + retriers.iter().map(|(attempts, _)| attempts).sum::<u64>();
    let pauses: u64 = retriers.iter().map(|(_, pauses)| pauses).sum();
    attempts * task["TimeoutSeconds"].as_u64().expect("a task has a time-out") + pauses
}

#[test]
fn every_task_is_retried_caught_and_timed() {
    for (machine, definition) in machines() {
        for (name, task) in tasks(&definition) {
            assert!(task["TimeoutSeconds"].is_u64(), "{machine}.{name} has no time-out");
            let again: Vec<_> = list(&task["Retry"]).filter(|it| it["MaxAttempts"] != 0).collect();
            assert!(!again.is_empty(), "{machine}.{name} is never retried");
            for retrier in &again {
                assert!(
                    retrier["BackoffRate"].as_u64() >= Some(2),
                    "{machine}.{name} does not back off"
                );
                assert_eq!(retrier["JitterStrategy"], "FULL", "{machine}.{name} retries in step");
                assert!(
                    retrier["MaxDelaySeconds"].is_u64(),
                    "{machine}.{name} has no maximal delay"
                );
            }
            for (list_name, last) in
                [("Retry", list(&task["Retry"]).last()), ("Catch", list(&task["Catch"]).last())]
            {
                let last = last.map(|it| texts(&it["ErrorEquals"])).unwrap_or_default();
                assert_eq!(last, [ALL], "{machine}.{name}: an error escapes its {list_name}");
            }
        }
    }
}

#[test]
fn every_state_can_be_reached_and_every_exit_exists() {
    for (machine, definition) in machines() {
        let states = &definition["States"];
        let mut reached = BTreeSet::new();
        let mut open =
            vec![definition["StartAt"].as_str().expect("it starts somewhere").to_owned()];
        while let Some(name) = open.pop() {
            let state = &states[&name];
            assert!(state.is_object(), "{machine} has no {name}");
            if reached.insert(name) {
                open.extend(exits(state));
            }
        }
        let all: BTreeSet<String> = entries(states).map(|(name, _)| name.clone()).collect();
        assert_eq!(reached, all, "{machine}");
    }
}

#[test]
fn errors_are_called_what_the_code_calls_them() {
    let ours = [ErrorKind::Rejected, ErrorKind::Transient, ErrorKind::Permanent]
        .map(ErrorKind::error_type);
    for (machine, definition) in machines() {
        for (name, task) in tasks(&definition) {
            let handlers = list(&task["Retry"]).chain(list(&task["Catch"]));
            for error in handlers.flat_map(|handler| texts(&handler["ErrorEquals"])) {
                let theirs = error.starts_with("States.") || error.starts_with("Lambda.");
                assert!(
                    theirs || ours.contains(&error.as_str()),
                    "{machine}.{name}: no service reports {error}"
                );
            }
        }
    }
}

#[test]
fn the_steps_follow_each_other_to_a_completed_booking() {
    let saga = booking_saga();
    let steps = BOOKING_SAGA.iter().map(|step| step.does);
    let expected: Vec<&str> = steps.chain(["BookingCompleted"]).collect();
    assert_eq!(path_from(&saga, saga["StartAt"].as_str().expect("it starts somewhere")), expected);
    assert_eq!(saga["States"]["BookingCompleted"]["Type"], "Succeed");
}

#[test]
fn a_step_that_ends_the_saga_is_compensated_with_all_before_it_in_reverse() {
    let saga = booking_saga();
    for (at, step) in BOOKING_SAGA.iter().enumerate() {
        // What is shared by two steps is compensated once, when the earlier of them is due.
        let mut compensations: Vec<&str> = Vec::new();
        for done in &BOOKING_SAGA[..=at] {
            if !compensations.contains(&done.compensation) {
                compensations.insert(0, done.compensation);
            }
        }
        compensations.extend([LAST, "BookingFailed"]);
        for catcher in list(&saga["States"][step.does]["Catch"]) {
            let next = catcher["Next"].as_str().expect("a catcher leads somewhere");
            let path = path_from(&saga, next);
            assert_eq!(path, compensations, "{} is caught by {next}", step.does);
            assert!(
                path.iter().any(|name| name == step.compensation),
                "{} skips its own compensation",
                step.does
            );
        }
    }
    assert_eq!(saga["States"]["BookingFailed"]["Type"], "Fail");
    assert_eq!(saga["States"]["BookingFailed"]["Error"], "BookingFailed");
}

#[test]
fn a_rejection_is_not_retried_and_every_other_error_is() {
    let saga = booking_saga();
    for step in BOOKING_SAGA {
        let first = list(&saga["States"][step.does]["Retry"]).next();
        let first = first.expect("a step has retriers");
        let errors = [ErrorKind::Rejected, ErrorKind::Permanent].map(ErrorKind::error_type);
        assert_eq!(texts(&first["ErrorEquals"]), errors, "{}", step.does);
        assert_eq!(first["MaxAttempts"], 0, "{}", step.does);
    }
}

#[test]
fn a_compensation_is_retried_for_minutes_and_then_reported_to_an_operator() {
    let saga = booking_saga();
    for (name, compensation) in tasks(&saga).filter(|(name, _)| is_compensation(name)) {
        let mut retriers: Vec<_> = list(&compensation["Retry"]).collect();
        let mut catchers: Vec<_> = list(&compensation["Catch"]).collect();
        if name == JUDGE {
            // Refused, it says that there is nothing to compensate.
            let (retrier, catcher) = (retriers.remove(0), catchers.remove(0));
            assert_eq!(texts(&retrier["ErrorEquals"]), [ErrorKind::Rejected.error_type()]);
            assert_eq!(retrier["MaxAttempts"], 0);
            assert_eq!(texts(&catcher["ErrorEquals"]), [ErrorKind::Rejected.error_type()]);
            assert_eq!(catcher["Next"], "BookingCompleted");
        }
        assert_eq!(retriers.len(), 1, "{name}");
        assert_eq!(
            texts(&retriers[0]["ErrorEquals"]),
            [ALL],
            "{name} is not retried for some error"
        );
        let (attempts, pauses) = retry_budget(retriers[0]);
        assert!(attempts >= 10 && pauses >= 300, "{name}: {attempts} attempts in {pauses} s");
        for catcher in catchers {
            assert_eq!(catcher["Next"], NOTIFY_OPERATOR, "{name}");
        }
    }
    for (name, task) in commands(&saga).map(|(name, task, _)| (name, task)) {
        let notifies = exits(task).contains(NOTIFY_OPERATOR);
        assert_eq!(notifies, is_compensation(name), "{name} leaves the saga incomplete");
        assert!(
            !exits(task).contains(MANUAL_INTERVENTION_REQUIRED),
            "{name} skips the notification"
        );
    }
    let tell = &saga["States"][NOTIFY_OPERATOR];
    assert_eq!(exits(tell), BTreeSet::from([MANUAL_INTERVENTION_REQUIRED.to_owned()]));
    let (attempts, pauses) = retry_budget(list(&tell["Retry"]).next().expect("it is retried"));
    assert!(attempts >= 10 && pauses >= 300, "{attempts} attempts in {pauses} s");
    assert_eq!(saga["States"][MANUAL_INTERVENTION_REQUIRED]["Type"], "Fail");
    assert_eq!(saga["States"][MANUAL_INTERVENTION_REQUIRED]["Error"], MANUAL_INTERVENTION_REQUIRED);
}

#[test]
fn a_recovery_runs_the_compensations_of_the_saga() {
    let (saga, recovery) = (booking_saga(), machine("booking-saga-undo"));
    let begins = recovery["StartAt"].as_str().expect("it starts somewhere");
    for (name, state) in entries(&recovery["States"]).filter(|(name, _)| *name != begins) {
        // The saga has the reason in a variable, since a catch has set it; here it came with the input.
        let expected = saga["States"][name].to_string().replace("$reason", "$.reason");
        assert_eq!(state.to_string(), expected, "{name}");
    }
    let compensated = |entry: &str| {
        path_from(&recovery, entry)
            .into_iter()
            .filter(|name| is_compensation(name))
            .collect::<BTreeSet<_>>()
    };
    let compensations = BOOKING_SAGA.iter().map(|step| step.compensation).chain([LAST]);
    let all: BTreeSet<String> = compensations.map(str::to_owned).collect();
    let mut but_the_judge = all.clone();
    but_the_judge.remove(JUDGE);
    let start = &recovery["States"][begins];
    assert_eq!(compensated(start["Default"].as_str().expect("a default")), but_the_judge);
    let mut judged = BTreeSet::new();
    for choice in list(&start["Choices"]) {
        assert_eq!(compensated(choice["Next"].as_str().expect("a state")), all);
        judged.insert(choice["StringEquals"].as_str().expect("a reason").to_owned());
    }
    // The reasons of a saga that ended after it had reached its last step, or at an unknown time.
    let last = list(&saga["States"]["CompleteBooking"]["Catch"]);
    let unclear = last.map(|it| it["Assign"]["reason"].as_str().expect("a reason").to_owned());
    assert_eq!(judged, unclear.chain(["saga_timeout".to_owned()]).collect());
}

#[test]
fn a_letter_holds_what_it_takes_to_take_the_saga_up() {
    for (name, definition) in machines() {
        let letter = &definition["States"][NOTIFY_OPERATOR]["Parameters"]["MessageBody"];
        let known: BTreeSet<&str> =
            entries(letter).map(|(key, _)| key.trim_end_matches(".$")).collect();
        let wanted = ["execution", "bookingId", "slotId", "correlationId", "reason", "failure"];
        assert_eq!(known, BTreeSet::from(wanted), "{name}");
        assert!(!letter.to_string().contains("token"), "{name} tells what pays");
    }
}

#[test]
fn every_catch_of_a_step_says_why_in_the_words_of_the_contract() {
    let saga = booking_saga();
    for step in BOOKING_SAGA {
        for catcher in list(&saga["States"][step.does]["Catch"]) {
            let reason = &catcher["Assign"]["reason"];
            let reason: FailureReason = serde_json::from_value(reason.clone())
                .unwrap_or_else(|_| unreachable!("{}: {reason} is no known reason", step.does));
            let errors = texts(&catcher["ErrorEquals"]);
            if errors.iter().any(|error| error == ErrorKind::Rejected.error_type()) {
                assert_eq!(reason, step.refused, "{}", step.does);
            } else {
                assert_ne!(reason, step.refused, "{}: {errors:?} is no refusal", step.does);
            }
        }
    }
}

#[test]
fn every_state_is_given_the_whole_input() {
    // So a compensation gets the same input as its step, whatever the states between have returned.
    for (name, task) in tasks(&booking_saga()) {
        assert_eq!(task.get("ResultPath"), Some(&Value::Null), "{name} adds to the input");
        for catcher in list(&task["Catch"]).filter(|catcher| catcher["Next"] != NOTIFY_OPERATOR) {
            assert_eq!(catcher.get("ResultPath"), Some(&Value::Null), "{name} adds to the input");
        }
    }
}

#[test]
fn every_task_sends_a_command_that_its_service_understands() {
    let machines = machines();
    let all = machines.iter().flat_map(|(_, definition)| commands(definition));
    for (name, task, function) in all {
        let parameters = &task["Parameters"];
        let command = parameters["Payload"]["command"].as_str().expect("a task has a command");
        let named = name.to_lowercase().starts_with(&command.to_lowercase());
        assert!(named, "{name} sends {command}");
        let payload: Value = entries(&parameters["Payload"])
            .map(|(key, value)| (key.trim_end_matches(".$").to_owned(), sample(value)))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let understood = match function {
            "ParkingCommandFunctionArn" => understand::<parking::Command>(&payload),
            "BillingCommandFunctionArn" => understand::<billing::Command>(&payload),
            "BookingCommandFunctionArn" => understand::<booking::Command>(&payload),
            other => unreachable!("{name} calls {other}"),
        };
        assert_eq!(understood, payload, "{name}");
    }
}

/// What a payload's field may hold when the saga runs.
fn sample(value: &Value) -> Value {
    const ID: &str = "01939d5e-7c80-7000-8000-000000000001";
    match value.as_str() {
        Some("$.slotId" | "$.bookingId" | "$.correlationId") => json!(ID),
        Some("$.customer") => json!("customer-1"),
        Some("$.token") => json!("tok_visa"),
        Some("$reason" | "$.reason") => json!(FailureReason::SlotUnavailable),
        _ => value.clone(),
    }
}

/// Reads a request and writes it again: what the service did not understand is missing.
fn understand<C: DeserializeOwned + Serialize>(payload: &Value) -> Value {
    let request: Request<C> = serde_json::from_value(payload.clone())
        .unwrap_or_else(|error| unreachable!("the service rejects {payload}: {error}"));
    serde_json::to_value(request).expect("a request is JSON")
}

// ---- The machine and its picture

/// A machine as a Mermaid diagram: what follows when all goes well, and where each catch leads, with the reason it sets.
fn diagram(machine: &Value) -> String {
    let start = machine["StartAt"].as_str().expect("it starts somewhere");
    let mut lines = vec!["stateDiagram-v2".to_owned(), format!("  [*] --> {start}")];
    let (mut open, mut drawn) = (VecDeque::from([start.to_owned()]), BTreeSet::new());
    while let Some(name) = open.pop_front() {
        if !drawn.insert(name.clone()) {
            continue;
        }
        let state = &machine["States"][&name];
        let mut edges: Vec<(String, Vec<String>)> = Vec::new();
        let mut add = |next: &Value, label: Option<String>| {
            let next = next.as_str().expect("an exit leads somewhere").to_owned();
            match edges.iter_mut().find(|(known, _)| *known == next) {
                Some((_, labels)) => labels.extend(label),
                None => edges.push((next, label.into_iter().collect())),
            }
        };
        for exit in [&state["Next"], &state["Default"]].into_iter().filter(|it| it.is_string()) {
            add(exit, None);
        }
        for choice in list(&state["Choices"]) {
            add(&choice["Next"], choice["StringEquals"].as_str().map(str::to_owned));
        }
        for catcher in list(&state["Catch"]) {
            let reason = catcher["Assign"]["reason"].as_str().map(str::to_owned);
            // What follows anyway needs no other reason.
            if catcher["Next"] != state["Next"] {
                let label = reason.unwrap_or_else(|| texts(&catcher["ErrorEquals"]).join(", "));
                add(&catcher["Next"], Some(label.replace(ALL, "fails for minutes")));
            }
        }
        if edges.is_empty() {
            lines.push(format!("  {name} --> [*]"));
        }
        for (next, labels) in edges {
            let label =
                if labels.is_empty() { String::new() } else { format!(": {}", labels.join(", ")) };
            lines.push(format!("  {name} --> {next}{label}"));
            open.push_back(next);
        }
    }
    lines.join("\n")
}

#[test]
fn the_docs_show_the_machines_as_they_are() {
    let page = read(&root().join("docs/patterns/saga-orchestrated.md"));
    for (name, definition) in machines() {
        let diagram = format!("```mermaid\n{}\n```", diagram(&definition));
        assert!(page.contains(&diagram), "the page has another {name} than this:\n{diagram}");
    }
}

// ---- The machine and its template

/// The machine as a template deploys it.
fn deployed<'a>(platform: &'a Platform, machine: &str) -> &'a Resource {
    let path = format!("../statemachines/{machine}.asl.json");
    platform
        .all(STATE_MACHINE)
        .find(|resource| resource.property("DefinitionS3Location") == path.as_str())
        .unwrap_or_else(|| unreachable!("no template deploys {machine}"))
}

#[test]
fn the_template_substitutes_what_the_machine_names_and_lets_it_invoke_no_more() {
    let platform = Platform::of_stage("prod");
    for (machine, definition) in machines() {
        let resource = deployed(&platform, &machine);
        assert_eq!(resource.text("StateMachineName"), format!("parkade-prod-{machine}"));
        let payload = commands(&definition).map(|(_, _, function)| function.to_owned());
        let mut named: BTreeSet<String> = payload.collect();
        named.insert("ResumeDeadLettersUrl".to_owned());
        let substitutions = resource.property("DefinitionSubstitutions");
        let given: BTreeSet<String> =
            entries(substitutions).map(|(name, _)| name.clone()).collect();
        assert_eq!(named, given, "{machine}");
        let may = |action: &str| -> BTreeSet<String> {
            let statements = platform.by_arn(resource.text("RoleArn")).statements().into_iter();
            let allowing = statements.filter(|statement| statement.actions == [action]);
            allowing.flat_map(|statement| statement.resources).collect()
        };
        let mut invoked: BTreeSet<String> = entries(substitutions)
            .map(|(_, target)| target.as_str().expect("an ARN or an address").to_owned())
            .collect();
        let letters = substitutions["ResumeDeadLettersUrl"].as_str().expect("an address");
        invoked.remove(letters);
        assert_eq!(invoked, may("lambda:InvokeFunction"), "{machine}");
        let sent_to = may("sqs:SendMessage");
        let [sent_to] = sent_to.iter().collect::<Vec<_>>()[..] else {
            unreachable!("{machine} may send to {sent_to:?}")
        };
        assert_eq!(
            letters.rsplit('/').next(),
            Some(platform.by_arn(sent_to).text("QueueName")),
            "{machine}"
        );
    }
}

#[test]
fn a_task_waits_longer_than_its_function_runs() {
    // Otherwise a compensation could begin while its step still runs.
    let platform = Platform::of_stage("prod");
    for (machine, definition) in machines() {
        let substitutions = deployed(&platform, &machine).property("DefinitionSubstitutions");
        for (name, task, function) in commands(&definition) {
            let function = substitutions[function].as_str();
            let function = platform.by_arn(function.expect("the template substitutes it"));
            let waits = task["TimeoutSeconds"].as_u64().expect("a task has a time-out");
            assert!(waits > function.number("Timeout"), "{machine}.{name} waits {waits} s");
        }
    }
}

#[test]
fn the_machines_own_time_out_never_cuts_off_a_compensation() {
    // It ends an execution where it stands, and nothing compensates its steps: it is a last resort.
    for (machine, definition) in machines() {
        let all: u64 = tasks(&definition).map(|(_, task)| longest(task)).sum();
        let limit = definition["TimeoutSeconds"].as_u64();
        assert!(limit > Some(all), "{machine} may take {all} s and is given {limit:?}");
    }
}

#[test]
fn a_provider_that_is_down_keeps_a_customer_waiting_for_less_than_30_seconds() {
    // Within one call billing tries for up to 8 seconds; the machine adds its retries and their pauses to that.
    const CALL_SECONDS: u64 = 8;
    let saga = booking_saga();
    let transient = list(&saga["States"]["AuthorisePayment"]["Retry"]).find(|it| {
        texts(&it["ErrorEquals"]).iter().any(|error| error == ErrorKind::Transient.error_type())
    });
    let (attempts, pauses) =
        retry_budget(transient.expect("what is transient has a retrier of its own"));
    let waits = (1 + attempts) * CALL_SECONDS + pauses;
    assert!(waits <= 20, "{waits} s, and the compensations come after that");
}
