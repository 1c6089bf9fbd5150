//! `down`: stops the local cloud with everything that it started.

use std::process::ExitCode;

use crate::cloud::{self, Record};
use crate::failure::Result;
use crate::layout::Layout;
use crate::lock::Lock;
use crate::ui::Ui;

pub(crate) fn run(layout: &Layout, ui: Ui) -> Result<ExitCode> {
    let _lock = Lock::take(layout)?;
    match Record::read(layout)? {
        None => ui.say("The local cloud is not up."),
        Some(record) => {
            let was_running = record.is_running();
            let step = ui.step("Stop the local cloud");
            cloud::stop(layout, &record)?;
            step.done(if was_running {
                "all processes have ended"
            } else {
                "it had ended already"
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}
