//! Days of the platform: the same ones every time, new ones every time, and one day twice.

use simulation::{Report, run};

/// Enough to see every kind of fault, and short enough for everyone to run them.
const KNOWN: std::ops::Range<u64> = 1..101;
const NEW: u64 = 50;

#[track_caller]
fn hold(report: &Report) {
    let Report { seed, broken, .. } = report;
    assert!(broken.is_empty(), "cargo xtask simulate --seed {seed} tells how: {broken:#?}");
}

#[test]
fn the_laws_hold_on_days_that_are_known() {
    let reports: Vec<Report> = KNOWN.map(|seed| run(seed, false)).collect();
    reports.iter().for_each(hold);
    // A simulation in which nothing happens breaks no law either.
    let count = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    assert!(count(|it| it.bookings) > 500);
    for state in ["Completed", "Cancelled", "CheckedOut", "Failed SlotUnavailable"] {
        let seen = reports.iter().any(|it| it.states.contains_key(state));
        assert!(seen, "no booking ended as {state}");
    }
    for fault in ["Lost", "AnswerLost", "Late", "Dies", "DiesAfter", "Throttled", "Conflict"] {
        assert!(reports.iter().any(|it| it.faults.contains_key(fault)), "{fault} never befell");
    }
}

#[test]
fn the_laws_hold_on_days_that_nobody_has_seen() {
    let first = fastrand::u64(1_000_000..1_000_000_000_000);
    for seed in first..first + NEW {
        hold(&run(seed, false));
    }
}

#[test]
fn a_seed_is_one_day_and_no_other() {
    let (first, second) = (run(7, true), run(7, true));
    assert!(first.story.lines().count() > 100, "{}", first.story);
    assert_eq!(first, second);
    // Nor does it matter whether anybody listens.
    assert_eq!(run(7, false).fingerprint, first.fingerprint);
    assert_ne!(run(8, false).fingerprint, first.fingerprint);
}
