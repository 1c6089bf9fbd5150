//! The results of the simulation as JSON, for `--json`.

use std::time::Duration;

use serde_json::{Value, json};
use simulation::Report;

/// One run, with its event log.
pub(crate) fn run(report: &Report) -> Value {
    let log: Vec<&str> = report.log.lines().collect();
    json!({
        "seed": report.seed,
        "passed": report.violations.is_empty(),
        "bookings": report.bookings,
        "states": report.states,
        "faults": report.faults,
        "circuits": report.circuits,
        "violations": report.violations,
        "log": log,
    })
}

/// Many runs: their totals, and the violations by seed.
pub(crate) fn runs(from: u64, elapsed: Duration, summary: &crate::Summary) -> Value {
    let violations: Vec<_> = summary
        .failed
        .iter()
        .map(|it| json!({ "seed": it.seed, "violations": it.violations }))
        .collect();
    json!({
        "passed": summary.failed_runs == 0,
        "fromSeed": from,
        "runs": summary.runs,
        "runsWithoutFaults": summary.fault_free_runs,
        "runsWithViolations": summary.failed_runs,
        "durationMs": u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        "bookings": summary.bookings,
        "states": summary.states,
        "faults": summary.faults,
        "circuits": summary.circuits,
        "redrivenMessages": summary.redriven,
        "redrivenSagas": summary.recovered,
        "violations": violations,
    })
}

/// Prints the document; returns whether no invariant was violated.
pub(crate) fn print(document: &Value) -> std::io::Result<bool> {
    use std::io::Write as _;
    writeln!(std::io::stdout().lock(), "{document:#}")?;
    Ok(document["passed"] == true)
}
