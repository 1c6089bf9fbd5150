//! cargo-lambda: the one on PATH, else fetched into `.local/` as its Python wheel, at a pinned version.

use std::path::PathBuf;

use crate::command::Program;
use crate::failure::Result;
use crate::layout::Layout;
use crate::ui::Ui;
use crate::{python, tools};

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
    let folder = tools::fetch(layout, ui, "cargo-lambda", "14 MB").await?;
    Ok(CargoLambda { path: folder.join("bin/cargo-lambda"), zig: None })
}

/// With zig, which links for other processors: 90 MB more, 400 MB unpacked.
pub(crate) async fn ensure_with_zig(layout: &Layout, ui: Ui) -> Result<CargoLambda> {
    let found = ensure(layout, ui).await?;
    if python::on_path("zig").is_some() {
        return Ok(found);
    }
    let zig = tools::fetch(layout, ui, "ziglang", "90 MB").await?;
    Ok(CargoLambda { zig: Some(zig), ..found })
}
