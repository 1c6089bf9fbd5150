//! How the story is printed: chapters, what happened in how many milliseconds, and what it shows.

use std::fmt::Display;
use std::time::Duration;

use super::visitor::untrue;
use crate::clock;
use crate::failure::Outcome;
use crate::ui::Ui;

/// Where a line's time stands.
const TIME_COLUMN: usize = 66;

/// The story so far.
#[derive(Debug)]
pub(super) struct Tale {
    ui: Ui,
    chapters: usize,
    claims: usize,
}

impl Tale {
    pub(super) fn new(ui: Ui) -> Self {
        Self { ui, chapters: 0, claims: 0 }
    }

    /// Begins a chapter, and says which pattern it shows.
    pub(super) fn chapter(&mut self, title: &str, pattern: &str) -> Outcome {
        self.chapters += 1;
        let paint = self.ui.paint_out;
        self.ui.print("")?;
        let number = paint.strong(format!("{}.", self.chapters));
        self.ui.print(format!(
            "{number} {}  {}",
            paint.strong(title),
            paint.name(format!("[{pattern}]"))
        ))
    }

    /// Something that was checked to have happened.
    pub(super) fn happened(&mut self, what: impl Display, took: Duration) -> Outcome {
        self.claims += 1;
        let mark = self.ui.paint_out.good("✓");
        self.timed(&mark, &what.to_string(), took)
    }

    /// A step of a saga that has ended well.
    pub(super) fn step(&mut self, name: &str, remark: &str, took: Duration) -> Outcome {
        let mark = self.ui.paint_out.faint("→");
        self.timed(&mark, &format!("{name:<17} {remark}"), took)
    }

    /// A step that failed, or undoes another.
    pub(super) fn step_back(&mut self, name: &str, remark: &str, took: Duration) -> Outcome {
        let mark = self.ui.paint_out.note("↩");
        self.timed(&mark, &format!("{name:<17} {remark}"), took)
    }

    fn timed(&self, mark: &str, what: &str, took: Duration) -> Outcome {
        let time = self.ui.paint_out.faint(format!("{:>9}", clock::human(took)));
        self.ui.print(format!("   {mark} {what:<TIME_COLUMN$} {time}"))
    }

    /// A line that explains.
    pub(super) fn remark(&self, text: impl Display) -> Outcome {
        self.ui.print(format!("     {}", self.ui.paint_out.faint(text)))
    }

    /// A line of a table.
    pub(super) fn row(&self, text: impl Display) -> Outcome {
        self.ui.print(format!("     {text}"))
    }

    /// Checks what the story is about to claim.
    pub(super) fn check(&mut self, is_true: bool, claim: &str, seen: impl Display) -> Outcome {
        self.claims += 1;
        if is_true {
            return Ok(());
        }
        Err(untrue(&format!("{claim}, but there was {seen}")))
    }

    /// All of it came true.
    pub(super) fn end(&self, took: Duration) -> Outcome {
        let text = format!(
            "All of it came true: {} claims checked in {}.",
            self.claims,
            clock::human(took)
        );
        self.ui.print("")?;
        self.ui.print(self.ui.paint_out.good(text))
    }
}
