//! Terminal output: a spinner and colours on a terminal, plain lines elsewhere.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::clock;
use crate::failure::{Context as _, Failure, Result};

/// The interval of the spinner: smooth enough, and cheap.
const TICK: Duration = Duration::from_millis(100);

/// The outputs: progress goes to stderr, results to stdout.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ui {
    spins: bool,
    /// Whether there is no progress at all.
    is_quiet: bool,
    /// Colours of progress.
    pub(crate) paint: Paint,
    /// Colours of results.
    pub(crate) paint_out: Paint,
}

/// Colours, or none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// Colours, wherever it goes to; for tests.
    #[cfg(test)]
    pub(crate) fn of(on: bool) -> Self {
        Self { on }
    }

    fn code(self, code: &str, text: impl Display) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }

    /// What went well.
    pub(crate) fn good(self, text: impl Display) -> String {
        self.code("32", text)
    }

    /// What went wrong.
    pub(crate) fn bad(self, text: impl Display) -> String {
        self.code("31", text)
    }

    /// A compensation, or a note.
    pub(crate) fn note(self, text: impl Display) -> String {
        self.code("33", text)
    }

    /// What matters most.
    pub(crate) fn strong(self, text: impl Display) -> String {
        self.code("1", text)
    }

    /// What matters least.
    pub(crate) fn faint(self, text: impl Display) -> String {
        self.code("2", text)
    }

    /// A name to recognise.
    pub(crate) fn name(self, text: impl Display) -> String {
        self.code("36", text)
    }
}

impl Ui {
    /// Looks at where the output goes, and at `NO_COLOR`.
    pub(crate) fn new(is_quiet: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty())
            && std::env::var_os("TERM").is_none_or(|it| it != "dumb");
        let stderr = io::stderr().is_terminal();
        Self {
            spins: stderr && wanted && !is_quiet,
            is_quiet,
            paint: Paint { on: stderr && wanted },
            paint_out: Paint { on: io::stdout().is_terminal() && wanted },
        }
    }

    /// Whether there is no progress, from other programs either.
    pub(crate) fn is_quiet(self) -> bool {
        self.is_quiet
    }

    /// One line of progress; nothing if quiet.
    pub(crate) fn say(self, text: impl Display) {
        if !self.is_quiet {
            self.error(text);
        }
    }

    /// One line of an error.
    pub(crate) fn error(self, text: impl Display) {
        // A closed stderr does not stop the work.
        drop(writeln!(io::stderr().lock(), "{text}"));
    }

    /// One line of result.
    ///
    /// # Errors
    ///
    /// When stdout is closed, or cannot be written to.
    pub(crate) fn print(self, text: impl Display) -> Result {
        match writeln!(io::stdout().lock(), "{text}") {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::unread()),
            printed => printed.context(|| "cannot print".into()),
        }
    }

    /// A result as JSON, indented.
    pub(crate) fn print_json(self, value: &impl Serialize) -> Result {
        let text = serde_json::to_string_pretty(value).context(|| "cannot write JSON".into())?;
        self.print(text)
    }

    /// Begins a step, during which nothing else is printed.
    pub(crate) fn step(self, what: impl Into<String>) -> Step {
        let what = what.into();
        let spinner = self.spins.then(|| {
            let style = ProgressStyle::with_template("{spinner:.cyan} {msg}")
                .expect("the template is right")
                .tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ");
            let spinner = ProgressBar::new_spinner().with_style(style).with_message(what.clone());
            spinner.enable_steady_tick(TICK);
            spinner
        });
        Step { ui: self, what, spinner, started: clock::start(), is_over: false }
    }

    /// Begins a step whose programs print for themselves.
    pub(crate) fn loud_step(self, what: impl Into<String>) -> Step {
        let what = what.into();
        self.say(format!("{} {}", self.paint.name("▸"), self.paint.strong(&what)));
        Step { ui: self, what, spinner: None, started: clock::start(), is_over: false }
    }
}

/// A step under way; dropped before it is done, it has failed.
#[derive(Debug)]
pub(crate) struct Step {
    ui: Ui,
    what: String,
    spinner: Option<ProgressBar>,
    started: Instant,
    is_over: bool,
}

impl Step {
    /// Shows the current part of the step.
    pub(crate) fn at(&self, detail: impl Display) {
        if let Some(spinner) = &self.spinner {
            spinner.set_message(format!("{} {}", self.what, self.ui.paint.faint(detail)));
        }
    }

    /// The step is done; returns what it took.
    pub(crate) fn done(mut self, result: impl Display) -> Duration {
        let took = self.started.elapsed();
        self.finish(&self.ui.paint.good("✓"), &result.to_string());
        took
    }

    fn finish(&mut self, mark: &str, result: &str) {
        self.is_over = true;
        if let Some(spinner) = self.spinner.take() {
            spinner.finish_and_clear();
        }
        let result = if result.is_empty() { String::new() } else { format!(": {result}") };
        let took = self.ui.paint.faint(format!("({})", clock::human(self.started.elapsed())));
        self.ui.say(format!("{mark} {}{result} {took}", self.what));
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if !self.is_over {
            self.finish(&self.ui.paint.bad("✗"), "");
        }
    }
}
