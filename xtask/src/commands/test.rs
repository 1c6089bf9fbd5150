//! `test`.

use std::process::ExitCode;

use crate::cli::TestArgs;
use crate::failure::{Failure, Outcome};
use crate::layout::Layout;
use crate::ui::Ui;

pub(crate) async fn run(_layout: &Layout, _ui: Ui, _arguments: &TestArgs) -> Outcome<ExitCode> {
    Err(Failure::new("not yet"))
}
