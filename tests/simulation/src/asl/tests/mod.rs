//! The interpreter runs the saga that is deployed, and small changes of it.

mod refusals;

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep};

use super::{Ended, Happening, Host, Machine, TaskError};

const DEFINITION: &str = include_str!("../../../../../statemachines/booking-saga.asl.json");
const UNDO: &str = include_str!("../../../../../statemachines/booking-saga-undo.asl.json");

/// How a function answers.
struct Answer {
    takes: Duration,
    says: Result<(), &'static str>,
}

const DONE: Answer = Answer { takes: Duration::ZERO, says: Ok(()) };

const fn fails(error: &'static str) -> Answer {
    Answer { takes: Duration::ZERO, says: Err(error) }
}

/// Functions that answer by a script: the command, and how often it was asked for before.
struct Stage<F> {
    script: F,
    /// How much of the longest pause is waited for.
    chance: fn(u64) -> u64,
    /// What the functions were asked, in order.
    asked: RefCell<Vec<(String, Value)>>,
    /// The commands that have run to their end.
    ran: Rc<RefCell<Vec<String>>>,
    notes: RefCell<Vec<String>>,
    /// What was sent to queues.
    letters: RefCell<Vec<(String, Value)>>,
}

impl<F: Fn(&str, usize) -> Answer> Stage<F> {
    fn new(script: F) -> Self {
        Self {
            script,
            chance: |end| end - 1,
            asked: RefCell::default(),
            ran: Rc::default(),
            notes: RefCell::default(),
            letters: RefCell::default(),
        }
    }

    async fn play(&self, machine: &Machine) -> Ended {
        let input = json!({
            "bookingId": "b", "slotId": "s", "correlationId": "c", "customer": "u", "token": "t",
        });
        LocalSet::new().run_until(machine.run(input, self)).await
    }

    /// The commands as they were asked for, without those that were asked for again.
    fn commands(&self) -> Vec<String> {
        let mut commands: Vec<String> =
            self.asked.borrow().iter().map(|(_, payload)| command(payload).to_owned()).collect();
        commands.dedup();
        commands
    }

    fn attempts(&self, asked_for: &str) -> usize {
        self.asked.borrow().iter().filter(|(_, payload)| command(payload) == asked_for).count()
    }

    fn reason(&self) -> Option<Value> {
        self.asked.borrow().iter().find_map(|(_, payload)| payload.get("reason").cloned())
    }

    fn noted(&self, start: &str) -> Vec<String> {
        self.notes.borrow().iter().filter(|note| note.starts_with(start)).cloned().collect()
    }
}

fn command(payload: &Value) -> &str {
    payload["command"].as_str().expect("every task asks for a command")
}

impl<F: Fn(&str, usize) -> Answer> Host for Stage<F> {
    fn invoke(
        &self,
        function: &str,
        payload: Value,
    ) -> impl Future<Output = Result<Value, TaskError>> {
        let name = command(&payload).to_owned();
        let Answer { takes, says } = (self.script)(&name, self.attempts(&name));
        self.asked.borrow_mut().push((function.to_owned(), payload));
        let ran = Rc::clone(&self.ran);
        let function = tokio::task::spawn_local(async move {
            sleep(takes).await;
            ran.borrow_mut().push(name);
            says.map(|()| json!({ "an answer": "that nobody reads" })).map_err(|error| TaskError {
                error: error.to_owned(),
                cause: "it \"broke\"".into(),
            })
        });
        async { function.await.expect("a function does not panic") }
    }

    async fn send(&self, queue: &str, body: Value) -> Result<(), TaskError> {
        self.letters.borrow_mut().push((queue.to_owned(), body));
        Ok(())
    }

    fn name(&self) -> &'static str {
        "the execution"
    }

    fn chance(&self, end: u64) -> u64 {
        (self.chance)(end)
    }

    fn note(&self, what: Happening<'_>) {
        self.notes.borrow_mut().push(format!("{what:?}"));
    }
}

fn machine() -> Machine {
    Machine::read(DEFINITION).expect("the saga is interpreted")
}

/// The saga with something else in the place of what a pointer leads to.
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
async fn a_booking_that_goes_well_asks_each_service_in_turn() {
    let stage = Stage::new(|_, _| DONE);
    let ended = stage.play(&machine()).await;
    let (parking, billing, booking) = (
        "${ParkingCommandFunctionArn}".to_owned(),
        "${BillingCommandFunctionArn}".to_owned(),
        "${BookingCommandFunctionArn}".to_owned(),
    );
    assert_eq!(machine().functions(), [billing.as_str(), &booking, &parking].into());
    let ids =
        |asked: &str| json!({ "command": asked, "slotId": "s", "bookingId": "b", "cause": "c" });
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
    assert_eq!(*stage.asked.borrow(), expected);
    let Ended::Succeeded { at, output } = ended else { unreachable!("{ended:?}") };
    assert_eq!(at, "BookingCompleted");
    assert_eq!(output["token"], "t");
    assert_eq!(output.as_object().map(serde_json::Map::len), Some(5), "answers add nothing");
}

#[tokio::test(start_paused = true)]
async fn a_step_that_fails_is_undone_with_those_before_it_in_reverse_and_says_why() {
    const STEPS: [&str; 4] = ["blockSlot", "authorisePayment", "reserveSlot", "completeBooking"];
    // How many steps come to be asked for, their undos, and the reason if it is refused, broken or unknown.
    let release = ["unblockSlot", "failBooking"].as_slice();
    let repay = ["refundPayment", "unblockSlot", "failBooking"].as_slice();
    let judge = ["failBooking", "refundPayment", "unblockSlot", "failBooking"].as_slice();
    let taken = ["slot_unavailable", "slot_unavailable", "saga_timeout"];
    let unpaid = ["payment_declined", "payment_unavailable", "payment_unavailable"];
    let cancelled = ["cancelled", "cancelled", "saga_timeout"];
    for (at, undos, reasons) in
        [(0, release, taken), (1, repay, unpaid), (2, repay, taken), (3, judge, cancelled)]
    {
        for (error, reason) in ["Rejected", "Permanent", "Lambda.Unknown"].into_iter().zip(reasons)
        {
            let stage =
                Stage::new(|command, _| if command == STEPS[at] { fails(error) } else { DONE });
            let ended = stage.play(&machine()).await;
            let expected = [&STEPS[..=at], undos].concat();
            assert_eq!(stage.commands(), expected, "{} {error}", STEPS[at]);
            assert_eq!(stage.reason(), Some(json!(reason)), "{} {error}", STEPS[at]);
            let (state, error) = ("BookingFailed".to_owned(), "BookingFailed".to_owned());
            assert_eq!(ended, Ended::Failed { state, error, cause: reason.to_owned() });
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_completion_whose_answer_was_lost_is_left_as_it_is() {
    let stage = Stage::new(|command, _| match command {
        "completeBooking" => fails("Transient"),
        "failBooking" => fails("Rejected"),
        _ => DONE,
    });
    let ended = stage.play(&machine()).await;
    assert_eq!(stage.commands().last().map(String::as_str), Some("failBooking"));
    assert_eq!(stage.noted("Entered").len(), 6);
    assert!(matches!(ended, Ended::Succeeded { at, .. } if at == "BookingCompleted"));
}

#[tokio::test(start_paused = true)]
async fn retries_end_and_their_pauses_are_drawn_from_growing_bounds() {
    let no = |command: &str, _| if command == "blockSlot" { fails("Rejected") } else { DONE };
    let never = |command: &str, _| if command == "blockSlot" { fails("Transient") } else { DONE };
    let start = Instant::now();
    let stage = Stage::new(never);
    stage.play(&machine()).await;
    assert_eq!(stage.attempts("blockSlot"), 4);
    assert_eq!(start.elapsed(), Duration::from_secs(1 + 2 + 4));
    assert_eq!(
        stage.noted("Retries"),
        [1, 2, 4].map(|seconds| format!("Retries {{ after: {seconds}s }}"))
    );

    let start = Instant::now();
    let stage = Stage { chance: |_| 0, ..Stage::new(never) };
    stage.play(&machine()).await;
    assert_eq!(stage.attempts("blockSlot"), 4);
    assert!(start.elapsed() < Duration::from_millis(10), "tokio's clock has whole milliseconds");

    let stage = Stage::new(no);
    stage.play(&machine()).await;
    assert_eq!(stage.attempts("blockSlot"), 1, "a retrier without attempts is heard first");

    let plain =
        json!([{ "ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 3, "BackoffRate": 3 }]);
    let start = Instant::now();
    let stage = Stage { chance: |_| unreachable!("no jitter"), ..Stage::new(never) };
    stage.play(&changed_machine("/States/BlockSlot/Retry", plain)).await;
    assert_eq!(stage.attempts("blockSlot"), 4, "three retries, unless it says otherwise");
    assert_eq!(start.elapsed(), Duration::from_secs(3 + 9 + 27));
}

#[tokio::test(start_paused = true)]
async fn a_retrier_counts_its_own_attempts_and_hands_on_to_no_other() {
    let errors = ["Transient", "Lambda.Unknown", "Transient"];
    let stage = Stage::new(|command, before| match command {
        "authorisePayment" => fails(errors[before]),
        _ => DONE,
    });
    stage.play(&machine()).await;
    assert_eq!(stage.attempts("authorisePayment"), 3);
    // Each begins with its own first pause, the shortest.
    assert_eq!(stage.noted("Retries"), ["Retries { after: 1s }", "Retries { after: 1s }"]);
    assert_eq!(stage.reason(), Some(json!("payment_unavailable")));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_ends_in_time_and_its_function_runs_on() {
    let stage = Stage::new(|command, before| match (command, before) {
        ("blockSlot", 0) => Answer { takes: Duration::from_secs(9), says: Ok(()) },
        ("blockSlot", _) => Answer { takes: Duration::from_secs(7), says: Ok(()) },
        _ => DONE,
    });
    let ended = stage.play(&machine()).await;
    assert!(matches!(ended, Ended::Succeeded { .. }));
    assert_eq!(stage.noted("Failed"), ["Failed { error: \"States.Timeout\", cause: \"\" }"]);
    assert_eq!(stage.ran.borrow()[..2], ["blockSlot", "blockSlot"]);

    // A failed task is not one that took too long.
    let retry = json!([{ "ErrorEquals": ["States.TaskFailed"] }]);
    let stage = Stage::new(|_, _| Answer { takes: Duration::from_secs(9), says: Ok(()) });
    stage.play(&changed_machine("/States/BlockSlot/Retry", retry)).await;
    assert_eq!(stage.attempts("blockSlot"), 1);
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_keeps_failing_is_left_to_an_operator_who_is_told_all() {
    for undo in ["refundPayment", "unblockSlot", "failBooking"] {
        let stage = Stage::new(|command, _| match command {
            "authorisePayment" => fails("Rejected"),
            command if command == undo => fails("Transient"),
            _ => DONE,
        });
        let start = Instant::now();
        let ended = stage.play(&machine()).await;
        assert_eq!(stage.attempts(undo), 13);
        assert_eq!(start.elapsed(), Duration::from_secs(1 + 2 + 4 + 8 + 16 + 32 + 6 * 60));
        let Ended::Failed { state, error, cause } = ended else { unreachable!("{ended:?}") };
        assert_eq!([state, error], ["NeedsOperator", "NeedsOperator"]);
        let (reason, failure) = cause.split_once(": ").expect("a reason and a failure");
        assert_eq!(reason, "payment_declined");
        let failure: Value = serde_json::from_str(failure).expect("the failure is JSON");
        assert_eq!(failure, json!({ "Error": "Transient", "Cause": "it \"broke\"" }));
        let letter = json!({
            "execution": "the execution", "bookingId": "b", "slotId": "s", "correlationId": "c",
            "reason": "payment_declined", "failure": failure,
        });
        assert_eq!(*stage.letters.borrow(), [("${ResumeDeadLettersUrl}".to_owned(), letter)]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_up_is_undone_from_the_first_undo_that_it_may_need() {
    let undo = Machine::read(UNDO).expect("the undos are interpreted");
    for (reason, commands) in [
        ("slot_unavailable", &["refundPayment", "unblockSlot", "failBooking"][..]),
        ("cancelled", &["failBooking", "refundPayment", "unblockSlot", "failBooking"]),
        ("saga_timeout", &["failBooking", "refundPayment", "unblockSlot", "failBooking"]),
    ] {
        let stage = Stage::new(|_, _| DONE);
        let input =
            json!({ "bookingId": "b", "slotId": "s", "correlationId": "c", "reason": reason });
        let ended = LocalSet::new().run_until(undo.run(input, &stage)).await;
        assert!(matches!(ended, Ended::Failed { error, .. } if error == "BookingFailed"));
        assert_eq!(stage.commands(), commands, "{reason}");
        assert_eq!(stage.reason(), Some(json!(reason)));
    }
}

#[tokio::test(start_paused = true)]
async fn the_machines_own_time_out_ends_it_whatever_is_under_way() {
    let stage = Stage::new(|_, _| Answer { takes: Duration::from_secs(7), says: Ok(()) });
    let start = Instant::now();
    let local = LocalSet::new();
    let machine = changed_machine("/TimeoutSeconds", json!(10));
    let input =
        json!({ "slotId": "", "bookingId": "", "correlationId": "", "customer": "", "token": "" });
    assert_eq!(local.run_until(machine.run(input, &stage)).await, Ended::TimedOut);
    assert_eq!(start.elapsed(), Duration::from_secs(10));
    assert_eq!(*stage.ran.borrow(), ["blockSlot"]);
    local.await;
    assert_eq!(*stage.ran.borrow(), ["blockSlot", "authorisePayment"]);
    assert_eq!(stage.noted("Ended"), ["Ended(TimedOut)"]);
}

#[tokio::test(start_paused = true)]
async fn what_nothing_catches_ends_it() {
    // What AWS calls terminal, and a reference to what is not there: no wildcard matches them.
    let stage = Stage::new(|_, _| fails("States.DataLimitExceeded"));
    let ended = stage.play(&machine()).await;
    assert!(matches!(ended, Ended::Failed { state, error, .. }
        if state == "BlockSlot" && error == "States.DataLimitExceeded"));
    for (reference, told) in [
        ("$.no.such", "the input has no `$.no.such`"),
        ("$reason", "nothing has assigned `$reason`"),
    ] {
        let machine =
            changed_machine("/States/BlockSlot/Parameters/Payload/slotId.$", json!(reference));
        let stage = Stage::new(|_, _| DONE);
        let (state, error) = ("BlockSlot".to_owned(), "States.Runtime".to_owned());
        let ended = stage.play(&machine).await;
        assert_eq!(ended, Ended::Failed { state, error, cause: told.to_owned() });
        assert!(stage.asked.borrow().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn notes_are_taken_in_the_order_of_a_history() {
    let stage = Stage::new(|command, before| match (command, before) {
        ("blockSlot", 0) => fails("Transient"),
        ("blockSlot", _) => fails("Rejected"),
        _ => DONE,
    });
    stage.play(&machine()).await;
    let notes = stage.notes.borrow();
    let told: Vec<&str> =
        notes.iter().map(|it| it.split([' ', '(']).next().unwrap_or(it)).collect();
    let refused =
        ["Entered", "Attempted", "Failed", "Retries", "Attempted", "Failed", "Caught", "Left"];
    let done = ["Entered", "Attempted", "Succeeded", "Left"];
    assert_eq!(told, [&refused[..], &done, &done, &["Entered", "Ended"]].concat());
    assert_eq!(notes[7], "Left { next: \"UnblockSlot\" }");
    assert_eq!(notes[16], "Entered { state: \"BookingFailed\", is_task: false }");
}
