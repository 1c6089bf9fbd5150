//! Builds the functions into cargo-lambda's layout: `target/lambda/<binary>/bootstrap`.

pub(crate) mod archive;
mod metadata;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::command::Program;
use crate::failure::{Context as _, Failure, Result};
use crate::files;
use crate::layout::Layout;
use crate::ui::Ui;

pub(crate) use metadata::binaries;

/// How a function is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Quick to build: for the local cloud.
    Local,
    /// Small and fast: for AWS.
    Release,
}

impl Profile {
    /// The profile's name, which is that of its folder under `target/` too.
    fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Release => "release",
        }
    }
}

/// The functions in `target/lambda/`.
#[derive(Debug)]
pub(crate) struct Built {
    /// The hash of each binary's content, by its name.
    pub(crate) hashes: BTreeMap<String, String>,
    /// How many have changed.
    pub(crate) changed: usize,
}

/// Builds every function for this machine.
pub(crate) async fn functions(layout: &Layout, ui: Ui, profile: Profile) -> Result<Built> {
    let names = binaries(layout).await?;
    let step = ui.loud_step(format!("Build {} functions", names.len()));
    // No package is named, so that cargo unifies the features of the same packages each time, and builds nothing twice.
    let mut cargo = Program::cargo(&layout.root).quiet(ui.is_quiet());
    cargo = cargo.args(["build", "--profile", profile.name()]);
    for name in &names {
        cargo = cargo.args(["--bin", name]);
    }
    if !names.is_empty() {
        cargo.run().await.map_err(|failure| failure.advise("fix the errors above"))?;
    }
    let built = install(layout, &names, &layout.target().join(profile.name()))?;
    step.done(match built.changed {
        0 => "nothing changed".to_owned(),
        count => format!("{count} changed"),
    });
    Ok(built)
}

/// Builds every function for AWS's ARM processors, with cargo-lambda and zig.
pub(crate) async fn functions_for_arm(layout: &Layout, ui: Ui) -> Result<Built> {
    let names = binaries(layout).await?;
    let cargo_lambda = crate::cargo_lambda::ensure_with_zig(layout, ui).await?;
    let step = ui.loud_step(format!("Build {} functions for arm64", names.len()));
    let mut program = cargo_lambda
        .program(layout)
        .args(["lambda", "build", "--release", "--arm64", "--lambda-dir"])
        .arg(layout.target().join("lambda-arm64"));
    for name in &names {
        program = program.args(["--bin", name]);
    }
    program.run().await?;
    let built = look(&layout.target().join("lambda-arm64"), &names)?;
    step.done("");
    Ok(built)
}

/// Copies the binaries into the functions' folders; an unchanged one is not touched.
fn install(layout: &Layout, names: &[String], from: &Path) -> Result<Built> {
    let mut built = Built { hashes: BTreeMap::new(), changed: 0 };
    for name in names {
        let content =
            fs::read(from.join(name)).context(|| format!("cannot read the binary {name}"))?;
        let bootstrap = layout.lambda().join(name).join("bootstrap");
        if files::replace_if_changed(&bootstrap, &content, files::PROGRAM)? {
            built.changed += 1;
        }
        built.hashes.insert(name.clone(), files::hash(&content));
    }
    remove_unknown(&layout.lambda(), names)?;
    Ok(built)
}

/// Removes the folders of functions that no longer exist.
fn remove_unknown(folder: &Path, names: &[String]) -> Result {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry.context(|| format!("cannot list {}", folder.display()))?.path();
        let is_known =
            path.file_name().is_some_and(|it| names.iter().any(|name| it == name.as_str()));
        if !is_known && path.join("bootstrap").exists() {
            files::remove(&path)?;
        }
    }
    Ok(())
}

/// The functions in `target/lambda/` from an earlier build.
pub(crate) async fn existing(layout: &Layout) -> Result<Built> {
    let names = binaries(layout).await?;
    look(&layout.lambda(), &names)
}

fn look(folder: &Path, names: &[String]) -> Result<Built> {
    let mut hashes = BTreeMap::new();
    for name in names {
        let path = folder.join(name).join("bootstrap");
        let content = files::read_optional(&path)?.ok_or_else(|| {
            Failure::new(format!("the function {name} is not built"))
                .advise("run `cargo xtask build`")
        })?;
        hashes.insert(name.clone(), files::hash(&content));
    }
    Ok(Built { hashes, changed: 0 })
}

/// The path of a function's binary.
pub(crate) fn bootstrap(folder: &Path, name: &str) -> PathBuf {
    folder.join(name).join("bootstrap")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::install;
    use crate::layout::Layout;

    #[test]
    fn only_what_changed_is_replaced_and_what_is_gone_is_removed() {
        let folder = std::env::temp_dir().join(format!("parkade-{}-build", std::process::id()));
        let layout = Layout { root: folder.clone(), tools: folder.clone(), state: folder.clone() };
        let from = folder.join("from");
        fs::create_dir_all(&from).expect("made");
        for name in ["one", "two"] {
            fs::write(from.join(name), name).expect("written");
        }
        let (one, two) = ("one".to_owned(), "two".to_owned());
        let inode = |name: &str| {
            fs::metadata(layout.lambda().join(name).join("bootstrap")).map(|it| it.ino()).ok()
        };
        assert_eq!(
            install(&layout, &[one.clone(), two.clone()], &from).expect("installed").changed,
            2
        );
        let before = (inode("one"), inode("two"));
        fs::write(from.join("two"), "changed").expect("written");
        assert_eq!(install(&layout, &[one.clone(), two], &from).expect("installed").changed, 1);
        assert_eq!(inode("one"), before.0);
        assert_ne!(inode("two"), before.1);
        let mode =
            fs::metadata(layout.lambda().join("two/bootstrap")).expect("there").permissions();
        assert_eq!(mode.mode() & 0o777, 0o755);
        assert_eq!(install(&layout, &[one], &from).expect("installed").changed, 0);
        assert_eq!(inode("two"), None);
        fs::remove_dir_all(folder).expect("removed");
    }
}
