//! Runs a handler for each invocation, and writes its metrics before Lambda may freeze the process.

use std::fmt::Debug;

use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde::{Deserialize, Serialize};
use tower::util::MapResponse;

use crate::metrics;

/// Polls Lambda for invocations and handles each by `handle`, until the environment ends.
///
/// # Errors
///
/// If Lambda's runtime API can't be reached.
pub async fn run<A, R, E, F>(mut handle: impl FnMut(LambdaEvent<A>) -> F) -> Result<(), Error>
where
    A: for<'de> Deserialize<'de>,
    R: Serialize,
    E: Into<Diagnostic> + Debug,
    F: Future<Output = Result<R, E>>,
{
    let handle = service_fn(move |event: LambdaEvent<A>| {
        // Boxed, because the nested types of futures would exceed the compiler's limit otherwise.
        let response = Box::pin(handle(event));
        async {
            let response = response.await;
            // Before the response is sent: after that, the process may be frozen at any time.
            metrics::flush();
            response
        }
    });
    lambda_runtime::run(handle).await
}

/// A service that writes the metrics of each request before its response, such as a backend behind a REST API.
pub fn flushing<S, R>(service: S) -> MapResponse<S, fn(R) -> R> {
    MapResponse::new(service, |response| {
        metrics::flush();
        response
    })
}
