//! cargo-lambda: the one on PATH, else fetched into `.local/` as its Python wheel, at a pinned version.

use std::path::{Path, PathBuf};

use crate::command::Program;
use crate::failure::Result;
use crate::files;
use crate::layout::Layout;
use crate::python;
use crate::ui::Ui;

/// Written last, so that an interrupted fetch is seen as none.
const MARKER: &str = "parkade.installed";

/// An installed cargo-lambda.
#[derive(Debug)]
pub(crate) struct CargoLambda {
    path: PathBuf,
    /// The folder with zig's package for Python, if it was fetched.
    zig: Option<PathBuf>,
}

impl CargoLambda {
    /// A command that begins with cargo-lambda; `lambda` comes next.
    pub(crate) fn program(&self, layout: &Layout) -> Program {
        let program = Program::new(&self.path, &layout.root);
        // cargo-lambda runs the module `ziglang` of a `python3` on PATH.
        match &self.zig {
            Some(zig) => program.env("PYTHONPATH", zig),
            None => program,
        }
    }
}

/// Finds it, or fetches it: 14 MB.
pub(crate) async fn ensure(layout: &Layout, ui: Ui) -> Result<CargoLambda> {
    if let Some(path) = python::on_path("cargo-lambda") {
        return Ok(CargoLambda { path, zig: None });
    }
    let folder = fetch(layout, ui, "cargo-lambda", "14 MB").await?;
    Ok(CargoLambda { path: folder.join("bin/cargo-lambda"), zig: None })
}

/// With zig, which links for other processors: 90 MB more, 400 MB unpacked.
pub(crate) async fn ensure_with_zig(layout: &Layout, ui: Ui) -> Result<CargoLambda> {
    let found = ensure(layout, ui).await?;
    if python::on_path("zig").is_some() {
        return Ok(found);
    }
    let zig = fetch(layout, ui, "ziglang", "90 MB").await?;
    Ok(CargoLambda { zig: Some(zig), ..found })
}

async fn fetch(layout: &Layout, ui: Ui, name: &str, size: &str) -> Result<PathBuf> {
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
