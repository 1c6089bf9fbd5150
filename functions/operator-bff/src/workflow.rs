//! The progress of an orchestrated saga: the history of an execution, folded into steps.

use async_trait::async_trait;
use contracts::id::BookingId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use service_error::ServiceError;

/// The error of an execution that ended before its compensations were complete. The second name is that of executions
/// started by an earlier release, which are kept for 90 days.
const MANUAL_INTERVENTION_REQUIRED: [&str; 2] = ["ManualInterventionRequired", "NeedsOperator"];

/// Reads executions by their names.
///
/// An implementation must return the complete history, including all its pages, and `None` for a name that was never
/// started.
#[async_trait]
pub trait Workflow: Send + Sync {
    /// One execution.
    async fn execution(
        &self,
        machine: StateMachine,
        name: &str,
    ) -> Result<Option<Execution>, ServiceError>;
}

/// The state machines that a booking may pass through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateMachine {
    /// The saga.
    Saga,
    /// The compensations of a saga that ended incomplete.
    Compensation,
}

/// The saga of a booking, with every recovery of an incomplete one.
///
/// # Errors
///
/// If a history cannot be read.
pub async fn saga_of(
    workflow: &dyn Workflow,
    booking_id: BookingId,
) -> Result<Option<SagaDto>, ServiceError> {
    let name = booking_id.to_string();
    let Some(first) = workflow.execution(StateMachine::Saga, &name).await? else { return Ok(None) };
    let mut whole = first;
    for number in 1_u32.. {
        if !whole.is_incomplete() {
            break;
        }
        let name = format!("{booking_id}-{number}");
        let Some(next) = workflow.execution(StateMachine::Compensation, &name).await? else {
            break;
        };
        whole.history.extend(next.history);
        whole.status = next.status;
    }
    Ok(Some(whole.into()))
}

/// An execution up to now.
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    /// Its status.
    pub status: ExecutionStatus,
    /// Its events, in order.
    pub history: Vec<HistoryEvent>,
}

impl Execution {
    /// Whether it ended before its compensations were complete.
    fn is_incomplete(&self) -> bool {
        match self.status {
            ExecutionStatus::TimedOut | ExecutionStatus::Aborted => true,
            ExecutionStatus::Failed => {
                let last = self.history.last().map(|event| &event.what);
                matches!(last, Some(StepEvent::Ended { error: Some(error), .. })
                    if MANUAL_INTERVENTION_REQUIRED.contains(&error.as_str()))
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
    /// In progress.
    Running,
    /// All steps are done.
    Succeeded,
    /// It was compensated, or its compensation failed and requires manual intervention.
    Failed,
    /// It took too long.
    TimedOut,
    /// An operator has stopped it.
    Aborted,
    /// An operator has requested that it continues.
    PendingRedrive,
}

/// One event of a history that concerns a step, or the end of the execution.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct HistoryEvent {
    /// The time of the event.
    pub at: Timestamp,
    /// The event.
    pub what: StepEvent,
}

/// The events of a step.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepEvent {
    /// A task state was entered.
    StepEntered {
        /// The state's name.
        name: String,
    },
    /// Its task was scheduled, for the first time or as a retry.
    Attempted,
    /// Its task succeeded.
    AttemptSucceeded,
    /// Its task failed, or its outcome is unknown.
    AttemptFailed {
        /// The error's name.
        error: String,
        /// The details, often JSON.
        cause: String,
    },
    /// The state was left, to the next one or to that of a catcher.
    StepLeft,
    /// The execution has ended.
    Ended {
        /// The error's name, if there was one.
        error: Option<String>,
        /// The details of the error, often JSON.
        cause: Option<String>,
    },
}

/// A saga, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SagaDto {
    pub(crate) status: ExecutionStatus,
    pub(crate) steps: Vec<Step>,
    /// The error that it failed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// The cause, as the state machine reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<String>,
}

/// One step: a command to a service, or its compensation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    pub(crate) name: String,
    pub(crate) status: StepStatus,
    pub(crate) started_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) attempts: u32,
    /// The error of the last attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// The cause, as the service reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
}

/// The states of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// In progress, or about to be retried.
    Running,
    /// Done.
    Succeeded,
    /// Failed for good.
    Failed,
}

impl From<Execution> for SagaDto {
    fn from(execution: Execution) -> Self {
        let (error, cause) = execution
            .history
            .iter()
            .rev()
            .find_map(|event| match &event.what {
                StepEvent::Ended { error, cause } => Some((error.clone(), cause.clone())),
                StepEvent::StepEntered { .. }
                | StepEvent::Attempted
                | StepEvent::AttemptSucceeded
                | StepEvent::AttemptFailed { .. }
                | StepEvent::StepLeft => None,
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
        if let StepEvent::StepEntered { name } = what {
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
            StepEvent::StepEntered { .. } => {}
            StepEvent::Attempted => step.attempts += 1,
            StepEvent::AttemptSucceeded => {
                step.status = StepStatus::Succeeded;
                (step.error, step.detail) = (None, None);
            }
            StepEvent::AttemptFailed { error, cause } => {
                let ReportedFailure { slug, detail } = reported_failure(cause);
                step.error = Some(match slug {
                    Some(slug) => format!("{error}: {slug}"),
                    None => error.clone(),
                });
                step.detail = detail;
            }
            StepEvent::StepLeft | StepEvent::Ended { .. } => {
                if step.status != StepStatus::Succeeded {
                    step.status = StepStatus::Failed;
                }
                step.ended_at = Some(*at);
            }
        }
    }
    steps
}

/// The failure that a service reports.
#[derive(Debug, Default, Deserialize)]
struct ReportedFailure {
    slug: Option<String>,
    detail: Option<String>,
}

/// A function's failure is JSON within JSON: Lambda's, and within it the service's own.
fn reported_failure(cause: &str) -> ReportedFailure {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Failed {
        error_message: String,
    }
    let failed: Option<Failed> = serde_json::from_str(cause).ok();
    failed.and_then(|it| serde_json::from_str(&it.error_message).ok()).unwrap_or_default()
}
