//! The port to other services over the Invoke operation of Lambda.

use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::error::{DisplayErrorContext, SdkError};
use aws_sdk_lambda::operation::invoke::{InvokeError, InvokeOutput};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use serde::Deserialize;
use service_error::ServiceError;

use crate::invoke::Invoke;

/// A first handshake on the smallest function takes 0.75 s of its share of a core.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1_500);
/// A cold start must not take longer than a slow first request would.
const WARM_UP_TIMEOUT: Duration = Duration::from_secs(1);

/// Invokes Lambda functions.
#[derive(Clone, Debug)]
pub struct Functions {
    client: Client,
}

/// The payload with which Lambda reports that a function failed.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct FunctionError {
    error_type: String,
    error_message: String,
}

impl Functions {
    /// Uses the platform's configuration without its timeouts and retries: the caller has its own deadline, and only the
    /// client decides whether to retry.
    #[must_use]
    pub fn new(aws: impl Into<aws_sdk_lambda::config::Builder>) -> Self {
        let limits = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .disable_operation_timeout()
            .disable_operation_attempt_timeout()
            .build();
        let config =
            aws.into().timeout_config(limits).retry_config(RetryConfig::disabled()).build();
        Self { client: Client::from_conf(config) }
    }

    /// Opens a connection, so that the first request need not wait for the handshake.
    ///
    /// # Errors
    ///
    /// Lambda did not respond in time, or would have denied the call.
    pub async fn warm_up(&self, function: &str) -> Result<(), ServiceError> {
        let call = self.client.invoke().function_name(function);
        let call = call.invocation_type(InvocationType::DryRun).send();
        let sent = tokio::time::timeout(WARM_UP_TIMEOUT, call).await;
        sent.map_err(|elapsed| {
            ServiceError::transient("the service did not respond in time", elapsed)
        })?
        .map_err(invoke_failure)
        .map(drop)
    }

    async fn send(
        &self,
        function: &str,
        how: InvocationType,
        request: Vec<u8>,
    ) -> Result<InvokeOutput, SdkError<InvokeError>> {
        let send = async |request| {
            let call = self.client.invoke().function_name(function).payload(Blob::new(request));
            call.invocation_type(how.clone()).send().await
        };
        match send(request.clone()).await {
            // A frozen function finds its connections closed when it resumes. Retry on a new one.
            Err(SdkError::DispatchFailure(lost)) if lost.is_io() => send(request).await,
            sent => sent,
        }
    }
}

impl Invoke for Functions {
    async fn invoke(&self, function: &str, request: Vec<u8>) -> Result<Vec<u8>, ServiceError> {
        let sent = self.send(function, InvocationType::RequestResponse, request).await;
        let output = sent.map_err(invoke_failure)?;
        let payload = output.payload.map(Blob::into_inner).unwrap_or_default();
        if output.function_error.is_none() {
            return Ok(payload);
        }
        // After a crash the payload may be empty, or not JSON.
        let error: FunctionError = serde_json::from_slice(&payload).unwrap_or_default();
        Err(ServiceError::from_wire(&error.error_type, &error.error_message))
    }

    async fn start(&self, function: &str, request: Vec<u8>) -> Result<(), ServiceError> {
        let sent = self.send(function, InvocationType::Event, request).await;
        sent.map(drop).map_err(invoke_failure)
    }
}

/// Classifies an error of Lambda itself: retrying does not help if the function does not exist or may not be called.
fn invoke_failure(error: SdkError<InvokeError>) -> ServiceError {
    let cause = DisplayErrorContext(&error).to_string();
    let code = error.as_service_error().map(|it| it.meta().code().unwrap_or_default().to_owned());
    match code.as_deref() {
        Some("ResourceNotFoundException" | "AccessDeniedException") => {
            ServiceError::permanent(cause)
        }
        _ => ServiceError::transient("the service did not respond", cause),
    }
}
