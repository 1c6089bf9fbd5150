//! Step Functions: executions of the state machines, one per name, and their histories.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use operator_bff::workflow::{self, ExecutionStatus, HistoryEvent};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::asl::{Ended, ExecutionEvent, Runtime, TaskError};
use crate::lambda;
use crate::world::World;

/// The saga's state machine, as named in the templates.
pub(crate) const SAGA: &str = "booking/BookingSaga";
/// The state machine that recovers a saga by running all its compensations.
pub(crate) const UNDO: &str = "booking/BookingSagaUndo";

/// Every execution that was started.
#[derive(Debug, Default)]
pub(crate) struct Executions {
    all: Mutex<BTreeMap<(&'static str, String), Execution>>,
}

#[derive(Debug, Default)]
struct Execution {
    history: Vec<HistoryEvent>,
    ended: Option<Ended>,
}

/// A running execution and its world.
struct Running<'a> {
    world: &'a World,
    machine: &'static str,
    name: &'a str,
}

impl Executions {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(&'static str, String), Execution>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `StartExecution`: a name is used once.
    pub(crate) fn start(
        &self,
        world: &World,
        machine: &'static str,
        name: String,
        input: &impl Serialize,
    ) {
        let key = (machine, name);
        if self.lock().contains_key(&key) {
            return;
        }
        self.lock().insert(key.clone(), Execution::default());
        let input = serde_json::to_value(input).expect("an input is JSON");
        let world_of = world.arc();
        world.spawn(async move {
            let running = Running { world: &world_of, machine, name: &key.1 };
            let definition = &world_of.platform.machines[machine];
            let ended = definition.run(input.clone(), &running).await;
            publish_end(&world_of, machine, &key.1, &input, &ended);
            if let Some(execution) = world_of.executions.lock().get_mut(&key) {
                execution.ended = Some(ended);
            }
        });
    }

    /// The result of each execution, by machine and name; `None` while it runs.
    pub(crate) fn all(&self) -> BTreeMap<(&'static str, String), Option<Ended>> {
        self.lock().iter().map(|(key, it)| (key.clone(), it.ended.clone())).collect()
    }

    /// The number of recovery executions.
    pub(crate) fn recovered(&self) -> u64 {
        self.lock().keys().filter(|(machine, _)| *machine == UNDO).count() as u64
    }

    /// An execution as an operator sees it.
    pub(crate) fn shown(&self, machine: &'static str, name: &str) -> Option<workflow::Execution> {
        let all = self.lock();
        let execution = all.get(&(machine, name.to_owned()))?;
        let status = match &execution.ended {
            None => ExecutionStatus::Running,
            Some(Ended::Succeeded { .. }) => ExecutionStatus::Succeeded,
            Some(Ended::Failed { .. }) => ExecutionStatus::Failed,
            Some(Ended::TimedOut) => ExecutionStatus::TimedOut,
        };
        Some(workflow::Execution { status, history: execution.history.clone() })
    }
}

/// Sends the status change of a timed-out execution to the account's bus.
fn publish_end(world: &World, machine: &str, name: &str, input: &Value, ended: &Ended) {
    let status = match ended {
        Ended::TimedOut => "TIMED_OUT",
        Ended::Succeeded { .. } | Ended::Failed { .. } => return,
    };
    for rule in &world.platform.wiring.ends {
        let is_routed = rule.machines.iter().any(|it| it == machine)
            && rule.statuses.iter().any(|it| it == status);
        if is_routed {
            let event = json!({
                "source": "aws.states",
                "detail-type": "Step Functions Execution Status Change",
                "detail": { "name": name, "status": status, "input": input.to_string() },
            });
            world.queues.send(world, &rule.queue, event.to_string(), Duration::ZERO);
        }
    }
}

impl Runtime for Running<'_> {
    async fn invoke(&self, function: &str, payload: Value) -> Result<Value, TaskError> {
        let world = self.world;
        let binary = world.platform.wiring.machines[self.machine]
            .substitutions
            .get(function.trim_matches(['$', '{', '}']))
            .expect("the template substitutes every function");
        let payload = payload.to_string().into_bytes();
        if world.injects(world.plan.duplicated / 3) {
            // The service guarantees at-least-once execution of each attempt, and the duplicate may run much later.
            let (world_of, binary, payload) = (world.arc(), binary.clone(), payload.clone());
            let after = world.rng.millis(0..=*world.rng.one_of(&[1_000, 60_000]));
            world.spawn(async move {
                sleep(after).await;
                drop(lambda::invoke(&world_of, &binary, payload).await);
            });
        }
        let response = lambda::invoke(world, binary, payload).await;
        if world.injects(world.plan.response_lost) {
            let (error, cause) = ("Lambda.Unknown".to_owned(), "the response was lost".to_owned());
            return Err(TaskError { error, cause });
        }
        let response = response.map_err(lambda::Failed::into_task_error)?;
        Ok(serde_json::from_slice(&response).expect("a response is JSON"))
    }

    async fn send(&self, queue: &str, body: Value) -> Result<(), TaskError> {
        let world = self.world;
        let wiring = &world.platform.wiring;
        let dead_letters = wiring.machines[self.machine]
            .queues
            .get(queue.trim_matches(['$', '{', '}']))
            .expect("the template substitutes every queue");
        let queue = wiring.queue_of_dead_letters(dead_letters).expect("they are moved to a queue");
        if world.injects(world.plan.request_lost) {
            let (error, cause) = ("SQS.SdkClientException".to_owned(), "lost".to_owned());
            return Err(TaskError { error, cause });
        }
        // A saga exhausts the retries of a compensation only because of faults.
        let is_explained = Some(!world.plan.is_fault_free());
        world.queues.add_dead_letter(queue.to_owned(), body.to_string(), None, is_explained);
        if world.injects(world.plan.response_lost) {
            let (error, cause) = ("SQS.SdkClientException".to_owned(), "no response".to_owned());
            return Err(TaskError { error, cause });
        }
        Ok(())
    }

    fn name(&self) -> &str {
        self.name
    }

    fn chance(&self, end: u64) -> u64 {
        self.world.rng.below(end)
    }

    fn observe(&self, what: ExecutionEvent<'_>) {
        let world = self.world;
        world.log.record(world.elapsed(), "saga", || format!("{} {what:?}", self.name));
        if matches!(what, ExecutionEvent::Entered { .. } | ExecutionEvent::Retries { .. }) {
            world.count("transition");
        }
        let what = match what {
            ExecutionEvent::Entered { state, is_task: true } => {
                workflow::StepEvent::StepEntered { name: state.to_owned() }
            }
            ExecutionEvent::Attempted { .. } => workflow::StepEvent::Attempted,
            ExecutionEvent::Succeeded => workflow::StepEvent::AttemptSucceeded,
            ExecutionEvent::Failed { error, cause } => workflow::StepEvent::AttemptFailed {
                error: error.to_owned(),
                cause: cause.to_owned(),
            },
            ExecutionEvent::Left { .. } => workflow::StepEvent::StepLeft,
            ExecutionEvent::Ended(Ended::Failed { error, cause, .. }) => {
                let (error, cause) = (Some(error.clone()), Some(cause.clone()));
                workflow::StepEvent::Ended { error, cause }
            }
            ExecutionEvent::Ended(_) => workflow::StepEvent::Ended { error: None, cause: None },
            ExecutionEvent::Entered { is_task: false, .. }
            | ExecutionEvent::Retries { .. }
            | ExecutionEvent::Caught { .. } => return,
        };
        let key = (self.machine, self.name.to_owned());
        if let Some(execution) = world.executions.lock().get_mut(&key) {
            execution.history.push(HistoryEvent { at: world.now(), what });
        }
    }
}
