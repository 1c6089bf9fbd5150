//! Both sagas through the same scenarios: what must come of it either way, and what each takes for it.
//!
//! A scenario is played on a day without faults, the same each time. It knows of the saga only how a booking is paid: by
//! the saga itself, or by the customer as soon as there is a bill.

mod prices;
mod scenarios;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use contracts::booking::{BookingStatus, FailureReason};
use tokio::task::LocalSet;

pub use prices::Prices;
use scenarios::{SCENARIOS, Scenario, Stage};

use crate::plan::Plan;
use crate::story::Story;
use crate::world::World;
use crate::{PLATFORM, REST_WITHIN, rest};

/// The day on which all is played.
const SEED: u64 = 1;

/// How a booking is carried through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saga {
    /// By a state machine, which charges the card.
    Orchestrated,
    /// By events, after the customer has paid an invoice.
    Choreographed,
}

/// What a scenario has taken, but for what belongs to the payment provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests of customers and operators.
    pub requests: u64,
    /// Invocations of functions.
    pub calls: u64,
    /// State transitions, retries among them.
    pub transitions: u64,
    /// Events on the bus.
    pub events: u64,
    /// Requests to queues: a message is sent, and a batch received and deleted.
    pub queue_requests: u64,
    /// Writes of items, which are of a kilobyte at most.
    pub writes: u64,
    /// Reads.
    pub reads: u64,
    /// Requests to the payment provider.
    pub provider: u64,
}

/// One scenario, played over one saga.
#[derive(Clone, Debug)]
pub struct Played {
    /// The scenario.
    pub scenario: &'static str,
    /// The saga.
    pub saga: Saga,
    /// How the booking ended.
    pub end: String,
    /// What it took.
    pub counts: Counts,
    /// From the request to the booking's end, simulated.
    pub latency: Duration,
    /// What was not as it must be.
    pub broken: Vec<String>,
    /// What happened, line by line.
    pub story: String,
}

/// What is counted of a label: a call that a function makes, or something that the world does.
enum Kind {
    Request,
    Call,
    Transition,
    Event,
    Queue(u64),
    Write,
    Read,
    Provider,
    /// It is counted where it arrives.
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
        | "put a bar"
        | "move a version"
        | "put a mark"
        | "put a control"
        | "put a breaker" => Kind::Write,
        "load a booking"
        | "load a booking's end"
        | "get events"
        | "get a state"
        | "get a bar"
        | "get a row"
        | "get a bill's row"
        | "get a control"
        | "get a breaker"
        | "list an index"
        | "list commits"
        | "list events"
        | "list states"
        | "list rows"
        | "list bookings"
        | "list bills" => Kind::Read,
        "ask the provider" => Kind::Provider,
        "put events" | "start a saga" | "start undos" | "send a reminder" | "send a wish" => {
            Kind::Elsewhere
        }
        function if PLATFORM.wiring.functions.contains_key(function) => Kind::Elsewhere,
        _ => return None,
    })
}

impl Counts {
    /// Sorts what was counted by its labels.
    ///
    /// # Errors
    ///
    /// Names a label that nobody has given a kind.
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

/// Plays every scenario over both sagas.
#[must_use]
pub fn compare() -> Vec<Played> {
    let sagas = [Saga::Orchestrated, Saga::Choreographed];
    SCENARIOS.iter().flat_map(|it| sagas.map(|saga| play(it, saga))).collect()
}

fn play(scenario: &Scenario, saga: Saga) -> Played {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing");
    let local = LocalSet::new();
    let played = local.block_on(&runtime, async {
        let world = World::with(&PLATFORM, SEED, Story::told(), |_| Plan::calm());
        let stage = Stage::set(&world, saga).await;
        // What it takes to set the stage is no part of the play.
        world.forget_counts();
        let (end, latency) = (scenario.play)(&stage).await;
        if !world.comes_to_rest(REST_WITHIN).await {
            world.laws.broken("the platform does not come to rest");
        }
        let counts = Counts::new(&world.counts()).unwrap_or_else(|uncounted| {
            world.laws.broken(uncounted);
            Counts::default()
        });
        if !world.laws.is_broken() {
            rest::check(&world);
        }
        let (broken, story) = (world.laws.all_broken(), world.story.lines());
        world.end();
        Played { scenario: scenario.name, saga, end, counts, latency, broken, story }
    });
    drop(local);
    played
}

impl fmt::Display for Saga {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Orchestrated => "orchestrated",
            Self::Choreographed => "choreographed",
        })
    }
}

/// How a booking ended, in words.
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

/// The comparison as a table in Markdown.
#[must_use]
pub fn table(all: &[Played], prices: &Prices) -> String {
    let mut table = String::from(
        "| scenario | saga | it ends | calls | steps | events | queue requests | writes | reads | provider | ms | $ a million |\n\
         |---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for Played { scenario, saga, end, counts, latency, .. } in all {
        let cents = prices.cents_a_million(counts);
        let (dollars, rest, ms) = (cents / 100, cents % 100, latency.as_millis());
        let Counts { calls, transitions, events, queue_requests, writes, reads, provider, .. } =
            counts;
        table += &format!(
            "| {scenario} | {saga} | {end} | {calls} | {transitions} | {events} | {queue_requests} \
             | {writes} | {reads} | {provider} | {ms} | {dollars}.{rest:02} |\n"
        );
    }
    table
}
