//! The results of the simulation as JSON, for `--json`.

use std::time::Duration;

use serde_json::{Value, json};
use simulation::Report;

/// One run, with its event log.
pub(crate) fn run(report: &Report) -> Value {
    let log: Vec<&str> = report.story.lines().collect();
    json!({
        "seed": report.seed,
        "passed": report.broken.is_empty(),
        "bookings": report.bookings,
        "states": report.states,
        "faults": report.faults,
        "circuits": report.circuits,
        "violations": report.broken,
        "log": log,
    })
}

/// Many runs: their totals, and the violations by seed.
pub(crate) fn runs(from: u64, took: Duration, summary: &crate::Summary) -> Value {
    let violations: Vec<_> = summary
        .broken
        .iter()
        .map(|it| json!({ "seed": it.seed, "violations": it.broken }))
        .collect();
    json!({
        "passed": summary.broken_days == 0,
        "fromSeed": from,
        "runs": summary.days,
        "runsWithoutFaults": summary.fine_days,
        "runsWithViolations": summary.broken_days,
        "durationMs": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "bookings": summary.bookings,
        "states": summary.states,
        "faults": summary.faults,
        "circuits": summary.circuits,
        "redrivenMessages": summary.redriven,
        "redrivenSagas": summary.taken_up,
        "violations": violations,
    })
}

/// Prints the document; answers whether no invariant was violated.
pub(crate) fn print(document: &Value) -> std::io::Result<bool> {
    use std::io::Write as _;
    writeln!(std::io::stdout().lock(), "{document:#}")?;
    Ok(document["passed"] == true)
}
