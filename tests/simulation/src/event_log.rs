//! What happened, line by line, for whoever wants to read how it came to that.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Takes notes, if anybody wants to read them: ten thousand days are faster without.
#[derive(Debug)]
pub(crate) struct Story(Option<Mutex<String>>);

impl Story {
    pub(crate) fn told() -> Self {
        Self(Some(Mutex::default()))
    }

    pub(crate) fn untold() -> Self {
        Self(None)
    }

    /// Notes what somebody has done; `what` is only asked for if it will be read.
    pub(crate) fn tell(&self, at: Duration, who: &str, what: impl FnOnce() -> String) {
        if let Some(lines) = &self.0 {
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            writeln!(lines, "{:>9.3} {who:<24} {}", at.as_secs_f64(), what())
                .expect("a text takes every line");
        }
    }

    pub(crate) fn lines(&self) -> String {
        let lines = self.0.as_ref();
        lines.map_or_else(String::new, |it| {
            it.lock().unwrap_or_else(PoisonError::into_inner).clone()
        })
    }
}
