//! `watch`: every function served by cargo-lambda, against the local cloud.

use std::process::ExitCode;

use crate::cli::WatchArgs;
use crate::failure::Outcome;
use crate::layout::Layout;
use crate::ui::Ui;
use crate::{cargo_lambda, cloud};

pub(crate) async fn run(layout: &Layout, ui: Ui, arguments: &WatchArgs) -> Outcome<ExitCode> {
    cloud::require(layout)?;
    let cargo_lambda = cargo_lambda::ensure(layout, ui).await?;
    ui.say(format!(
        "Serving the functions on 127.0.0.1:{}; in another terminal, for example\n  \
         cargo lambda invoke booking-query --data-file functions/booking/events/booking-query.json",
        arguments.invoke_port
    ));
    cargo_lambda
        .program(layout)
        // cargo-lambda alone would listen on every address, and compile everything anew in a profile of its own.
        .args(["lambda", "watch", "--profile", "local", "--wait"])
        .args(["--invoke-address", "127.0.0.1", "--invoke-port"])
        .arg(arguments.invoke_port.to_string())
        .arg("--env-file")
        .arg(layout.functions_env())
        .args(&arguments.arguments)
        .run()
        .await?;
    Ok(ExitCode::SUCCESS)
}
