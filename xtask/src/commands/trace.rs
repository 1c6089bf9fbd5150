//! `trace`: the story of one booking, put together from all who have a part in it.

use std::process::ExitCode;

use crate::cli::TraceArgs;
use crate::cloud;
use crate::failure::Outcome;
use crate::layout::Layout;
use crate::story::visitor::Visitor;
use crate::token::Scope;
use crate::trace::{Timeline, gather, mermaid, terminal};
use crate::ui::Ui;

pub(crate) async fn run(layout: &Layout, ui: Ui, arguments: &TraceArgs) -> Outcome<ExitCode> {
    let cloud = cloud::require(layout)?;
    let operator = Visitor::at(layout, &cloud, Scope::Operator, "trace")?;
    let found = gather::gather(&cloud.aws, &operator, arguments.booking).await?;
    let timeline = Timeline::of(found);
    if arguments.mermaid {
        ui.print(mermaid::diagram(&timeline).trim_end())?;
    } else {
        ui.print(terminal::table(&timeline, ui.paint_out).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}
