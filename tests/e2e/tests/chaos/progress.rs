//! The progress of the run: printed while it runs, and part of failure messages.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::customers::BOOKINGS;

/// Often enough to show progress.
const REPORT_EVERY: Duration = Duration::from_secs(3);

/// Counters, and what each customer waits for.
#[derive(Debug)]
pub(crate) struct Progress {
    started: Instant,
    killed: Mutex<BTreeMap<String, usize>>,
    duplicated: AtomicUsize,
    delayed: AtomicUsize,
    republished: AtomicUsize,
    ended: AtomicUsize,
    stage: Mutex<String>,
    waiting: Mutex<BTreeMap<usize, String>>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            killed: Mutex::default(),
            duplicated: AtomicUsize::default(),
            delayed: AtomicUsize::default(),
            republished: AtomicUsize::default(),
            ended: AtomicUsize::default(),
            stage: Mutex::default(),
            waiting: Mutex::default(),
        }
    }

    pub(crate) fn killed(&self, function: &str) {
        *self.killed.lock().unwrap().entry(function.to_owned()).or_default() += 1;
    }

    pub(crate) fn duplicated(&self) {
        self.duplicated.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn delayed(&self) {
        self.delayed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn republished(&self) {
        self.republished.fetch_add(1, Ordering::Relaxed);
    }

    /// The numbers of injected faults: killed processes, and duplicated messages, delayed messages, republished events.
    pub(crate) fn fault_counts(&self) -> (usize, [usize; 3]) {
        let counts = [&self.duplicated, &self.delayed, &self.republished];
        let killed = self.killed.lock().unwrap().values().sum();
        (killed, counts.map(|it| it.load(Ordering::Relaxed)))
    }

    /// Sets the current stage of the whole run.
    pub(crate) fn stage(&self, what: impl Into<String>) {
        *self.stage.lock().unwrap() = what.into();
    }

    /// Sets what the customer of this booking waits for.
    pub(crate) fn set_waiting(&self, booking: usize, what: String) {
        self.waiting.lock().unwrap().insert(booking, what);
    }

    /// Marks this booking as done.
    pub(crate) fn ended(&self, booking: usize) {
        self.waiting.lock().unwrap().remove(&booking);
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// Prints the progress periodically.
    pub(crate) async fn report(&self) {
        loop {
            sleep(REPORT_EVERY).await;
            self.print(format!("{self}"));
        }
    }

    pub(crate) fn print(&self, what: impl fmt::Display) {
        eprintln!("chaos, {:>3} s: {what}", self.started.elapsed().as_secs());
    }

    /// The progress with everything that is waited for, one a line.
    pub(crate) fn details(&self) -> String {
        // The locks are released first: printing the progress takes them too.
        let killed = self.killed.lock().unwrap().clone();
        let waiting = self.waiting.lock().unwrap().clone();
        let waiting: Vec<_> = waiting.iter().map(|(it, what)| format!("  {it}: {what}")).collect();
        format!("{self}\nkilled: {killed:?}\nwaiting for:\n{}", waiting.join("\n"))
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (killed, [duplicated, delayed, republished]) = self.fault_counts();
        let ended = self.ended.load(Ordering::Relaxed);
        let stage = self.stage.lock().unwrap().clone();
        write!(
            f,
            "{killed} killed, {duplicated} duplicated, {delayed} delayed, {republished} republished; \
             {ended} of {BOOKINGS} bookings done; {stage}"
        )
    }
}
