//! Deterministic simulation: the deployed handlers run in one process, on simulated time, under seeded fault injection.
//! See `docs/simulation.md`.

pub mod asl;
pub mod compare;
pub mod wiring;

mod event_log;
mod final_checks;
mod functions;
mod invariants;
mod lambda;
mod plan;
mod ports;
mod queues;
mod rng;
mod sagas;
mod streams;
mod tables;
mod transport;
mod workload;
mod world;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use asl::Machine;
use contracts::booking::BookingStatus;
use event_log::EventLog;
use tokio::task::LocalSet;
use tokio::time::sleep;
use wiring::Wiring;
use world::{Platform, World};

/// The state machine definitions, by the paths that the templates use.
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
/// The templates, by stack name.
pub const TEMPLATES: [(&str, &str); 7] = [
    ("account", include_str!("../../../infra/account.yaml")),
    ("billing", include_str!("../../../infra/billing.yaml")),
    ("booking", include_str!("../../../infra/booking.yaml")),
    ("bus", include_str!("../../../infra/bus.yaml")),
    ("edge", include_str!("../../../infra/edge.yaml")),
    ("parking", include_str!("../../../infra/parking.yaml")),
    ("payment-provider", include_str!("../../../infra/payment-provider.yaml")),
];
/// After the faults have stopped, the platform must be quiescent within this time: bills expire after a quarter of an
/// hour, and the scheduled reconciliation finds interrupted work.
const QUIESCENCE_TIMEOUT: Duration = Duration::from_secs(3_600);

static PLATFORM: LazyLock<Platform> = LazyLock::new(|| {
    let wiring = Wiring::read(&TEMPLATES, &BTreeMap::new())
        .unwrap_or_else(|error| unreachable!("the templates can be read: {error}"));
    let machines = wiring.machines.iter().map(|(name, machine)| {
        let definition = DEFINITIONS.iter().find(|(file, _)| *file == machine.definition);
        let (_, definition) = definition
            .unwrap_or_else(|| unreachable!("{} is one of the definitions", machine.definition));
        let read = Machine::read(definition)
            .unwrap_or_else(|error| unreachable!("{name} can be read: {error}"));
        (name.clone(), read)
    });
    let machines = machines.collect();
    Platform { wiring, machines }
});

/// The result of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The seed of the run.
    pub seed: u64,
    /// The number of bookings created.
    pub bookings: u64,
    /// The number of bookings by final state.
    pub states: BTreeMap<String, u64>,
    /// The number of injected faults by kind.
    pub faults: BTreeMap<String, u64>,
    /// The number of circuit state transitions by state, and of calls rejected by open circuits.
    pub circuits: BTreeMap<String, u64>,
    /// The number of dead-letter messages redriven by an operator.
    pub redriven: u64,
    /// The number of sagas that needed operator intervention and were recovered.
    pub recovered: u64,
    /// The violated invariants; empty if all of them hold.
    pub violations: Vec<String>,
    /// The event log of the run; empty unless logging was enabled.
    pub log: String,
    /// A digest of all random choices: two runs of one seed have the same.
    pub fingerprint: u64,
}

/// Runs the simulation for one seed; `is_logged` enables the event log.
#[must_use]
pub fn run(seed: u64, is_logged: bool) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing");
    let log = if is_logged { EventLog::recording() } else { EventLog::disabled() };
    let local = LocalSet::new();
    let report = local.block_on(&runtime, async {
        let world = World::new(&PLATFORM, seed, log);
        // After a violation the platform may never become quiescent, and each of its calls may take longer than the
        // last.
        tokio::select! {
            biased;
            () = world.invariants.until_violated() => {}
            () = simulate(&world) => {}
        }
        let report = report(&world, seed);
        world.end();
        report
    });
    // Tasks that still sleep are dropped before the clock that would wake them.
    drop(local);
    report
}

async fn simulate(world: &Arc<World>) {
    world.log.record(world.elapsed(), "run", || format!("{:?}", world.plan));
    for schedule in &world.platform.wiring.schedules {
        let world = Arc::clone(world);
        drop(tokio::task::spawn_local(async move {
            sleep(world.rng.millis(0..=60_000)).await;
            while !world.is_over() {
                let payload = schedule.input.to_string().into_bytes();
                lambda::start(&world, &schedule.function, payload);
                sleep(schedule.every).await;
            }
        }));
    }
    workload::run(world).await;
    if let Some(left) = world.plan.faults_end.checked_sub(world.elapsed()) {
        sleep(left).await;
    }
    world.log.record(world.elapsed(), "run", || "the faults have stopped".to_owned());
    if world.invariants.trimmed() > 0 {
        // An operator does this after the alarm for the age of a stream's records.
        workload::republish_all(world).await;
    }
    reach_quiescence(world).await;
    // After a violation, the final checks would only add noise.
    if !world.invariants.is_violated() {
        final_checks::check(world);
    }
}

/// Waits until no work is left, and does what an operator would do.
async fn reach_quiescence(world: &World) {
    let until = world.elapsed() + QUIESCENCE_TIMEOUT;
    while world.elapsed() < until && !world.invariants.is_violated() {
        if !world.becomes_quiescent(QUIESCENCE_TIMEOUT).await {
            break;
        }
        let redriven = workload::redrive_all(world).await;
        if world.invariants.trimmed() > 0 && redriven == 0 {
            // Lost events cannot be recovered: customers cancel the bookings that wait for them.
            workload::cancel_pending(world).await;
        }
        let is_rebuilding = workload::finish_rebuilds(world).await;
        let is_due = world.bills.all().values().any(|(_, bill)| bill.reconcile_at().is_some());
        if redriven == 0 && !is_rebuilding && !is_due && world.is_quiescent() {
            return;
        }
        sleep(Duration::from_secs(10)).await;
    }
    if !world.invariants.is_violated() {
        world.invariants.violated("the platform does not become quiescent");
    }
}

fn report(world: &World, seed: u64) -> Report {
    let mut report = Report {
        seed,
        faults: world.invariants.faults(),
        circuits: world.invariants.circuits(),
        redriven: world.invariants.redriven(),
        recovered: world.executions.recovered(),
        violations: world.invariants.all_violations(),
        log: world.log.lines(),
        fingerprint: world.rng.fingerprint(),
        ..Report::default()
    };
    for booking in world.invariants.bookings().values() {
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
