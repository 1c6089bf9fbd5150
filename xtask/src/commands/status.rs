//! `status`: what is running, and where.

use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;

use super::up;
use crate::cli::JsonArgs;
use crate::cloud::{self, Cloud};
use crate::deploy::{Outputs, function_name};
use crate::failure::Result;
use crate::layout::Layout;
use crate::ui::Ui;

/// The running local cloud, as `status --json` prints it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    up: bool,
    port: u16,
    pid: i32,
    resident_mb: u64,
    log: String,
    /// `None` until a deployment has succeeded.
    outputs: Option<Outputs>,
    stacks: Vec<StackStatus>,
    functions: Vec<FunctionStatus>,
}

#[derive(Debug, Serialize)]
struct StackStatus {
    name: String,
    status: String,
}

#[derive(Debug, Serialize)]
struct FunctionStatus {
    name: String,
    /// The processes that serve it at the moment.
    pids: Vec<i32>,
}

pub(crate) async fn run(layout: &Layout, ui: Ui, arguments: JsonArgs) -> Result<ExitCode> {
    let Some(cloud) = cloud::find(layout)? else {
        if arguments.json {
            ui.print_json(&json!({"up": false}))?;
        } else {
            let not_up = ui.paint_out.note("not up");
            ui.print(format!("The local cloud is {not_up}; `cargo xtask up` starts it."))?;
        }
        return Ok(ExitCode::FAILURE);
    };
    let status = read(layout, &cloud).await?;
    if arguments.json {
        ui.print_json(&status)?
    } else {
        show(ui, &cloud, &status)?
    }
    Ok(ExitCode::SUCCESS)
}

async fn read(layout: &Layout, cloud: &Cloud) -> Result<Status> {
    let process = &cloud.record.process;
    let stacks = cloud.aws.stacks().await?.into_iter();
    let processes = cloud::functions(layout, cloud.record.port);
    let mut functions = Vec::new();
    for function in cloud.aws.functions(&function_name("")).await? {
        let name = function.function_name.trim_start_matches(&function_name("")).to_owned();
        let folder = layout.lambda().join(&name);
        let serves =
            |it: &&crate::proc::Process| it.program().is_some_and(|it| it.starts_with(&folder));
        let pids = processes.iter().filter(serves).map(|it| it.pid).collect();
        functions.push(FunctionStatus { name, pids });
    }
    Ok(Status {
        up: true,
        port: cloud.record.port,
        pid: process.pid,
        resident_mb: process.resident_mb(),
        log: layout.shown(&layout.cloud_log()),
        outputs: Outputs::load(layout)?,
        stacks: stacks.map(|it| StackStatus { name: it.name, status: it.status }).collect(),
        functions,
    })
}

fn show(ui: Ui, cloud: &Cloud, status: &Status) -> Result {
    let paint = ui.paint_out;
    ui.print(format!(
        "The local cloud is {} on 127.0.0.1:{}: process {}, {} MB resident, log in {}",
        paint.good("up"),
        status.port,
        status.pid,
        status.resident_mb,
        status.log,
    ))?;
    match &status.outputs {
        Some(outputs) => up::show(ui, cloud, outputs)?,
        None => ui.print(format!(
            "  {}",
            paint.note("the deployment is not complete: run `cargo xtask deploy`")
        ))?,
    }
    ui.print(paint.strong("Stacks"))?;
    for StackStatus { name, status } in &status.stacks {
        let is_complete = matches!(status.as_str(), "CREATE_COMPLETE" | "UPDATE_COMPLETE");
        let status = if is_complete { paint.good(status) } else { paint.bad(status) };
        ui.print(format!("  {name:<32} {status}"))?;
    }
    ui.print(paint.strong("Functions, and their processes at the moment"))?;
    for FunctionStatus { name, pids } in &status.functions {
        let pids: Vec<_> = pids.iter().map(i32::to_string).collect();
        ui.print(format!("  {name:<32} {}", paint.faint(pids.join(" "))))?;
    }
    Ok(())
}
