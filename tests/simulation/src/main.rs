//! `simulate`: runs the simulation for many seeds, or prints the event log of one.

mod json;

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::num::NonZeroU64;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clap::Parser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use simulation::Report;
use simulation::compare::{self, Prices};

/// The last lines of the event log of a failed run that are printed.
const LOG_LINES: usize = 30;
/// The number of failed runs that are kept; one is enough to start with.
const MAX_KEPT: usize = 10;

/// Runs the whole platform in one process, on simulated time, under seeded fault injection.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// The number of runs.
    #[arg(long, value_name = "N", default_value = "1000")]
    seeds: NonZeroU64,
    /// The first seed; random by default.
    #[arg(long, value_name = "N")]
    from: Option<u64>,
    /// Run this seed alone, and print its event log.
    #[arg(long, value_name = "N", conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// The number of parallel runs; by default the number of processors.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Run the same scenarios through both sagas, and compare their cost.
    #[arg(long, conflicts_with_all = ["seeds", "from", "seed"])]
    compare: bool,
    /// Stop at the first run that violates an invariant.
    #[arg(long)]
    fail_fast: bool,
    /// Print the results as JSON.
    #[arg(long, conflicts_with = "compare")]
    json: bool,
}

/// The combined results of many runs.
#[derive(Debug, Default)]
struct Summary {
    runs: u64,
    fault_free_runs: u64,
    bookings: u64,
    redriven: u64,
    recovered: u64,
    states: BTreeMap<String, u64>,
    faults: BTreeMap<String, u64>,
    circuits: BTreeMap<String, u64>,
    failed_runs: u64,
    failed: Vec<Report>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.seed {
        None if arguments.compare => print_comparison(),
        Some(seed) if arguments.json => json::print(&json::run(&simulation::run(seed, true))),
        Some(seed) => print_log(&simulation::run(seed, true)),
        None => run_many(&arguments),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        // stdout was closed.
        Ok(false) | Err(_) => ExitCode::FAILURE,
    }
}

/// Prints the comparison of both sagas, and violations if there are any.
fn print_comparison() -> std::io::Result<bool> {
    let results = compare::compare();
    let mut out = std::io::stdout().lock();
    for it in results.iter().filter(|it| !it.violations.is_empty()) {
        writeln!(out, "{}{}, {}: {:#?}", it.log, it.scenario, it.saga, it.violations)?;
    }
    write!(out, "{}", compare::table(&results, &Prices::listed()))?;
    Ok(results.iter().all(|it| it.violations.is_empty()))
}

/// Prints the event log of a run, and its violations.
fn print_log(report: &Report) -> std::io::Result<bool> {
    let mut out = std::io::stdout().lock();
    write!(out, "{}", report.log)?;
    writeln!(out, "\n{} bookings: {}", report.bookings, counted(&report.states))?;
    writeln!(out, "faults: {}", counted(&report.faults))?;
    writeln!(out, "circuits: {}", counted(&report.circuits))?;
    for violation in &report.violations {
        writeln!(out, "violated: {violation}")?;
    }
    if report.violations.is_empty() {
        writeln!(out, "all invariants hold")?;
    }
    Ok(report.violations.is_empty())
}

fn run_many(arguments: &Arguments) -> std::io::Result<bool> {
    let seeds = arguments.seeds.get();
    // Outside of the range of seeds that the tests use every time.
    let from = arguments.from.unwrap_or_else(|| fastrand::u64(1_000_000..1_000_000_000_000));
    let jobs = arguments.jobs.unwrap_or_else(|| {
        std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
    });
    let progress = Progress::new(seeds);
    let (next, is_stopped) = (AtomicU64::new(0), AtomicBool::new(false));
    let summary = Mutex::new(Summary::default());
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while !is_stopped.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= seeds {
                        return;
                    }
                    let report = simulation::run(from.wrapping_add(number), false);
                    let has_failed = !report.violations.is_empty();
                    let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
                    summary.add(report);
                    progress.advance(&summary);
                    drop(summary);
                    is_stopped.fetch_or(has_failed && arguments.fail_fast, Ordering::Relaxed);
                }
            });
        }
    });
    let elapsed = progress.bar.elapsed();
    progress.bar.finish_and_clear();
    let summary = summary.into_inner().unwrap_or_else(PoisonError::into_inner);
    if arguments.json {
        return json::print(&json::runs(from, elapsed, &summary));
    }
    summary.print(from, elapsed)
}

/// The progress: a bar on a terminal, a line for each tenth elsewhere.
struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
    runs: u64,
}

impl Progress {
    fn new(runs: u64) -> Self {
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} runs{msg}, {eta} left")
            .expect("the template is right");
        let is_terminal = std::io::stderr().is_terminal();
        let target =
            if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(runs), target).with_style(style);
        Self { bar, is_terminal, runs }
    }

    fn advance(&self, summary: &Summary) {
        if summary.failed_runs > 0 {
            self.bar.set_message(format!(", {} failed", summary.failed_runs));
        }
        self.bar.inc(1);
        let tenth = self.runs.div_ceil(10);
        if !self.is_terminal && summary.runs.is_multiple_of(tenth) && summary.runs < self.runs {
            let Summary { runs, bookings, failed_runs, .. } = summary;
            let line = format!("{runs} runs, {bookings} bookings, {failed_runs} failed\n");
            // stderr may be closed.
            drop(std::io::stderr().write_all(line.as_bytes()));
        }
    }
}

impl Summary {
    fn add(&mut self, report: Report) {
        self.runs += 1;
        self.fault_free_runs += u64::from(report.faults.is_empty());
        self.bookings += report.bookings;
        self.redriven += report.redriven;
        self.recovered += report.recovered;
        for (state, count) in &report.states {
            *self.states.entry(state.clone()).or_default() += count;
        }
        for (fault, count) in &report.faults {
            *self.faults.entry(fault.clone()).or_default() += count;
        }
        for (step, count) in &report.circuits {
            *self.circuits.entry(step.clone()).or_default() += count;
        }
        if !report.violations.is_empty() {
            self.failed_runs += 1;
            if self.failed.len() < MAX_KEPT {
                self.failed.push(report);
            }
        }
    }

    fn print(mut self, from: u64, elapsed: Duration) -> std::io::Result<bool> {
        let mut out = std::io::stdout().lock();
        let millis = elapsed.as_millis().max(1);
        let rate = u128::from(self.bookings) * 1_000 / millis;
        let seconds = elapsed.as_secs_f64();
        writeln!(
            out,
            "{} runs from seed {from}, {} of them without faults, in {seconds:.1} s",
            self.runs, self.fault_free_runs
        )?;
        writeln!(out, "  {} bookings, {rate} a second", self.bookings)?;
        writeln!(out, "  states   {}", counted(&self.states))?;
        writeln!(out, "  faults   {}", counted(&self.faults))?;
        writeln!(out, "  circuits {}", counted(&self.circuits))?;
        writeln!(out, "  redriven {} messages, recovered {} sagas", self.redriven, self.recovered)?;
        if self.failed_runs == 0 {
            writeln!(out, "All invariants hold")?;
            return Ok(true);
        }
        self.failed.sort_by_key(|it| it.seed);
        let seed = self.failed.first().map_or(0, |it| it.seed);
        writeln!(out, "End of the event log of seed {seed}:")?;
        let log = simulation::run(seed, true).log;
        let lines: Vec<&str> = log.lines().collect();
        for line in &lines[lines.len().saturating_sub(LOG_LINES)..] {
            writeln!(out, "  {}", shortened(line))?;
        }
        // Last, because it is what readers look for.
        writeln!(out, "Invariants violated in {} runs, such as", self.failed_runs)?;
        for report in &self.failed {
            for violation in &report.violations {
                writeln!(out, "  seed {}: {}", report.seed, shortened(violation))?;
            }
        }
        writeln!(out, "Event log: cargo xtask simulate --seed {seed}")?;
        Ok(false)
    }
}

fn counted(counts: &BTreeMap<String, u64>) -> String {
    let counts: Vec<String> =
        counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
}

fn shortened(violation: &str) -> String {
    if violation.chars().count() <= 300 {
        violation.to_owned()
    } else {
        violation.chars().take(300).chain("…".chars()).collect()
    }
}
