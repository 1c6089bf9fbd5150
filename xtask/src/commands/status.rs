//! `status`: what runs, and where.

use std::process::ExitCode;

use super::up;
use crate::cloud;
use crate::deploy::{Outputs, function_name};
use crate::failure::Outcome;
use crate::layout::Layout;
use crate::ui::Ui;

pub(crate) async fn run(layout: &Layout, ui: Ui) -> Outcome<ExitCode> {
    let paint = ui.paint_out;
    let Some(cloud) = cloud::find(layout)? else {
        ui.print(format!(
            "The local cloud is {}; `cargo xtask up` starts it.",
            paint.note("not up")
        ))?;
        return Ok(ExitCode::FAILURE);
    };
    let process = &cloud.record.process;
    ui.print(format!(
        "The local cloud is {} on 127.0.0.1:{} as process {}, {} MB resident; it prints to {}",
        paint.good("up"),
        cloud.record.port,
        process.pid,
        process.resident_mb(),
        layout.shown(&layout.cloud_log()),
    ))?;
    match Outputs::load(layout)? {
        Some(outputs) => up::show(ui, &cloud, &outputs)?,
        None => ui.print(format!(
            "  {}",
            paint.note("nothing is deployed in full: `cargo xtask deploy`")
        ))?,
    }
    ui.print(paint.strong("Stacks"))?;
    for stack in cloud.aws.stacks().await? {
        let is_well = matches!(stack.status.as_str(), "CREATE_COMPLETE" | "UPDATE_COMPLETE");
        let status = if is_well { paint.good(&stack.status) } else { paint.bad(&stack.status) };
        ui.print(format!("  {:<32} {status}", stack.name))?;
    }
    ui.print(paint.strong("Functions, and their processes at the moment"))?;
    let processes = cloud::functions(layout, cloud.record.port);
    for function in cloud.aws.functions(&function_name("")).await? {
        let binary = function.function_name.trim_start_matches(&function_name("")).to_owned();
        let folder = layout.lambda().join(&binary);
        let pids: Vec<_> = processes
            .iter()
            .filter(|it| it.program().is_some_and(|it| it.starts_with(&folder)))
            .map(|it| it.pid.to_string())
            .collect();
        ui.print(format!("  {binary:<32} {}", paint.faint(pids.join(" "))))?;
    }
    Ok(ExitCode::SUCCESS)
}
