//! The port to other services: one request, one response, one deadline.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use service_error::{ErrorKind, ServiceError};
use tokio::time::{Instant, timeout_at};
use trace_context::call;

use crate::trace;

/// Calls functions of other services.
///
/// An implementation must
/// - return the function's own failure unchanged,
/// - return any other failure as transient, unless it requires operator intervention,
/// - not repeat a call that may have been made, except after a lost connection,
/// - need no clock: the caller enforces the deadline, and drops the future when it has passed.
pub trait Invoke: Sync {
    /// Sends JSON to a function and gets JSON back.
    fn invoke(
        &self,
        function: &str,
        request: Vec<u8>,
    ) -> impl Future<Output = Result<Vec<u8>, ServiceError>> + Send;

    /// Starts a function with JSON, asynchronously: it returns before the function has run.
    fn start(
        &self,
        function: &str,
        request: Vec<u8>,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;
}

impl<I: Invoke> Invoke for &I {
    fn invoke(
        &self,
        function: &str,
        request: Vec<u8>,
    ) -> impl Future<Output = Result<Vec<u8>, ServiceError>> + Send {
        (**self).invoke(function, request)
    }

    fn start(
        &self,
        function: &str,
        request: Vec<u8>,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send {
        (**self).start(function, request)
    }
}

impl<I: Invoke + Send> Invoke for Arc<I> {
    fn invoke(
        &self,
        function: &str,
        request: Vec<u8>,
    ) -> impl Future<Output = Result<Vec<u8>, ServiceError>> + Send {
        (**self).invoke(function, request)
    }

    fn start(
        &self,
        function: &str,
        request: Vec<u8>,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send {
        (**self).start(function, request)
    }
}

/// Any implementation of [`Invoke`], shared by the handlers of a backend, which need not know which one it is.
#[derive(Clone)]
pub struct Invoker(Arc<dyn Erased>);

impl Invoker {
    /// Shares an implementation.
    pub fn new(services: impl Invoke + Send + 'static) -> Self {
        Self(Arc::new(services))
    }
}

impl fmt::Debug for Invoker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Invoker")
    }
}

impl Invoke for Invoker {
    async fn invoke(&self, function: &str, request: Vec<u8>) -> Result<Vec<u8>, ServiceError> {
        self.0.invoke_boxed(function, request).await
    }

    async fn start(&self, function: &str, request: Vec<u8>) -> Result<(), ServiceError> {
        self.0.start_boxed(function, request).await
    }
}

/// [`Invoke`] with futures in boxes: the form that a trait object needs.
trait Erased: Send + Sync {
    fn invoke_boxed<'a>(&'a self, function: &'a str, request: Vec<u8>) -> Boxed<'a, Vec<u8>>;
    fn start_boxed<'a>(&'a self, function: &'a str, request: Vec<u8>) -> Boxed<'a, ()>;
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, ServiceError>> + Send + 'a>>;

impl<I: Invoke + Send> Erased for I {
    fn invoke_boxed<'a>(&'a self, function: &'a str, request: Vec<u8>) -> Boxed<'a, Vec<u8>> {
        Box::pin(self.invoke(function, request))
    }

    fn start_boxed<'a>(&'a self, function: &'a str, request: Vec<u8>) -> Boxed<'a, ()> {
        Box::pin(self.start(function, request))
    }
}

/// The time after which a response is of no use.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// This long from now.
    #[must_use]
    pub fn after(limit: Duration) -> Self {
        Self(Instant::now() + limit)
    }

    /// This long from now, but not later than this deadline.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Self(self.0.min(Instant::now() + limit))
    }

    /// Whether it has passed.
    #[must_use]
    pub fn is_over(self) -> bool {
        self.0 <= Instant::now()
    }

    pub(crate) fn instant(self) -> Instant {
        self.0
    }
}

/// Invokes a function, and reads its response.
///
/// # Errors
///
/// The function's own failure; `Transient` after the deadline; `Permanent` for a response of another shape.
pub async fn invoke<A, R>(
    services: &impl Invoke,
    function: &str,
    request: &A,
    deadline: Deadline,
) -> Result<R, ServiceError>
where
    A: Serialize + Sync,
    R: DeserializeOwned,
{
    let request = trace::with_trace(request).map_err(ServiceError::permanent)?;
    let invoked = timeout_at(deadline.0, services.invoke(function, request));
    let response = call("lambda:Invoke", function, invoked).await.map_err(|elapsed| {
        ServiceError::transient("the service did not respond in time", elapsed)
    })??;
    serde_json::from_slice(&response).map_err(ServiceError::permanent)
}

/// Starts a function without waiting for it. The function may run twice.
///
/// # Errors
///
/// `Transient` if the function may not have been started.
pub async fn start<A: Serialize + Sync>(
    services: &impl Invoke,
    function: &str,
    request: &A,
    deadline: Deadline,
) -> Result<(), ServiceError> {
    let request = trace::with_trace(request).map_err(ServiceError::permanent)?;
    let started = timeout_at(deadline.0, services.start(function, request));
    call("lambda:Invoke", function, started).await.map_err(|elapsed| {
        ServiceError::transient("the service did not respond in time", elapsed)
    })?
}

/// Whether the service reports that the thing does not exist. Any other failure leaves that unknown.
#[must_use]
pub fn is_not_found(failure: &ServiceError) -> bool {
    failure.kind() == ErrorKind::Rejected && failure.slug() == "not-found"
}

/// Converts the failure `not-found` of a service to `None`.
///
/// # Errors
///
/// Any other failure.
pub fn optional<T>(found: Result<T, ServiceError>) -> Result<Option<T>, ServiceError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(failure) if is_not_found(&failure) => Ok(None),
        Err(failure) => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::memory::{Memory, Reply};

    fn deadline() -> Deadline {
        Deadline::after(Duration::from_secs(1))
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_without_a_response_at_the_deadline_fails_as_transient() {
        let services = Memory::new(|_, _| Reply::Late(Duration::from_secs(2), json!(1)));
        let failure = invoke::<_, Value>(&services, "slow", &1, deadline()).await.unwrap_err();
        assert_eq!(failure.kind(), ErrorKind::Transient);
    }

    #[tokio::test]
    async fn a_response_of_another_shape_is_a_permanent_failure() {
        let services = Memory::new(|_, _| Reply::Response(json!("text")));
        let failure = invoke::<_, u64>(&services, "odd", &1, deadline()).await.unwrap_err();
        assert_eq!(failure.kind(), ErrorKind::Permanent);
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_has_no_more_time_than_the_whole() {
        let whole = deadline();
        assert!(whole.within(Duration::from_secs(9)).0 == whole.0);
        assert!(whole.within(Duration::from_millis(9)).0 < whole.0);
        assert!(!whole.is_over());
    }
}
