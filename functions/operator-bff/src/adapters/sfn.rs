//! Executions of Step Functions state machines.

use std::str::FromStr;

use async_trait::async_trait;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionError;
use aws_sdk_sfn::primitives::DateTime;
use aws_sdk_sfn::types::{
    ExecutionStatus as SdkStatus, HistoryEvent as SdkEvent, HistoryEventType,
};
use jiff::Timestamp;
use service_error::ServiceError;

use crate::workflow::{self, Execution, ExecutionStatus, HistoryEvent, StepEvent, Workflow};

/// A state machine, by its ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateMachineArn {
    /// The ARN of its executions, without their names.
    executions: String,
}

/// The text is not the ARN of a state machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the ARN of a state machine")]
pub struct InvalidArn;

impl FromStr for StateMachineArn {
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
    saga: StateMachineArn,
    compensation: StateMachineArn,
}

impl StepFunctions {
    /// Reads the executions of the saga, and those of its compensations.
    #[must_use]
    pub fn new(client: Client, [saga, compensation]: [&StateMachineArn; 2]) -> Self {
        Self { client, saga: saga.clone(), compensation: compensation.clone() }
    }
}

#[async_trait]
impl Workflow for StepFunctions {
    async fn execution(
        &self,
        machine: workflow::StateMachine,
        name: &str,
    ) -> Result<Option<Execution>, ServiceError> {
        let machine = match machine {
            workflow::StateMachine::Saga => &self.saga,
            workflow::StateMachine::Compensation => &self.compensation,
        };
        let arn = format!("{}:{name}", machine.executions);
        let execution = match self.client.describe_execution().execution_arn(&arn).send().await {
            Ok(execution) => execution,
            Err(error) if is_unknown(&error) => return Ok(None),
            Err(error) => return Err(unavailable(error)),
        };
        let mut history = Vec::new();
        // Inputs and outputs contain the payment's token, and no step needs them.
        let request = self.client.get_execution_history().execution_arn(&arn);
        let mut pages = request.include_execution_data(false).into_paginator().send();
        while let Some(page) = pages.next().await {
            history.extend(page.map_err(unavailable)?.events.iter().filter_map(event));
        }
        Ok(Some(Execution { status: status(&execution.status), history }))
    }
}

fn is_unknown(error: &SdkError<DescribeExecutionError>) -> bool {
    error.as_service_error().is_some_and(DescribeExecutionError::is_execution_does_not_exist)
}

fn unavailable<E>(error: SdkError<E>) -> ServiceError
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let cause = DisplayErrorContext(&error).to_string();
    ServiceError::transient("the saga's history can't be reached", cause)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the SDK's enum is not exhaustive")]
fn status(status: &SdkStatus) -> ExecutionStatus {
    match status {
        SdkStatus::Succeeded => ExecutionStatus::Succeeded,
        SdkStatus::Failed => ExecutionStatus::Failed,
        SdkStatus::TimedOut => ExecutionStatus::TimedOut,
        SdkStatus::Aborted => ExecutionStatus::Aborted,
        SdkStatus::PendingRedrive => ExecutionStatus::PendingRedrive,
        _ => ExecutionStatus::Running,
    }
}

/// Converts an event that concerns a step or the end; all others are internal to the state machine.
#[expect(clippy::wildcard_enum_match_arm, reason = "the SDK's enum is not exhaustive")]
fn event(event: &SdkEvent) -> Option<HistoryEvent> {
    use HistoryEventType as Type;

    let what = match &event.r#type {
        Type::TaskStateEntered => StepEvent::StepEntered {
            name: event.state_entered_event_details.as_ref()?.name.clone(),
        },
        Type::TaskScheduled => StepEvent::Attempted,
        Type::TaskSucceeded => StepEvent::AttemptSucceeded,
        Type::TaskFailed => {
            let details = event.task_failed_event_details.as_ref();
            failed(details.and_then(|it| it.error()), details.and_then(|it| it.cause()))
        }
        Type::TaskStartFailed => {
            let details = event.task_start_failed_event_details.as_ref();
            failed(details.and_then(|it| it.error()), details.and_then(|it| it.cause()))
        }
        Type::TaskSubmitFailed => {
            let details = event.task_submit_failed_event_details.as_ref();
            failed(details.and_then(|it| it.error()), details.and_then(|it| it.cause()))
        }
        Type::TaskTimedOut => {
            let details = event.task_timed_out_event_details.as_ref();
            let error = details.and_then(|it| it.error()).or(Some("States.Timeout"));
            failed(error, details.and_then(|it| it.cause()))
        }
        Type::TaskStateExited => StepEvent::StepLeft,
        Type::ExecutionSucceeded => StepEvent::Ended { error: None, cause: None },
        Type::ExecutionFailed => {
            let details = event.execution_failed_event_details.as_ref();
            ended(details.and_then(|it| it.error()), details.and_then(|it| it.cause()))
        }
        Type::ExecutionTimedOut => {
            let details = event.execution_timed_out_event_details.as_ref();
            let error = details.and_then(|it| it.error()).or(Some("States.Timeout"));
            ended(error, details.and_then(|it| it.cause()))
        }
        Type::ExecutionAborted => {
            let details = event.execution_aborted_event_details.as_ref();
            ended(details.and_then(|it| it.error()), details.and_then(|it| it.cause()))
        }
        _ => return None,
    };
    Some(HistoryEvent { at: timestamp(&event.timestamp), what })
}

fn failed(error: Option<&str>, cause: Option<&str>) -> StepEvent {
    StepEvent::AttemptFailed {
        error: error.unwrap_or("States.TaskFailed").to_owned(),
        cause: cause.unwrap_or_default().to_owned(),
    }
}

fn ended(error: Option<&str>, cause: Option<&str>) -> StepEvent {
    StepEvent::Ended { error: error.map(str::to_owned), cause: cause.map(str::to_owned) }
}

/// The epoch stands for a time out of range, which no execution has.
fn timestamp(time: &DateTime) -> Timestamp {
    let nanoseconds = i32::try_from(time.subsec_nanos()).unwrap_or_default();
    Timestamp::new(time.secs(), nanoseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}
