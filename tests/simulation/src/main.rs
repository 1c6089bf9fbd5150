//! `simulate`: lives through the days of many seeds, or tells the story of one.

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

/// Of the story of a broken day so much is shown at once: what came last.
const STORY_LINES: usize = 30;
/// So many broken days are kept; one is enough to work on.
const KEPT_MAX: usize = 10;

/// Runs the whole platform in one process, on simulated time, with every fault in a seed's hand.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// How many days to live through.
    #[arg(long, value_name = "N", default_value = "1000")]
    seeds: NonZeroU64,
    /// The first seed; drawn by lot if it is not given.
    #[arg(long, value_name = "N")]
    from: Option<u64>,
    /// Live through the day of this seed alone, and tell its story.
    #[arg(long, value_name = "N", conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// How many days at once; as many as there are processors if it is not given.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Play the same scenarios over both sagas, and tell what each takes.
    #[arg(long, conflicts_with_all = ["seeds", "from", "seed"])]
    compare: bool,
    /// Stop at the first day on which a law is broken.
    #[arg(long)]
    fail_fast: bool,
    /// Print the results as JSON.
    #[arg(long, conflicts_with = "compare")]
    json: bool,
}

/// What became of many days.
#[derive(Debug, Default)]
struct Summary {
    days: u64,
    fine_days: u64,
    bookings: u64,
    redriven: u64,
    taken_up: u64,
    states: BTreeMap<String, u64>,
    faults: BTreeMap<String, u64>,
    circuits: BTreeMap<String, u64>,
    broken_days: u64,
    broken: Vec<Report>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let said = match arguments.seed {
        None if arguments.compare => compared(),
        Some(seed) if arguments.json => json::print(&json::run(&simulation::run(seed, true))),
        Some(seed) => tell(&simulation::run(seed, true)),
        None => many(&arguments),
    };
    match said {
        Ok(true) => ExitCode::SUCCESS,
        // Nobody reads any more.
        Ok(false) | Err(_) => ExitCode::FAILURE,
    }
}

/// The table of both sagas, or what was wrong.
fn compared() -> std::io::Result<bool> {
    let played = compare::compare();
    let mut out = std::io::stdout().lock();
    for it in played.iter().filter(|it| !it.broken.is_empty()) {
        writeln!(out, "{}{}, {}: {:#?}", it.story, it.scenario, it.saga, it.broken)?;
    }
    write!(out, "{}", compare::table(&played, &Prices::listed()))?;
    Ok(played.iter().all(|it| it.broken.is_empty()))
}

/// The story of a day, and what was wrong with it.
fn tell(report: &Report) -> std::io::Result<bool> {
    let mut out = std::io::stdout().lock();
    write!(out, "{}", report.story)?;
    writeln!(out, "\n{} bookings: {}", report.bookings, counted(&report.states))?;
    writeln!(out, "faults: {}", counted(&report.faults))?;
    writeln!(out, "circuits: {}", counted(&report.circuits))?;
    for law in &report.broken {
        writeln!(out, "broken: {law}")?;
    }
    if report.broken.is_empty() {
        writeln!(out, "every law holds")?;
    }
    Ok(report.broken.is_empty())
}

fn many(arguments: &Arguments) -> std::io::Result<bool> {
    let seeds = arguments.seeds.get();
    // Away from the seeds that the tests live through every time.
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
                    let is_broken = !report.broken.is_empty();
                    let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
                    summary.add(report);
                    progress.day(&summary);
                    drop(summary);
                    is_stopped.fetch_or(is_broken && arguments.fail_fast, Ordering::Relaxed);
                }
            });
        }
    });
    let took = progress.bar.elapsed();
    progress.bar.finish_and_clear();
    let summary = summary.into_inner().unwrap_or_else(PoisonError::into_inner);
    if arguments.json {
        return json::print(&json::runs(from, took, &summary));
    }
    summary.say(from, took)
}

/// How far it is: a line that moves on a terminal, a line for each tenth elsewhere.
struct Progress {
    bar: ProgressBar,
    is_seen: bool,
    days: u64,
}

impl Progress {
    fn new(days: u64) -> Self {
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} days{msg}, {eta} left")
            .expect("the template is right");
        let is_seen = std::io::stderr().is_terminal();
        let target =
            if is_seen { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(days), target).with_style(style);
        Self { bar, is_seen, days }
    }

    fn day(&self, summary: &Summary) {
        if summary.broken_days > 0 {
            self.bar.set_message(format!(", {} broken", summary.broken_days));
        }
        self.bar.inc(1);
        let tenth = self.days.div_ceil(10);
        if !self.is_seen && summary.days.is_multiple_of(tenth) && summary.days < self.days {
            let Summary { days, bookings, broken_days, .. } = summary;
            let line = format!("{days} days, {bookings} bookings, {broken_days} broken\n");
            // Nobody need listen.
            drop(std::io::stderr().write_all(line.as_bytes()));
        }
    }
}

impl Summary {
    fn add(&mut self, report: Report) {
        self.days += 1;
        self.fine_days += u64::from(report.faults.is_empty());
        self.bookings += report.bookings;
        self.redriven += report.redriven;
        self.taken_up += report.taken_up;
        for (state, count) in &report.states {
            *self.states.entry(state.clone()).or_default() += count;
        }
        for (fault, count) in &report.faults {
            *self.faults.entry(fault.clone()).or_default() += count;
        }
        for (step, count) in &report.circuits {
            *self.circuits.entry(step.clone()).or_default() += count;
        }
        if !report.broken.is_empty() {
            self.broken_days += 1;
            if self.broken.len() < KEPT_MAX {
                self.broken.push(report);
            }
        }
    }

    fn say(mut self, from: u64, took: Duration) -> std::io::Result<bool> {
        let mut out = std::io::stdout().lock();
        let millis = took.as_millis().max(1);
        let rate = u128::from(self.bookings) * 1_000 / millis;
        let seconds = took.as_secs_f64();
        writeln!(
            out,
            "{} days from seed {from}, {} of them without a fault, in {seconds:.1} s",
            self.days, self.fine_days
        )?;
        writeln!(out, "  {} bookings, {rate} a second", self.bookings)?;
        writeln!(out, "  states   {}", counted(&self.states))?;
        writeln!(out, "  faults   {}", counted(&self.faults))?;
        writeln!(out, "  circuits {}", counted(&self.circuits))?;
        writeln!(out, "  redriven {} messages, {} sagas", self.redriven, self.taken_up)?;
        if self.broken_days == 0 {
            writeln!(out, "Every law holds")?;
            return Ok(true);
        }
        self.broken.sort_by_key(|it| it.seed);
        let seed = self.broken.first().map_or(0, |it| it.seed);
        writeln!(out, "How seed {seed} ended:")?;
        let story = simulation::run(seed, true).story;
        let lines: Vec<&str> = story.lines().collect();
        for line in &lines[lines.len().saturating_sub(STORY_LINES)..] {
            writeln!(out, "  {}", shortened(line))?;
        }
        // Last, since that is what one looks for.
        writeln!(out, "Laws are broken on {} days, such as", self.broken_days)?;
        for report in &self.broken {
            for law in &report.broken {
                writeln!(out, "  seed {}: {}", report.seed, shortened(law))?;
            }
        }
        writeln!(out, "All of it: cargo xtask simulate --seed {seed}")?;
        Ok(false)
    }
}

fn counted(counts: &BTreeMap<String, u64>) -> String {
    let counts: Vec<String> =
        counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
}

fn shortened(law: &str) -> String {
    if law.chars().count() <= 300 {
        law.to_owned()
    } else {
        law.chars().take(300).chain("…".chars()).collect()
    }
}
