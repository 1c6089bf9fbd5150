//! `test`: everything, from a fresh clone, in the order in which a mistake costs least.

mod runner;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

use crate::cli::{TestArgs, UpArgs};
use crate::cloud::Record;
use crate::command::{Program, ended};
use crate::deploy::Outputs;
use crate::deploy::settings::Settings;
use crate::failure::{Context as _, Failure, Result};
use crate::keys::Keys;
use crate::layout::Layout;
use crate::token::{self, Scope};
use crate::ui::Ui;
use crate::{clock, cloud, files, proc, python, tools};

use runner::{Runner, lists_a_test};

/// One step of the tests.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    name: &'static str,
    /// What it checks.
    what: &'static str,
    /// Whether `--filter` can select single tests of it.
    has_tests: bool,
}

/// The steps, in order.
const STEPS: [Step; 9] = [
    step("format", "the code is formatted", false),
    step("lint", "clippy has no findings", false),
    step(
        "unit",
        "rules, stores, handlers, templates and the state machine, without Python or network",
        true,
    ),
    step("faults", "the simulation finds every fault that is planted in a copy of the code", false),
    step("docs", "the examples in the docs run, and no link is broken", false),
    step("templates", "cfn-lint has no findings", false),
    step("localstack", "the local cloud behaves as documented", true),
    step(CLOUD, "the platform starts on a local cloud of its own, and stops completely", false),
    step(
        E2E,
        "the API and the pages behave as documented, under failures too; needs `cloud`",
        true,
    ),
];
const CLOUD: &str = "cloud";
const E2E: &str = "e2e";

const fn step(name: &'static str, what: &'static str, has_tests: bool) -> Step {
    Step { name, what, has_tests }
}

/// The test programs that need the cloud, and the fuzzer. The pages come first, while there are few slots in the lists;
/// the fuzzer before those that open circuits, since it does not accept 503.
const PROGRAMS: [&str; 6] = [BROWSER, "e2e", FUZZER, "breakers", "faults", "chaos"];
/// The one that also needs a browser, and is in a workspace of its own.
const BROWSER: &str = "browser";
/// Finds accessibility faults in a page; a path in the folder of its wheel.
const AXE: &str = "axe_playwright_python/axe.min.js";
const BROWSER_MANIFEST: &str = "tests/browser/Cargo.toml";
/// The other workspaces: their dependencies are not built for the main one.
const APART: [&str; 2] = ["benches/Cargo.toml", BROWSER_MANIFEST];
/// The one that is not a test program of ours.
const FUZZER: &str = "fuzzer";
/// The roles of the contract's fuzzer, and the routes that each may call.
const FUZZED: [(Scope, &str); 2] =
    [(Scope::Customer, "^/(mobile|web|health|docs|openapi.json)"), (Scope::Operator, "^/operator")];
/// Its settings.
const FUZZ_CONFIG: &str = "tests/contract/schemathesis.toml";
/// Requests of each kind for an operation: thousands in all.
const FUZZ_EXAMPLES: &str = "30";
/// The same seed each time, so that a failure most likely comes from the latest change. Only the ids that it learns from
/// responses differ. Other seeds find more.
const FUZZ_SEED: &str = "20261127";
/// A run takes a minute or two.
const FUZZ_TTL: i64 = 3_600;
/// What it checks of every response.
const FUZZ_CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance";
/// Bills of the tests fall due during a test.
const BILL_DUE_SECONDS: &str = "25";
/// The profile of functions, tests and this program, so that they share their dependencies.
const PROFILE: [&str; 2] = ["--profile", "local"];
/// The exit code of `cargo nextest run` if its filters select no test.
const NEXTEST_NO_TESTS: i32 = 4;
/// The exit code of pytest if its filters select no test.
const PYTEST_NO_TESTS: i32 = 5;

/// Whether the filter has selected a test of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ran {
    Tests,
    NoTests,
}

/// The result of a step, as `--json` prints it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StepResult {
    name: &'static str,
    passed: bool,
    duration_ms: u128,
    /// What failed, why, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip)]
    took: Duration,
    #[serde(skip)]
    has_run: bool,
}

/// The results of all steps, as `--json` prints them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    passed: bool,
    duration_ms: u128,
    steps: Vec<StepResult>,
    /// Steps that were selected, but not run after a failure.
    not_run: Vec<&'static str>,
}

pub(crate) async fn run(layout: &Layout, ui: Ui, arguments: &TestArgs) -> Result<ExitCode> {
    if arguments.list {
        for Step { name, what, .. } in STEPS {
            ui.print(format!("  {} {what}", ui.paint_out.name(format!("{name:<11}"))))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let chosen = choose(arguments)?;
    // Before anything is built: cargo may replace the file of this program, and the system then reports it as deleted.
    let program = std::env::current_exe().context(|| "cannot find this program".into())?;
    let started = clock::start();
    let tests = Tests { layout, ui, arguments, program: &program };
    let (steps, not_run) = tests.all(&chosen).await;
    if arguments.filter.is_some() && steps.iter().all(|it| it.passed && !it.has_run) {
        return Err(no_test(arguments));
    }
    let passed = steps.iter().all(|it| it.passed);
    let took = started.elapsed();
    if arguments.json {
        ui.print_json(&Summary { passed, duration_ms: took.as_millis(), steps, not_run })?;
    } else {
        show(ui, &steps, &not_run, took)?;
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(ui: Ui, steps: &[StepResult], not_run: &[&str], took: Duration) -> Result {
    let paint = ui.paint_out;
    ui.print("")?;
    for StepResult { name, passed, took, .. } in steps {
        let mark = if *passed { paint.good("✓") } else { paint.bad("✗") };
        ui.print(format!("  {mark} {name:<11} {}", clock::human(*took)))?;
    }
    for name in not_run {
        ui.print(format!("  - {name:<11} {}", paint.faint("not run")))?;
    }
    let failed = steps.iter().filter(|it| !it.passed).count();
    let result = match failed {
        0 => paint.good("All checks passed"),
        1 => paint.bad("1 step failed"),
        count => paint.bad(format!("{count} steps failed")),
    };
    ui.print(format!("{result} in {}", clock::human(took)))
}

/// The names of the steps that the arguments select, in order.
fn choose(arguments: &TestArgs) -> Result<Vec<&'static str>> {
    let TestArgs { only, skip, filter, .. } = arguments;
    let names = STEPS.map(|it| it.name);
    for requested in only.iter().chain(skip) {
        if !names.contains(&requested.as_str()) {
            return Err(
                Failure::new(format!("there is no step {requested}")).advise(one_of(&names))
            );
        }
    }
    let with_tests: Vec<_> = STEPS.iter().filter(|it| it.has_tests).map(|it| it.name).collect();
    if filter.is_some() && only.iter().any(|it| !with_tests.contains(&it.as_str())) {
        return Err(Failure::new("--filter selects single tests, and not every step has them")
            .advise(one_of(&with_tests)));
    }
    let is_in = |list: &[String], name: &str| list.iter().any(|it| it == name);
    let is_chosen = |name: &&str| {
        let is_skipped = is_in(skip, name) || (*name == E2E && is_in(skip, CLOUD));
        let is_wanted = only.is_empty() || is_in(only, name);
        is_wanted && !is_skipped && (filter.is_none() || with_tests.contains(name))
    };
    let chosen: Vec<_> = names.into_iter().filter(is_chosen).collect();
    if chosen.is_empty() {
        return Err(Failure::new("this selection leaves no step to run").advise(one_of(&names)));
    }
    Ok(chosen)
}

fn one_of(names: &[&str]) -> String {
    format!("the steps {}", names.join(", "))
}

fn no_test(arguments: &TestArgs) -> Failure {
    let text = arguments.filter.as_deref().unwrap_or_default();
    Failure::new(format!("no test has {text} in its name"))
        .advise("a part of a test's name, such as `cargo xtask test --only unit --filter booking`")
}

/// The steps over one clone.
struct Tests<'a> {
    layout: &'a Layout,
    ui: Ui,
    arguments: &'a TestArgs,
    /// This program, which the end-to-end tests call.
    program: &'a Path,
}

impl Tests<'_> {
    /// Runs the steps; returns the results, and what was not run after a failure.
    async fn all(&self, chosen: &[&'static str]) -> (Vec<StepResult>, Vec<&'static str>) {
        let mut results: Vec<StepResult> = Vec::new();
        for (position, name) in chosen.iter().copied().enumerate() {
            // `e2e` includes `cloud`.
            let is_included = name == CLOUD && chosen.contains(&E2E);
            if is_included {
                continue;
            }
            let what = STEPS.iter().find(|it| it.name == name).map_or("", |it| it.what);
            let progress = self.ui.loud_step(format!("{name}: {what}"));
            let started = clock::start();
            let result = self.step(name).await;
            let took = started.elapsed();
            let has_run = matches!(result, Ok(Ran::Tests));
            let error = result.err().map(|it| it.to_string());
            match &error {
                None => drop(progress.done(if has_run { "" } else { "no test matches" })),
                Some(error) => {
                    drop(progress);
                    self.ui.error(format!("{} {error}", self.ui.paint.bad("error:")));
                }
            }
            let (passed, duration_ms) = (error.is_none(), took.as_millis());
            results.push(StepResult { name, passed, duration_ms, error, took, has_run });
            if !passed && !self.arguments.no_fail_fast {
                let rest = chosen.get(position + 1..).unwrap_or_default().to_vec();
                return (results, rest);
            }
        }
        (results, Vec::new())
    }

    async fn step(&self, name: &str) -> Result<Ran> {
        match name {
            "format" => self.format().await?,
            "lint" => self.lint().await?,
            "unit" => return self.unit().await,
            "faults" => {
                let found = crate::commands::simulate::planted_faults(self.layout, self.ui).await?;
                crate::commands::simulate::require_all_found(&found)?;
            }
            "docs" => self.docs().await?,
            "templates" => self.templates().await?,
            "localstack" => return self.localstack().await,
            CLOUD => return self.on_a_cloud(&[]).await,
            _ => return self.on_a_cloud(&PROGRAMS).await,
        }
        Ok(Ran::Tests)
    }

    /// A program whose output does not mix with the results.
    fn program(&self, program: Program) -> Program {
        if self.arguments.json { program.stdout_to_stderr() } else { program }
    }

    fn cargo(&self, arguments: &[&str]) -> Program {
        let cargo = Program::cargo(&self.layout.root).quiet(self.ui.is_quiet());
        self.program(cargo).args(arguments)
    }

    /// The same for the tests of the pages; both workspaces build in one folder.
    fn browser(&self, arguments: &[&str]) -> Program {
        self.cargo(arguments)
            .args(["--manifest-path", BROWSER_MANIFEST, "--target-dir"])
            .arg(self.layout.target())
    }

    async fn format(&self) -> Result {
        self.cargo(&["fmt", "--all", "--check"]).run().await?;
        for manifest in APART {
            self.cargo(&["fmt", "--all", "--check", "--manifest-path", manifest]).run().await?;
        }
        Ok(())
    }

    async fn lint(&self) -> Result {
        for clippy in [self.cargo(&["clippy", "--workspace"]), self.browser(&["clippy"])] {
            clippy
                .args(PROFILE)
                .args(["--all-targets", "--locked", "--", "-D", "warnings"])
                .run()
                .await?;
        }
        Ok(())
    }

    async fn unit(&self) -> Result<Ran> {
        // The whole workspace, with the end-to-end tests left out by a filter and not by `--exclude`: for other packages
        // cargo would choose other features, and compile half of the dependencies again.
        let runner = Runner::find();
        let selected: &[&str] = match runner {
            Runner::Nextest => &["-E", "not package(e2e)"],
            Runner::CargoTest => &["--exclude", "e2e", "--lib", "--bins", "--tests"],
        };
        let cargo =
            || self.cargo(runner.command()).args(["--workspace", "--locked"]).args(selected);
        self.tests(runner, cargo).await
    }

    async fn docs(&self) -> Result {
        let tests = self.cargo(&["test", "--doc"]).args(PROFILE);
        tests.args(["--workspace", "--locked"]).run().await?;
        self.cargo(&["doc"])
            .args(PROFILE)
            .args(["--workspace", "--no-deps", "--locked", "--lib", "--quiet"])
            .env("RUSTDOCFLAGS", "-D warnings")
            .run()
            .await
    }

    async fn templates(&self) -> Result {
        let interpreter = python::ensure(self.layout, self.ui, &python::LOCAL_CLOUD).await?;
        let linter = interpreter.with_file_name("cfn-lint");
        // It expands the pattern itself: there is no shell here.
        self.program(Program::new(linter, &self.layout.root)).arg("infra/*.yaml").run().await
    }

    async fn localstack(&self) -> Result<Ran> {
        let interpreter = python::ensure(self.layout, self.ui, &python::LOCAL_CLOUD).await?;
        let mut pytest = self
            .program(Program::new(interpreter, &self.layout.root))
            .args(["-m", "pytest", "localstack/tests", "-q", "-p", "no:cacheprovider"])
            .env("PYTHONPATH", python::package_path(self.layout)?)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        if let Some(text) = &self.arguments.filter {
            // To pytest anything else is an expression; a function's name in Python has no other characters.
            if !text.chars().all(|it| it.is_ascii_alphanumeric() || it == '_') {
                return Ok(Ran::NoTests);
            }
            pytest = pytest.args(["-k", text]);
        }
        self.filtered(pytest, PYTEST_NO_TESTS).await
    }

    /// Runs `cargo nextest run`, or `cargo test` without it, with these arguments and the filter.
    async fn tests(&self, runner: Runner, cargo: impl Fn() -> Program) -> Result<Ran> {
        let mut tests = cargo();
        if let Some(text) = &self.arguments.filter {
            // `cargo test` succeeds if no test matches, so the matching tests are counted first.
            if runner == Runner::CargoTest {
                cargo().arg("--no-run").run().await?;
                if !lists_a_test(&cargo().args([text, "--", "--list"]).read().await?) {
                    return Ok(Ran::NoTests);
                }
            }
            tests = tests.arg(text);
        }
        if self.arguments.no_fail_fast {
            tests = tests.arg("--no-fail-fast");
        }
        self.filtered(tests, NEXTEST_NO_TESTS).await
    }

    async fn filtered(&self, program: Program, no_tests: i32) -> Result<Ran> {
        let line = program.line();
        let status = program.status().await?;
        if status.success() {
            Ok(Ran::Tests)
        } else if self.arguments.filter.is_some() && status.code() == Some(no_tests) {
            Ok(Ran::NoTests)
        } else {
            Err(ended(&line, status))
        }
    }

    /// Starts the platform on a cloud with a port and a state of its own, so that a running one stays unchanged; runs the
    /// test programs; stops the cloud.
    async fn on_a_cloud(&self, programs: &[&str]) -> Result<Ran> {
        let Self { layout, ui, arguments, .. } = *self;
        let own = layout.with_state(layout.tools.join("test"));
        if let Some(left) = Record::read(&own)? {
            cloud::stop(&own, &left)?;
        }
        let mut settings = vec![("BillDueSeconds".to_owned(), BILL_DUE_SECONDS.to_owned())];
        settings.extend(arguments.settings.iter().cloned());
        let up = UpArgs { port: Some(cloud::free_port()?), settings };
        let platform = crate::commands::up::bring_up(&own, ui, &up).await?;
        let record = platform.cloud.record.clone();
        let result = self.programs(&own, programs).await;
        if result.is_err() {
            keep_the_evidence(layout, ui, &own);
        }
        // Dropped, it stops the cloud with everything that it started.
        drop(platform);
        let ran = result?;
        let mut left: Vec<_> = cloud::functions(&own, record.port)
            .iter()
            .map(|it| format!("process {} {}", it.pid, it.command()))
            .collect();
        if let Some(listener) = proc::listener(record.port) {
            left.push(format!("port {}: {}", record.port, listener.command));
        }
        if !left.is_empty() {
            return Err(Failure::new("the tests' cloud has not stopped completely")
                .because(left.join("\n")));
        }
        files::remove(&own.state)?;
        Ok(if programs.is_empty() { Ran::Tests } else { ran })
    }

    /// Runs the test programs one after the other: some of them substitute the state machine.
    async fn programs(&self, own: &Layout, programs: &[&str]) -> Result<Ran> {
        let (mut ran, mut failed) = (Ran::NoTests, None);
        for name in programs {
            let result = match *name {
                BROWSER if !has_browser() => {
                    let ui = self.ui;
                    ui.say("  the tests of the pages are skipped: chromedriver and Chromium are not on PATH");
                    ui.say("  (Debian, Ubuntu: apt install chromium chromium-driver)");
                    Ok(Ran::NoTests)
                }
                FUZZER if self.arguments.filter.is_some() => Ok(Ran::NoTests),
                FUZZER => self.fuzz(own).await,
                name => self.test_program(own, name).await,
            };
            match result {
                Ok(Ran::NoTests) => {}
                Ok(Ran::Tests) => ran = Ran::Tests,
                Err(failure) if self.arguments.no_fail_fast => {
                    // The first failure becomes that of the step; the others are reported here.
                    match &failed {
                        None => failed = Some(failure),
                        Some(_) => self.ui.error(&failure),
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
        failed.map_or(Ok(ran), Err)
    }

    /// Runs one test program over the running cloud.
    async fn test_program(&self, own: &Layout, name: &str) -> Result<Ran> {
        let runner = Runner::find();
        let axe = match name {
            BROWSER => Some(tools::fetch(self.layout, self.ui, "axe-core", "0.2 MB").await?),
            _ => None,
        };
        let cargo = || {
            let tests = match &axe {
                Some(axe) => self.browser(runner.command()).env("PARKADE_AXE", axe.join(AXE)),
                // The whole workspace and not `-p e2e`: for one package, cargo would compile half of the dependencies again.
                None => self.cargo(runner.command()).args(["--workspace", "--test", name]),
            };
            let at_once: &[&str] = if runner == Runner::Nextest { &["-j", "4"] } else { &[] };
            tests
                .args(at_once)
                .arg("--locked")
                .env("PARKADE_OUTPUTS", own.outputs())
                .env("PARKADE_XTASK", self.program)
                .env("PARKADE_LOCAL", &own.state)
        };
        self.tests(runner, cargo).await
    }

    /// Sends valid and invalid requests; every response must be one that the OpenAPI document names.
    async fn fuzz(&self, own: &Layout) -> Result<Ran> {
        let layout = self.layout;
        let interpreter = python::ensure(layout, self.ui, &python::FUZZER).await?;
        let outputs = Outputs::require(own)?;
        let api = outputs.api_url.trim_end_matches('/');
        let keys = Keys::ensure(own)?;
        let issuer = Settings::local(own, &keys, &BTreeMap::new()).issuer();
        for (scope, paths) in FUZZED {
            let token = token::issue(&keys, &issuer, scope, "fuzzer", FUZZ_TTL, clock::now())?;
            // It writes its findings into the folder in which it runs.
            self.program(Program::new(&interpreter, &own.state))
                .args(["-m", "schemathesis.cli", "--config-file"])
                .arg(layout.root.join(FUZZ_CONFIG))
                .arg("run")
                .args(["--no-color", "--max-redirects", "0"])
                .args(["--include-path-regex", paths, "--max-examples", FUZZ_EXAMPLES])
                .args(["--seed", FUZZ_SEED, "--generation-database", "none", "--workers", "1"])
                .args(["--phases", "examples,coverage,fuzzing", "--warnings", "off"])
                .args(["--checks", FUZZ_CHECKS, "--continue-on-failure", "--url", api])
                .args(["--header", &format!("Authorization: Bearer {}", token)])
                .arg(format!("{api}/openapi.json"))
                .run()
                .await?;
        }
        Ok(Ran::Tests)
    }
}

fn has_browser() -> bool {
    let is_there = |name| python::on_path(name).is_some();
    is_there("chromedriver")
        && ["chromium", "chromium-browser", "google-chrome"].into_iter().any(is_there)
}

/// Keeps the log of a cloud on which a test has failed.
fn keep_the_evidence(layout: &Layout, ui: Ui, own: &Layout) {
    let kept: PathBuf = layout.tools.join("test-cloud.log");
    if std::fs::copy(own.cloud_log(), &kept).is_ok() {
        ui.say(format!("  the log of the tests' cloud is in {}", layout.shown(&kept)));
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::choose;
    use crate::cli::{Cli, Command};
    use crate::failure::Result;

    fn steps(line: &[&str]) -> Result<Vec<&'static str>> {
        let cli = Cli::try_parse_from([&["xtask", "test"], line].concat()).expect("parsed");
        let Command::Test(arguments) = cli.command else { unreachable!("it is `test`") };
        choose(&arguments)
    }

    fn chosen(line: &[&str]) -> Vec<&'static str> {
        steps(line).expect("something is selected")
    }

    fn refused(line: &[&str]) -> String {
        steps(line).expect_err("nothing is selected").to_string()
    }

    #[test]
    fn steps_are_selected_or_left_out_by_name() {
        assert_eq!(chosen(&[]).len(), 9);
        assert_eq!(chosen(&["--only", "unit"]), ["unit"]);
        assert_eq!(chosen(&["--only", "unit", "--only", "e2e", "--skip", "e2e"]), ["unit"]);
        assert_eq!(chosen(&["--only", "cloud"]), ["cloud"]);
    }

    #[test]
    fn skipping_the_cloud_skips_what_needs_it() {
        let left = chosen(&["--skip", "cloud"]);
        assert_eq!(left.len(), 7);
        assert!(!left.contains(&"cloud") && !left.contains(&"e2e"));
    }

    #[test]
    fn a_selection_without_a_step_is_an_error_that_lists_the_steps() {
        let lines: [&[&str]; 3] = [
            &["--only", "nothing"],
            &["--only", "unit", "--skip", "unit"],
            &["--only", "e2e", "--skip", "cloud"],
        ];
        for line in lines {
            let said = refused(line);
            assert!(said.contains("format, lint, unit"), "{said}");
        }
    }

    #[test]
    fn a_filter_runs_the_steps_that_have_single_tests() {
        assert_eq!(chosen(&["--filter", "x"]), ["unit", "localstack", "e2e"]);
        assert_eq!(chosen(&["--filter", "x", "--only", "e2e"]), ["e2e"]);
        let said = refused(&["--filter", "x", "--only", "lint"]);
        assert!(said.contains("unit, localstack, e2e"), "{said}");
    }
}
