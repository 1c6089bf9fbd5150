//! An interpreter of the deployed state machines, so that the simulation runs the real definitions.
//!
//! It supports the states and fields that they use, and rejects a definition with others: a field that were ignored
//! would seem tested. Where the language's specification and AWS differ, it behaves like AWS.

mod expression;
mod read;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use serde_json::{Map, Value, json};

use expression::{Expression, Field, Reference, Scope};
pub use read::Unsupported;

/// Matches every error except those that end an execution whatever its definition says.
const ALL: &str = "States.ALL";
/// Matches every error except a timeout.
const TASK_FAILED: &str = "States.TaskFailed";
const TIMEOUT: &str = "States.Timeout";
/// Errors that no wildcard catches on AWS, although the language's specification allows it.
const TERMINAL: [&str; 2] = ["States.Runtime", "States.DataLimitExceeded"];

/// A parsed state machine.
#[derive(Debug)]
pub struct Machine {
    start_at: String,
    timeout: Duration,
    states: BTreeMap<String, State>,
}

#[derive(Debug)]
enum State {
    Task(Task),
    Choice { choices: Vec<Choice>, default: String },
    Succeed,
    Fail { error: String, cause: Expression },
}

/// The next state if a text has this value.
#[derive(Debug)]
struct Choice {
    variable: Reference,
    equals: String,
    next: String,
}

#[derive(Debug)]
struct Task {
    action: TaskAction,
    /// The function, or the address of the queue, as written in the definition.
    target: String,
    payload: BTreeMap<String, Field>,
    timeout: Duration,
    retry: Vec<Retrier>,
    catch: Vec<Catcher>,
    next: String,
}

/// What a task does with its payload.
#[derive(Clone, Copy, Debug)]
enum TaskAction {
    /// Invokes a function with it.
    Function,
    /// Sends it to a queue.
    Queue,
}

#[derive(Debug)]
struct Retrier {
    errors: Errors,
    interval_ms: u64,
    backoff_rate: u64,
    retries_max: u64,
    delay_max_ms: u64,
    jitter: Jitter,
}

#[derive(Debug)]
enum Jitter {
    None,
    Full,
}

#[derive(Debug)]
struct Catcher {
    errors: Errors,
    assign: Map<String, Value>,
    /// The field of the input that receives the error; without one, the error is dropped.
    result: Option<String>,
    next: String,
}

/// Error names, including wildcards.
#[derive(Debug)]
struct Errors(Vec<String>);

/// The environment of an execution: functions, queues, randomness and an observer.
pub trait Runtime {
    /// Invokes a function; dropping the future must not stop the function.
    fn invoke(
        &self,
        function: &str,
        payload: Value,
    ) -> impl Future<Output = Result<Value, TaskError>>;

    /// Sends a message to a queue.
    fn send(&self, queue: &str, body: Value) -> impl Future<Output = Result<(), TaskError>>;

    /// The name of the execution.
    fn name(&self) -> &str;

    /// A random number below `end`, for jitter.
    fn chance(&self, end: u64) -> u64;

    /// Observes an event of the execution.
    fn observe(&self, what: ExecutionEvent<'_>);
}

/// A function's error, with the name that `ErrorEquals` is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskError {
    /// The error's name.
    pub error: String,
    /// The error's description.
    pub cause: String,
}

/// The events of an execution, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecutionEvent<'a> {
    /// A state was entered.
    Entered {
        /// The state's name.
        state: &'a str,
        /// Whether it is a task, rather than a choice or a final state.
        is_task: bool,
    },
    /// A function is invoked, or a message sent, for the first time or as a retry.
    Attempted {
        /// The function or the queue, as written in the definition.
        target: &'a str,
    },
    /// The attempt succeeded.
    Succeeded,
    /// The attempt failed or timed out.
    Failed {
        /// The error's name.
        error: &'a str,
        /// The error's description.
        cause: &'a str,
    },
    /// The attempt will be retried.
    Retries {
        /// The pause before the retry.
        after: Duration,
    },
    /// The error was caught, and the execution continues with another state.
    Caught {
        /// The error's name.
        error: &'a str,
    },
    /// The task is over, and another state begins.
    Left {
        /// The name of that state.
        next: &'a str,
    },
    /// The execution is over.
    Ended(&'a Ended),
}

/// How an execution ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// In a `Succeed` state.
    Succeeded {
        /// The last state.
        at: String,
        /// The output of that state.
        output: Value,
    },
    /// In a `Fail` state, or by an uncaught error.
    Failed {
        /// The last state.
        state: String,
        /// The error's name.
        error: String,
        /// The error's description.
        cause: String,
    },
    /// By the machine's own timeout; functions that were running continue.
    TimedOut,
}

impl Machine {
    /// Parses a definition in the Amazon States Language.
    ///
    /// # Errors
    ///
    /// If it contains anything that is not interpreted, or a transition to no state; the error says where.
    pub fn read(definition: &str) -> Result<Self, Unsupported> {
        read::machine(definition)
    }

    /// Every function that it invokes, as written in `FunctionName`.
    #[must_use]
    pub fn functions(&self) -> BTreeSet<&str> {
        let functions = self.tasks().filter(|task| matches!(task.action, TaskAction::Function));
        functions.map(|task| task.target.as_str()).collect()
    }

    /// The names of its states, in alphabetical order.
    pub fn states(&self) -> impl Iterator<Item = &str> {
        self.states.keys().map(String::as_str)
    }

    /// Runs one execution to its end on tokio's clock.
    pub async fn run(&self, input: Value, runtime: &impl Runtime) -> Ended {
        let name = Value::from(runtime.name());
        let scope = Scope { input, variables: Map::new(), name };
        let execution = Execution { machine: self, runtime, scope };
        let ended = tokio::time::timeout(self.timeout, execution.run()).await;
        let ended = ended.unwrap_or(Ended::TimedOut);
        runtime.observe(ExecutionEvent::Ended(&ended));
        ended
    }

    fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.states.values().filter_map(|state| match state {
            State::Task(task) => Some(task),
            State::Choice { .. } | State::Succeed | State::Fail { .. } => None,
        })
    }
}

struct Execution<'a, H> {
    machine: &'a Machine,
    runtime: &'a H,
    scope: Scope,
}

impl<'a, H: Runtime> Execution<'a, H> {
    async fn run(mut self) -> Ended {
        let mut name = self.machine.start_at.as_str();
        loop {
            // `read` has rejected definitions with transitions to no state.
            let state = &self.machine.states[name];
            let is_task = matches!(state, State::Task(_));
            self.runtime.observe(ExecutionEvent::Entered { state: name, is_task });
            let failure = match state {
                State::Task(task) => match self.perform(task).await {
                    Ok(next) => {
                        self.runtime.observe(ExecutionEvent::Left { next });
                        name = next;
                        continue;
                    }
                    Err(failure) => failure,
                },
                State::Choice { choices, default } => match self.choose(choices, default) {
                    Ok(next) => {
                        name = next;
                        continue;
                    }
                    Err(failure) => failure,
                },
                State::Succeed => {
                    return Ended::Succeeded { at: name.to_owned(), output: self.scope.input };
                }
                State::Fail { error, cause } => match cause.text(&self.scope) {
                    Ok(cause) => TaskError { error: error.clone(), cause },
                    Err(failure) => failure,
                },
            };
            let TaskError { error, cause } = failure;
            return Ended::Failed { state: name.to_owned(), error, cause };
        }
    }

    fn choose(&self, choices: &'a [Choice], default: &'a str) -> Result<&'a str, TaskError> {
        for Choice { variable, equals, next } in choices {
            if variable.value(&self.scope)? == equals.as_str() {
                return Ok(next);
            }
        }
        Ok(default)
    }

    /// Runs a task, and returns the name of the next state.
    async fn perform(&mut self, task: &'a Task) -> Result<&'a str, TaskError> {
        // Once for all attempts. A missing input field stays missing, and no catcher handles that error.
        let payload = expression::fill(&task.payload, &self.scope)?;
        let mut retries = vec![0; task.retry.len()];
        let failure = loop {
            let Err(failure) = self.attempt(task, payload.clone()).await else {
                return Ok(&task.next);
            };
            // The first retrier that matches decides, even if its attempts are exhausted; later ones are ignored.
            let retrier =
                task.retry.iter().zip(&mut retries).find(|(it, _)| it.errors.includes(&failure));
            let Some((retrier, retries)) = retrier else { break failure };
            let Some(after) = retrier.pause(*retries, self.runtime) else { break failure };
            *retries += 1;
            self.runtime.observe(ExecutionEvent::Retries { after });
            tokio::time::sleep(after).await;
        };
        let Some(catcher) = task.catch.iter().find(|it| it.errors.includes(&failure)) else {
            return Err(failure);
        };
        self.runtime.observe(ExecutionEvent::Caught { error: &failure.error });
        self.catch(catcher, failure)?;
        Ok(&catcher.next)
    }

    async fn attempt(&self, task: &Task, payload: Value) -> Result<(), TaskError> {
        self.runtime.observe(ExecutionEvent::Attempted { target: &task.target });
        let result = async {
            match task.action {
                TaskAction::Function => self.runtime.invoke(&task.target, payload).await.map(drop),
                TaskAction::Queue => self.runtime.send(&task.target, payload).await,
            }
        };
        // The function is not stopped, as `Host` promises. On AWS a timeout has a name but no description.
        let result = tokio::time::timeout(task.timeout, result)
            .await
            .unwrap_or_else(|_| Err(TaskError { error: TIMEOUT.to_owned(), cause: String::new() }));
        match result {
            // Every task has the `ResultPath` null, so the result is dropped.
            Ok(()) => {
                self.runtime.observe(ExecutionEvent::Succeeded);
                Ok(())
            }
            Err(failure) => {
                let TaskError { error, cause } = &failure;
                self.runtime.observe(ExecutionEvent::Failed { error, cause });
                Err(failure)
            }
        }
    }

    fn catch(&mut self, catcher: &Catcher, failure: TaskError) -> Result<(), TaskError> {
        if let Some(field) = &catcher.result {
            let TaskError { error, cause } = failure;
            let Value::Object(input) = &mut self.scope.input else {
                let cause =
                    format!("the input is not an object, so it can't have a field `{field}`");
                return Err(TaskError { error: "States.ResultPathMatchFailure".to_owned(), cause });
            };
            input.insert(field.clone(), json!({ "Error": error, "Cause": cause }));
        }
        self.scope.variables.extend(catcher.assign.clone());
        Ok(())
    }
}

impl Retrier {
    /// The pause before the next retry, if there is one.
    fn pause(&self, retries: u64, runtime: &impl Runtime) -> Option<Duration> {
        if retries >= self.retries_max {
            return None;
        }
        // Saturates where the maximal delay has long been reached.
        let factor = self.backoff_rate.saturating_pow(u32::try_from(retries).unwrap_or(u32::MAX));
        let delay_ms = self.interval_ms.saturating_mul(factor).min(self.delay_max_ms);
        Some(Duration::from_millis(match self.jitter {
            Jitter::None => delay_ms,
            Jitter::Full => runtime.chance(delay_ms.saturating_add(1)),
        }))
    }
}

impl Errors {
    fn includes(&self, failure: &TaskError) -> bool {
        let error = failure.error.as_str();
        self.0.iter().any(|name| match name.as_str() {
            ALL => !TERMINAL.contains(&error),
            TASK_FAILED => error != TIMEOUT,
            name => name == error,
        })
    }
}
