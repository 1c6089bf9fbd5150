//! Services behind circuit breakers, one for each function: a function that does not respond is not called for a while.
//!
//! Only a missing response counts as a failure: a crash, a timeout, a throttle, a lost connection. An error that the
//! function returns counts as a success, even a transient one: a lagging view must not make the whole service unavailable.

use std::collections::BTreeMap;

use circuit_breaker::breaker::{Breaker, Environment};
use circuit_breaker::call_outcome::CallOutcome;
use circuit_breaker::settings::Settings;
use circuit_breaker::store::Store;
use service_error::ServiceError;

use crate::invoke::Invoke;

/// Services of which some are not called while they do not respond.
#[derive(Debug)]
pub struct Guarded<I, S, H> {
    services: I,
    /// By the name of the function.
    breakers: BTreeMap<String, Breaker<S, H>>,
}

impl<I, S: Store + Clone, H: Environment + Clone> Guarded<I, S, H> {
    /// Puts a breaker around each of these functions, given as (name of the breaker, name of the function).
    ///
    /// Backends that use the same store share the breakers of the same name, so a name must mean the same function in each.
    pub fn new<'a>(
        services: I,
        functions: impl IntoIterator<Item = (&'static str, &'a str)>,
        settings: &Settings,
        store: &S,
        host: &H,
    ) -> Self {
        let breakers = functions.into_iter().map(|(name, function)| {
            let breaker = Breaker::new(name, settings.clone(), store.clone(), host.clone());
            (function.to_owned(), breaker)
        });
        Self { services, breakers: breakers.collect() }
    }

    /// The services behind the breakers.
    pub fn services(&self) -> &I {
        &self.services
    }
}

impl<I, S, H> Invoke for Guarded<I, S, H>
where
    I: Invoke,
    S: Store + Send + Sync,
    H: Environment + Send + Sync,
{
    async fn invoke(&self, function: &str, request: Vec<u8>) -> Result<Vec<u8>, ServiceError> {
        let call = self.services.invoke(function, request);
        let Some(breaker) = self.breakers.get(function) else { return call.await };
        breaker.call(classify, call).await.unwrap_or_else(|refused| {
            Err(ServiceError::transient("the service has not responded recently", refused))
        })
    }

    /// Bypasses the breaker: no caller waits for the result, so an open circuit would save no time.
    async fn start(&self, function: &str, request: Vec<u8>) -> Result<(), ServiceError> {
        self.services.start(function, request).await
    }
}

/// The outcome of a call, for the breaker of the function.
fn classify(response: &Result<Vec<u8>, ServiceError>) -> CallOutcome {
    match response {
        Err(failure) if failure.is_no_response() => CallOutcome::Failure,
        Ok(_) | Err(_) => CallOutcome::Success,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use circuit_breaker::breaker::Event;
    use circuit_breaker::memory::MemoryStore;
    use jiff::Timestamp;
    use serde_json::{Value, json};
    use tokio::time::Instant;

    use super::*;
    use crate::compose::Composition;
    use crate::invoke::{Deadline, invoke};
    use crate::memory::{Memory, Reply};

    /// Tokio's clock, which the tests move.
    #[derive(Clone, Debug)]
    struct Clock(Instant);

    impl Environment for Clock {
        fn now(&self) -> Timestamp {
            let elapsed = self.0.elapsed().as_millis();
            Timestamp::from_millisecond(i64::try_from(elapsed).unwrap()).unwrap()
        }

        fn random(&self) -> u64 {
            static NEXT: AtomicU64 = AtomicU64::new(1);
            NEXT.fetch_add(1, Ordering::Relaxed)
        }

        fn observe(&self, _: &str, _: &Event<'_>) {}
    }

    fn settings() -> Settings {
        Settings { quorum: 1, calls_min: 3, slow_call_ms: 900, ..Settings::default() }
    }

    fn guarded<F: Fn(&str, &Value) -> Reply + Sync>(
        reply: F,
    ) -> Guarded<Memory<F>, MemoryStore, Clock> {
        let functions = [("good", "good-function"), ("bad", "bad-function")];
        let (store, clock) = (MemoryStore::default(), Clock(Instant::now()));
        Guarded::new(Memory::new(reply), functions, &settings(), &store, &clock)
    }

    async fn call<F: Fn(&str, &Value) -> Reply + Sync>(
        guarded: &Guarded<Memory<F>, MemoryStore, Clock>,
        function: &str,
    ) -> Result<Value, ServiceError> {
        invoke(guarded, function, &1, Deadline::after(Duration::from_secs(1))).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_function_that_does_not_respond_is_not_called_for_a_while_and_the_others_are() {
        let guarded = guarded(|function, _| match function {
            "good-function" => Reply::Response(json!(1)),
            _ => Reply::Failure(ServiceError::from_wire("Runtime.ExitError", "killed")),
        });
        for _ in 0..9 {
            call(&guarded, "bad-function").await.unwrap_err();
            call(&guarded, "good-function").await.unwrap();
        }
        let calls = guarded.services().calls();
        assert_eq!(calls.iter().filter(|(function, _)| function == "bad-function").count(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_that_a_function_returns_does_not_count_as_a_failure() {
        let guarded = guarded(|_, _| {
            let error = ServiceError::transient("the view is behind", "cause");
            Reply::Failure(ServiceError::from_wire("Transient", &error.wire_message()))
        });
        for _ in 0..20 {
            call(&guarded, "bad-function").await.unwrap_err();
        }
        assert_eq!(guarded.services().calls().len(), 20);
    }

    #[tokio::test(start_paused = true)]
    async fn a_function_that_always_times_out_costs_later_callers_no_time() {
        let guarded = guarded(|_, _| Reply::Late(Duration::from_secs(60), json!(1)));
        for _ in 0..3 {
            call(&guarded, "bad-function").await.unwrap_err();
        }
        // A call that was dropped could not write its outcome to the store; the next call does.
        call(&guarded, "bad-function").await.unwrap_err();
        let before = Instant::now();
        call(&guarded, "bad-function").await.unwrap_err();
        assert_eq!(before.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_was_cancelled_because_another_failed_does_not_count() {
        let guarded = guarded(|function, _| match function {
            "good-function" => Reply::Late(Duration::from_millis(100), json!(1)),
            _ => Reply::Failure(ServiceError::rejected("not-found", "there is none")),
        });
        for _ in 0..20 {
            let deadline = Deadline::after(Duration::from_secs(1));
            let composition = Composition::partial(deadline);
            let parts = tokio::try_join!(
                composition
                    .required("one", invoke::<_, Value>(&guarded, "good-function", &1, deadline)),
                composition
                    .required("two", invoke::<_, Value>(&guarded, "bad-function", &1, deadline)),
            );
            parts.unwrap_err();
        }
        call(&guarded, "good-function").await.unwrap();
    }
}
