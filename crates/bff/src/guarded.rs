//! Services behind circuit breakers, one for each function: who does not answer is not asked for a while.
//!
//! Only silence counts against a function: no answer, a crash, time that ran out. What it says itself is an answer, even
//! that it can't do its work just now: a view that is behind must not cost others the whole service.

use std::collections::BTreeMap;

use circuit_breaker::breaker::{Breaker, Environment};
use circuit_breaker::call_outcome::CallOutcome;
use circuit_breaker::settings::Settings;
use circuit_breaker::store::Store;
use service_error::ServiceError;

use crate::invoke::Invoke;

/// Services of which some are left alone while they do not answer.
#[derive(Debug)]
pub struct Guarded<I, S, H> {
    services: I,
    /// By the function that they are around.
    breakers: BTreeMap<String, Breaker<S, H>>,
}

impl<I, S: Store + Clone, H: Environment + Clone> Guarded<I, S, H> {
    /// Puts a breaker around each of these functions, which are told as (name of the breaker, function).
    ///
    /// The names are shared by all backends that use the store, whose calls speak of the same functions.
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

    /// What is guarded.
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
        breaker.call(fared, call).await.unwrap_or_else(|refused| {
            Err(ServiceError::transient("the service has not answered lately", refused))
        })
    }

    /// Nobody waits for it, so there is nothing to be spared.
    async fn start(&self, function: &str, request: Vec<u8>) -> Result<(), ServiceError> {
        self.services.start(function, request).await
    }
}

/// What an answer says of the function.
fn fared(answer: &Result<Vec<u8>, ServiceError>) -> CallOutcome {
    match answer {
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
    use crate::invoke::{Deadline, ask};
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

    async fn asked<F: Fn(&str, &Value) -> Reply + Sync>(
        guarded: &Guarded<Memory<F>, MemoryStore, Clock>,
        function: &str,
    ) -> Result<Value, ServiceError> {
        ask(guarded, function, &1, Deadline::after(Duration::from_secs(1))).await
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_silent_is_left_alone_and_the_others_are_not() {
        let guarded = guarded(|function, _| match function {
            "good-function" => Reply::Answer(json!(1)),
            _ => Reply::Failure(ServiceError::from_wire("Runtime.ExitError", "killed")),
        });
        for _ in 0..9 {
            asked(&guarded, "bad-function").await.unwrap_err();
            asked(&guarded, "good-function").await.unwrap();
        }
        let asked = guarded.services().asked();
        assert_eq!(asked.iter().filter(|(function, _)| function == "bad-function").count(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_function_says_itself_is_never_held_against_it() {
        let guarded = guarded(|_, _| {
            let said = ServiceError::transient("the view is behind", "cause");
            Reply::Failure(ServiceError::from_wire("Transient", &said.wire_message()))
        });
        for _ in 0..20 {
            asked(&guarded, "bad-function").await.unwrap_err();
        }
        assert_eq!(guarded.services().asked().len(), 20);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_always_out_of_time_costs_nobody_time_any_more() {
        let guarded = guarded(|_, _| Reply::Late(Duration::from_secs(60), json!(1)));
        for _ in 0..3 {
            asked(&guarded, "bad-function").await.unwrap_err();
        }
        // What is to be written because of a call that was dropped is left to the next one.
        asked(&guarded, "bad-function").await.unwrap_err();
        let before = Instant::now();
        asked(&guarded, "bad-function").await.unwrap_err();
        assert_eq!(before.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_was_given_up_because_another_failed_says_nothing() {
        let guarded = guarded(|function, _| match function {
            "good-function" => Reply::Late(Duration::from_millis(100), json!(1)),
            _ => Reply::Failure(ServiceError::rejected("not-found", "there is none")),
        });
        for _ in 0..20 {
            let deadline = Deadline::after(Duration::from_secs(1));
            let composition = Composition::partial(deadline);
            let parts = tokio::try_join!(
                composition
                    .required("one", ask::<_, Value>(&guarded, "good-function", &1, deadline)),
                composition
                    .required("two", ask::<_, Value>(&guarded, "bad-function", &1, deadline)),
            );
            parts.unwrap_err();
        }
        asked(&guarded, "good-function").await.unwrap();
    }
}
