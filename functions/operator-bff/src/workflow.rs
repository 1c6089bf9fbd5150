//! How an orchestrated saga went: the history of an execution, read as steps.

use std::future::Future;

use contracts::id::BookingId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use service_error::ServiceError;

/// With which an execution ends that has left its booking half done.
const NEEDS_OPERATOR: &str = "NeedsOperator";

/// Knows executions by their names.
///
/// An implementation must give the whole history, however many pages it has, and nothing for a name that was never
/// started.
pub trait Workflow: Sync {
    /// One execution.
    fn execution(
        &self,
        machine: Machine,
        name: &str,
    ) -> impl Future<Output = Result<Option<Execution>, ServiceError>> + Send;
}

/// The machines that a booking may pass through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// The saga.
    Saga,
    /// All its undos, for a saga that was left half done.
    Undo,
}

/// How a booking's saga went, and how it was taken up each time that it was left half done.
///
/// # Errors
///
/// If a history can't be read.
pub async fn saga_of(
    workflow: &impl Workflow,
    booking_id: BookingId,
) -> Result<Option<SagaShown>, ServiceError> {
    let name = booking_id.to_string();
    let Some(first) = workflow.execution(Machine::Saga, &name).await? else { return Ok(None) };
    let mut whole = first;
    for number in 1_u32.. {
        if !whole.is_half_done() {
            break;
        }
        let name = format!("{booking_id}-{number}");
        let Some(next) = workflow.execution(Machine::Undo, &name).await? else { break };
        whole.history.extend(next.history);
        whole.status = next.status;
    }
    Ok(Some(whole.into()))
}

/// An execution, as far as it has come.
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    /// Whether it is over, and how.
    pub status: ExecutionStatus,
    /// What has happened in it, in order.
    pub history: Vec<HistoryEvent>,
}

impl Execution {
    /// Whether it ended where it stood, so that something is left to be undone.
    fn is_half_done(&self) -> bool {
        match self.status {
            ExecutionStatus::TimedOut | ExecutionStatus::Aborted => true,
            ExecutionStatus::Failed => {
                let last = self.history.last().map(|event| &event.what);
                matches!(last, Some(Happening::Ended { error: Some(error), .. })
                    if error == NEEDS_OPERATOR)
            }
            ExecutionStatus::Running
            | ExecutionStatus::Succeeded
            | ExecutionStatus::PendingRedrive => false,
        }
    }
}

/// The states of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionStatus {
    /// Under way.
    Running,
    /// All steps are done.
    Succeeded,
    /// What was done is undone; or it could not be, and a person must look.
    Failed,
    /// It took too long.
    TimedOut,
    /// Somebody has stopped it.
    Aborted,
    /// Somebody has asked for it to go on.
    PendingRedrive,
}

/// One event of a history: what of it says how the steps went.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct HistoryEvent {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Happening,
}

/// What can happen to a step.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Happening {
    /// A state that does work has begun.
    StepEntered {
        /// The state's name.
        name: String,
    },
    /// Its work was asked for, the first time or again.
    Attempted,
    /// Its work was done.
    AttemptSucceeded,
    /// Its work was not done, or nobody knows.
    AttemptFailed {
        /// The error's name.
        error: String,
        /// What is said of it.
        cause: String,
    },
    /// The state was left, for the next or by a catch.
    StepLeft,
    /// The execution is over.
    Ended {
        /// The error's name, if there was one.
        error: Option<String>,
        /// What is said of it.
        cause: Option<String>,
    },
}

/// A saga, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SagaShown {
    pub(crate) status: ExecutionStatus,
    pub(crate) steps: Vec<Step>,
    /// What it failed of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// What the machine says of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<String>,
}

/// One step: a command to a service, or its undo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    pub(crate) name: String,
    pub(crate) status: StepStatus,
    pub(crate) started_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) attempts: u32,
    /// Why the last attempt came to nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// What the service says of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
}

/// The states of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Under way, or about to be tried again.
    Running,
    /// Done.
    Succeeded,
    /// Given up.
    Failed,
}

impl From<Execution> for SagaShown {
    fn from(execution: Execution) -> Self {
        let (error, cause) = execution
            .history
            .iter()
            .rev()
            .find_map(|event| match &event.what {
                Happening::Ended { error, cause } => Some((error.clone(), cause.clone())),
                Happening::StepEntered { .. }
                | Happening::Attempted
                | Happening::AttemptSucceeded
                | Happening::AttemptFailed { .. }
                | Happening::StepLeft => None,
            })
            .unwrap_or_default();
        Self { status: execution.status, steps: steps(&execution.history), error, cause }
    }
}

/// Folds a history into its steps. One state at a time: the saga has no parallel branches.
#[must_use]
pub fn steps(history: &[HistoryEvent]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for HistoryEvent { at, what } in history {
        if let Happening::StepEntered { name } = what {
            steps.push(Step {
                name: name.clone(),
                status: StepStatus::Running,
                started_at: *at,
                ended_at: None,
                attempts: 0,
                error: None,
                detail: None,
            });
            continue;
        }
        let Some(step) = steps.last_mut().filter(|it| it.ended_at.is_none()) else { continue };
        match what {
            Happening::StepEntered { .. } => {}
            Happening::Attempted => step.attempts += 1,
            Happening::AttemptSucceeded => {
                step.status = StepStatus::Succeeded;
                (step.error, step.detail) = (None, None);
            }
            Happening::AttemptFailed { error, cause } => {
                let Said { slug, detail } = said(cause);
                step.error = Some(match slug {
                    Some(slug) => format!("{error}: {slug}"),
                    None => error.clone(),
                });
                step.detail = detail;
            }
            Happening::StepLeft | Happening::Ended { .. } => {
                if step.status != StepStatus::Succeeded {
                    step.status = StepStatus::Failed;
                }
                step.ended_at = Some(*at);
            }
        }
    }
    steps
}

/// What a service says of its failure.
#[derive(Debug, Default, Deserialize)]
struct Said {
    slug: Option<String>,
    detail: Option<String>,
}

/// A function's failure is JSON within JSON: Lambda's, and within it the service's own.
fn said(cause: &str) -> Said {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Failed {
        error_message: String,
    }
    let failed: Option<Failed> = serde_json::from_str(cause).ok();
    failed.and_then(|it| serde_json::from_str(&it.error_message).ok()).unwrap_or_default()
}
