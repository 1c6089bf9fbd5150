//! How the platform is wired, as its templates tell it: what is simulated is what is deployed.
//!
//! Everything is read as for a stage on AWS. What would change how messages flow and is not modelled here is an error
//! that names its place, so a template cannot outgrow the simulation unnoticed. Permissions are not read: that each
//! rule, function and machine may do what it is wired for is checked where the templates are (`xtask/tests/infra`).

mod pattern;
mod read;
mod template;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

pub use pattern::Pattern;

/// The functions of all stacks, and what calls them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wiring {
    /// By the name of the binary, such as `billing-react`.
    pub functions: BTreeMap<String, Function>,
    /// By stack and logical name, such as `billing/Queue`.
    pub queues: BTreeMap<String, Queue>,
    /// State machines, by stack and logical name.
    pub machines: BTreeMap<String, Machine>,
    /// The one bus, by stack and logical name; every rule listens to it, or to the account's own.
    pub bus: Option<String>,
    /// What goes from the bus into a queue.
    pub rules: Vec<Rule>,
    /// What goes into a queue when an execution of a machine ends where it stands.
    pub ends: Vec<End>,
    /// What the clock calls.
    pub schedules: Vec<Schedule>,
    /// What is called with the messages of a queue.
    pub queue_sources: Vec<QueueSource>,
    /// What is called with the changes of a table.
    pub stream_sources: Vec<StreamSource>,
}

/// A Lambda function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its stack and logical name, such as `billing/ReactFunction`.
    pub resource: String,
    /// How long a call may take.
    pub timeout: Duration,
    /// How often a failed call that nobody waits for is made again.
    pub retries_when_async: u32,
    /// The queue that gets such a call when it has failed for good.
    pub failures_to: Option<String>,
}

/// An SQS queue; it is not FIFO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// How long a received message is hidden from others.
    pub visibility: Duration,
    /// How long a new message is hidden, unless it says so itself.
    pub delay: Duration,
    /// How long a message is kept.
    pub retention: Duration,
    /// Where a message goes that is received too often; nowhere from a queue of dead letters.
    pub redrive: Option<Redrive>,
}

/// The end of a message that cannot be handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redrive {
    /// How often a message is received before it is moved.
    pub receives_max: u32,
    /// The queue that it is moved to.
    pub dead_letters: String,
}

/// A standard state machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The file that defines it, as seen from the template.
    pub definition: String,
    /// What stands for each function, such as `ParkingCommandFunctionArn`, and the binary that it is.
    pub substitutions: BTreeMap<String, String>,
    /// What stands for each queue, such as `ResumeDeadLettersUrl`, and the queue that it is.
    pub queues: BTreeMap<String, String>,
}

/// A rule of the bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its stack and logical name.
    pub name: String,
    /// Which events it lets through.
    pub pattern: Pattern,
    /// The queue that gets them, each whole and in one message.
    pub queue: String,
    /// The queue that gets what could not be delivered.
    pub dead_letters: Option<String>,
}

/// A rule of the account's own bus, to which the workflow service tells how executions end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The stack and logical name of the rule.
    pub name: String,
    /// The machines.
    pub machines: Vec<String>,
    /// In which ways an execution has ended, such as `TIMED_OUT`.
    pub statuses: Vec<String>,
    /// The queue that is told.
    pub queue: String,
}

/// A call that recurs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The stack and logical name of its rule.
    pub name: String,
    /// The time from one call to the next.
    pub every: Duration,
    /// The binary that is called; nobody waits for the call.
    pub function: String,
    /// What it is called with.
    pub input: Value,
}

/// A function that reads a queue, and reports which messages failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSource {
    /// The queue.
    pub queue: String,
    /// The binary that is called.
    pub function: String,
    /// How many messages a call may get.
    pub batch_max: usize,
    /// How many calls may run at once.
    pub concurrency_max: usize,
}

/// A function that follows a table from the oldest record on, and reports from which record it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSource {
    /// The table, by stack and logical name; its stream holds new images and no old ones.
    pub table: String,
    /// The binary that is called.
    pub function: String,
    /// How many records a call may get.
    pub batch_max: usize,
    /// How often a failed batch is tried again.
    pub retries_max: u32,
    /// How old a record may be and still be tried.
    pub record_age_max: Duration,
    /// Whether a batch is halved when the function fails as a whole.
    pub bisects: bool,
    /// A record must match one of these; none lets all through.
    pub filters: Vec<Pattern>,
    /// The queue that is told of what was given up.
    pub failures_to: String,
}

impl Wiring {
    /// Reads templates, each with the name of its stack, for a stage on AWS.
    ///
    /// `settings` stand in the place of parameters' defaults, in every stack that declares them.
    ///
    /// # Errors
    ///
    /// If a template is not understood, or has what the simulation does not know.
    pub fn read(
        templates: &[(&str, &str)],
        settings: &BTreeMap<String, String>,
    ) -> Result<Self, WiringError> {
        read::wiring(&template::Templates::parse(templates, settings)?)
    }

    /// The queue that dead letters are moved back to.
    #[must_use]
    pub fn queue_of_dead_letters(&self, dead_letters: &str) -> Option<&str> {
        let found = self.queues.iter().find(|(_, queue)| {
            queue.redrive.as_ref().is_some_and(|redrive| redrive.dead_letters == dead_letters)
        });
        found.map(|(name, _)| name.as_str())
    }

    /// The rules that let an event through: each delivers it once.
    pub fn rules_for<'a>(&'a self, event: &'a Value) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().filter(|rule| rule.pattern.matches(event))
    }
}

impl StreamSource {
    /// Whether the function gets a record, written as it is in a call.
    #[must_use]
    pub fn passes(&self, record: &Value) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| filter.matches(record))
    }
}

/// Why the templates do not tell a wiring.
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    /// A template is not YAML.
    #[error("{stack}: not YAML")]
    Yaml {
        /// The stack.
        stack: String,
        /// What the parser says.
        #[source]
        cause: serde_yaml_ng::Error,
    },
    /// A text that must be JSON is not.
    #[error("{place}: not JSON")]
    Json {
        /// Where it stands.
        place: String,
        /// What the parser says.
        #[source]
        cause: serde_json::Error,
    },
    /// It is wrong, or more than the simulation knows.
    #[error("{place}: {reason}")]
    Refused {
        /// Where it stands, such as `billing/Resources/Queue/Properties/FifoQueue`.
        place: String,
        /// What is wrong.
        reason: String,
    },
}
