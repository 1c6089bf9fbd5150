//! `outputs`: the addresses and settings of the running platform.

use std::process::ExitCode;

use serde_json::Value;

use crate::cli::OutputsArgs;
use crate::cloud;
use crate::deploy::Outputs;
use crate::failure::{Context as _, Failure, Result};
use crate::layout::Layout;
use crate::ui::Ui;

pub(crate) fn run(layout: &Layout, ui: Ui, arguments: &OutputsArgs) -> Result<ExitCode> {
    cloud::require(layout)?;
    let outputs = Outputs::require(layout)?;
    let document = serde_json::to_value(&outputs).context(|| "cannot write JSON".into())?;
    let Some(name) = &arguments.name else {
        if arguments.json {
            ui.print_json(&document)?;
        } else {
            for (name, value) in document.as_object().into_iter().flatten() {
                ui.print(format!("{} {}", ui.paint_out.name(format!("{name:<20}")), text(value)))?;
            }
        }
        return Ok(ExitCode::SUCCESS);
    };
    let value = document.get(name).ok_or_else(|| {
        let names: Vec<_> = document.as_object().into_iter().flat_map(|it| it.keys()).collect();
        let names = names.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(", ");
        Failure::new(format!("there is no output {name}")).advise(format!("one of {names}"))
    })?;
    if arguments.json {
        ui.print_json(value)?;
    } else {
        ui.print(text(value))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A string without its quotes; anything else as JSON.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
