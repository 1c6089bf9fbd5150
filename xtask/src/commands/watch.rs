//! `watch`: every function served by cargo-lambda, against the local cloud.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use crate::cli::WatchArgs;
use crate::failure::Result;
use crate::layout::Layout;
use crate::proc::Process;
use crate::ui::Ui;
use crate::{cargo_lambda, cloud, files};

/// `invoke` finds the port of a running watch itself.
const EXAMPLE: &str =
    "cargo xtask invoke booking-query --data-file functions/booking/events/booking-query.json";

/// The `cargo xtask watch` that is running.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Watch {
    process: Process,
    /// The port for invocations.
    pub(crate) port: u16,
}

/// The file of the record; removed when dropped. One that stays after a kill names a process that has ended.
#[derive(Debug)]
struct Written(PathBuf);

impl Drop for Written {
    fn drop(&mut self) {
        // Without it, the next `watch` replaces the file.
        drop(files::remove(&self.0));
    }
}

/// The watch of this clone, if one is running.
pub(crate) fn running(layout: &Layout) -> Result<Option<Watch>> {
    let record: Option<Watch> = files::read_json(&layout.watch_record())?;
    Ok(record.filter(|it| it.process.is_alive()))
}

pub(crate) async fn run(layout: &Layout, ui: Ui, arguments: &WatchArgs) -> Result<ExitCode> {
    cloud::require(layout)?;
    let cargo_lambda = cargo_lambda::ensure(layout, ui).await?;
    let port = arguments.invoke_port;
    ui.say(format!("Serving the functions on 127.0.0.1:{port}; in another terminal, for example"));
    ui.say(format!("  {EXAMPLE}"));
    let record = Watch { process: Process::current(), port };
    files::write_json(&layout.watch_record(), &record, files::PUBLIC)?;
    let _written = Written(layout.watch_record());
    cargo_lambda
        .program(layout)
        // By default cargo-lambda listens on every address, and compiles everything again in a profile of its own.
        .args(["lambda", "watch", "--profile", "local", "--wait"])
        .args(["--invoke-address", "127.0.0.1", "--invoke-port"])
        .arg(port.to_string())
        .arg("--env-file")
        .arg(layout.functions_env())
        .args(&arguments.arguments)
        .run()
        .await?;
    Ok(ExitCode::SUCCESS)
}
