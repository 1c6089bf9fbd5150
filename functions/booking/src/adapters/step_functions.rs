//! Sagas and compensations as executions of Step Functions state machines.

use aws_sdk_sfn::Client;
use serde::Serialize;
use trace_context::call;

use crate::ports::{CompensationInput, CompensationStarter};
use crate::ports::{SagaInput, SagaStarter, WorkflowError};

/// Starts executions of one state machine.
#[derive(Clone, Debug)]
pub struct StepFunctions {
    client: Client,
    state_machine_arn: String,
}

impl StepFunctions {
    /// Uses an existing state machine.
    #[must_use]
    pub fn new(client: Client, state_machine_arn: String) -> Self {
        Self { client, state_machine_arn }
    }
}

impl SagaStarter for StepFunctions {
    async fn start(&self, input: &SagaInput) -> Result<(), WorkflowError> {
        self.start_execution(&input.booking_id.to_string(), input).await
    }
}

impl CompensationStarter for StepFunctions {
    async fn start_compensation(
        &self,
        name: &str,
        input: &CompensationInput,
    ) -> Result<(), WorkflowError> {
        self.start_execution(name, input).await
    }
}

impl StepFunctions {
    async fn start_execution(
        &self,
        name: &str,
        input: &(impl Serialize + Sync),
    ) -> Result<(), WorkflowError> {
        let text = serde_json::to_string(input).map_err(|error| WorkflowError(Box::new(error)))?;
        let start = self
            .client
            .start_execution()
            .state_machine_arn(&self.state_machine_arn)
            .name(name)
            .input(text);
        match call("states:StartExecution", &self.state_machine_arn, start.send()).await {
            Ok(_) => Ok(()),
            // The name of a standard workflow is reserved for 90 days, so the execution was started before.
            Err(error)
                if error.as_service_error().is_some_and(|it| it.is_execution_already_exists()) =>
            {
                Ok(())
            }
            Err(error) => Err(WorkflowError(Box::new(error))),
        }
    }
}
