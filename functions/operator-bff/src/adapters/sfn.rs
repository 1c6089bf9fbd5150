//! Executions of Step Functions state machines.

use std::str::FromStr;

use aws_sdk_sfn::Client;
use aws_sdk_sfn::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionError;
use aws_sdk_sfn::primitives::DateTime;
use aws_sdk_sfn::types::{ExecutionStatus as Told, HistoryEvent as ToldEvent, HistoryEventType};
use jiff::Timestamp;
use service_error::ServiceError;

use crate::workflow::{self, Execution, ExecutionStatus, Happening, HistoryEvent, Workflow};

/// A state machine, by its ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The ARN of its executions, but for their names.
    executions: String,
}

/// A text that is no state machine's ARN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the ARN of a state machine")]
pub struct InvalidArn;

impl FromStr for Machine {
    type Err = InvalidArn;

    fn from_str(arn: &str) -> Result<Self, InvalidArn> {
        let (place, name) = arn.split_once(":stateMachine:").ok_or(InvalidArn)?;
        let good = place.starts_with("arn:") && !name.is_empty() && !name.contains(':');
        good.then(|| Self { executions: format!("{place}:execution:{name}") }).ok_or(InvalidArn)
    }
}

/// The port over Step Functions.
#[derive(Clone, Debug)]
pub struct StepFunctions {
    client: Client,
    saga: Machine,
    undo: Machine,
}

impl StepFunctions {
    /// Looks at the executions of the saga, and of its undos.
    #[must_use]
    pub fn new(client: Client, [saga, undo]: [&Machine; 2]) -> Self {
        Self { client, saga: saga.clone(), undo: undo.clone() }
    }
}

impl Workflow for StepFunctions {
    async fn execution(
        &self,
        machine: workflow::Machine,
        name: &str,
    ) -> Result<Option<Execution>, ServiceError> {
        let machine = match machine {
            workflow::Machine::Saga => &self.saga,
            workflow::Machine::Undo => &self.undo,
        };
        let arn = format!("{}:{name}", machine.executions);
        let told = match self.client.describe_execution().execution_arn(&arn).send().await {
            Ok(told) => told,
            Err(error) if is_unknown(&error) => return Ok(None),
            Err(error) => return Err(unavailable(error)),
        };
        let mut history = Vec::new();
        // Inputs and outputs have the payment's token in them, and nobody asks for them here.
        let asked = self.client.get_execution_history().execution_arn(&arn);
        let mut pages = asked.include_execution_data(false).into_paginator().send();
        while let Some(page) = pages.next().await {
            history.extend(page.map_err(unavailable)?.events.iter().filter_map(event));
        }
        Ok(Some(Execution { status: status(&told.status), history }))
    }
}

fn is_unknown(error: &SdkError<DescribeExecutionError>) -> bool {
    error.as_service_error().is_some_and(DescribeExecutionError::is_execution_does_not_exist)
}

fn unavailable<E>(error: SdkError<E>) -> ServiceError
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let told = DisplayErrorContext(&error).to_string();
    ServiceError::transient("the saga's history can't be reached", told)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the SDK's enum is not exhaustive")]
fn status(told: &Told) -> ExecutionStatus {
    match told {
        Told::Succeeded => ExecutionStatus::Succeeded,
        Told::Failed => ExecutionStatus::Failed,
        Told::TimedOut => ExecutionStatus::TimedOut,
        Told::Aborted => ExecutionStatus::Aborted,
        Told::PendingRedrive => ExecutionStatus::PendingRedrive,
        _ => ExecutionStatus::Running,
    }
}

/// What of an event says how a step went; the rest of the history is about the machine's own doings.
#[expect(clippy::wildcard_enum_match_arm, reason = "the SDK's enum is not exhaustive")]
fn event(told: &ToldEvent) -> Option<HistoryEvent> {
    use HistoryEventType as Type;

    let what = match &told.r#type {
        Type::TaskStateEntered => {
            Happening::StepEntered { name: told.state_entered_event_details.as_ref()?.name.clone() }
        }
        Type::TaskScheduled => Happening::Attempted,
        Type::TaskSucceeded => Happening::AttemptSucceeded,
        Type::TaskFailed => {
            let details = told.task_failed_event_details.as_ref();
            failed(details.and_then(|it| it.error()), details.and_then(|it| it.cause()))
        }
        Type::TaskStartFailed => {
            let details = told.task_start_failed_event_details.as_ref();
            failed(details.and_then(|it| it.error()), details.and_then(|it| it.cause()))
        }
        Type::TaskSubmitFailed => {
            let details = told.task_submit_failed_event_details.as_ref();
            failed(details.and_then(|it| it.error()), details.and_then(|it| it.cause()))
        }
        Type::TaskTimedOut => {
            let details = told.task_timed_out_event_details.as_ref();
            let error = details.and_then(|it| it.error()).or(Some("States.Timeout"));
            failed(error, details.and_then(|it| it.cause()))
        }
        Type::TaskStateExited => Happening::StepLeft,
        Type::ExecutionSucceeded => Happening::Ended { error: None, cause: None },
        Type::ExecutionFailed => {
            let details = told.execution_failed_event_details.as_ref();
            ended(details.and_then(|it| it.error()), details.and_then(|it| it.cause()))
        }
        Type::ExecutionTimedOut => {
            let details = told.execution_timed_out_event_details.as_ref();
            let error = details.and_then(|it| it.error()).or(Some("States.Timeout"));
            ended(error, details.and_then(|it| it.cause()))
        }
        Type::ExecutionAborted => {
            let details = told.execution_aborted_event_details.as_ref();
            ended(details.and_then(|it| it.error()), details.and_then(|it| it.cause()))
        }
        _ => return None,
    };
    Some(HistoryEvent { at: timestamp(&told.timestamp), what })
}

fn failed(error: Option<&str>, cause: Option<&str>) -> Happening {
    Happening::AttemptFailed {
        error: error.unwrap_or("States.TaskFailed").to_owned(),
        cause: cause.unwrap_or_default().to_owned(),
    }
}

fn ended(error: Option<&str>, cause: Option<&str>) -> Happening {
    Happening::Ended { error: error.map(str::to_owned), cause: cause.map(str::to_owned) }
}

/// Times of an execution lie within what a timestamp can say.
fn timestamp(told: &DateTime) -> Timestamp {
    let nanoseconds = i32::try_from(told.subsec_nanos()).unwrap_or_default();
    Timestamp::new(told.secs(), nanoseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}
