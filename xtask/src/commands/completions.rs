//! `completions`: a completion script for a shell.

use std::process::ExitCode;

use clap::CommandFactory as _;

use crate::cli::{Cli, CompletionsArgs};
use crate::failure::{Context as _, Result};
use crate::ui::Ui;

/// The alias that the script completes.
const ALIAS: &str = "xtask";

pub(crate) fn run(ui: Ui, arguments: &CompletionsArgs) -> Result<ExitCode> {
    let mut script = Vec::new();
    let mut command = Cli::command().name(ALIAS).bin_name(ALIAS);
    clap_complete::generate(arguments.shell, &mut command, ALIAS, &mut script);
    let script = String::from_utf8(script).context(|| "the script is not UTF-8".into())?;
    ui.print(script.trim_end())?;
    Ok(ExitCode::SUCCESS)
}
