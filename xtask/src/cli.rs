//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::booking_id::BookingId;
use crate::clock;
use crate::cloud::DEFAULT_PORT;
use crate::deploy::settings;
use crate::token::{self, Scope, TTL_SECONDS};

/// Parkade's commands: build the functions, run the local cloud, deploy, test, and look into what runs.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, max_term_width = 100)]
#[command(
    after_help = "Start with `cargo xtask demo`. All files of these commands are in .local/ and target/; the environment\n\
    variable PARKADE_LOCAL names another folder than .local/ for the state of a second cloud. NO_COLOR is honoured."
)]
pub(crate) struct Cli {
    /// Print results and errors only, no progress
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The default of `cargo lambda watch` and `cargo lambda invoke`.
pub(crate) const INVOKE_PORT: u16 = 9000;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build, start the local cloud, deploy, and make bookings through both sagas, with timings.
    #[command(after_help = "\
Needs Rust, and Python 3.11 to 3.13; no AWS account, no Docker. Takes some minutes the first time and under a
minute afterwards. The platform stays up; `cargo xtask down` stops it.
Exits with 0 only if all checks passed.

Examples:
  cargo xtask demo
  cargo xtask demo --port 4570")]
    Demo(UpArgs),

    /// Check everything: format, lints, unit tests, templates, the local cloud itself, and end to end on it.
    #[command(after_help = "\
The steps `cloud` and `e2e` run on a local cloud of their own, on a free port, and stop it again. A local cloud that
is already up stays unchanged.

Examples:
  cargo xtask test                                all steps
  cargo xtask test --list                         the names of the steps
  cargo xtask test --only unit --only docs        two steps
  cargo xtask test --skip cloud                   all steps but `cloud`, and `e2e`, which needs it
  cargo xtask test --only e2e --filter trace      the end-to-end tests with `trace` in their name
  cargo xtask test --no-fail-fast --json          all steps in any case, with the results as JSON")]
    Test(TestArgs),

    /// Start the platform on the local cloud, or update it.
    #[command(after_help = "\
Installs the local cloud into .local/venv if needed, builds the functions, starts the cloud, deploys the stacks,
and writes .local/outputs.json and .local/functions.env. A second run deploys only what has changed. The port and
the settings are kept until `cargo xtask down`.

Examples:
  cargo xtask up
  cargo xtask up --port 4570
  cargo xtask up --set BillDueSeconds=20 --set BillTotal=80.00
  cargo xtask up --set BillDueSeconds=         the template's default again
  cargo xtask up --set PaymentProviderUrl=http://127.0.0.1:8081    your own payment provider, or a proxy

A payment provider of your own must accept the setting PaymentProviderKey, which billing sends as a bearer token. On the
local cloud its value is in .local/keys/payment-provider-key. README.md shows such a provider.")]
    Up(UpArgs),

    /// Stop the local cloud with all its processes; tools and keys stay.
    #[command(
        after_help = "All data in the local cloud is lost. .local/venv, .local/keys and .local/cloud.log stay."
    )]
    Down,

    /// Show what is running, and where.
    #[command(after_help = "\
Exits with 0 if the local cloud is up, and with 1 if it is not.

Examples:
  cargo xtask status
  cargo xtask status --json")]
    Status(JsonArgs),

    /// Print the addresses and settings of the running platform, or one of them.
    #[command(after_help = "\
Examples:
  cargo xtask outputs
  cargo xtask outputs --json
  curl \"$(cargo xtask outputs ApiUrl)/health\"")]
    Outputs(OutputsArgs),

    /// Show the functions' logs.
    #[command(after_help = "\
One line per record; ids are shortened to their last eight characters, as on the pages. Lambda's own START, END and
REPORT lines are left out. --json prints every line as it was logged, one JSON object per line.

Examples:
  cargo xtask logs                              all functions, the last ten minutes
  cargo xtask logs booking-command --follow
  cargo xtask logs --level warn --since 1h      warnings and errors
  cargo xtask logs --booking 6a7d8c9b           what was done for one booking
  cargo xtask logs parking-react --json | jq .event")]
    Logs(LogsArgs),

    /// Show the timeline of one booking: functions, events, the saga's steps and the money.
    #[command(after_help = "\
Reads the operator's routes, the payment provider's ledger and the functions' logs of the running platform. Of an old
booking without logs it shows what the services have stored. Payment tokens are never shown.

Examples:
  cargo xtask trace 0199f2c4-7d1e-7a30-b3c1-5f0e6a7d8c9b
  cargo xtask trace 6a7d8c9b                   the last eight characters, as the pages show them
  cargo xtask trace 6a7d8c9b --mermaid         a sequence diagram for a Markdown page
  cargo xtask trace 6a7d8c9b --json")]
    Trace(TraceArgs),

    /// Print a bearer token for the API.
    #[command(after_help = "\
Only the token goes to stdout.

Examples:
  cargo xtask token customer ann
  cargo xtask token operator olga --ttl 60
  cargo xtask token customer ann --ttl -1      an expired token
  curl -H \"Authorization: Bearer $(cargo xtask token customer ann)\" \"$(cargo xtask outputs ApiUrl)/mobile/slots\"")]
    Token(TokenArgs),

    /// Deploy what has changed to the running local cloud, with the functions as they are built.
    #[command(after_help = "`cargo xtask up` builds first; this command does not.")]
    Deploy,

    /// Build the functions: target/lambda/<function>/bootstrap.
    #[command(after_help = "\
Examples:
  cargo xtask build                      for the local cloud, quickly
  cargo xtask build --release --zip      for AWS on x86_64; sizes are reported
  cargo xtask build --arm64 --zip        for AWS on Graviton, with cargo-lambda and zig, fetched if missing")]
    Build(BuildArgs),

    /// Measure the event store and the API on the running local cloud, the domain rules, and circuit breakers.
    #[command(after_help = "\
Every sample is kept in .local/bench/. On the cloud it creates tables of its own and deletes them again; for the API
it creates a slot and books it, which stays.

Examples:
  cargo xtask bench store                        appending and loading, by length of stream
  cargo xtask bench store --against dynamo-es    the same, compared with the dynamo-es crate in the same run
  cargo xtask bench edge                         response times of every screen
  cargo xtask bench rules                        decide and fold, by criterion; needs no cloud")]
    Bench(BenchArgs),

    /// Run the whole platform in one process under seeded fault injection.
    #[command(after_help = "\
Needs only Rust. Each seed is one run: it decides which requests arrive, and which calls, messages and processes fail.
The report counts bookings, faults and states, and lists the violations of invariants; with a violation it exits
with 1. docs/simulation.md says how it works, and what it does not prove.

Examples:
  cargo xtask simulate --seeds 10000          this many runs, from a random seed
  cargo xtask simulate --seed 42              one run, with its event log
  cargo xtask simulate --compare              both sagas under the same scenarios, and their costs
  cargo xtask simulate --planted-faults       whether faults planted in a copy of the code are found
  cargo xtask simulate --seeds 100 --json")]
    Simulate(SimulateArgs),

    /// Serve every function with `cargo lambda watch` against the local cloud, and rebuild it when its code changes.
    #[command(after_help = "\
Fetches cargo-lambda into .local/ if it is not on PATH. Ctrl-C ends it. Further arguments of `cargo lambda watch`
follow `--`.

Examples:
  cargo xtask watch
  cargo xtask invoke booking-query --data-file functions/booking/events/booking-query.json
  cargo lambda invoke -A 127.0.0.1 booking-query --data-file functions/booking/events/booking-query.json")]
    Watch(WatchArgs),

    /// Invoke a function that `cargo xtask watch` serves, and print its response.
    #[command(after_help = "\
Exits with 1 if the function returned an error, which goes to stderr.

Examples:
  cargo xtask invoke booking-query --data-file functions/booking/events/booking-query.json
  cargo xtask invoke parking-query --data '{\"query\":\"slots\",\"limit\":10}'")]
    Invoke(InvokeArgs),

    /// Print a completion script for a shell.
    #[command(after_help = "\
A shell completes commands and not arguments of `cargo`, so the script is for an alias with the name `xtask`.

Examples:
  alias xtask='cargo xtask'; source <(cargo xtask completions bash)
  alias xtask 'cargo xtask'; cargo xtask completions fish | source")]
    Completions(CompletionsArgs),
}

impl Command {
    /// Whether Ctrl-C is the normal end of the command.
    pub(crate) fn runs_until_interrupted(&self) -> bool {
        matches!(self, Self::Watch(_) | Self::Logs(LogsArgs { follow: true, .. }))
    }
}

/// Arguments of a command that takes no other.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct JsonArgs {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// The local cloud's port on 127.0.0.1 [default: 4566, or the port of the running cloud]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,

    /// A parameter of the stacks; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = settings::parse)]
    pub(crate) settings: Vec<(String, String)>,
}

impl UpArgs {
    /// The port for a new cloud.
    pub(crate) fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(DEFAULT_PORT)
    }
}

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// List the steps, and run nothing
    #[arg(long)]
    pub(crate) list: bool,

    /// Run only this step; may be repeated
    #[arg(long, value_name = "STEP")]
    pub(crate) only: Vec<String>,

    /// Leave out this step, and those that need it; may be repeated
    #[arg(long, value_name = "STEP")]
    pub(crate) skip: Vec<String>,

    /// Run only single tests with TEXT in their name, of the steps unit, localstack and e2e
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,

    /// Go on after a failure, and report all failures at the end
    #[arg(long)]
    pub(crate) no_fail_fast: bool,

    /// Print the results as JSON; everything else goes to stderr
    #[arg(long)]
    pub(crate) json: bool,

    /// A parameter of the stacks on the tests' cloud; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = settings::parse)]
    pub(crate) settings: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The function, such as booking-command [default: all]
    pub(crate) function: Option<String>,

    /// Only records of this booking: its id, or the last eight characters of it
    #[arg(long, value_name = "ID")]
    pub(crate) booking: Option<BookingId>,

    /// Only records of this level or a more severe one
    #[arg(long)]
    pub(crate) level: Option<Level>,

    /// Print new records until Ctrl-C
    #[arg(long, short)]
    pub(crate) follow: bool,

    /// How far back: 30s, 10m, 2h
    #[arg(long, default_value = "10m", value_parser = clock::parse)]
    pub(crate) since: Duration,

    /// Print every line as it was logged, one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
}

/// How severe a record is, the most severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Args)]
pub(crate) struct OutputsArgs {
    /// Print only the value of this output, such as ApiUrl
    pub(crate) name: Option<String>,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    /// The booking: its id, or the last eight characters of it, as the pages show them
    pub(crate) booking: BookingId,

    /// Print a sequence diagram in Mermaid's language
    #[arg(long)]
    pub(crate) mermaid: bool,

    /// Print JSON
    #[arg(long, conflicts_with = "mermaid")]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// The role that the token grants
    pub(crate) scope: Scope,

    /// The name of the user: 1 to 255 bytes without control characters
    #[arg(value_parser = token::parse_subject)]
    pub(crate) subject: String,

    /// Seconds until the token expires; a negative number gives an expired token
    #[arg(long, value_name = "SECONDS", default_value_t = TTL_SECONDS, allow_negative_numbers = true)]
    pub(crate) ttl: i64,
}

#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// Small and fast, as for AWS
    #[arg(long)]
    pub(crate) release: bool,

    /// For ARM processors, with cargo-lambda and zig; a release
    #[arg(long)]
    pub(crate) arm64: bool,

    /// Also write <function>.zip next to each bootstrap
    #[arg(long)]
    pub(crate) zip: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// What to measure
    #[command(subcommand)]
    pub(crate) what: Bench,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(crate) enum Bench {
    /// The event store, on the running local cloud
    Store {
        /// Another store to compare with; benches/README.md says what is compared
        #[arg(long)]
        against: Option<Against>,
    },
    /// Every screen of the three front ends on the running local cloud, and its parts
    Edge {
        /// Requests per screen
        #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
    },
    /// The rules of a booking, and folding: pure functions, by criterion
    Rules,
    /// A call through a closed circuit, compared with other breakers, by criterion
    Breaker,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Against {
    /// The store of the cqrs-es framework on DynamoDB; builds for some minutes the first time
    DynamoEs,
}

#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// Number of runs [default: 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seeds: Option<u64>,

    /// The first seed [default: random]
    #[arg(long, value_name = "N")]
    pub(crate) from: Option<u64>,

    /// Run this seed only, and print its event log
    #[arg(long, value_name = "N", conflicts_with_all = ["seeds", "from"])]
    pub(crate) seed: Option<u64>,

    /// Number of runs at the same time [default: one per processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) jobs: Option<u64>,

    /// Build in release mode: slower to build, faster to run
    #[arg(long)]
    pub(crate) release: bool,

    /// Run the same scenarios through both sagas, and print their costs as a table
    #[arg(long, conflicts_with_all = ["seeds", "from", "seed", "jobs"])]
    pub(crate) compare: bool,

    /// Plant faults in a copy of the code, and check that each is found
    #[arg(long, conflicts_with_all = ["seeds", "from", "seed", "jobs", "compare", "release"])]
    pub(crate) planted_faults: bool,

    /// Print the results as JSON; everything else goes to stderr
    #[arg(long, conflicts_with = "compare")]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// The port on 127.0.0.1 for invocations
    #[arg(long, value_name = "PORT", default_value_t = INVOKE_PORT)]
    pub(crate) invoke_port: u16,

    /// Further arguments of `cargo lambda watch`
    #[arg(last = true)]
    pub(crate) arguments: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct InvokeArgs {
    /// The function, such as booking-query
    pub(crate) function: String,

    /// A file with the event, as JSON; the repository has one per function in functions/*/events/
    #[arg(long, value_name = "FILE", required_unless_present = "data")]
    pub(crate) data_file: Option<PathBuf>,

    /// The event, as JSON
    #[arg(long, value_name = "JSON", conflicts_with = "data_file")]
    pub(crate) data: Option<String>,

    /// The port on 127.0.0.1 [default: that of the running `cargo xtask watch`, or 9000]
    #[arg(long, value_name = "PORT")]
    pub(crate) invoke_port: Option<u16>,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: Shell,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::{Cli, Command};

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_token_may_run_out_in_the_past() {
        let cli = Cli::try_parse_from(["xtask", "token", "customer", "ann", "--ttl", "-5"]);
        assert!(matches!(cli, Ok(Cli { command: Command::Token(it), .. }) if it.ttl == -5));
    }

    /// The arguments of a line that begins with `cargo xtask`, up to a comment or a pipe; `None` for another line.
    fn arguments(line: &str) -> Option<Vec<String>> {
        let line = line.trim().trim_start_matches("$ ");
        let rest = line.strip_prefix("cargo xtask ")?;
        let typed = rest.split("   ").next()?.split(['|', '#']).next()?;
        // Quotes are only around JSON without spaces.
        Some(typed.split_whitespace().map(|it| it.trim_matches('\'').to_owned()).collect())
    }

    fn assert_parses(line: &str, source: &str) {
        let Some(words) = arguments(line) else { return };
        let words = ["xtask".to_owned()].into_iter().chain(words);
        if let Err(error) = Cli::try_parse_from(words) {
            assert!(!error.use_stderr(), "{source}: {line}: {error}");
        }
    }

    #[test]
    fn every_example_in_the_help_texts_is_accepted() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in help.lines() {
                assert_parses(line, command.get_name());
            }
        }
    }

    #[test]
    fn every_command_line_in_the_readme_is_accepted() {
        let readme = include_str!("../../README.md");
        let lines: Vec<_> = readme.lines().filter(|it| it.starts_with("$ cargo xtask ")).collect();
        assert!(lines.len() >= 5, "{lines:?}");
        for line in lines {
            assert_parses(line, "README.md");
        }
    }

    #[test]
    fn every_command_says_how_it_is_used() {
        for command in Cli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{} says nothing", command.get_name());
            assert!(command.get_after_help().is_some(), "{} shows nothing", command.get_name());
        }
    }
}
