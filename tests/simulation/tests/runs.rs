//! Runs of the simulation: a fixed range of seeds, random seeds, and one seed twice.

use simulation::{Report, run};

/// Enough to see every kind of fault, and short enough for every test run.
const KNOWN: std::ops::Range<u64> = 1..101;
const NEW: u64 = 50;

#[track_caller]
fn assert_no_violation(report: &Report) {
    let Report { seed, violations, .. } = report;
    assert!(
        violations.is_empty(),
        "cargo xtask simulate --seed {seed} shows the event log: {violations:#?}"
    );
}

#[test]
fn the_invariants_hold_for_known_seeds() {
    let reports: Vec<Report> = KNOWN.map(|seed| run(seed, false)).collect();
    reports.iter().for_each(assert_no_violation);
    // A simulation in which nothing happens violates no invariant either.
    let count = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    assert!(count(|it| it.bookings) > 500);
    for state in ["Completed", "Cancelled", "CheckedOut", "Failed SlotUnavailable"] {
        let seen = reports.iter().any(|it| it.states.contains_key(state));
        assert!(seen, "no booking ended as {state}");
    }
    for fault in [
        "RequestLost",
        "ResponseLost",
        "AppliedLate",
        "CrashBefore",
        "CrashAfter",
        "Throttled",
        "Conflict",
    ] {
        assert!(
            reports.iter().any(|it| it.faults.contains_key(fault)),
            "{fault} was never injected"
        );
    }
}

#[test]
fn the_invariants_hold_for_random_seeds() {
    let first = fastrand::u64(1_000_000..1_000_000_000_000);
    for seed in first..first + NEW {
        assert_no_violation(&run(seed, false));
    }
}

#[test]
fn a_seed_determines_the_run() {
    let (first, second) = (run(7, true), run(7, true));
    assert!(first.log.lines().count() > 100, "{}", first.log);
    assert_eq!(first, second);
    // Logging does not change the run.
    assert_eq!(run(7, false).fingerprint, first.fingerprint);
    assert_ne!(run(8, false).fingerprint, first.fingerprint);
}
