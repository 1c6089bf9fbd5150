//! The event log of a run, for debugging.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Records events if logging is enabled; ten thousand runs are faster without.
#[derive(Debug)]
pub(crate) struct EventLog(Option<Mutex<String>>);

impl EventLog {
    pub(crate) fn recording() -> Self {
        Self(Some(Mutex::default()))
    }

    pub(crate) fn disabled() -> Self {
        Self(None)
    }

    /// Records an event of `source`; `event` is only called if logging is enabled.
    pub(crate) fn record(&self, at: Duration, source: &str, event: impl FnOnce() -> String) {
        if let Some(lines) = &self.0 {
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            writeln!(lines, "{:>9.3} {source:<24} {}", at.as_secs_f64(), event())
                .expect("writing to a string cannot fail");
        }
    }

    pub(crate) fn lines(&self) -> String {
        let lines = self.0.as_ref();
        lines.map_or_else(String::new, |it| {
            it.lock().unwrap_or_else(PoisonError::into_inner).clone()
        })
    }
}
