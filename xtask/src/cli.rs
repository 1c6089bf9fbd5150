//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use uuid::Uuid;

use crate::cloud::DEFAULT_PORT;
use crate::deploy::settings;
use crate::token::{Scope, TTL_SECONDS};

/// Parkade's commands: build the functions, run the local cloud, deploy, test, tell the story.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
#[command(
    after_help = "Begin with `cargo xtask demo`. Everything these commands leave is in .local/ and target/;\n\
    PARKADE_LOCAL names another folder than .local/ for a second cloud's state. NO_COLOR is honoured."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build, start the local cloud, deploy, and book through both sagas: a story with timings.
    #[command(after_help = "\
Needs Rust, and Python 3.11 to 3.13; no AWS account, no Docker. Takes some minutes the first time and under a
minute afterwards. It leaves the cloud up for you to play with; `cargo xtask down` stops it.
Exits with 0 only if every step of the story came true.

Examples:
  cargo xtask demo
  cargo xtask demo --port 4570")]
    Demo(UpArgs),

    /// Check everything: format, lints, unit tests, templates, the local cloud itself, and end to end on it.
    #[command(after_help = "\
Runs on a local cloud of its own, on a free port, which is taken down again: one that is up stays as it is.

Examples:
  cargo xtask test                  everything
  cargo xtask test --list           the steps
  cargo xtask test --only e2e       one step, and what it needs
  cargo xtask test --skip cloud     all steps but one")]
    Test(TestArgs),

    /// Bring the platform up on the local cloud, or bring it up to date.
    #[command(after_help = "\
Installs the local cloud into .local/venv if need be, builds the functions, starts the cloud, deploys the stacks,
and writes .local/outputs.json and .local/functions.env. Run again, it changes only what has changed; port and
settings are kept until `cargo xtask down`.

Examples:
  cargo xtask up
  cargo xtask up --port 4570
  cargo xtask up --set BillDueSeconds=20 --set BillTotal=80.00
  cargo xtask up --set BillDueSeconds=         the template's default again")]
    Up(UpArgs),

    /// Stop the local cloud with all its processes; tools and keys stay.
    #[command(
        after_help = "What the cloud held is gone. .local/venv, .local/keys and .local/cloud.log stay."
    )]
    Down,

    /// Show what runs, and where.
    #[command(after_help = "Exits with 0 if the local cloud is up, and with 1 if it is not.")]
    Status,

    /// Show what functions print.
    #[command(after_help = "\
Examples:
  cargo xtask logs                              all functions, the last ten minutes
  cargo xtask logs booking-command --follow
  cargo xtask logs --booking <id> --since 2h    what was done for one booking
  cargo xtask logs parking-react --since 1h")]
    Logs(LogsArgs),

    /// Tell the story of one booking: functions, events, the saga's steps and the money, in the order of time.
    #[command(after_help = "\
Asks the operator's routes, the payment provider's ledger and the functions' logs of the local cloud that is up. What
is older than the logs is told without them. A payment's token is in none of it.

Examples:
  cargo xtask trace 0199f2c4-7d1e-7a30-b3c1-5f0e6a7d8c9b
  cargo xtask trace 0199f2c4-7d1e-7a30-b3c1-5f0e6a7d8c9b --mermaid    a sequence diagram for a Markdown page")]
    Trace(TraceArgs),

    /// Print a bearer token for the front door.
    #[command(after_help = "\
Only the token goes to stdout.

Examples:
  cargo xtask token customer ann
  cargo xtask token operator olga --ttl 60
  cargo xtask token customer ann --ttl -1      one that has run out
  curl -H \"Authorization: Bearer $(cargo xtask token customer ann)\" $API/mobile/slots")]
    Token(TokenArgs),

    /// Deploy to the local cloud that is up: what has changed, with the functions as they are built.
    #[command(after_help = "`cargo xtask up` builds first; this does not.")]
    Deploy,

    /// Build the functions: target/lambda/<function>/bootstrap.
    #[command(after_help = "\
Examples:
  cargo xtask build                      for the local cloud, quickly
  cargo xtask build --release --zip      for AWS on x86_64; sizes are reported
  cargo xtask build --arm64 --zip        for AWS on Graviton, with cargo-lambda and zig, fetched if missing")]
    Build(BuildArgs),

    /// Measure: the event store and the front door on the local cloud that is up, rules, and breakers.
    #[command(after_help = "\
Keeps every single time in .local/bench/. On the cloud it makes tables of its own and deletes them again; for the front
door it makes a slot and books it, which stays.

Examples:
  cargo xtask bench store                        appending and loading, by length of stream
  cargo xtask bench store --against dynamo-es    and beside the dynamo-es crate, in the same run
  cargo xtask bench edge                         what clients wait for, screen by screen
  cargo xtask bench rules                        decide and fold, by criterion; needs no cloud")]
    Bench(BenchArgs),

    /// Live through many days of the whole platform in one process, with every fault in a seed's hand.
    #[command(after_help = "\
Nothing is needed but Rust. Each seed is a day: who comes, and which calls, messages and processes fail. What is
said is how many bookings, faults and states the days have seen, and which laws were broken on which; then it
exits with 1. docs/simulation.md says how it works, and what it does not prove.

Examples:
  cargo xtask simulate --seeds 10000          as many days, from a seed that is drawn
  cargo xtask simulate --seed 42              the story of one day
  cargo xtask simulate --compare              both sagas through the same scenarios, and what each takes
  cargo xtask simulate --planted-faults       whether faults planted in a copy of the code are found")]
    Simulate(SimulateArgs),

    /// Serve every function with `cargo lambda watch` against the local cloud.
    #[command(after_help = "\
Fetches cargo-lambda into .local/ if there is none. What `cargo lambda watch` takes can follow `--`.

Examples:
  cargo xtask watch
  cargo lambda invoke booking-query --data-file functions/booking/events/booking-query.json")]
    Watch(WatchArgs),
}

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Where the local cloud listens, on 127.0.0.1 [default: 4566, or where it is up already]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,

    /// A parameter for the stacks that declare it; may be given again
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = settings::parse)]
    pub(crate) settings: Vec<(String, String)>,
}

impl UpArgs {
    /// The port to take when none is up and none was asked for.
    pub(crate) fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(DEFAULT_PORT)
    }
}

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Show the steps and stop
    #[arg(long)]
    pub(crate) list: bool,

    /// Run this step only, with what it needs; may be given again
    #[arg(long, value_name = "STEP")]
    pub(crate) only: Vec<String>,

    /// Leave this step out; may be given again
    #[arg(long, value_name = "STEP")]
    pub(crate) skip: Vec<String>,

    /// A parameter for the stacks of the tests' cloud; may be given again
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = settings::parse)]
    pub(crate) settings: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The function, such as booking-command [default: all]
    pub(crate) function: Option<String>,

    /// Only what names this booking
    #[arg(long, value_name = "ID")]
    pub(crate) booking: Option<Uuid>,

    /// Go on with what comes, until Ctrl-C
    #[arg(long, short)]
    pub(crate) follow: bool,

    /// How far back: 30s, 10m, 2h
    #[arg(long, default_value = "10m", value_parser = crate::commands::logs::parse_since)]
    pub(crate) since: i64,
}

#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    /// The booking, as `POST /mobile/bookings` has named it
    pub(crate) booking: Uuid,

    /// Print a sequence diagram in Mermaid's language
    #[arg(long)]
    pub(crate) mermaid: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// What its bearer may do
    pub(crate) scope: Scope,

    /// Who its bearer is
    pub(crate) subject: String,

    /// Seconds until it runs out; a negative number gives one that has
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

    /// Also leave <function>.zip beside each bootstrap
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
    /// The event store, on the local cloud that is up
    Store {
        /// Another store to measure afterwards, in turns with this one; benches/README.md says what is compared
        #[arg(long)]
        against: Option<Against>,
    },
    /// Every screen of the three front ends, on the local cloud that is up, and how long its parts take
    Edge {
        /// How often each is asked for
        #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
    },
    /// The rules of a booking, and folding: pure functions, by criterion
    Rules,
    /// A call through a closed circuit, beside other breakers, by criterion
    Breaker,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Against {
    /// The store of the cqrs-es framework on DynamoDB; builds for some minutes the first time
    DynamoEs,
}

#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// How many days [default: 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seeds: Option<u64>,

    /// The first seed [default: drawn]
    #[arg(long, value_name = "N")]
    pub(crate) from: Option<u64>,

    /// This day alone, with its story
    #[arg(long, value_name = "N", conflicts_with_all = ["seeds", "from"])]
    pub(crate) seed: Option<u64>,

    /// How many at once [default: the processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) jobs: Option<u64>,

    /// Build it as for AWS: slower to build, faster to run
    #[arg(long)]
    pub(crate) release: bool,

    /// Play the same scenarios over both sagas, and tell what each takes, as a table
    #[arg(long, conflicts_with_all = ["seeds", "from", "seed", "jobs"])]
    pub(crate) compare: bool,

    /// Plant faults in a copy of the code, and see whether each is found
    #[arg(long, conflicts_with_all = ["seeds", "from", "seed", "jobs", "compare", "release"])]
    pub(crate) planted_faults: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Where `cargo lambda invoke` finds it
    #[arg(long, default_value_t = 9000)]
    pub(crate) invoke_port: u16,

    /// Further arguments of `cargo lambda watch`
    #[arg(last = true)]
    pub(crate) arguments: Vec<String>,
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
        assert!(matches!(cli, Ok(Cli { command: Command::Token(it) }) if it.ttl == -5));
    }

    #[test]
    fn every_command_says_how_it_is_used() {
        for command in Cli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{} says nothing", command.get_name());
            assert!(command.get_after_help().is_some(), "{} shows nothing", command.get_name());
        }
    }
}
