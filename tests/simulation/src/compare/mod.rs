//! Runs the same scenarios through both sagas: compares the final states with the expected ones, and counts the cost.
//!
//! A scenario runs without faults, the same each time. It depends on the saga only in how a booking is paid: by the
//! saga itself, or by the customer as soon as there is a bill.

mod prices;
mod scenarios;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use contracts::booking::{BookingStatus, FailureReason};
use tokio::task::LocalSet;

pub use prices::Prices;
use scenarios::{SCENARIOS, Scenario, Setup};

use crate::event_log::EventLog;
use crate::plan::Plan;
use crate::world::World;
use crate::{PLATFORM, QUIESCENCE_TIMEOUT, final_checks};

/// The seed of all scenarios.
const SEED: u64 = 1;

/// The kind of saga that completes a booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saga {
    /// Orchestrated by a state machine, which charges the card.
    Orchestrated,
    /// Choreographed by events, after the customer has paid an invoice.
    Choreographed,
}

/// The billable operations of a scenario, except those of the payment provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests of customers and operators.
    pub requests: u64,
    /// Invocations of functions.
    pub calls: u64,
    /// State transitions, including retries.
    pub transitions: u64,
    /// Events on the bus.
    pub events: u64,
    /// Requests to queues: a message is sent, and a batch received and deleted.
    pub queue_requests: u64,
    /// Writes of items of at most a kilobyte.
    pub writes: u64,
    /// Reads of items.
    pub reads: u64,
    /// Requests to the payment provider.
    pub provider: u64,
}

/// The result of one scenario with one saga.
#[derive(Clone, Debug)]
pub struct ScenarioResult {
    /// The scenario's name.
    pub scenario: &'static str,
    /// The saga.
    pub saga: Saga,
    /// The final status of the booking.
    pub end: String,
    /// The operations counted.
    pub counts: Counts,
    /// Simulated time from the request to the booking's final status.
    pub latency: Duration,
    /// The violated expectations and invariants.
    pub violations: Vec<String>,
    /// The event log.
    pub log: String,
}

/// What a label is counted as: a call made by a function, or an action of the world.
enum Kind {
    Request,
    Call,
    Transition,
    Event,
    Queue(u64),
    Write,
    Read,
    Provider,
    /// Counted by its receiver.
    Elsewhere,
}

fn kind(label: &str) -> Option<Kind> {
    Some(match label {
        "request" => Kind::Request,
        "invocation" => Kind::Call,
        "transition" => Kind::Transition,
        "event" => Kind::Event,
        "message" => Kind::Queue(1),
        "batch" => Kind::Queue(2),
        "append to a booking"
        | "advance a row"
        | "advance a bill's row"
        | "put a state"
        | "put a tombstone"
        | "bump a version"
        | "put a lag report"
        | "put a projection state"
        | "put a breaker" => Kind::Write,
        "load a booking"
        | "load a booking's end"
        | "get events"
        | "get a state"
        | "get a tombstone"
        | "get a row"
        | "get a bill's row"
        | "get a projection state"
        | "get a breaker"
        | "list an index"
        | "list commits"
        | "list events"
        | "list states"
        | "list rows"
        | "list bookings"
        | "list bills" => Kind::Read,
        "call the provider" => Kind::Provider,
        "put events" | "start a saga" | "start a recovery" | "send a reminder"
        | "send a command" => Kind::Elsewhere,
        function if PLATFORM.wiring.functions.contains_key(function) => Kind::Elsewhere,
        _ => return None,
    })
}

impl Counts {
    /// Sorts the counts by the kinds of their labels.
    ///
    /// # Errors
    ///
    /// If a label has no kind.
    fn new(counted: &BTreeMap<String, u64>) -> Result<Self, String> {
        let mut counts = Self::default();
        for (label, count) in counted {
            let kind = kind(label).ok_or_else(|| format!("{label:?} has no kind"))?;
            match kind {
                Kind::Request => counts.requests += count,
                Kind::Call => counts.calls += count,
                Kind::Transition => counts.transitions += count,
                Kind::Event => counts.events += count,
                Kind::Queue(requests) => counts.queue_requests += requests * count,
                Kind::Write => counts.writes += count,
                Kind::Read => counts.reads += count,
                Kind::Provider => counts.provider += count,
                Kind::Elsewhere => {}
            }
        }
        Ok(counts)
    }
}

/// Runs every scenario with both sagas.
#[must_use]
pub fn compare() -> Vec<ScenarioResult> {
    let sagas = [Saga::Orchestrated, Saga::Choreographed];
    SCENARIOS.iter().flat_map(|it| sagas.map(|saga| run(it, saga))).collect()
}

fn run(scenario: &Scenario, saga: Saga) -> ScenarioResult {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing");
    let local = LocalSet::new();
    let result = local.block_on(&runtime, async {
        let world = World::with(&PLATFORM, SEED, EventLog::recording(), |_| Plan::without_faults());
        let setup = Setup::new(&world, saga).await;
        // The setup is not part of the measurement.
        world.reset_counts();
        let (end, latency) = (scenario.run)(&setup).await;
        if !world.becomes_quiescent(QUIESCENCE_TIMEOUT).await {
            world.invariants.violated("the platform does not become quiescent");
        }
        let counts = Counts::new(&world.counts()).unwrap_or_else(|uncounted| {
            world.invariants.violated(uncounted);
            Counts::default()
        });
        if !world.invariants.is_violated() {
            final_checks::check(&world);
        }
        let (violations, log) = (world.invariants.all_violations(), world.log.lines());
        world.end();
        ScenarioResult { scenario: scenario.name, saga, end, counts, latency, violations, log }
    });
    drop(local);
    result
}

impl fmt::Display for Saga {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Orchestrated => "orchestrated",
            Self::Choreographed => "choreographed",
        })
    }
}

/// The final status of a booking, in words.
fn ended(status: BookingStatus, reason: Option<FailureReason>) -> String {
    let word = |it: &dyn fmt::Debug| {
        let mut words = String::new();
        for letter in format!("{it:?}").chars() {
            if letter.is_uppercase() && !words.is_empty() {
                words.push(' ');
            }
            words.extend(letter.to_lowercase());
        }
        words
    };
    match reason {
        Some(reason) => format!("{}: {}", word(&status), word(&reason)),
        None => word(&status),
    }
}

/// The comparison as a Markdown table.
#[must_use]
pub fn table(all: &[ScenarioResult], prices: &Prices) -> String {
    let mut table = String::from(
        "| scenario | saga | it ends | calls | steps | events | queue requests | writes | reads | provider | ms | $ a million |\n\
         |---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for ScenarioResult { scenario, saga, end, counts, latency, .. } in all {
        let cents = prices.cents_a_million(counts);
        let (dollars, final_checks, ms) = (cents / 100, cents % 100, latency.as_millis());
        let Counts { calls, transitions, events, queue_requests, writes, reads, provider, .. } =
            counts;
        table += &format!(
            "| {scenario} | {saga} | {end} | {calls} | {transitions} | {events} | {queue_requests} \
             | {writes} | {reads} | {provider} | {ms} | {dollars}.{final_checks:02} |\n"
        );
    }
    table
}
