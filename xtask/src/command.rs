//! Child processes: run in a clean environment, and ended with everything that they started.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};

use crate::failure::{Context as _, Failure, Result};
use crate::proc;

/// A program to run in the clone's root, in a process group of its own so that it ends with all it started.
#[derive(Debug)]
pub(crate) struct Program {
    name: String,
    command: Command,
}

impl Program {
    /// Names the program and where it runs.
    pub(crate) fn new(program: impl AsRef<OsStr>, folder: &Path) -> Self {
        let name =
            Path::new(program.as_ref()).file_name().unwrap_or_default().to_string_lossy().into();
        let mut command = Command::new(program);
        command.current_dir(folder).stdin(Stdio::null()).process_group(0);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(is_set_by_a_runner) {
                command.env_remove(name);
            }
        }
        Self { name, command }
    }

    /// The cargo that runs this program.
    pub(crate) fn cargo(folder: &Path) -> Self {
        Self::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), folder)
    }

    /// Adds an argument.
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    pub(crate) fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable of its environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sends what it prints to stderr, where it does not mix with results.
    pub(crate) fn stdout_to_stderr(mut self) -> Self {
        self.command.stdout(std::io::stderr());
        self
    }

    /// Has cargo print only errors, if `is_quiet`.
    pub(crate) fn quiet(self, is_quiet: bool) -> Self {
        if is_quiet { self.env("CARGO_TERM_QUIET", "true") } else { self }
    }

    /// The command as a user could type it.
    pub(crate) fn line(&self) -> String {
        let mut line = self.name.clone();
        for argument in self.command.as_std().get_args() {
            write!(line, " {}", argument.to_string_lossy()).expect("a string takes everything");
        }
        line
    }

    /// Runs it; what it prints goes where this program's output goes.
    pub(crate) async fn run(self) -> Result {
        let line = self.line();
        let status = self.status().await?;
        if status.success() { Ok(()) } else { Err(ended(&line, status)) }
    }

    /// Runs it likewise, and returns how it ended.
    pub(crate) async fn status(mut self) -> Result<ExitStatus> {
        self.spawn()?.wait().await
    }

    /// Runs it and returns what it printed to stdout; its stderr becomes part of the failure.
    pub(crate) async fn read(mut self) -> Result<String> {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let line = self.line();
        let mut group = self.spawn()?;
        let output = group.output().await?;
        if output.status.success() {
            return String::from_utf8(output.stdout)
                .context(|| format!("`{line}` printed no text"));
        }
        let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
        said.push_str(&String::from_utf8_lossy(&output.stdout));
        Err(ended(&line, output.status).because(last_lines(&said, 20)))
    }

    fn spawn(&mut self) -> Result<Group> {
        let child = self.command.spawn().context(|| format!("cannot run {}", self.name))?;
        let leader = child.id().and_then(|it| i32::try_from(it).ok()).and_then(Pid::from_raw);
        Ok(Group { name: self.name.clone(), child: Some(child), leader })
    }
}

/// Whether cargo or a test runner sets this variable for the programs that it runs.
///
/// A child that inherits one passes it on to cargo, and build scripts that depend on it, such as that of `ring`, run
/// again: `up` after `watch`, and `watch` after `up`, would compile half of the dependencies. What users set themselves,
/// such as `CARGO_HOME` or `CARGO_TARGET_DIR`, is kept.
fn is_set_by_a_runner(name: &str) -> bool {
    const PREFIXES: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "NEXTEST_"];
    const NAMES: [&str; 6] = [
        "CARGO",
        "CARGO_CRATE_NAME",
        "CARGO_PRIMARY_PACKAGE",
        "CARGO_TARGET_TMPDIR",
        "NEXTEST",
        "OUT_DIR",
    ];
    NAMES.contains(&name) || PREFIXES.iter().any(|it| name.starts_with(it))
}

/// The last lines of a text.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.trim_end().lines().collect();
    lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n")
}

/// The failure of a program that ended with this status.
pub(crate) fn ended(line: &str, status: ExitStatus) -> Failure {
    Failure::new(format!("`{line}` did not succeed ({status})"))
}

/// A running program and all that it started; dropped before its end, it is ended.
#[derive(Debug)]
struct Group {
    name: String,
    child: Option<Child>,
    leader: Option<Pid>,
}

impl Group {
    async fn wait(&mut self) -> Result<ExitStatus> {
        let child = self.child.as_mut().expect("waited for once");
        let status = child.wait().await.context(|| format!("cannot wait for {}", self.name))?;
        self.leader = None;
        Ok(status)
    }

    async fn output(&mut self) -> Result<std::process::Output> {
        let child = self.child.take().expect("waited for once");
        let output =
            child.wait_with_output().await.context(|| format!("cannot wait for {}", self.name))?;
        self.leader = None;
        Ok(output)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.leader {
            // Compilers and test runners keep nothing that a kill could leave half-written for good.
            proc::kill_group(leader, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Program, is_set_by_a_runner, last_lines};

    #[test]
    fn the_last_lines_are_the_last() {
        assert_eq!(last_lines("a\nb\nc\n\n", 2), "b\nc");
        assert_eq!(last_lines("a", 2), "a");
    }

    #[test]
    fn a_child_inherits_no_variable_that_a_runner_has_set() {
        // Cargo has set some of them for this test.
        assert!(std::env::vars().any(|(name, _)| is_set_by_a_runner(&name)));
        let program = Program::new("true", std::path::Path::new("."));
        let removed: Vec<_> = program.command.as_std().get_envs().collect();
        for (name, _) in std::env::vars_os() {
            let is_removed = removed.contains(&(name.as_os_str(), None));
            assert_eq!(is_removed, is_set_by_a_runner(&name.to_string_lossy()), "{name:?}");
        }
    }

    #[test]
    fn what_users_set_for_cargo_is_kept() {
        for name in ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_BUILD_JOBS", "RUSTUP_TOOLCHAIN"] {
            assert!(!is_set_by_a_runner(name), "{name}");
        }
    }
}
