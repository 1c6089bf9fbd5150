//! Tools that come as Python wheels: fetched into `.local/` at a pinned version, once.

use std::path::{Path, PathBuf};

use crate::command::Program;
use crate::failure::Result;
use crate::layout::Layout;
use crate::ui::Ui;
use crate::{files, python};

/// Written last, so that an interrupted fetch is seen as none.
const MARKER: &str = "parkade.installed";

/// The folder with the unpacked wheel that `xtask/tools/<name>.lock` names; fetched first if it is missing or outdated.
pub(crate) async fn fetch(layout: &Layout, ui: Ui, name: &str, size: &str) -> Result<PathBuf> {
    let lock = layout.root.join("xtask/tools").join(format!("{name}.lock"));
    let wanted = files::hash(files::read_text(&lock)?.as_bytes());
    let folder = layout.tools.join(name);
    if is_installed(&folder, &wanted) {
        return Ok(folder);
    }
    let interpreter = python::ensure(layout, ui, &python::LOCAL_CLOUD).await?;
    let step = ui.step(format!("Fetch {name}"));
    step.at(size);
    files::remove(&folder)?;
    // The environment of the local cloud need not have pip: uv makes none.
    match python::on_path("uv") {
        Some(uv) => Program::new(uv, &layout.root)
            .args(["pip", "install", "--quiet", "--python"])
            .arg(interpreter),
        None => Program::new(interpreter, &layout.root).args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-input",
            "--disable-pip-version-check",
        ]),
    }
    .args(["--require-hashes", "--no-deps", "--target"])
    .arg(&folder)
    .arg("-r")
    .arg(&lock)
    .read()
    .await
    .map_err(|failure| {
        failure
            .advise(format!("see whether pip reaches a package index, or install {name} yourself"))
    })?;
    files::replace(&folder.join(MARKER), wanted.as_bytes(), files::PUBLIC)?;
    step.done("");
    Ok(folder)
}

fn is_installed(folder: &Path, wanted: &str) -> bool {
    std::fs::read_to_string(folder.join(MARKER)).is_ok_and(|it| it == wanted)
}
