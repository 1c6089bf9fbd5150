//! Services in memory: for tests and examples.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use service_error::ServiceError;

use crate::invoke::Invoke;
use crate::trace::without_trace;

/// How a service behaves this time.
#[derive(Debug)]
pub enum Reply {
    /// It answers.
    Answer(Value),
    /// It says no, or falls over.
    Failure(ServiceError),
    /// It answers after a while.
    Late(Duration, Value),
}

/// Answers by a function of the function's name and the request, and remembers what it was asked. Clones share what they remember.
#[derive(Clone, Debug)]
pub struct Memory<F> {
    reply: F,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl<F: Fn(&str, &Value) -> Reply + Sync> Memory<F> {
    /// Services that reply like this.
    pub fn new(reply: F) -> Self {
        Self { reply, asked: Arc::default() }
    }

    /// Every call up to now, without the trace and the correlation id that each one carries.
    pub fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<F: Fn(&str, &Value) -> Reply + Sync> Invoke for Memory<F> {
    async fn invoke(&self, function: &str, request: Vec<u8>) -> Result<Vec<u8>, ServiceError> {
        let request: Value = serde_json::from_slice(&request).map_err(ServiceError::permanent)?;
        let reply = (self.reply)(function, &request);
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((function.to_owned(), without_trace(request)));
        match reply {
            Reply::Answer(answer) => serde_json::to_vec(&answer).map_err(ServiceError::permanent),
            Reply::Failure(failure) => Err(failure),
            Reply::Late(wait, answer) => {
                tokio::time::sleep(wait).await;
                serde_json::to_vec(&answer).map_err(ServiceError::permanent)
            }
        }
    }

    /// As a call whose answer nobody waits for.
    async fn start(&self, function: &str, request: Vec<u8>) -> Result<(), ServiceError> {
        self.invoke(function, request).await.map(drop)
    }
}
