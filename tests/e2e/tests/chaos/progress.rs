//! How far the run is: for whoever watches it, and for whoever reads why it has failed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::customers::BOOKINGS;

/// Often enough to see that something moves.
const TOLD_EVERY: Duration = Duration::from_secs(3);

/// Counts, and what is awaited.
#[derive(Debug)]
pub(crate) struct Progress {
    begun: Instant,
    killed: Mutex<BTreeMap<String, usize>>,
    copied: AtomicUsize,
    postponed: AtomicUsize,
    retold: AtomicUsize,
    ended: AtomicUsize,
    stage: Mutex<String>,
    awaited: Mutex<BTreeMap<usize, String>>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            killed: Mutex::default(),
            copied: AtomicUsize::default(),
            postponed: AtomicUsize::default(),
            retold: AtomicUsize::default(),
            ended: AtomicUsize::default(),
            stage: Mutex::default(),
            awaited: Mutex::default(),
        }
    }

    pub(crate) fn killed(&self, function: &str) {
        *self.killed.lock().unwrap().entry(function.to_owned()).or_default() += 1;
    }

    pub(crate) fn copied(&self) {
        self.copied.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn postponed(&self) {
        self.postponed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn retold(&self) {
        self.retold.fetch_add(1, Ordering::Relaxed);
    }

    /// How often what was done: processes killed, messages copied, messages that came late, events published again.
    pub(crate) fn mischief(&self) -> (usize, [usize; 3]) {
        let counts = [&self.copied, &self.postponed, &self.retold];
        let killed = self.killed.lock().unwrap().values().sum();
        (killed, counts.map(|it| it.load(Ordering::Relaxed)))
    }

    /// Everybody waits for this.
    pub(crate) fn stage(&self, what: impl Into<String>) {
        *self.stage.lock().unwrap() = what.into();
    }

    /// The customer of this booking waits for this.
    pub(crate) fn awaits(&self, booking: usize, what: String) {
        self.awaited.lock().unwrap().insert(booking, what);
    }

    /// The customer of this booking is content.
    pub(crate) fn ended(&self, booking: usize) {
        self.awaited.lock().unwrap().remove(&booking);
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// Says so time and again.
    pub(crate) async fn tell(&self) {
        loop {
            sleep(TOLD_EVERY).await;
            self.say(format!("{self}"));
        }
    }

    pub(crate) fn say(&self, what: impl fmt::Display) {
        eprintln!("chaos, {:>3} s: {what}", self.begun.elapsed().as_secs());
    }

    /// All that is awaited, one a line.
    pub(crate) fn whole(&self) -> String {
        // Not while a lock is held: what is printed of the whole takes them too.
        let killed = self.killed.lock().unwrap().clone();
        let awaited = self.awaited.lock().unwrap().clone();
        let awaited: Vec<_> = awaited.iter().map(|(it, what)| format!("  {it}: {what}")).collect();
        format!("{self}\nkilled: {killed:?}\nawaited:\n{}", awaited.join("\n"))
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (killed, [copied, postponed, retold]) = self.mischief();
        let ended = self.ended.load(Ordering::Relaxed);
        let stage = self.stage.lock().unwrap().clone();
        write!(
            f,
            "{killed} killed, {copied} copied, {postponed} late, {retold} told again; \
             {ended} of {BOOKINGS} bookings through; {stage}"
        )
    }
}
