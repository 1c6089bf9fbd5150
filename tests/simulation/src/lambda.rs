//! Lambda: execution environments that are kept, killed and started, and calls that run in them.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::bff::guarded::Guarded;
use axum::Router;
use billing::guarded::BREAKER;
use booking::view::BookingRow;
use circuit_breaker::call::Breaker;
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
use crate::line::{Line, PROVIDER};
use crate::ports::breakers::{self, Breakers, Told};
use crate::ports::far::Services;
use crate::ports::views::Views;
use crate::world::World;

/// Between two attempts of a call that nobody waits for.
const ASYNC_PAUSES: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(120)];

/// A process of one function, and what it remembers from one call to the next.
pub(crate) struct Environment {
    pub(crate) line: Arc<Line>,
    pub(crate) bookings: Live<Views<BookingRow>, Clock>,
    pub(crate) slots: Live<Views<SlotRow>, Clock>,
    pub(crate) throttle: ReportThrottle,
    /// Around the payment provider.
    pub(crate) breaker: Arc<Breaker<Breakers, Told>>,
    /// The functions that it calls, of which a backend leaves some alone.
    pub(crate) services: Arc<Guarded<Services, Breakers, Told>>,
    /// What it serves over HTTP, if it does.
    pub(crate) routes: Option<Router>,
}

/// The clock of one process.
pub(crate) type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// Those that wait for their next call.
#[derive(Debug, Default)]
pub(crate) struct Environments {
    idle: Mutex<BTreeMap<String, Vec<Environment>>>,
    started: Mutex<u64>,
}

/// What a caller hears of a call that came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) error_type: String,
    pub(crate) error_message: String,
}

impl Failed {
    pub(crate) fn new(error_type: &str, error_message: impl Into<String>) -> Self {
        Self { error_type: error_type.to_owned(), error_message: error_message.into() }
    }

    /// As a state machine hears of it.
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
        f.debug_struct("Environment").field("name", &self.line.name).finish_non_exhaustive()
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
        let line = Arc::new(Line::new(world.arc(), function, number));
        let clock = |line: &Arc<Line>| -> Clock {
            let line = Arc::clone(line);
            Box::new(move || line.now())
        };
        let services = Arc::new(Guarded::new(
            Services(Arc::clone(&line)),
            functions::guarded(function).iter().map(|(name, at)| (*name, at.as_str())),
            &breakers::settings(5_000),
            &Breakers(Arc::clone(&line)),
            &Told(Arc::clone(&line)),
        ));
        Self {
            bookings: Live::new(Views::new(&line), clock(&line)),
            slots: Live::new(Views::new(&line), clock(&line)),
            throttle: ReportThrottle::default(),
            breaker: Arc::new(Breaker::new(
                BREAKER,
                breakers::settings(10_000),
                Breakers(Arc::clone(&line)),
                Told(Arc::clone(&line)),
            )),
            routes: functions::routes(function, &line, &services),
            services,
            line,
        }
    }
}

impl Environments {
    fn take(&self, world: &World, function: &str) -> Environment {
        let idle = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let idle = idle.entry(function.to_owned()).or_default();
            let place = world.dice.place(idle.len());
            if idle.is_empty() { None } else { Some(idle.swap_remove(place)) }
        };
        match idle {
            Some(found) if !world.befalls(world.plan.cold) => found,
            Some(_) | None => Environment::start(world, function),
        }
    }

    fn give_back(&self, function: &str, environment: Environment) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.entry(function.to_owned()).or_default().push(environment);
    }

    pub(crate) fn clear(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Calls a function and waits for its answer. It runs on, whatever becomes of the one who waits.
pub(crate) async fn invoke(
    world: &World,
    function: &str,
    payload: Vec<u8>,
) -> Result<Vec<u8>, Failed> {
    invoke_observed(world, function, payload).await.0
}

/// The same, and whether a fault befell the call.
pub(crate) async fn invoke_observed(
    world: &World,
    function: &str,
    payload: Vec<u8>,
) -> (Result<Vec<u8>, Failed>, bool) {
    let (tell, told) = oneshot::channel();
    let (world_of, function) = (world.arc(), function.to_owned());
    world.spawn(async move {
        let answer = run(&world_of, &function, &payload).await;
        // Nobody may be waiting any more.
        drop(tell.send(answer));
    });
    told.await.unwrap_or_else(|_| (Err(Failed::new("Lambda.Unknown", "the day is over")), true))
}

/// Calls a function that nobody waits for, as often as it takes or its settings allow.
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
            let is_explained = Some(!world_of.plan.is_fine());
            world_of.queues.bury(queue.to_owned(), body.to_string(), None, is_explained);
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
    let line = Arc::clone(&environment.line);
    let before = line.faults();
    line.tell(|| format!("called with {}", shown(payload)));
    let work = AssertUnwindSafe(functions::handle(&environment, function, payload)).catch_unwind();
    let answer = match timeout(limit, line.until_death(work)).await {
        Ok(Some(Err(_))) => {
            // On AWS the process would end, and this day goes on to show what comes of it.
            world.laws.broken(format!("{function} panics, asked {}", shown(payload)));
            Err(Failed::new(
                "Runtime.ExitError",
                "Error: Runtime exited with error: signal: aborted",
            ))
        }
        Ok(Some(Ok(answer))) => {
            line.tell(|| match &answer {
                Ok(answer) => format!("answers {}", shown(answer)),
                Err(failed) => format!("fails: {} {}", failed.error_type, failed.error_message),
            });
            world.environments.give_back(function, environment);
            answer.map(|answer| if line.is_later { with_more(function, answer) } else { answer })
        }
        Ok(None) => {
            line.tell(|| "dies".to_owned());
            Err(Failed::new("Runtime.ExitError", "Error: Runtime exited with error: exit status 1"))
        }
        Err(_) => {
            line.tell(|| "is out of time".to_owned());
            let text = format!("Task timed out after {}.00 seconds", limit.as_secs());
            Err(Failed::new("Sandbox.Timedout", text))
        }
    };
    sleep(world.latency()).await;
    let had_faults = line.faults() > before;
    (answer, had_faults)
}

/// An answer or a question as a later release words it: with something that this one does not know.
pub(crate) fn with_more(function: &str, words: Vec<u8>) -> Vec<u8> {
    // What AWS itself reads or writes is not for a release to extend.
    let is_ours = ["-command", "-query", "-rebuild"].iter().any(|role| function.ends_with(role));
    match serde_json::from_slice(&words) {
        Ok(serde_json::Value::Object(mut object)) if is_ours => {
            object.insert("sinceLater".to_owned(), serde_json::json!({ "release": 2 }));
            serde_json::Value::Object(object).to_string().into_bytes()
        }
        Ok(_) | Err(_) => words,
    }
}

/// Long enough to see what it is about.
fn shown(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload).chars().take(400).collect()
}
