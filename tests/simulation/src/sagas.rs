//! Step Functions: executions of the state machine, one for a name, and what they have been through.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use booking::handlers::react::SagaInput;
use operator_bff::workflow::{self, ExecutionStatus, HistoryEvent};
use serde_json::Value;
use tokio::time::sleep;

use crate::asl::{Ended, Happening, Host, TaskError};
use crate::lambda;
use crate::world::World;

/// Every execution that was ever started.
#[derive(Debug, Default)]
pub(crate) struct Executions {
    all: Mutex<BTreeMap<String, Execution>>,
}

#[derive(Debug, Default)]
struct Execution {
    history: Vec<HistoryEvent>,
    ended: Option<Ended>,
}

/// One execution, and the world that it runs in.
struct Running<'a> {
    world: &'a World,
    name: &'a str,
}

impl Executions {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Execution>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `StartExecution`: of one name there is one.
    pub(crate) fn start(&self, world: &World, input: &SagaInput) {
        let name = input.booking_id.to_string();
        if self.lock().contains_key(&name) {
            return;
        }
        self.lock().insert(name.clone(), Execution::default());
        let input = serde_json::to_value(input).expect("an input is JSON");
        let world_of = world.arc();
        world.spawn(async move {
            let running = Running { world: &world_of, name: &name };
            let ended = world_of.platform.saga.run(input, &running).await;
            if let Some(execution) = world_of.executions.lock().get_mut(&name) {
                execution.ended = Some(ended);
            }
        });
    }

    /// How each has ended; nothing for those that have not.
    pub(crate) fn all(&self) -> BTreeMap<String, Option<Ended>> {
        self.lock().iter().map(|(name, it)| (name.clone(), it.ended.clone())).collect()
    }

    /// An execution as an operator sees it.
    pub(crate) fn shown(&self, name: &str) -> Option<workflow::Execution> {
        let all = self.lock();
        let execution = all.get(name)?;
        let status = match &execution.ended {
            None => ExecutionStatus::Running,
            Some(Ended::Succeeded { .. }) => ExecutionStatus::Succeeded,
            Some(Ended::Failed { .. }) => ExecutionStatus::Failed,
            Some(Ended::TimedOut) => ExecutionStatus::TimedOut,
        };
        Some(workflow::Execution { status, history: execution.history.clone() })
    }
}

impl Host for Running<'_> {
    async fn invoke(&self, function: &str, payload: Value) -> Result<Value, TaskError> {
        let world = self.world;
        let machine = world.platform.wiring.machines.values().next();
        let binary = machine
            .and_then(|it| it.substitutions.get(function.trim_matches(['$', '{', '}'])))
            .expect("the template substitutes every function");
        let payload = payload.to_string().into_bytes();
        if world.befalls(world.plan.twice / 3) {
            // The service promises each attempt at least once, and not that the others come soon.
            let (world_of, binary, payload) = (world.arc(), binary.clone(), payload.clone());
            let after = world.dice.millis(0..=*world.dice.one_of(&[1_000, 60_000]));
            world.spawn(async move {
                sleep(after).await;
                drop(lambda::invoke(&world_of, &binary, payload).await);
            });
        }
        let answer = lambda::invoke(world, binary, payload).await;
        if world.befalls(world.plan.answer_lost) {
            let (error, cause) = ("Lambda.Unknown".to_owned(), "the answer was lost".to_owned());
            return Err(TaskError { error, cause });
        }
        let answer = answer.map_err(lambda::Failed::into_task_error)?;
        Ok(serde_json::from_slice(&answer).expect("an answer is JSON"))
    }

    fn chance(&self, end: u64) -> u64 {
        self.world.dice.below(end)
    }

    fn note(&self, what: Happening<'_>) {
        let world = self.world;
        world.story.tell(world.elapsed(), "saga", || format!("{} {what:?}", self.name));
        let what = match what {
            Happening::Entered { state, is_task: true } => {
                workflow::Happening::StepEntered { name: state.to_owned() }
            }
            Happening::Attempted { .. } => workflow::Happening::Attempted,
            Happening::Succeeded => workflow::Happening::AttemptSucceeded,
            Happening::Failed { error, cause } => workflow::Happening::AttemptFailed {
                error: error.to_owned(),
                cause: cause.to_owned(),
            },
            Happening::Left { .. } => workflow::Happening::StepLeft,
            Happening::Ended(Ended::Failed { error, cause, .. }) => {
                let (error, cause) = (Some(error.clone()), Some(cause.clone()));
                workflow::Happening::Ended { error, cause }
            }
            Happening::Ended(_) => workflow::Happening::Ended { error: None, cause: None },
            Happening::Entered { is_task: false, .. }
            | Happening::Retries { .. }
            | Happening::Caught { .. } => return,
        };
        if let Some(execution) = world.executions.lock().get_mut(self.name) {
            execution.history.push(HistoryEvent { at: world.now(), what });
        }
    }
}
