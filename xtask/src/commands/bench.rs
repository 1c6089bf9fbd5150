//! `bench`: how long it takes, on the local cloud that is up.

use std::process::ExitCode;

use crate::cli::{Bench, BenchArgs};
use crate::cloud;
use crate::command::Program;
use crate::failure::{Context as _, Outcome};
use crate::layout::Layout;
use crate::ui::Ui;

pub(crate) async fn run(layout: &Layout, ui: Ui, arguments: &BenchArgs) -> Outcome<ExitCode> {
    let cloud = cloud::require(layout)?;
    let (package, bench) = match arguments.what {
        Bench::Store => ("parkade-event-sourcing", "dynamodb"),
    };
    let kept = layout.state.join("bench");
    std::fs::create_dir_all(&kept).context(|| format!("cannot make {}", layout.shown(&kept)))?;
    ui.say(format!("Measuring on the local cloud at port {}", cloud.record.port));
    Program::cargo(&layout.root)
        // The profile of the functions, so that nothing is compiled once more.
        .args(["bench", "--profile", "local", "--package", package, "--bench", bench])
        .env("PARKADE_ENDPOINT", format!("http://127.0.0.1:{}", cloud.record.port))
        .env("PARKADE_BENCH_CSV", kept.join(format!("{bench}.csv")))
        .run()
        .await?;
    Ok(ExitCode::SUCCESS)
}
