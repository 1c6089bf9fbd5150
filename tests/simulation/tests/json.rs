//! `simulate --json`: one document on stdout, with everything that the text has.

use std::process::Command;

use serde_json::Value;

/// The JSON that the program prints; it exits with 0.
fn printed(arguments: &[&str]) -> Value {
    let mut simulate = Command::new(env!("CARGO_BIN_EXE_simulate"));
    let output = simulate.args(arguments).arg("--json").output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("stdout has nothing but JSON")
}

#[test]
fn many_runs_are_one_document_with_their_totals() {
    let document = printed(&["--seeds", "4", "--from", "1"]);
    assert_eq!((&document["passed"], &document["fromSeed"]), (&true.into(), &1.into()));
    assert_eq!((&document["runs"], &document["runsWithViolations"]), (&4.into(), &0.into()));
    for number in ["runsWithoutFaults", "durationMs", "redrivenMessages", "redrivenSagas"] {
        assert!(document[number].is_u64(), "{number}: {document}");
    }
    let states = document["states"].as_object().expect("counts by state");
    let bookings: u64 = states.values().filter_map(Value::as_u64).sum();
    assert!(bookings > 0);
    assert_eq!(document["bookings"], bookings);
    assert_eq!(document["violations"], Value::Array(Vec::new()));
}

#[test]
fn one_run_has_its_event_log_and_the_same_each_time() {
    let document = printed(&["--seed", "7"]);
    assert_eq!((&document["passed"], &document["seed"]), (&true.into(), &7.into()));
    assert!(document["log"].as_array().is_some_and(|it| !it.is_empty()), "{document}");
    assert_eq!(document, printed(&["--seed", "7"]));
}
