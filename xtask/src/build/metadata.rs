//! Lists the functions: the binaries of the packages in `functions/`, from `cargo metadata`.

use serde::Deserialize;

use crate::command::Program;
use crate::failure::{Context as _, Result};
use crate::layout::Layout;

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    manifest_path: std::path::PathBuf,
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// The names of all functions, in order.
pub(crate) async fn binaries(layout: &Layout) -> Result<Vec<String>> {
    let text = Program::cargo(&layout.root)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .read()
        .await?;
    let metadata: Metadata =
        serde_json::from_str(&text).context(|| "cannot understand `cargo metadata`".into())?;
    let functions = layout.root.join("functions");
    let mut names: Vec<_> = metadata
        .packages
        .into_iter()
        .filter(|package| package.manifest_path.starts_with(&functions))
        .flat_map(|package| package.targets)
        .filter(|target| target.kind.iter().any(|kind| kind == "bin"))
        .map(|target| target.name)
        .collect();
    names.sort();
    Ok(names)
}
