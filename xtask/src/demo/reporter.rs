//! Prints the demo: sections, passed checks with their times, steps of sagas, tables.

use std::fmt::Display;
use std::time::Duration;

use crate::api_client::check_failed;
use crate::clock;
use crate::failure::Result;
use crate::ui::Ui;

/// The column of a line's time.
const TIME_COLUMN: usize = 66;

/// Prints, and counts the checks.
#[derive(Debug)]
pub(super) struct Reporter {
    ui: Ui,
    sections: usize,
    checks: usize,
}

/// How a step of a saga ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StepOutcome {
    /// A forward step succeeded.
    Succeeded,
    /// A step failed.
    Failed,
    /// A compensation succeeded.
    Compensated,
}

impl StepOutcome {
    /// The character before the step.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Self::Succeeded => "→",
            Self::Failed => "✗",
            Self::Compensated => "↩",
        }
    }
}

impl Reporter {
    pub(super) fn new(ui: Ui) -> Self {
        Self { ui, sections: 0, checks: 0 }
    }

    /// Starts a section, and names the pattern that it shows.
    pub(super) fn section(&mut self, title: &str, pattern: &str) -> Result {
        self.sections += 1;
        let paint = self.ui.paint_out;
        self.ui.print("")?;
        let number = paint.strong(format!("{}.", self.sections));
        self.ui.print(format!(
            "{number} {}  {}",
            paint.strong(title),
            paint.name(format!("[{pattern}]"))
        ))
    }

    /// A check that has passed.
    pub(super) fn passed(&mut self, what: impl Display, took: Duration) -> Result {
        self.checks += 1;
        let mark = self.ui.paint_out.good("✓");
        self.timed(&mark, &what.to_string(), took)
    }

    /// A step of a saga that has ended.
    pub(super) fn step(
        &mut self,
        outcome: StepOutcome,
        name: &str,
        remark: &str,
        took: Duration,
    ) -> Result {
        let paint = self.ui.paint_out;
        let mark = match outcome {
            StepOutcome::Succeeded => paint.faint(outcome.mark()),
            StepOutcome::Failed => paint.bad(outcome.mark()),
            StepOutcome::Compensated => paint.note(outcome.mark()),
        };
        self.timed(&mark, &format!("{name:<17} {remark}"), took)
    }

    fn timed(&self, mark: &str, what: &str, took: Duration) -> Result {
        let time = self.ui.paint_out.faint(format!("{:>9}", clock::human(took)));
        self.ui.print(format!("   {mark} {what:<TIME_COLUMN$} {time}"))
    }

    /// The id of a booking, for `cargo xtask trace` and the pages.
    pub(super) fn booking(&self, whose: &str, id: &str) -> Result {
        self.note(format!("{whose} booking is {id}"))
    }

    /// A line that explains.
    pub(super) fn note(&self, text: impl Display) -> Result {
        self.ui.print(format!("     {}", self.ui.paint_out.faint(text)))
    }

    /// A line of a table.
    pub(super) fn row(&self, text: impl Display) -> Result {
        self.ui.print(format!("     {text}"))
    }

    /// Checks a claim; `seen` is what was there instead.
    pub(super) fn check(&mut self, is_true: bool, claim: &str, seen: impl Display) -> Result {
        self.checks += 1;
        if is_true {
            return Ok(());
        }
        Err(check_failed(&format!("{claim}, but found {seen}")))
    }

    /// All checks have passed.
    pub(super) fn finish(&self, took: Duration) -> Result {
        let text = format!("All {} checks passed in {}.", self.checks, clock::human(took));
        self.ui.print("")?;
        self.ui.print(self.ui.paint_out.good(text))
    }
}
