//! An interpreter of the state machines that are deployed, so that what is simulated is what runs.
//!
//! It knows the states and fields that they use, and refuses a definition that has others: what is skipped in silence
//! would be tested without being there. Where the language's specification and AWS differ, it does as AWS does.

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

/// Matches every error but those that end an execution whatever its definition says.
const ALL: &str = "States.ALL";
/// Matches every error but a time-out.
const TASK_FAILED: &str = "States.TaskFailed";
const TIMEOUT: &str = "States.Timeout";
/// What AWS lets no wildcard catch, although the language would.
const TERMINAL: [&str; 2] = ["States.Runtime", "States.DataLimitExceeded"];

/// A machine as its definition tells it.
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

/// The state that follows when a text is this one.
#[derive(Debug)]
struct Choice {
    variable: Reference,
    equals: String,
    next: String,
}

#[derive(Debug)]
struct Task {
    asks: Asks,
    /// The function, or the address of the queue, as the definition spells it.
    whom: String,
    payload: BTreeMap<String, Field>,
    timeout: Duration,
    retry: Vec<Retrier>,
    catch: Vec<Catcher>,
    next: String,
}

/// What a task does with its payload.
#[derive(Clone, Copy, Debug)]
enum Asks {
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
    /// The field of the input that gets the error; without one, nobody hears of it.
    result: Option<String>,
    next: String,
}

/// Names of errors, wildcards among them.
#[derive(Debug)]
struct Errors(Vec<String>);

/// What an execution reaches: functions, queues, chance, and somebody who takes notes.
pub trait Host {
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

    /// A number below `end`, for jitter.
    fn chance(&self, end: u64) -> u64;

    /// Takes note of what happens.
    fn note(&self, what: Happening<'_>);
}

/// A function's failure, in the words that `ErrorEquals` is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskError {
    /// The error's name.
    pub error: String,
    /// What is said of it.
    pub cause: String,
}

/// What happens in an execution, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening<'a> {
    /// A state has begun.
    Entered {
        /// The state's name.
        state: &'a str,
        /// Whether it does something, rather than choose the next or end the execution.
        is_task: bool,
    },
    /// Its function is invoked, or its message sent, the first time or again.
    Attempted {
        /// The function or the queue, as the definition spells it.
        whom: &'a str,
    },
    /// The function has answered.
    Succeeded,
    /// The function has failed, or not answered in time.
    Failed {
        /// The error's name.
        error: &'a str,
        /// What is said of it.
        cause: &'a str,
    },
    /// It will be invoked again.
    Retries {
        /// The pause before that.
        after: Duration,
    },
    /// It will not be invoked again, and the definition says how it goes on.
    Caught {
        /// The error's name.
        error: &'a str,
    },
    /// The task is over, and another state begins.
    Left {
        /// That state.
        next: &'a str,
    },
    /// The execution is over.
    Ended(&'a Ended),
}

/// How an execution ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As it should.
    Succeeded {
        /// The last state.
        at: String,
        /// The output of that.
        output: Value,
    },
    /// In a `Fail` state, or by an error that nothing catches.
    Failed {
        /// The last state.
        state: String,
        /// The error's name.
        error: String,
        /// What is said of it.
        cause: String,
    },
    /// By the machine's own time-out; what was under way goes on unheard.
    TimedOut,
}

impl Machine {
    /// Reads a definition in the Amazon States Language.
    ///
    /// # Errors
    ///
    /// What stands in it and is not interpreted, or leads nowhere, and where.
    pub fn read(definition: &str) -> Result<Self, Unsupported> {
        read::machine(definition)
    }

    /// Every function that it invokes, as `FunctionName` spells it.
    #[must_use]
    pub fn functions(&self) -> BTreeSet<&str> {
        let functions = self.tasks().filter(|task| matches!(task.asks, Asks::Function));
        functions.map(|task| task.whom.as_str()).collect()
    }

    /// The names of its states, in alphabetical order.
    pub fn states(&self) -> impl Iterator<Item = &str> {
        self.states.keys().map(String::as_str)
    }

    /// Runs one execution to its end on tokio's clock.
    pub async fn run(&self, input: Value, host: &impl Host) -> Ended {
        let name = Value::from(host.name());
        let scope = Scope { input, variables: Map::new(), name };
        let execution = Execution { machine: self, host, scope };
        let ended = tokio::time::timeout(self.timeout, execution.run()).await;
        let ended = ended.unwrap_or(Ended::TimedOut);
        host.note(Happening::Ended(&ended));
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
    host: &'a H,
    scope: Scope,
}

impl<'a, H: Host> Execution<'a, H> {
    async fn run(mut self) -> Ended {
        let mut name = self.machine.start_at.as_str();
        loop {
            // `read` has refused a definition in which a state leads nowhere.
            let state = &self.machine.states[name];
            let is_task = matches!(state, State::Task(_));
            self.host.note(Happening::Entered { state: name, is_task });
            let failure = match state {
                State::Task(task) => match self.perform(task).await {
                    Ok(next) => {
                        self.host.note(Happening::Left { next });
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

    /// One visit to a task, and the name of the state that follows.
    async fn perform(&mut self, task: &'a Task) -> Result<&'a str, TaskError> {
        // Once for all attempts. What is missing from the input is missing for good, and no catch hears of it.
        let payload = expression::fill(&task.payload, &self.scope)?;
        let mut retries = vec![0; task.retry.len()];
        let failure = loop {
            let Err(failure) = self.attempt(task, payload.clone()).await else {
                return Ok(&task.next);
            };
            // The first that matches decides, even when it is used up; those after it are not asked.
            let retrier =
                task.retry.iter().zip(&mut retries).find(|(it, _)| it.errors.includes(&failure));
            let Some((retrier, retries)) = retrier else { break failure };
            let Some(after) = retrier.pause(*retries, self.host) else { break failure };
            *retries += 1;
            self.host.note(Happening::Retries { after });
            tokio::time::sleep(after).await;
        };
        let Some(catcher) = task.catch.iter().find(|it| it.errors.includes(&failure)) else {
            return Err(failure);
        };
        self.host.note(Happening::Caught { error: &failure.error });
        self.catch(catcher, failure)?;
        Ok(&catcher.next)
    }

    async fn attempt(&self, task: &Task, payload: Value) -> Result<(), TaskError> {
        self.host.note(Happening::Attempted { whom: &task.whom });
        let answer = async {
            match task.asks {
                Asks::Function => self.host.invoke(&task.whom, payload).await.map(drop),
                Asks::Queue => self.host.send(&task.whom, payload).await,
            }
        };
        // Nobody stops the function: that is the host's promise. AWS says nothing of a time-out but its name.
        let answer = tokio::time::timeout(task.timeout, answer)
            .await
            .unwrap_or_else(|_| Err(TaskError { error: TIMEOUT.to_owned(), cause: String::new() }));
        match answer {
            // Every task has the `ResultPath` null, so the answer goes nowhere.
            Ok(()) => {
                self.host.note(Happening::Succeeded);
                Ok(())
            }
            Err(failure) => {
                let TaskError { error, cause } = &failure;
                self.host.note(Happening::Failed { error, cause });
                Err(failure)
            }
        }
    }

    fn catch(&mut self, catcher: &Catcher, failure: TaskError) -> Result<(), TaskError> {
        if let Some(field) = &catcher.result {
            let TaskError { error, cause } = failure;
            let Value::Object(input) = &mut self.scope.input else {
                let cause = format!("the input is no object, so it can't have a field `{field}`");
                return Err(TaskError { error: "States.ResultPathMatchFailure".to_owned(), cause });
            };
            input.insert(field.clone(), json!({ "Error": error, "Cause": cause }));
        }
        self.scope.variables.extend(catcher.assign.clone());
        Ok(())
    }
}

impl Retrier {
    /// How long to wait before the next retry, if there is one.
    fn pause(&self, retries: u64, host: &impl Host) -> Option<Duration> {
        if retries >= self.retries_max {
            return None;
        }
        // Saturates where the longest delay has long been reached.
        let factor = self.backoff_rate.saturating_pow(u32::try_from(retries).unwrap_or(u32::MAX));
        let delay_ms = self.interval_ms.saturating_mul(factor).min(self.delay_max_ms);
        Some(Duration::from_millis(match self.jitter {
            Jitter::None => delay_ms,
            Jitter::Full => host.chance(delay_ms.saturating_add(1)),
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
