//! `demo`: everything from a fresh clone, and then the story.

use std::process::ExitCode;

use super::up;
use crate::cli::UpArgs;
use crate::failure::Outcome;
use crate::layout::Layout;
use crate::lock::Lock;
use crate::story;
use crate::ui::Ui;

pub(crate) async fn run(layout: &Layout, ui: Ui, arguments: &UpArgs) -> Outcome<ExitCode> {
    let lock = Lock::take(layout)?;
    let mut platform = up::bring_up(layout, ui, arguments).await?;
    if let Some(started) = platform.started.take() {
        // It is up and whole; should the story go wrong, one wants to look at it.
        started.stay();
    }
    drop(lock);
    story::tell(&platform, ui).await?;
    farewell(ui, &platform)?;
    Ok(ExitCode::SUCCESS)
}

fn farewell(ui: Ui, platform: &up::Platform) -> Outcome {
    let strong = |it: &str| ui.paint_out.strong(it);
    ui.print("")?;
    ui.print(strong("Where it is"))?;
    up::show(ui, &platform.cloud, &platform.outputs)?;
    ui.print("")?;
    ui.print(strong("What to try next"))?;
    let call = format!(
        "curl -H \"Authorization: Bearer $(cargo xtask token customer ann)\" \\\n        {}/mobile/bookings",
        platform.outputs.api_url
    );
    for (what, how) in [
        ("see what runs", "cargo xtask status"),
        ("see what the functions print", "cargo xtask logs --follow"),
        ("see Ann's bookings, as she does", &call),
        ("change the code, and bring what has changed", "cargo xtask up"),
        ("let bills fall due in 20 s", "cargo xtask up --set BillDueSeconds=20"),
        ("see all of it tested", "cargo xtask test"),
        ("stop it", "cargo xtask down"),
    ] {
        ui.print(format!("  {what}"))?;
        ui.print(format!("      {}", ui.paint_out.name(how)))?;
    }
    Ok(())
}
