//! The interpreter runs the deployed saga, and small changes of it.

mod rejections;

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep};

use super::{Ended, ExecutionEvent, Machine, Runtime, TaskError};

const DEFINITION: &str = include_str!("../../../../../statemachines/booking-saga.asl.json");
const UNDO: &str = include_str!("../../../../../statemachines/booking-saga-undo.asl.json");

/// A scripted result of a function.
struct Scripted {
    takes: Duration,
    result: Result<(), &'static str>,
}

const DONE: Scripted = Scripted { takes: Duration::ZERO, result: Ok(()) };

const fn fails(error: &'static str) -> Scripted {
    Scripted { takes: Duration::ZERO, result: Err(error) }
}

/// Functions with scripted results: by the command, and the number of its earlier attempts.
struct ScriptedRuntime<F> {
    script: F,
    /// The part of the longest pause that is waited for.
    chance: fn(u64) -> u64,
    /// The payloads of the functions, in order.
    invocations: RefCell<Vec<(String, Value)>>,
    /// The commands that have run to their end.
    ran: Rc<RefCell<Vec<String>>>,
    events: RefCell<Vec<String>>,
    /// The messages sent to queues.
    messages: RefCell<Vec<(String, Value)>>,
}

impl<F: Fn(&str, usize) -> Scripted> ScriptedRuntime<F> {
    fn new(script: F) -> Self {
        Self {
            script,
            chance: |end| end - 1,
            invocations: RefCell::default(),
            ran: Rc::default(),
            events: RefCell::default(),
            messages: RefCell::default(),
        }
    }

    async fn run(&self, machine: &Machine) -> Ended {
        let input = json!({
            "bookingId": "b", "slotId": "s", "correlationId": "c", "customer": "u", "token": "t",
        });
        LocalSet::new().run_until(machine.run(input, self)).await
    }

    /// The commands in order, without retries.
    fn commands(&self) -> Vec<String> {
        let mut commands: Vec<String> = self
            .invocations
            .borrow()
            .iter()
            .map(|(_, payload)| command(payload).to_owned())
            .collect();
        commands.dedup();
        commands
    }

    fn attempts(&self, name: &str) -> usize {
        self.invocations.borrow().iter().filter(|(_, payload)| command(payload) == name).count()
    }

    fn reason(&self) -> Option<Value> {
        self.invocations.borrow().iter().find_map(|(_, payload)| payload.get("reason").cloned())
    }

    fn observed(&self, start: &str) -> Vec<String> {
        self.events.borrow().iter().filter(|observe| observe.starts_with(start)).cloned().collect()
    }
}

fn command(payload: &Value) -> &str {
    payload["command"].as_str().expect("every task sends a command")
}

impl<F: Fn(&str, usize) -> Scripted> Runtime for ScriptedRuntime<F> {
    fn invoke(
        &self,
        function: &str,
        payload: Value,
    ) -> impl Future<Output = Result<Value, TaskError>> {
        let name = command(&payload).to_owned();
        let Scripted { takes, result } = (self.script)(&name, self.attempts(&name));
        self.invocations.borrow_mut().push((function.to_owned(), payload));
        let ran = Rc::clone(&self.ran);
        let function = tokio::task::spawn_local(async move {
            sleep(takes).await;
            ran.borrow_mut().push(name);
            result.map(|()| json!({ "a result": "that is dropped" })).map_err(|error| TaskError {
                error: error.to_owned(),
                cause: "it \"broke\"".into(),
            })
        });
        async { function.await.expect("a function does not panic") }
    }

    async fn send(&self, queue: &str, body: Value) -> Result<(), TaskError> {
        self.messages.borrow_mut().push((queue.to_owned(), body));
        Ok(())
    }

    fn name(&self) -> &'static str {
        "the execution"
    }

    fn chance(&self, end: u64) -> u64 {
        (self.chance)(end)
    }

    fn observe(&self, what: ExecutionEvent<'_>) {
        self.events.borrow_mut().push(format!("{what:?}"));
    }
}

fn machine() -> Machine {
    Machine::read(DEFINITION).expect("the saga is interpreted")
}

/// The saga's definition with one value replaced.
fn changed(pointer: &str, value: Value) -> String {
    let mut definition: Value = serde_json::from_str(DEFINITION).expect("a definition is JSON");
    let (parent, field) = pointer.rsplit_once('/').expect("a pointer has a slash");
    definition.pointer_mut(parent).expect("the saga has it")[field] = value;
    definition.to_string()
}

fn changed_machine(pointer: &str, value: Value) -> Machine {
    Machine::read(&changed(pointer, value)).expect("the change is interpreted")
}

#[tokio::test(start_paused = true)]
async fn a_successful_booking_calls_each_service_in_order() {
    let runtime = ScriptedRuntime::new(|_, _| DONE);
    let ended = runtime.run(&machine()).await;
    let (parking, billing, booking) = (
        "${ParkingCommandFunctionArn}".to_owned(),
        "${BillingCommandFunctionArn}".to_owned(),
        "${BookingCommandFunctionArn}".to_owned(),
    );
    assert_eq!(machine().functions(), [billing.as_str(), &booking, &parking].into());
    let ids = |command: &str| json!({ "command": command, "slotId": "s", "bookingId": "b", "cause": "c" });
    let mut charge = ids("authorisePayment");
    charge["customer"] = json!("u");
    charge["token"] = json!("t");
    let complete = json!({ "command": "completeBooking", "bookingId": "b", "cause": "c" });
    let expected = [
        (parking.clone(), ids("blockSlot")),
        (billing, charge),
        (parking, ids("reserveSlot")),
        (booking, complete),
    ];
    assert_eq!(*runtime.invocations.borrow(), expected);
    let Ended::Succeeded { at, output } = ended else { unreachable!("{ended:?}") };
    assert_eq!(at, "BookingCompleted");
    assert_eq!(output["token"], "t");
    assert_eq!(output.as_object().map(serde_json::Map::len), Some(5), "results add nothing");
}

#[tokio::test(start_paused = true)]
async fn a_failed_step_and_those_before_it_are_compensated_in_reverse_with_a_reason() {
    const STEPS: [&str; 4] = ["blockSlot", "authorisePayment", "reserveSlot", "completeBooking"];
    // The steps that are attempted, their compensations, and the reason for a rejected, broken or unknown result.
    let release = ["unblockSlot", "failBooking"].as_slice();
    let repay = ["refundPayment", "unblockSlot", "failBooking"].as_slice();
    let judge = ["failBooking", "refundPayment", "unblockSlot", "failBooking"].as_slice();
    let taken = ["slot_unavailable", "slot_unavailable", "saga_timeout"];
    let unpaid = ["payment_declined", "payment_unavailable", "payment_unavailable"];
    let cancelled = ["cancelled", "cancelled", "saga_timeout"];
    for (at, compensations, reasons) in
        [(0, release, taken), (1, repay, unpaid), (2, repay, taken), (3, judge, cancelled)]
    {
        for (error, reason) in ["Rejected", "Permanent", "Lambda.Unknown"].into_iter().zip(reasons)
        {
            let runtime =
                ScriptedRuntime::new(
                    |command, _| if command == STEPS[at] { fails(error) } else { DONE },
                );
            let ended = runtime.run(&machine()).await;
            let expected = [&STEPS[..=at], compensations].concat();
            assert_eq!(runtime.commands(), expected, "{} {error}", STEPS[at]);
            assert_eq!(runtime.reason(), Some(json!(reason)), "{} {error}", STEPS[at]);
            let (state, error) = ("BookingFailed".to_owned(), "BookingFailed".to_owned());
            assert_eq!(ended, Ended::Failed { state, error, cause: reason.to_owned() });
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_completion_with_a_lost_response_is_not_compensated() {
    let runtime = ScriptedRuntime::new(|command, _| match command {
        "completeBooking" => fails("Transient"),
        "failBooking" => fails("Rejected"),
        _ => DONE,
    });
    let ended = runtime.run(&machine()).await;
    assert_eq!(runtime.commands().last().map(String::as_str), Some("failBooking"));
    assert_eq!(runtime.observed("Entered").len(), 6);
    assert!(matches!(ended, Ended::Succeeded { at, .. } if at == "BookingCompleted"));
}

#[tokio::test(start_paused = true)]
async fn retries_are_limited_and_their_pauses_have_growing_bounds() {
    let no = |command: &str, _| if command == "blockSlot" { fails("Rejected") } else { DONE };
    let never = |command: &str, _| if command == "blockSlot" { fails("Transient") } else { DONE };
    let start = Instant::now();
    let runtime = ScriptedRuntime::new(never);
    runtime.run(&machine()).await;
    assert_eq!(runtime.attempts("blockSlot"), 4);
    assert_eq!(start.elapsed(), Duration::from_secs(1 + 2 + 4));
    assert_eq!(
        runtime.observed("Retries"),
        [1, 2, 4].map(|seconds| format!("Retries {{ after: {seconds}s }}"))
    );

    let start = Instant::now();
    let runtime = ScriptedRuntime { chance: |_| 0, ..ScriptedRuntime::new(never) };
    runtime.run(&machine()).await;
    assert_eq!(runtime.attempts("blockSlot"), 4);
    assert!(start.elapsed() < Duration::from_millis(10), "tokio's clock has whole milliseconds");

    let runtime = ScriptedRuntime::new(no);
    runtime.run(&machine()).await;
    assert_eq!(runtime.attempts("blockSlot"), 1, "a retrier without attempts is used first");

    let plain =
        json!([{ "ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 3, "BackoffRate": 3 }]);
    let start = Instant::now();
    let runtime =
        ScriptedRuntime { chance: |_| unreachable!("no jitter"), ..ScriptedRuntime::new(never) };
    runtime.run(&changed_machine("/States/BlockSlot/Retry", plain)).await;
    assert_eq!(runtime.attempts("blockSlot"), 4, "three retries, unless it says otherwise");
    assert_eq!(start.elapsed(), Duration::from_secs(3 + 9 + 27));
}

#[tokio::test(start_paused = true)]
async fn a_retrier_counts_its_own_attempts_only() {
    let errors = ["Transient", "Lambda.Unknown", "Transient"];
    let runtime = ScriptedRuntime::new(|command, before| match command {
        "authorisePayment" => fails(errors[before]),
        _ => DONE,
    });
    runtime.run(&machine()).await;
    assert_eq!(runtime.attempts("authorisePayment"), 3);
    // Each starts with its own first pause, the shortest.
    assert_eq!(runtime.observed("Retries"), ["Retries { after: 1s }", "Retries { after: 1s }"]);
    assert_eq!(runtime.reason(), Some(json!("payment_unavailable")));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_times_out_and_its_function_continues() {
    let runtime = ScriptedRuntime::new(|command, before| match (command, before) {
        ("blockSlot", 0) => Scripted { takes: Duration::from_secs(9), result: Ok(()) },
        ("blockSlot", _) => Scripted { takes: Duration::from_secs(7), result: Ok(()) },
        _ => DONE,
    });
    let ended = runtime.run(&machine()).await;
    assert!(matches!(ended, Ended::Succeeded { .. }));
    assert_eq!(runtime.observed("Failed"), ["Failed { error: \"States.Timeout\", cause: \"\" }"]);
    assert_eq!(runtime.ran.borrow()[..2], ["blockSlot", "blockSlot"]);

    // `States.TaskFailed` does not match a timeout.
    let retry = json!([{ "ErrorEquals": ["States.TaskFailed"] }]);
    let runtime =
        ScriptedRuntime::new(|_, _| Scripted { takes: Duration::from_secs(9), result: Ok(()) });
    runtime.run(&changed_machine("/States/BlockSlot/Retry", retry)).await;
    assert_eq!(runtime.attempts("blockSlot"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_compensation_that_keeps_failing_is_dead_lettered_with_all_details() {
    for compensation in ["refundPayment", "unblockSlot", "failBooking"] {
        let runtime = ScriptedRuntime::new(|command, _| match command {
            "authorisePayment" => fails("Rejected"),
            command if command == compensation => fails("Transient"),
            _ => DONE,
        });
        let start = Instant::now();
        let ended = runtime.run(&machine()).await;
        assert_eq!(runtime.attempts(compensation), 13);
        assert_eq!(start.elapsed(), Duration::from_secs(1 + 2 + 4 + 8 + 16 + 32 + 6 * 60));
        let Ended::Failed { state, error, cause } = ended else { unreachable!("{ended:?}") };
        assert_eq!([state, error], ["ManualInterventionRequired", "ManualInterventionRequired"]);
        let (reason, failure) = cause.split_once(": ").expect("a reason and a failure");
        assert_eq!(reason, "payment_declined");
        let failure: Value = serde_json::from_str(failure).expect("the failure is JSON");
        assert_eq!(failure, json!({ "Error": "Transient", "Cause": "it \"broke\"" }));
        let message = json!({
            "execution": "the execution", "bookingId": "b", "slotId": "s", "correlationId": "c",
            "reason": "payment_declined", "failure": failure,
        });
        assert_eq!(*runtime.messages.borrow(), [("${ResumeDeadLettersUrl}".to_owned(), message)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_recovery_starts_with_the_first_compensation_that_may_be_needed() {
    let recovery = Machine::read(UNDO).expect("the recovery is interpreted");
    for (reason, commands) in [
        ("slot_unavailable", &["refundPayment", "unblockSlot", "failBooking"][..]),
        ("cancelled", &["failBooking", "refundPayment", "unblockSlot", "failBooking"]),
        ("saga_timeout", &["failBooking", "refundPayment", "unblockSlot", "failBooking"]),
    ] {
        let runtime = ScriptedRuntime::new(|_, _| DONE);
        let input =
            json!({ "bookingId": "b", "slotId": "s", "correlationId": "c", "reason": reason });
        let ended = LocalSet::new().run_until(recovery.run(input, &runtime)).await;
        assert!(matches!(ended, Ended::Failed { error, .. } if error == "BookingFailed"));
        assert_eq!(runtime.commands(), commands, "{reason}");
        assert_eq!(runtime.reason(), Some(json!(reason)));
    }
}

#[tokio::test(start_paused = true)]
async fn the_timeout_of_the_machine_ends_the_execution_during_a_task() {
    let runtime =
        ScriptedRuntime::new(|_, _| Scripted { takes: Duration::from_secs(7), result: Ok(()) });
    let start = Instant::now();
    let local = LocalSet::new();
    let machine = changed_machine("/TimeoutSeconds", json!(10));
    let input =
        json!({ "slotId": "", "bookingId": "", "correlationId": "", "customer": "", "token": "" });
    assert_eq!(local.run_until(machine.run(input, &runtime)).await, Ended::TimedOut);
    assert_eq!(start.elapsed(), Duration::from_secs(10));
    assert_eq!(*runtime.ran.borrow(), ["blockSlot"]);
    local.await;
    assert_eq!(*runtime.ran.borrow(), ["blockSlot", "authorisePayment"]);
    assert_eq!(runtime.observed("Ended"), ["Ended(TimedOut)"]);
}

#[tokio::test(start_paused = true)]
async fn an_uncaught_error_ends_the_execution() {
    // Errors that AWS calls terminal, and a reference to a missing value: no wildcard matches them.
    let runtime = ScriptedRuntime::new(|_, _| fails("States.DataLimitExceeded"));
    let ended = runtime.run(&machine()).await;
    assert!(matches!(ended, Ended::Failed { state, error, .. }
        if state == "BlockSlot" && error == "States.DataLimitExceeded"));
    for (reference, expected) in [
        ("$.no.such", "the input has no `$.no.such`"),
        ("$reason", "nothing has assigned `$reason`"),
    ] {
        let machine =
            changed_machine("/States/BlockSlot/Parameters/Payload/slotId.$", json!(reference));
        let runtime = ScriptedRuntime::new(|_, _| DONE);
        let (state, error) = ("BlockSlot".to_owned(), "States.Runtime".to_owned());
        let ended = runtime.run(&machine).await;
        assert_eq!(ended, Ended::Failed { state, error, cause: expected.to_owned() });
        assert!(runtime.invocations.borrow().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn events_are_observed_in_the_order_of_a_history() {
    let runtime = ScriptedRuntime::new(|command, before| match (command, before) {
        ("blockSlot", 0) => fails("Transient"),
        ("blockSlot", _) => fails("Rejected"),
        _ => DONE,
    });
    runtime.run(&machine()).await;
    let events = runtime.events.borrow();
    let kinds: Vec<&str> =
        events.iter().map(|it| it.split([' ', '(']).next().unwrap_or(it)).collect();
    let refused =
        ["Entered", "Attempted", "Failed", "Retries", "Attempted", "Failed", "Caught", "Left"];
    let done = ["Entered", "Attempted", "Succeeded", "Left"];
    assert_eq!(kinds, [&refused[..], &done, &done, &["Entered", "Ended"]].concat());
    assert_eq!(events[7], "Left { next: \"UnblockSlot\" }");
    assert_eq!(events[16], "Entered { state: \"BookingFailed\", is_task: false }");
}
