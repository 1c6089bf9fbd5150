//! Lambda: execution environments that are kept, crashed and started, and invocations that run in them.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::bff::guarded::Guarded;
use axum::Router;
use billing::guarded::BREAKER;
use booking::view::BookingRow;
use circuit_breaker::breaker::Breaker;
use cqrs::lag::ReportThrottle;
use cqrs::live::Live;
use futures::FutureExt as _;
use jiff::Timestamp;
use parking::view::SlotRow;
use service_error::ServiceError;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::asl::TaskError;
use crate::functions;
use crate::ports::breakers::{self, BreakerTelemetry, Breakers};
use crate::ports::remote::Services;
use crate::ports::views::Views;
use crate::transport::{FaultyTransport, PROVIDER};
use crate::world::World;

/// Between two attempts of an asynchronous invocation.
const ASYNC_PAUSES: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(120)];

/// The process of one function, and its state between invocations.
pub(crate) struct Environment {
    pub(crate) transport: Arc<FaultyTransport>,
    pub(crate) bookings: Live<Views<BookingRow>, Clock>,
    pub(crate) slots: Live<Views<SlotRow>, Clock>,
    pub(crate) throttle: ReportThrottle,
    /// Around the payment provider.
    pub(crate) breaker: Arc<Breaker<Breakers, BreakerTelemetry>>,
    /// What it serves over HTTP, if it does.
    pub(crate) routes: Option<Router>,
}

/// The clock of one process.
pub(crate) type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// Environments that wait for their next invocation.
#[derive(Debug, Default)]
pub(crate) struct Environments {
    idle: Mutex<BTreeMap<String, Vec<Environment>>>,
    started: Mutex<u64>,
}

/// The error that the caller of a failed invocation gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) error_type: String,
    pub(crate) error_message: String,
}

impl Failed {
    pub(crate) fn new(error_type: &str, error_message: impl Into<String>) -> Self {
        Self { error_type: error_type.to_owned(), error_message: error_message.into() }
    }

    /// The same error for a state machine.
    pub(crate) fn into_task_error(self) -> TaskError {
        let cause = serde_json::json!({
            "errorType": self.error_type,
            "errorMessage": self.error_message,
        });
        TaskError { error: self.error_type, cause: cause.to_string() }
    }
}

impl From<ServiceError> for Failed {
    fn from(failure: ServiceError) -> Self {
        Self::new(failure.kind().error_type(), failure.wire_message())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("name", &self.transport.name).finish_non_exhaustive()
    }
}

impl Environment {
    fn start(world: &World, function: &str) -> Self {
        let number = {
            let started = &world.environments.started;
            let mut started = started.lock().unwrap_or_else(PoisonError::into_inner);
            *started += 1;
            *started
        };
        let transport = Arc::new(FaultyTransport::new(world.arc(), function, number));
        let clock = |transport: &Arc<FaultyTransport>| -> Clock {
            let transport = Arc::clone(transport);
            Box::new(move || transport.now())
        };
        let services = Arc::new(Guarded::new(
            Services(Arc::clone(&transport)),
            functions::guarded(function).iter().map(|(name, at)| (*name, at.as_str())),
            &breakers::settings(5_000),
            &Breakers(Arc::clone(&transport)),
            &BreakerTelemetry(Arc::clone(&transport)),
        ));
        Self {
            bookings: Live::new(Views::new(&transport), clock(&transport)),
            slots: Live::new(Views::new(&transport), clock(&transport)),
            throttle: ReportThrottle::default(),
            breaker: Arc::new(Breaker::new(
                BREAKER,
                breakers::settings(10_000),
                Breakers(Arc::clone(&transport)),
                BreakerTelemetry(Arc::clone(&transport)),
            )),
            routes: functions::routes(function, &transport, &services),
            transport,
        }
    }
}

impl Environments {
    fn take(&self, world: &World, function: &str) -> Environment {
        let idle = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let idle = idle.entry(function.to_owned()).or_default();
            let index = world.rng.index(idle.len());
            if idle.is_empty() { None } else { Some(idle.swap_remove(index)) }
        };
        match idle {
            Some(found) if !world.injects(world.plan.cold_start) => found,
            Some(_) | None => Environment::start(world, function),
        }
    }

    fn release(&self, function: &str, environment: Environment) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.entry(function.to_owned()).or_default().push(environment);
    }

    pub(crate) fn clear(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Invokes a function and waits for its response. The invocation continues if the caller stops waiting.
pub(crate) async fn invoke(
    world: &World,
    function: &str,
    payload: Vec<u8>,
) -> Result<Vec<u8>, Failed> {
    invoke_observed(world, function, payload).await.0
}

/// The same, and whether a fault was injected into its calls.
pub(crate) async fn invoke_observed(
    world: &World,
    function: &str,
    payload: Vec<u8>,
) -> (Result<Vec<u8>, Failed>, bool) {
    let (sender, receiver) = oneshot::channel();
    let (world_of, function) = (world.arc(), function.to_owned());
    world.spawn(async move {
        let response = run(&world_of, &function, &payload).await;
        // The caller may have stopped waiting.
        drop(sender.send(response));
    });
    receiver.await.unwrap_or_else(|_| (Err(Failed::new("Lambda.Unknown", "the run is over")), true))
}

/// Invokes a function asynchronously, with the retries that its settings allow.
pub(crate) fn start(world: &World, function: &str, payload: Vec<u8>) {
    let (world_of, function) = (world.arc(), function.to_owned());
    world.spawn(async move {
        let wiring = &world_of.platform.wiring;
        let retries = wiring.functions[&function].retries_when_async;
        for attempt in 0..=retries {
            if run(&world_of, &function, &payload).await.0.is_ok() {
                return;
            }
            let pause = ASYNC_PAUSES.get(attempt as usize).copied().unwrap_or_default();
            sleep(pause).await;
        }
        let failures_to = wiring.functions[&function].failures_to.as_ref();
        if let Some(queue) = failures_to.and_then(|it| wiring.queue_of_dead_letters(it)) {
            let payload: serde_json::Value = serde_json::from_slice(&payload).unwrap_or_default();
            let body = serde_json::json!({
                "requestContext": { "condition": "RetriesExhausted" },
                "requestPayload": payload,
            });
            let is_explained = Some(!world_of.plan.is_fault_free());
            world_of.queues.add_dead_letter(queue.to_owned(), body.to_string(), None, is_explained);
        }
    });
}

async fn run(world: &World, function: &str, payload: &[u8]) -> (Result<Vec<u8>, Failed>, bool) {
    sleep(world.latency()).await;
    if function != PROVIDER {
        world.count("invocation");
    }
    let limit = world.platform.wiring.functions[function].timeout;
    let environment = world.environments.take(world, function);
    let transport = Arc::clone(&environment.transport);
    let before = transport.faults();
    transport.log(|| format!("called with {}", shown(payload)));
    let work = AssertUnwindSafe(functions::handle(&environment, function, payload)).catch_unwind();
    let response = match timeout(limit, transport.until_crash(work)).await {
        Ok(Some(Err(_))) => {
            // On AWS the process would exit; the run continues, to show the consequences.
            world.invariants.violated(format!("{function} panicked on {}", shown(payload)));
            Err(Failed::new(
                "Runtime.ExitError",
                "Error: Runtime exited with error: signal: aborted",
            ))
        }
        Ok(Some(Ok(response))) => {
            transport.log(|| match &response {
                Ok(response) => format!("returns {}", shown(response)),
                Err(failed) => format!("fails: {} {}", failed.error_type, failed.error_message),
            });
            world.environments.release(function, environment);
            response.map(|response| {
                if transport.is_later_release {
                    with_later_members(function, response)
                } else {
                    response
                }
            })
        }
        Ok(None) => {
            transport.log(|| "crashes".to_owned());
            Err(Failed::new("Runtime.ExitError", "Error: Runtime exited with error: exit status 1"))
        }
        Err(_) => {
            transport.log(|| "times out".to_owned());
            let text = format!("Task timed out after {}.00 seconds", limit.as_secs());
            Err(Failed::new("Sandbox.Timedout", text))
        }
    };
    sleep(world.latency()).await;
    let had_faults = transport.faults() > before;
    (response, had_faults)
}

/// A response or request as a later release would send it: with a member that this release does not know.
pub(crate) fn with_later_members(function: &str, payload: Vec<u8>) -> Vec<u8> {
    // Payloads that AWS itself reads or writes cannot be extended by a release.
    let is_ours = ["-command", "-query", "-rebuild"].iter().any(|role| function.ends_with(role));
    match serde_json::from_slice(&payload) {
        Ok(serde_json::Value::Object(mut object)) if is_ours => {
            object.insert("sinceLater".to_owned(), serde_json::json!({ "release": 2 }));
            serde_json::Value::Object(object).to_string().into_bytes()
        }
        Ok(_) | Err(_) => payload,
    }
}

/// The beginning of a payload, for the event log.
fn shown(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload).chars().take(400).collect()
}
