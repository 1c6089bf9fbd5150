//! `trace`: the story of one booking, put together from all who have a part in it.

use std::process::ExitCode;

use crate::cli::TraceArgs;
use crate::cloud;
use crate::deploy::Outputs;
use crate::deploy::settings::Settings;
use crate::failure::{Failure, Outcome};
use crate::keys::Keys;
use crate::layout::Layout;
use crate::story::visitor::Visitor;
use crate::token::{self, Scope};
use crate::trace::{Timeline, gather, mermaid, terminal};
use crate::ui::Ui;
use crate::{clock, token::TTL_SECONDS};

pub(crate) async fn run(layout: &Layout, ui: Ui, arguments: &TraceArgs) -> Outcome<ExitCode> {
    let cloud = cloud::require(layout)?;
    let outputs = Outputs::load(layout)?.ok_or_else(|| {
        Failure::new("the platform is not deployed").advise("run `cargo xtask up`")
    })?;
    let keys = Keys::ensure(layout)?;
    let issuer = Settings::local(layout, &keys, &cloud.record.settings).issuer();
    let token = token::issue(&keys, &issuer, Scope::Operator, "trace", TTL_SECONDS, clock::now())?;
    let operator = Visitor::new(&outputs, token)?;
    let found = gather::gather(&cloud.aws, &operator, arguments.booking).await?;
    let timeline = Timeline::of(found);
    if arguments.mermaid {
        ui.print(mermaid::diagram(&timeline).trim_end())?;
    } else {
        ui.print(terminal::table(&timeline, ui.paint_out).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}
