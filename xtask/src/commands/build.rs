//! `build`: the functions, and their zips.

use std::process::ExitCode;

use crate::build::{self, Profile, archive};
use crate::cli::BuildArgs;
use crate::failure::Result;
use crate::layout::Layout;
use crate::ui::Ui;

pub(crate) async fn run(layout: &Layout, ui: Ui, arguments: &BuildArgs) -> Result<ExitCode> {
    let (built, folder) = if arguments.arm64 {
        (build::functions_for_arm(layout, ui).await?, layout.target().join("lambda-arm64"))
    } else {
        let profile = if arguments.release { Profile::Release } else { Profile::Local };
        (build::functions(layout, ui, profile).await?, layout.lambda())
    };
    for name in built.hashes.keys() {
        let path = build::bootstrap(&folder, name);
        if arguments.zip {
            let (zip, size) = archive::write(&folder, name)?;
            ui.print(format!("{:>9}  {}", kibibytes(size), layout.shown(&zip)))?;
        } else {
            ui.print(layout.shown(&path))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn kibibytes(bytes: usize) -> String {
    format!("{} KiB", bytes.div_ceil(1024))
}
