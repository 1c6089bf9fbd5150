//! Services in memory, for tests and examples.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use service_error::ServiceError;

use crate::invoke::Invoke;
use crate::trace::without_trace;

/// The result of one call.
#[derive(Debug)]
pub enum Reply {
    /// The service responds.
    Response(Value),
    /// The service rejects the request, or fails.
    Failure(ServiceError),
    /// The service responds after this time.
    Late(Duration, Value),
}

/// Replies with a closure of the function's name and the request, and records the calls. Clones share the record.
#[derive(Clone, Debug)]
pub struct Memory<F> {
    reply: F,
    calls: Arc<Mutex<Vec<(String, Value)>>>,
}

impl<F: Fn(&str, &Value) -> Reply + Sync> Memory<F> {
    /// Services that reply with this closure.
    pub fn new(reply: F) -> Self {
        Self { reply, calls: Arc::default() }
    }

    /// Every call up to now, without the trace and the correlation id that each one carries.
    pub fn calls(&self) -> Vec<(String, Value)> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<F: Fn(&str, &Value) -> Reply + Sync> Invoke for Memory<F> {
    async fn invoke(&self, function: &str, request: Vec<u8>) -> Result<Vec<u8>, ServiceError> {
        let request: Value = serde_json::from_slice(&request).map_err(ServiceError::permanent)?;
        let reply = (self.reply)(function, &request);
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((function.to_owned(), without_trace(request)));
        match reply {
            Reply::Response(response) => {
                serde_json::to_vec(&response).map_err(ServiceError::permanent)
            }
            Reply::Failure(failure) => Err(failure),
            Reply::Late(wait, response) => {
                tokio::time::sleep(wait).await;
                serde_json::to_vec(&response).map_err(ServiceError::permanent)
            }
        }
    }

    /// Runs the call to its end, and drops the response.
    async fn start(&self, function: &str, request: Vec<u8>) -> Result<(), ServiceError> {
        self.invoke(function, request).await.map(drop)
    }
}
