//! The platform's wiring, read from its templates: what is simulated is what is deployed.
//!
//! Everything is read as for a stage on AWS. A property that would change how messages flow, and is not modelled here,
//! is an error that names its place, so a template cannot outgrow the simulation unnoticed. Permissions are not read:
//! `xtask/tests/infra` checks that each rule, function and machine has those that its wiring needs.

mod pattern;
mod read;
mod template;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

pub use pattern::Pattern;

/// The functions of all stacks, and their event sources.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wiring {
    /// By the name of the binary, such as `billing-react`.
    pub functions: BTreeMap<String, Function>,
    /// By stack and logical name, such as `billing/Queue`.
    pub queues: BTreeMap<String, Queue>,
    /// State machines, by stack and logical name.
    pub machines: BTreeMap<String, Machine>,
    /// The one bus, by stack and logical name; every rule listens to it, or to the account's default bus.
    pub bus: Option<String>,
    /// The rules that route events of the bus to a queue.
    pub rules: Vec<Rule>,
    /// The rules that route the end of an execution to a queue.
    pub ends: Vec<End>,
    /// The scheduled invocations.
    pub schedules: Vec<Schedule>,
    /// The event source mappings of queues.
    pub queue_sources: Vec<QueueSource>,
    /// The event source mappings of table streams.
    pub stream_sources: Vec<StreamSource>,
}

/// A Lambda function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its stack and logical name, such as `billing/ReactFunction`.
    pub resource: String,
    /// Its timeout.
    pub timeout: Duration,
    /// The number of retries of a failed asynchronous invocation.
    pub retries_when_async: u32,
    /// The queue that receives asynchronous invocations whose retries are exhausted.
    pub failures_to: Option<String>,
}

/// An SQS queue; it is not FIFO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// The visibility timeout of a received message.
    pub visibility: Duration,
    /// The delay of a new message, unless the message has its own.
    pub delay: Duration,
    /// The retention of a message.
    pub retention: Duration,
    /// The redrive policy; none for a dead-letter queue.
    pub redrive: Option<Redrive>,
}

/// A redrive policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redrive {
    /// The number of receives after which a message is moved.
    pub receives_max: u32,
    /// The dead-letter queue.
    pub dead_letters: String,
}

/// A standard state machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The definition's path, relative to the template.
    pub definition: String,
    /// The binaries of its functions, by their substitutions, such as `ParkingCommandFunctionArn`.
    pub substitutions: BTreeMap<String, String>,
    /// Its queues, by their substitutions, such as `ResumeDeadLettersUrl`.
    pub queues: BTreeMap<String, String>,
}

/// A rule of the bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its stack and logical name.
    pub name: String,
    /// The pattern of its events.
    pub pattern: Pattern,
    /// The queue that receives them, each whole and in one message.
    pub queue: String,
    /// The queue that receives events that could not be delivered.
    pub dead_letters: Option<String>,
}

/// A rule of the account's default bus, to which the workflow service sends the ends of executions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The stack and logical name of the rule.
    pub name: String,
    /// The machines.
    pub machines: Vec<String>,
    /// The final statuses of executions, such as `TIMED_OUT`.
    pub statuses: Vec<String>,
    /// The queue that receives the event.
    pub queue: String,
}

/// A scheduled invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The stack and logical name of its rule.
    pub name: String,
    /// The period.
    pub every: Duration,
    /// The binary that is invoked asynchronously.
    pub function: String,
    /// The payload.
    pub input: Value,
}

/// A function that reads a queue, and reports failed messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSource {
    /// The queue.
    pub queue: String,
    /// The binary that is invoked.
    pub function: String,
    /// The maximal number of messages in a batch.
    pub batch_max: usize,
    /// The maximal number of concurrent invocations.
    pub concurrency_max: usize,
}

/// A function that reads a table's stream from its oldest record, and reports the first failed record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSource {
    /// The table, by stack and logical name; its stream contains new images only.
    pub table: String,
    /// The binary that is invoked.
    pub function: String,
    /// The maximal number of records in a batch.
    pub batch_max: usize,
    /// The maximal number of retries of a failed batch.
    pub retries_max: u32,
    /// The maximal age of a record that is retried.
    pub record_age_max: Duration,
    /// Whether a batch is halved when the function fails as a whole.
    pub bisects: bool,
    /// A record must match one of these; without any, all records match.
    pub filters: Vec<Pattern>,
    /// The queue that receives the position of abandoned batches.
    pub failures_to: String,
}

impl Wiring {
    /// Reads templates, each with the name of its stack, as for a stage on AWS.
    ///
    /// `settings` replace the defaults of parameters, in every stack that declares them.
    ///
    /// # Errors
    ///
    /// If a template cannot be parsed, or has a property that the simulation does not know.
    pub fn read(
        templates: &[(&str, &str)],
        settings: &BTreeMap<String, String>,
    ) -> Result<Self, WiringError> {
        read::wiring(&template::Templates::parse(templates, settings)?)
    }

    /// The queue to which a dead-letter queue is redriven.
    #[must_use]
    pub fn queue_of_dead_letters(&self, dead_letters: &str) -> Option<&str> {
        let found = self.queues.iter().find(|(_, queue)| {
            queue.redrive.as_ref().is_some_and(|redrive| redrive.dead_letters == dead_letters)
        });
        found.map(|(name, _)| name.as_str())
    }

    /// The rules that match an event: each delivers it once.
    pub fn rules_for<'a>(&'a self, event: &'a Value) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().filter(|rule| rule.pattern.matches(event))
    }
}

impl StreamSource {
    /// Whether the function receives a record, in the form of its payload.
    #[must_use]
    pub fn passes(&self, record: &Value) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| filter.matches(record))
    }
}

/// Why a wiring cannot be read from the templates.
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    /// A template is not YAML.
    #[error("{stack}: not YAML")]
    Yaml {
        /// The stack.
        stack: String,
        /// The parser's error.
        #[source]
        cause: serde_yaml_ng::Error,
    },
    /// A text that must be JSON is not.
    #[error("{place}: not JSON")]
    Json {
        /// Where it is.
        place: String,
        /// The parser's error.
        #[source]
        cause: serde_json::Error,
    },
    /// A value is wrong, or unknown to the simulation.
    #[error("{place}: {reason}")]
    Refused {
        /// Where it is, such as `billing/Resources/Queue/Properties/FifoQueue`.
        place: String,
        /// What is wrong.
        reason: String,
    },
}
