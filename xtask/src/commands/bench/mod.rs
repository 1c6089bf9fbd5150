//! `bench`: measurements.

mod edge;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::{Against, Bench, BenchArgs};
use crate::cloud;
use crate::command::Program;
use crate::failure::{Context as _, Result};
use crate::layout::Layout;
use crate::ui::Ui;

pub(crate) async fn run(layout: &Layout, ui: Ui, arguments: &BenchArgs) -> Result<ExitCode> {
    let kept = layout.state.join("bench");
    std::fs::create_dir_all(&kept).context(|| format!("cannot make {}", layout.shown(&kept)))?;
    match arguments.what {
        Bench::Store { against } => store(layout, ui, &kept, against).await?,
        Bench::Edge { rounds } => edge::run(layout, ui, &kept, rounds).await?,
        Bench::Rules => by_criterion(layout, ui, &kept, "rules", "local").await?,
        // As for AWS throughout: a breaker is a hundred small calls into its libraries.
        Bench::Breaker => by_criterion(layout, ui, &kept, "breaker", "release").await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn by_criterion(layout: &Layout, ui: Ui, kept: &Path, bench: &str, profile: &str) -> Result {
    let samples = kept.join(bench);
    apart(layout, bench, profile).env("CRITERION_HOME", &samples).run().await?;
    ui.say(format!("Every sample is in {}", layout.shown(&samples)));
    Ok(())
}

async fn store(layout: &Layout, ui: Ui, kept: &Path, against: Option<Against>) -> Result {
    let cloud = cloud::require(layout)?;
    let on_cloud = |program: Program, csv: PathBuf| {
        program
            .env("PARKADE_ENDPOINT", format!("http://127.0.0.1:{}", cloud.record.port))
            .env("PARKADE_BENCH_CSV", csv)
    };
    ui.say(format!("Measuring on the local cloud at port {}", cloud.record.port));
    // The profile of the functions, here and below, so that nothing is compiled again.
    let options = ["--profile", "local", "--package", "parkade-event-sourcing"];
    let store = Program::cargo(&layout.root).arg("bench").args(options);
    on_cloud(store.args(["--bench", "dynamodb"]), kept.join("dynamodb.csv")).run().await?;
    match against {
        None => {}
        Some(Against::DynamoEs) => {
            ui.say("Measuring against dynamo-es");
            on_cloud(apart(layout, "dynamo-es", "local"), kept.join("dynamo-es.csv")).run().await?;
        }
    }
    Ok(())
}

/// A program of `benches/`, which is a workspace of its own and shares only the folder that cargo builds in.
fn apart(layout: &Layout, bench: &str, profile: &str) -> Program {
    Program::cargo(&layout.root)
        .args(["bench", "--locked", "--profile", profile, "--manifest-path"])
        .arg(format!("benches/{bench}/Cargo.toml"))
        .args(["--bench", bench, "--target-dir"])
        .arg(layout.target())
}
