//! `test`: everything, from a fresh clone, in the order in which a mistake costs least.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::{TestArgs, UpArgs};
use crate::command::Program;
use crate::deploy::Outputs;
use crate::deploy::settings::Settings;
use crate::failure::{Context as _, Failure, Outcome};
use crate::keys::Keys;
use crate::layout::Layout;
use crate::token::{self, Scope};
use crate::ui::Ui;
use crate::{clock, cloud, files, proc, python, tools};

/// What is checked, in order: name, and what it is.
const STEPS: [(&str, &str); 9] = [
    ("format", "the code is formatted"),
    ("lint", "clippy finds nothing"),
    ("unit", "rules, stores, handlers, templates and the state machine, without Python or network"),
    ("faults", "the simulation finds every fault that is planted in a copy of the code"),
    ("docs", "the examples in the docs run, and no link is dead"),
    ("templates", "cfn-lint finds nothing"),
    ("localstack", "the local cloud does what it says"),
    ("cloud", "the platform comes up on a cloud of its own"),
    ("e2e", "the platform keeps its promises through the front door, whatever fails or dies"),
];

/// The test programs that want the cloud, and the fuzzer. The pages come first, while there are few slots to leaf through;
/// the fuzzer before those that leave services alone, since it takes no 503 for an answer.
const E2E: [&str; 6] = [BROWSER, "e2e", FUZZER, "breakers", "faults", "chaos"];
/// The one that wants a browser besides, and lies in a workspace of its own.
const BROWSER: &str = "browser";
/// What finds the faults of a page that keep people from using it; in the folder of its wheel.
const AXE: &str = "axe_playwright_python/axe.min.js";
const BROWSER_MANIFEST: &str = "tests/browser/Cargo.toml";
/// The workspaces beside this one: what they need is built for nobody else.
const APART: [&str; 2] = ["benches/Cargo.toml", BROWSER_MANIFEST];
/// The one that is no program of ours.
const FUZZER: &str = "fuzzer";
/// Who asks what the contract's fuzzer asks: a customer and an operator, each the routes that they may call.
const FUZZED: [(Scope, &str); 2] =
    [(Scope::Customer, "^/(mobile|web|health|docs|openapi.json)"), (Scope::Operator, "^/operator")];
/// What it must not choose by itself.
const FUZZ_CONFIG: &str = "tests/contract/schemathesis.toml";
/// Requests of each kind for an operation: thousands in all.
const FUZZ_EXAMPLES: &str = "30";
/// The same seed each time, so that a failure is most likely one of the change at hand; only the ids that it learns from
/// answers are others. Other seeds find more.
const FUZZ_SEED: &str = "20261127";
/// A run takes a minute or two.
const FUZZ_TTL: i64 = 3_600;
/// What must hold of every answer.
const FUZZ_CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance";
/// Bills of the tests fall due while one waits.
const BILL_DUE_SECONDS: &str = "25";
/// What cargo is told, so that functions, tests and this program share what they are made of.
const PROFILE: [&str; 2] = ["--profile", "local"];

pub(crate) async fn run(layout: &Layout, ui: Ui, arguments: &TestArgs) -> Outcome<ExitCode> {
    if arguments.list {
        for (name, what) in STEPS {
            ui.print(format!("  {} {what}", ui.paint_out.name(format!("{name:<11}"))))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let chosen = choose(arguments)?;
    // Asked before anything is built: cargo may put a new program in this one's place, and the system then says of this
    // one that it is deleted.
    let program = std::env::current_exe().context(|| "cannot find this program".into())?;
    let begun = clock::start();
    let mut times = Vec::new();
    for (name, what) in STEPS {
        // The end-to-end tests bring their cloud up and down themselves.
        if !chosen.contains(&name) || name == "cloud" {
            continue;
        }
        let step = ui.loud_step(format!("{name}: {what}"));
        match name {
            "format" => format(layout).await?,
            "lint" => lint(layout).await?,
            "unit" => unit(layout).await?,
            "faults" => super::simulate::planted_faults(layout, ui).await?,
            "docs" => docs(layout).await?,
            "templates" => templates(layout, ui).await?,
            "localstack" => localstack(layout, ui).await?,
            _ => e2e(layout, ui, arguments, &program).await?,
        }
        times.push((name, step.done("")));
    }
    ui.print("")?;
    for (name, took) in &times {
        ui.print(format!("  {} {name:<11} {}", ui.paint_out.good("✓"), clock::human(*took)))?;
    }
    let took = clock::human(begun.elapsed());
    ui.print(format!("{} in {took}", ui.paint_out.good("All of it holds")))?;
    Ok(ExitCode::SUCCESS)
}

fn choose(arguments: &TestArgs) -> Outcome<Vec<&'static str>> {
    let names = STEPS.map(|(name, _)| name);
    for asked in arguments.only.iter().chain(&arguments.skip) {
        if !names.contains(&asked.as_str()) {
            return Err(Failure::new(format!("there is no step {asked}"))
                .advise(format!("one of {}", names.join(", "))));
        }
    }
    let wanted = |name: &&str| {
        let is_listed = |list: &[String]| list.iter().any(|it| it == name);
        (arguments.only.is_empty() || is_listed(&arguments.only)) && !is_listed(&arguments.skip)
    };
    Ok(names.into_iter().filter(wanted).collect())
}

fn cargo(layout: &Layout, arguments: &[&str]) -> Program {
    Program::cargo(&layout.root).args(arguments)
}

async fn format(layout: &Layout) -> Outcome {
    cargo(layout, &["fmt", "--all", "--check"]).run().await?;
    for manifest in APART {
        cargo(layout, &["fmt", "--all", "--check", "--manifest-path", manifest]).run().await?;
    }
    Ok(())
}

async fn lint(layout: &Layout) -> Outcome {
    for clippy in [cargo(layout, &["clippy", "--workspace"]), browser(layout, &["clippy"])] {
        clippy
            .args(PROFILE)
            .args(["--all-targets", "--locked", "--", "-D", "warnings"])
            .run()
            .await?;
    }
    Ok(())
}

/// The same for the tests of the pages; the folder that cargo builds in is shared.
fn browser(layout: &Layout, arguments: &[&str]) -> Program {
    cargo(layout, arguments)
        .args(["--manifest-path", BROWSER_MANIFEST, "--target-dir"])
        .arg(layout.target())
}

async fn unit(layout: &Layout) -> Outcome {
    // The whole workspace with its end-to-end tests left out by a filter, and not by `--exclude`: for other packages cargo
    // would choose other features, and compile half of the dependencies anew.
    if python::on_path("cargo-nextest").is_some() {
        let nextest = cargo(layout, &["nextest", "run", "--cargo-profile", "local"]);
        return nextest.args(["--workspace", "--locked", "-E", "not package(e2e)"]).run().await;
    }
    cargo(layout, &["test"])
        .args(PROFILE)
        .args(["--workspace", "--exclude", "e2e", "--locked", "--lib", "--bins", "--tests"])
        .run()
        .await
}

async fn docs(layout: &Layout) -> Outcome {
    let tests = cargo(layout, &["test", "--doc"]).args(PROFILE);
    tests.args(["--workspace", "--locked"]).run().await?;
    cargo(layout, &["doc"])
        .args(PROFILE)
        .args(["--workspace", "--no-deps", "--locked", "--lib", "--quiet"])
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()
        .await
}

async fn templates(layout: &Layout, ui: Ui) -> Outcome {
    let interpreter = python::ensure(layout, ui, &python::LOCAL_CLOUD).await?;
    let linter = interpreter.with_file_name("cfn-lint");
    // It finds the files itself: there is no shell here to do so.
    Program::new(linter, &layout.root).arg("infra/*.yaml").run().await
}

async fn localstack(layout: &Layout, ui: Ui) -> Outcome {
    let interpreter = python::ensure(layout, ui, &python::LOCAL_CLOUD).await?;
    Program::new(interpreter, &layout.root)
        .args(["-m", "pytest", "localstack/tests", "-q", "-p", "no:cacheprovider"])
        .env("PYTHONPATH", python::package_path(layout)?)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .run()
        .await
}

/// A cloud of the tests' own, on a free port and with a state of its own, so that one that is up stays as it is.
///
/// `program` is this one, which the tests call.
async fn e2e(layout: &Layout, ui: Ui, arguments: &TestArgs, program: &Path) -> Outcome {
    // Built first: a cloud that waits for a compiler only takes memory.
    cargo(layout, &["test"])
        .args(PROFILE)
        .args(["--workspace", "--locked", "--no-run"])
        .args(E2E.iter().filter(|it| ![BROWSER, FUZZER].contains(it)).flat_map(|it| ["--test", it]))
        .run()
        .await?;
    if has_browser() {
        browser(layout, &["test"]).args(PROFILE).args(["--locked", "--no-run"]).run().await?;
    }
    let own = layout.with_state(layout.tools.join("test"));
    if let Some(left) = cloud::Record::read(&own)? {
        cloud::stop(&own, &left)?;
    }
    let mut settings = vec![("BillDueSeconds".to_owned(), BILL_DUE_SECONDS.to_owned())];
    settings.extend(arguments.settings.iter().cloned());
    let up = UpArgs { port: Some(cloud::free_port()?), settings };
    let platform = super::up::bring_up(&own, ui, &up).await?;
    let mut passed = Ok(());
    // One after the other: what runs beside those that substitute the state machine would be theirs.
    for name in E2E {
        passed = match name {
            BROWSER if !has_browser() => {
                ui.say(
                    "  the pages' tests are left out: they want chromedriver and Chromium on PATH",
                );
                ui.say("  (Debian, Ubuntu: apt install chromium chromium-driver)");
                Ok(())
            }
            FUZZER => fuzz(layout, ui, &own).await,
            name => run_tests(layout, ui, &own, program, name).await,
        };
        if passed.is_err() {
            break;
        }
    }
    let record = platform.cloud.record.clone();
    if passed.is_err() {
        keep_the_evidence(layout, ui, &own);
    }
    // Dropped, it stops the cloud with everything that it started.
    drop(platform);
    passed?;
    let mut left: Vec<_> = cloud::functions(&own, record.port)
        .iter()
        .map(|it| format!("process {} {}", it.pid, it.command()))
        .collect();
    if let Some(listener) = proc::listener(record.port) {
        left.push(format!("port {}: {}", record.port, listener.command));
    }
    if !left.is_empty() {
        return Err(Failure::new("the tests' cloud has left something").because(left.join("\n")));
    }
    files::remove(&own.state)
}

/// Runs one test program over the cloud that is up; `xtask` is this one, which the tests call.
async fn run_tests(layout: &Layout, ui: Ui, own: &Layout, xtask: &Path, name: &str) -> Outcome {
    let command: &[&str] = match python::on_path("cargo-nextest") {
        Some(_) => &["nextest", "run", "--cargo-profile", "local", "-j", "4"],
        None => &["test", "--profile", "local"],
    };
    let tests = match name {
        BROWSER => {
            let axe = tools::fetch(layout, ui, "axe-core", "0.2 MB").await?;
            browser(layout, command).env("PARKADE_AXE", axe.join(AXE))
        }
        // The whole workspace and not `-p e2e`: for one package alone, cargo would compile half of the rest anew.
        _ => cargo(layout, command).args(["--workspace", "--test", name]),
    };
    tests
        .arg("--locked")
        .env("PARKADE_OUTPUTS", own.outputs())
        .env("PARKADE_XTASK", xtask)
        .env("PARKADE_LOCAL", &own.state)
        .run()
        .await
}

fn has_browser() -> bool {
    let is_there = |name| python::on_path(name).is_some();
    is_there("chromedriver")
        && ["chromium", "chromium-browser", "google-chrome"].into_iter().any(is_there)
}

/// Asks the running platform what its document allows and what it does not; no answer may be one that it does not name.
async fn fuzz(layout: &Layout, ui: Ui, own: &Layout) -> Outcome {
    let interpreter = python::ensure(layout, ui, &python::FUZZER).await?;
    let outputs = Outputs::load(own)?.ok_or_else(|| Failure::new("the platform is not up"))?;
    let api = outputs.api_url.trim_end_matches('/');
    let keys = Keys::ensure(own)?;
    let issuer = Settings::local(own, &keys, &BTreeMap::new()).issuer();
    for (scope, paths) in FUZZED {
        let token = token::issue(&keys, &issuer, scope, "fuzzer", FUZZ_TTL, clock::now())?;
        // It leaves what it has found where it runs.
        Program::new(&interpreter, &own.state)
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
    Ok(())
}

/// What the functions and the cloud printed outlives the cloud if a test has failed.
fn keep_the_evidence(layout: &Layout, ui: Ui, own: &Layout) {
    let kept: PathBuf = layout.tools.join("test-cloud.log");
    if std::fs::copy(own.cloud_log(), &kept).is_ok() {
        ui.say(format!("  what the cloud printed is in {}", layout.shown(&kept)));
    }
}

#[cfg(test)]
mod tests {
    use super::choose;
    use crate::cli::TestArgs;

    fn steps(only: &[&str], skip: &[&str]) -> Option<Vec<&'static str>> {
        let owned = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect();
        let (only, skip) = (owned(only), owned(skip));
        choose(&TestArgs { list: false, only, skip, settings: vec![] }).ok()
    }

    #[test]
    fn steps_are_chosen_or_left_out_by_name() {
        assert_eq!(steps(&["unit"], &[]), Some(vec!["unit"]));
        assert_eq!(steps(&["unit", "e2e"], &["e2e"]), Some(vec!["unit"]));
        assert_eq!(steps(&[], &[]).map(|it| it.len()), Some(9));
        assert_eq!(steps(&["nothing"], &[]), None);
    }
}
