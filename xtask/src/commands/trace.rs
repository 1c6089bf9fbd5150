//! `trace`: the timeline of one booking, from all sources that know about it.

use std::process::ExitCode;

use crate::api_client::ApiClient;
use crate::cli::TraceArgs;
use crate::cloud;
use crate::failure::Result;
use crate::layout::Layout;
use crate::token::Scope;
use crate::trace::{Timeline, gather, json, mermaid, terminal};
use crate::ui::Ui;

pub(crate) async fn run(layout: &Layout, ui: Ui, arguments: &TraceArgs) -> Result<ExitCode> {
    let cloud = cloud::require(layout)?;
    let operator = ApiClient::at(layout, &cloud, Scope::Operator, "trace")?;
    let booking = arguments.booking.resolve(&operator).await?;
    let found = gather::gather(&cloud.aws, &operator, booking).await?;
    let timeline = Timeline::of(found);
    if arguments.json {
        ui.print_json(&json::document(&timeline))?;
    } else if arguments.mermaid {
        ui.print(mermaid::diagram(&timeline).trim_end())?;
    } else {
        ui.print(terminal::table(&timeline, ui.paint_out).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}
