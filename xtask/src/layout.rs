//! Paths: the repository, the build folder, and the state of a local cloud.

use std::path::{Path, PathBuf};

/// Names another folder for the state, so that several clouds can run at the same time.
const STATE_VARIABLE: &str = "PARKADE_LOCAL";

/// The folders of one clone.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// The repository.
    pub(crate) root: PathBuf,
    /// Tools for all clouds of this clone: they take a minute to install, so there is one set.
    pub(crate) tools: PathBuf,
    /// One cloud's state: keys, process, log, outputs.
    pub(crate) state: PathBuf,
}

impl Layout {
    /// The clone that this program was built from, with the state where `PARKADE_LOCAL` says or in `.local/`.
    pub(crate) fn find() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("xtask lies in the workspace")
            .to_path_buf();
        let tools = root.join(".local");
        let state = match std::env::var_os(STATE_VARIABLE) {
            Some(path) if !path.is_empty() => root.join(path),
            Some(_) | None => tools.clone(),
        };
        Self { root, tools, state }
    }

    /// The same clone with its state in a folder of its own.
    pub(crate) fn with_state(&self, state: PathBuf) -> Self {
        Self { state, ..self.clone() }
    }

    /// Where cargo leaves what it builds.
    pub(crate) fn target(&self) -> PathBuf {
        match std::env::var_os("CARGO_TARGET_DIR") {
            Some(path) if !path.is_empty() => self.root.join(path),
            Some(_) | None => self.root.join("target"),
        }
    }

    /// Where each function's folder is, as cargo-lambda lays them out.
    pub(crate) fn lambda(&self) -> PathBuf {
        self.target().join("lambda")
    }

    /// The signing keys and secrets of the local cloud.
    pub(crate) fn keys(&self) -> PathBuf {
        self.state.join("keys")
    }

    /// Everything the local cloud itself writes.
    pub(crate) fn cloud(&self) -> PathBuf {
        self.state.join("cloud")
    }

    /// What the local cloud prints.
    pub(crate) fn cloud_log(&self) -> PathBuf {
        self.state.join("cloud.log")
    }

    /// Which process the local cloud is.
    pub(crate) fn cloud_record(&self) -> PathBuf {
        self.state.join("cloud.json")
    }

    /// What has been deployed to it.
    pub(crate) fn deployed(&self) -> PathBuf {
        self.state.join("deployed.json")
    }

    /// The addresses, for people and tests.
    pub(crate) fn outputs(&self) -> PathBuf {
        self.state.join("outputs.json")
    }

    /// The functions' environment, for `cargo lambda watch`.
    pub(crate) fn functions_env(&self) -> PathBuf {
        self.state.join("functions.env")
    }

    /// The running `cargo xtask watch`.
    pub(crate) fn watch_record(&self) -> PathBuf {
        self.state.join("watch.json")
    }

    /// A path as it is shown: relative to the clone where it lies inside.
    pub(crate) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }
}
