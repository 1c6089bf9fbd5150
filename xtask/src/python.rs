//! Python: found on the machine, with the packages of the local cloud and of the fuzzer in virtual environments of their own.

use std::path::{Path, PathBuf};

use crate::command::Program;
use crate::failure::{Context as _, Failure, Result};
use crate::files;
use crate::layout::Layout;
use crate::ui::Ui;

/// Newest first; `python3` last, since it may be any version.
const NAMES: [&str; 4] = ["python3.13", "python3.12", "python3.11", "python3"];
/// LocalStack 4.9.2 does not start on an older one, and its pinned packages have no wheels for a newer one.
const MINOR_VERSIONS: std::ops::RangeInclusive<u32> = 11..=13;
/// Written last, so that an interrupted installation is seen as none.
const MARKER: &str = "parkade.installed";
const HOW_TO_INSTALL: &str = "install Python 3.11, 3.12 or 3.13 with its venv module, for example\n\
    Debian, Ubuntu   apt install python3 python3-venv\n\
    Fedora           dnf install python3.13\n\
    with uv          uv python install 3.13, and put it on PATH";

/// A Python that the local cloud runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Python {
    path: PathBuf,
    version: String,
}

/// Packages that are installed together.
#[derive(Debug)]
pub(crate) struct Packages {
    /// Whose they are.
    what: &'static str,
    /// The virtual environment, among the tools.
    venv: &'static str,
    /// Names them all, with their hashes.
    lock: &'static str,
}

/// What the local cloud runs on.
pub(crate) const LOCAL_CLOUD: Packages =
    Packages { what: "the local cloud's", venv: "venv", lock: "localstack/requirements.lock" };
/// What fuzzes the contract.
pub(crate) const FUZZER: Packages =
    Packages { what: "the fuzzer's", venv: "fuzzer", lock: "tests/contract/requirements.lock" };

/// The interpreter of the virtual environment, which is made or brought up to date first.
pub(crate) async fn ensure(layout: &Layout, ui: Ui, packages: &Packages) -> Result<PathBuf> {
    let venv = layout.tools.join(packages.venv);
    let interpreter = venv.join("bin/python");
    let lock = layout.root.join(packages.lock);
    let wanted = files::hash(files::read_text(&lock)?.as_bytes());
    if installed(&venv).as_deref() == Some(&wanted) && interpreter.exists() {
        return Ok(interpreter);
    }
    let python = find(&layout.root).await?;
    let what = format!("Install {} packages for Python {}", packages.what, python.version);
    let step = ui.step(what);
    files::remove(&venv)?;
    files::make_folder(&layout.tools)?;
    let uv = on_path("uv");
    match &uv {
        Some(uv) => {
            step.at("with uv");
            let uv = |arguments: &[&str]| {
                Program::new(uv, &layout.root).args(arguments).env("UV_PYTHON_DOWNLOADS", "never")
            };
            uv(&["venv", "--quiet", "--python"]).arg(&python.path).arg(&venv).read().await?;
            uv(&["pip", "install", "--quiet", "--require-hashes", "--no-deps", "--python"])
                .arg(&interpreter)
                .arg("-r")
                .arg(&lock)
                .read()
                .await?;
        }
        None => {
            step.at("with pip, about a minute");
            Program::new(&python.path, &layout.root)
                .args(["-m", "venv"])
                .arg(&venv)
                .read()
                .await
                .map_err(|failure| {
                failure.advise("install Python's venv module: `apt install python3-venv`, say")
            })?;
            Program::new(&interpreter, &layout.root)
                .args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--no-input",
                    "--disable-pip-version-check",
                ])
                .args(["--require-hashes", "--no-deps", "-r"])
                .arg(&lock)
                .read()
                .await
                .map_err(|failure| {
                    failure.advise(
                        "see whether pip reaches a package index; the next try starts afresh",
                    )
                })?;
        }
    }
    files::replace(&venv.join(MARKER), wanted.as_bytes(), files::PUBLIC)?;
    step.done("");
    Ok(interpreter)
}

/// The hash of the lock that the environment was made from, if it was finished.
fn installed(venv: &Path) -> Option<String> {
    std::fs::read_to_string(venv.join(MARKER)).ok()
}

async fn find(root: &Path) -> Result<Python> {
    let mut seen = Vec::new();
    for name in NAMES {
        let Some(path) = on_path(name) else { continue };
        let requested = Program::new(&path, root)
            .args(["-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
            .read()
            .await;
        // A name on PATH need not run: version managers put one there for each version they could have.
        let Ok(version) = requested.map(|it| it.trim().to_owned()) else { continue };
        if serves(&version) {
            return Ok(Python { path, version });
        }
        seen.push(format!("{} is Python {version}", path.display()));
    }
    let seen =
        if seen.is_empty() { "there is no python3 on PATH".to_owned() } else { seen.join("\n") };
    Err(Failure::new("the local cloud needs Python 3.11, 3.12 or 3.13")
        .because(seen)
        .advise(HOW_TO_INSTALL))
}

fn serves(version: &str) -> bool {
    version
        .strip_prefix("3.")
        .and_then(|minor| minor.parse().ok())
        .is_some_and(|minor: u32| MINOR_VERSIONS.contains(&minor))
}

/// Where PATH has a program.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|it| it.join(name))
        .find(|it| it.is_file())
}

/// A `PYTHONPATH` with which the local cloud's package is found.
pub(crate) fn package_path(layout: &Layout) -> Result<PathBuf> {
    layout.root.join("localstack").canonicalize().context(|| "cannot find localstack/".into())
}

#[cfg(test)]
mod tests {
    use super::serves;

    #[test]
    fn only_versions_that_the_lock_was_made_for_serve() {
        for (version, expected) in [
            ("3.10", false),
            ("3.11", true),
            ("3.13", true),
            ("3.14", false),
            ("2.7", false),
            ("", false),
        ] {
            assert_eq!(serves(version), expected, "{version}");
        }
    }
}
