//! `demo`: everything from a fresh clone to the first bookings.

use std::process::ExitCode;

use super::up::{self, Platform};
use crate::cli::UpArgs;
use crate::demo::{self, DemoBooking};
use crate::failure::Result;
use crate::layout::Layout;
use crate::lock::Lock;
use crate::ui::Ui;

pub(crate) async fn run(layout: &Layout, ui: Ui, arguments: &UpArgs) -> Result<ExitCode> {
    let lock = Lock::take(layout)?;
    let mut platform = up::bring_up(layout, ui, arguments).await?;
    if let Some(started) = platform.started.take() {
        // The platform is complete. If a check fails now, the user can look into it.
        started.stay();
    }
    drop(lock);
    let Platform { outputs, keys, issuer, .. } = &platform;
    let bookings = demo::run(outputs, keys, issuer, ui).await?;
    next_steps(ui, &platform, &bookings)?;
    Ok(ExitCode::SUCCESS)
}

fn next_steps(ui: Ui, platform: &Platform, bookings: &[DemoBooking]) -> Result {
    let strong = |it: &str| ui.paint_out.strong(it);
    ui.print("")?;
    ui.print(strong("Where it is"))?;
    up::show(ui, &platform.cloud, &platform.outputs)?;
    ui.print("")?;
    ui.print(strong("The bookings"))?;
    for DemoBooking { what, id } in bookings {
        ui.print(format!("  {what:<26} {}", ui.paint_out.name(id)))?;
    }
    ui.print("")?;
    ui.print(strong("What to try next"))?;
    let api = &platform.outputs.api_url;
    let id = |number: usize| bookings.get(number).map_or("<booking id>", |it| it.id.as_str());
    for (what, how) in [
        ("see how Bob's declined card was compensated", format!("cargo xtask trace {}", id(1))),
        (
            "see Ann's first booking on its page: open it and sign in as ann",
            format!("{api}/web/bookings/{}", id(0)),
        ),
        ("book a slot yourself: open the page and sign in under any name", format!("{api}/web/")),
        ("see what is running", "cargo xtask status".to_owned()),
        ("follow the functions' logs", "cargo xtask logs --follow".to_owned()),
        ("change the code, and deploy what has changed", "cargo xtask up".to_owned()),
        ("let bills fall due after 20 s", "cargo xtask up --set BillDueSeconds=20".to_owned()),
        ("run all tests", "cargo xtask test".to_owned()),
        ("stop it", "cargo xtask down".to_owned()),
    ] {
        ui.print(format!("  {what}"))?;
        ui.print(format!("      {}", ui.paint_out.name(how)))?;
    }
    Ok(())
}
