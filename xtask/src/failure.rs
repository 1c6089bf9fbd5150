//! Failures of commands: what failed, why, and what to do.

use std::error::Error;
use std::fmt::{self, Display};
use std::process::ExitCode;

/// The result of a command, or of a part of it.
pub(crate) type Result<T = (), E = Failure> = std::result::Result<T, E>;

/// A failure with its causes and advice for the user.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    why: Vec<String>,
    advice: Vec<String>,
    exit: u8,
}

/// What a shell expects of a command that a signal ended: 128 and the signal's number.
const EXIT_SIGNAL_BASE: u8 = 128;
/// The signal of Ctrl-C.
pub(crate) const SIGINT: u8 = 2;
/// The signal for a write to a closed pipe.
const SIGPIPE: u8 = 13;

impl Failure {
    /// A failure of `what`.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), why: Vec::new(), advice: Vec::new(), exit: 1 }
    }

    /// A signal requested the command to stop.
    pub(crate) fn interrupted(signal: u8) -> Self {
        Self { exit: EXIT_SIGNAL_BASE.saturating_add(signal), ..Self::new("interrupted") }
    }

    /// Stdout was closed, as by `| head`: the command ends without a message.
    pub(crate) fn unread() -> Self {
        Self { exit: EXIT_SIGNAL_BASE + SIGPIPE, ..Self::new("") }
    }

    /// Whether it is Ctrl-C.
    pub(crate) fn is_interrupt(&self) -> bool {
        self.exit == EXIT_SIGNAL_BASE + SIGINT
    }

    /// Whether there is no message.
    pub(crate) fn is_silent(&self) -> bool {
        self.what.is_empty()
    }

    /// Adds a reason.
    pub(crate) fn because(mut self, why: impl Display) -> Self {
        self.why.push(why.to_string());
        self
    }

    /// Adds something the reader can do.
    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice.push(advice.into());
        self
    }

    /// The exit code of the process.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.exit)
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        for why in &self.why {
            for (number, line) in why.lines().enumerate() {
                let lead = if number == 0 { "\n  because " } else { "\n          " };
                write!(f, "{lead}{line}")?;
            }
        }
        for advice in &self.advice {
            write!(f, "\n  try     {}", advice.replace('\n', "\n          "))?;
        }
        Ok(())
    }
}

/// Adds what was being done to another error.
pub(crate) trait Context<T> {
    /// Turns the error into a failure of `what`, with the error and its sources as the reasons.
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Error> Context<T> for Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| {
            let mut failure = Failure::new(what()).because(&error);
            let mut source = error.source();
            while let Some(cause) = source {
                failure = failure.because(cause);
                source = cause.source();
            }
            failure
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Context, Failure};

    #[test]
    fn a_failure_says_what_why_and_what_to_do() {
        let failure =
            Failure::new("cannot start").because("port 1 is taken\nby pid 7").advise("stop it");
        assert_eq!(
            failure.to_string(),
            "cannot start\n  because port 1 is taken\n          by pid 7\n  try     stop it"
        );
    }

    #[test]
    fn the_cause_of_an_error_is_kept() {
        let error =
            "x".parse::<u8>().context(|| "cannot read the port".into()).expect_err("no number");
        assert_eq!(
            error.to_string(),
            "cannot read the port\n  because invalid digit found in string"
        );
    }
}
