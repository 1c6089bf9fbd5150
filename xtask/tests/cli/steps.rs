//! `cargo xtask test` and `simulate` with a cargo that builds nothing: which steps run, and what is printed.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::{stderr, stdout, xtask};

/// A folder with programs that replace cargo and the simulation; removed when dropped.
///
/// The cargo fails for a command that begins with `FAILS`, and knows no test: nextest exits with 4, and `cargo test` succeeds.
struct Fake {
    folder: PathBuf,
}

const CARGO: &str = r#"#!/bin/sh
echo "cargo prints this to stdout"
case "$*" in
    "$FAILS"*) exit 101 ;;
    nextest*) exit 4 ;;
    *--list) echo "0 tests, 0 benchmarks" ;;
esac
"#;
const SIMULATE: &str = r#"#!/bin/sh
echo "{\"arguments\": \"$*\"}"
"#;

impl Fake {
    fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("parkade-{}-fake-{name}", std::process::id()));
        let fake = Self { folder };
        fake.program("cargo", CARGO);
        fake.program("local/simulate", SIMULATE);
        fake
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.folder.join(name);
        std::fs::create_dir_all(path.parent().expect("in the folder")).expect("made");
        std::fs::write(&path, script).expect("written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("set");
    }

    /// Nothing else is on PATH. A `fails` that no command begins with lets all succeed.
    fn command(&self, fails: &str) -> Command {
        let mut command = xtask();
        command
            .env("CARGO", self.folder.join("cargo"))
            .env("CARGO_TARGET_DIR", &self.folder)
            .env("PARKADE_LOCAL", self.folder.join("state"))
            .env("PATH", &self.folder)
            .env("FAILS", fails);
        command
    }

    fn run(&self, fails: &str, arguments: &[&str]) -> Output {
        self.command(fails).args(arguments).output().expect("it starts")
    }

    /// `test --json` with three steps, of which the first fails.
    fn failing_steps(&self, arguments: &[&str]) -> Value {
        let steps = ["test", "--only", "format", "--only", "lint", "--only", "docs", "--json"];
        let failed = self.run("fmt", &[&steps, arguments].concat());
        assert_eq!(failed.status.code(), Some(1), "{}", stderr(&failed));
        serde_json::from_slice(&failed.stdout).expect("stdout has nothing but JSON")
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        // A folder that stays is the least problem of a test that fails.
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// The names of the steps that ran, with whether they passed.
fn results(summary: &Value) -> Vec<(&str, bool)> {
    let steps = summary["steps"].as_array().expect("a list");
    let result = |it: &'_ Value| it["passed"].as_bool().expect("a boolean");
    steps.iter().map(|it| (it["name"].as_str().expect("a name"), result(it))).collect()
}

#[test]
fn a_filter_that_matches_no_test_is_the_same_error_with_and_without_nextest() {
    let fake = Fake::new("filter");
    let line = ["test", "--only", "unit", "--filter", "no_such_test"];
    let with_cargo_test = fake.run("nothing", &line);
    fake.program("cargo-nextest", "");
    let with_nextest = fake.run("nothing", &line);
    for output in [&with_cargo_test, &with_nextest] {
        let printed = stderr(output);
        assert_eq!(output.status.code(), Some(1), "{printed}");
        assert!(printed.contains("no test has no_such_test in its name"), "{printed}");
        assert!(printed.contains("a part of a test's name"), "{printed}");
    }
}

#[test]
fn the_first_failure_ends_the_tests_and_names_the_steps_that_did_not_run() {
    let summary = Fake::new("fail-fast").failing_steps(&[]);
    assert_eq!(results(&summary), [("format", false)]);
    assert_eq!(summary["notRun"], json!(["lint", "docs"]));
    assert_eq!(summary["passed"], false);
}

#[test]
fn without_fail_fast_all_steps_run_and_each_failure_is_reported() {
    let summary = Fake::new("no-fail-fast").failing_steps(&["--no-fail-fast"]);
    assert_eq!(results(&summary), [("format", false), ("lint", true), ("docs", true)]);
    assert_eq!(summary["notRun"], json!([]));
    let step = &summary["steps"][0];
    let error = step["error"].as_str().expect("the failed step says why");
    assert!(error.contains("cargo fmt --all --check"), "{error}");
    assert!(step["durationMs"].is_u64() && summary["steps"][1].get("error").is_none());
}

#[test]
fn the_results_of_steps_that_pass_are_json_and_nothing_else_is_on_stdout() {
    let passed = Fake::new("json").run("nothing", &["test", "--only", "docs", "--json"]);
    assert!(passed.status.success(), "{}", stderr(&passed));
    let summary: Value = serde_json::from_slice(&passed.stdout).expect("nothing but JSON");
    assert_eq!(summary["passed"], true);
    assert_eq!(results(&summary), [("docs", true)]);
    assert!(stderr(&passed).contains("cargo prints this"), "{}", stderr(&passed));
}

#[test]
fn the_json_of_the_simulation_is_all_of_stdout() {
    let line = ["simulate", "--seeds", "3", "--from", "7", "--jobs", "1", "--json"];
    let output = Fake::new("simulate").run("nothing", &line);
    assert!(output.status.success(), "{}", stderr(&output));
    let printed: Value = serde_json::from_str(&stdout(&output)).expect("nothing but JSON");
    assert_eq!(printed["arguments"], "--seeds 3 --from 7 --jobs 1 --json");
}
