//! The whole platform in one process: the handlers that are deployed, on simulated time, with every fault in a seed's
//! hand. See `docs/simulation.md`.

pub mod asl;
pub mod compare;
pub mod wiring;

mod dice;
mod functions;
mod lambda;
mod laws;
mod line;
mod plan;
mod ports;
mod queues;
mod rest;
mod sagas;
mod story;
mod streams;
mod tables;
mod workload;
mod world;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use asl::Machine;
use contracts::booking::BookingStatus;
use story::Story;
use tokio::task::LocalSet;
use tokio::time::sleep;
use wiring::Wiring;
use world::{Platform, World};

/// The state machines, by their files as the templates name them.
pub const DEFINITIONS: [(&str, &str); 2] = [
    (
        "../statemachines/booking-saga.asl.json",
        include_str!("../../../statemachines/booking-saga.asl.json"),
    ),
    (
        "../statemachines/booking-saga-undo.asl.json",
        include_str!("../../../statemachines/booking-saga-undo.asl.json"),
    ),
];
/// The templates, by the names of their stacks.
pub const TEMPLATES: [(&str, &str); 7] = [
    ("account", include_str!("../../../infra/account.yaml")),
    ("billing", include_str!("../../../infra/billing.yaml")),
    ("booking", include_str!("../../../infra/booking.yaml")),
    ("bus", include_str!("../../../infra/bus.yaml")),
    ("edge", include_str!("../../../infra/edge.yaml")),
    ("parking", include_str!("../../../infra/parking.yaml")),
    ("payment-provider", include_str!("../../../infra/payment-provider.yaml")),
];
/// Once the faults have stopped, everything comes to rest within this time: bills fall due after a quarter of an hour,
/// and what was left half done is found by a sweep.
const REST_WITHIN: Duration = Duration::from_secs(3_600);

static PLATFORM: LazyLock<Platform> = LazyLock::new(|| {
    let wiring = Wiring::read(&TEMPLATES, &BTreeMap::new())
        .unwrap_or_else(|error| unreachable!("the templates are understood: {error}"));
    let machines = wiring.machines.iter().map(|(name, machine)| {
        let definition = DEFINITIONS.iter().find(|(file, _)| *file == machine.definition);
        let (_, definition) = definition
            .unwrap_or_else(|| unreachable!("{} is one of the definitions", machine.definition));
        let read = Machine::read(definition)
            .unwrap_or_else(|error| unreachable!("{name} is understood: {error}"));
        (name.clone(), read)
    });
    let machines = machines.collect();
    Platform { wiring, machines }
});

/// What became of a day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The seed of the day.
    pub seed: u64,
    /// How many bookings were made.
    pub bookings: u64,
    /// In which states they ended.
    pub states: BTreeMap<String, u64>,
    /// The faults that befell, by kind.
    pub faults: BTreeMap<String, u64>,
    /// How often circuits have come to stand how, and how many calls they refused.
    pub circuits: BTreeMap<String, u64>,
    /// Messages that an operator had to bring back.
    pub redriven: u64,
    /// Sagas that wanted an operator, and were taken up.
    pub taken_up: u64,
    /// The laws that were broken; none on a good day.
    pub broken: Vec<String>,
    /// What happened, line by line, if it was to be told.
    pub story: String,
    /// Two runs of one seed agree on it.
    pub fingerprint: u64,
}

/// Lives through the day of a seed.
#[must_use]
pub fn run(seed: u64, is_told: bool) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing");
    let story = if is_told { Story::told() } else { Story::untold() };
    let local = LocalSet::new();
    let report = local.block_on(&runtime, async {
        let world = World::new(&PLATFORM, seed, story);
        // What is broken may never come to rest, and each of its calls may take longer than the one before.
        tokio::select! {
            biased;
            () = world.laws.until_broken() => {}
            () = day(&world) => {}
        }
        let report = report(&world, seed);
        world.end();
        report
    });
    // Whoever still sleeps is dropped before the clock that would wake them.
    drop(local);
    report
}

async fn day(world: &Arc<World>) {
    world.story.tell(world.elapsed(), "the day", || format!("{:?}", world.plan));
    for schedule in &world.platform.wiring.schedules {
        let world = Arc::clone(world);
        drop(tokio::task::spawn_local(async move {
            sleep(world.dice.millis(0..=60_000)).await;
            while !world.is_over() {
                let payload = schedule.input.to_string().into_bytes();
                lambda::start(&world, &schedule.function, payload);
                sleep(schedule.every).await;
            }
        }));
    }
    workload::run(world).await;
    if let Some(left) = world.plan.calm_from.checked_sub(world.elapsed()) {
        sleep(left).await;
    }
    world.story.tell(world.elapsed(), "the day", || "the faults have stopped".to_owned());
    if world.laws.forgotten() > 0 {
        // What an operator does who was told how old the streams were.
        workload::republish_all(world).await;
    }
    come_to_rest(world).await;
    // What is amiss already has a story of its own.
    if !world.laws.is_broken() {
        rest::check(world);
    }
}

/// Waits for what comes by itself, and does what an operator would.
async fn come_to_rest(world: &World) {
    let until = world.elapsed() + REST_WITHIN;
    while world.elapsed() < until && !world.laws.is_broken() {
        if !world.comes_to_rest(REST_WITHIN).await {
            break;
        }
        let brought_back = workload::redrive_all(world).await;
        if world.laws.forgotten() > 0 && brought_back == 0 {
            // What was lost beyond recall: whoever waits for it thinks better of it.
            workload::cancel_pending(world).await;
        }
        let is_made_anew = workload::finish_rebuilds(world).await;
        let waits = world.bills.all().values().any(|(_, bill)| bill.attention_at().is_some());
        if brought_back == 0 && !is_made_anew && !waits && world.is_quiet() {
            return;
        }
        sleep(Duration::from_secs(10)).await;
    }
    if !world.laws.is_broken() {
        world.laws.broken("the platform does not come to rest");
    }
}

fn report(world: &World, seed: u64) -> Report {
    let mut report = Report {
        seed,
        faults: world.laws.faults(),
        circuits: world.laws.circuits(),
        redriven: world.laws.redriven(),
        taken_up: world.executions.taken_up(),
        broken: world.laws.all_broken(),
        story: world.story.lines(),
        fingerprint: world.dice.fingerprint(),
        ..Report::default()
    };
    for booking in world.laws.bookings().values() {
        report.bookings += 1;
        let state = match (booking.known().map(|it| it.1), booking.reason()) {
            (Some(BookingStatus::Failed), Some(reason)) => format!("Failed {reason:?}"),
            (Some(status), _) => format!("{status:?}"),
            (None, _) => "Absent".to_owned(),
        };
        *report.states.entry(state).or_default() += 1;
    }
    report
}
