//! What the templates and state machines must promise, proven from their files.

mod cloudformation;
mod statemachines;
mod templates;

use std::fs;
use std::path::{Path, PathBuf};

/// Where the repository begins.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

/// The files of one folder whose names end so, in order.
fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.expect("entry is readable").path())
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect();
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("file is readable")
}

/// The name of a file up to its first dot.
fn stem(path: &Path) -> String {
    let name = path.file_name().expect("a file has a name").to_string_lossy();
    name.split('.').next().unwrap_or_default().to_owned()
}
