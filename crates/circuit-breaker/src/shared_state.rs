//! The rules that all instances of a fleet share: (state, question, now) → the state after it.
//!
//! Nothing here reads a clock, rolls dice or reaches a store. An instance that knows a state asks one question; if the answer
//! is another state, it is written on the condition that nobody has written since. So whatever happens at once happens in
//! some order, and each question is answered with what is true when it is written.
//!
//! | state | left by |
//! | --- | --- |
//! | closed | a vote: suspected, or open if that is a quorum |
//! | suspected | the votes of a quorum, or votes that nobody doubts for a while: open. Time: votes lapse, which nobody writes |
//! | open | a claim, once its time is over: half-open |
//! | half-open | the probe's answer: closed, or open for longer. A claim, once the lease is over: half-open anew |
//!
//! An operator's word stands above all of these until it is taken back.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::settings::Settings;
use crate::time::{ms_apart, ms_from, plus};

/// So many transitions are kept; enough to see what happened, and small enough for two write units.
pub const HISTORY_MAX: usize = 20;

/// At most this many local trips are kept, the latest ones: more than an operator reads, and half a write unit.
pub const LOCAL_TRIPS_MAX: usize = 8;

/// What all instances know of a circuit; by default it is closed and was never anything else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Shared {
    /// How often it was written.
    pub version: u64,
    /// The random number that names the last write.
    pub write: u64,
    /// Where it stands, but for an operator.
    pub state: State,
    /// What an operator has said.
    pub forced: Option<Forced>,
    /// How often it was closed; what was counted in an earlier generation is of no account.
    pub generation: u64,
    /// When it was closed last.
    pub closed_at: Option<Timestamp>,
    /// How often in a row it has been opened; it stays open the longer for it.
    pub openings: u32,
    /// The share of failures that the last vote told of; 0 once it is closed.
    pub failures_permille: u32,
    /// The last transitions, oldest first.
    pub history: Vec<Transition>,
    /// Instances that make no calls by their own decision while the shared circuit is closed, oldest first. Written with
    /// the vote of the instance, so a report costs no write of its own; an entry whose time is over means nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub local_trips: Vec<LocalTrip>,
}

/// One instance has opened its own circuit. While the shared circuit is closed, only this instance rejects calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "PackedTrip", into = "PackedTrip")]
pub struct LocalTrip {
    /// The instance.
    pub instance: u64,
    /// When its circuit opened.
    pub since: Timestamp,
    /// Until when it rejects calls. Its next call after that is a probe of its own.
    pub until: Timestamp,
    /// The share of failures in its window at that time.
    pub failures_permille: u32,
    /// The share of slow calls in its window at that time.
    pub slow_permille: u32,
}

/// A local trip as it is stored: half of the bytes.
type PackedTrip = (u64, i64, i64, u32, u32);

impl From<PackedTrip> for LocalTrip {
    fn from((instance, since, until, failures_permille, slow_permille): PackedTrip) -> Self {
        let at = |ms| Timestamp::from_millisecond(ms).unwrap_or_default();
        Self { instance, since: at(since), until: at(until), failures_permille, slow_permille }
    }
}

impl From<LocalTrip> for PackedTrip {
    fn from(it: LocalTrip) -> Self {
        let (since, until) = (it.since.as_millisecond(), it.until.as_millisecond());
        (it.instance, since, until, it.failures_permille, it.slow_permille)
    }
}

/// Where a circuit stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Calls pass.
    #[default]
    Closed,
    /// Calls pass, though some instances say that they should not.
    Suspected {
        /// Who says so, the first one first.
        votes: Vec<Vote>,
        /// When an instance that fares well has last said that it does.
        doubted_at: Option<Timestamp>,
    },
    /// Calls are refused.
    Open {
        /// When it was opened, after it had been closed.
        opened_at: Timestamp,
        /// When this time began.
        since: Timestamp,
        /// When a probe is due.
        until: Timestamp,
    },
    /// Calls are refused, but for one probe.
    HalfOpen {
        /// When it was opened, after it had been closed.
        opened_at: Timestamp,
        /// How many probes have succeeded.
        passed: u32,
        /// The elected probe; none between two.
        probe: Option<Probe>,
    },
}

/// An instance's word that its own calls fare badly.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Vote {
    /// Who says so.
    pub instance: u64,
    /// When.
    pub at: Timestamp,
}

/// The one call that may pass.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Probe {
    /// Its name: the number of the write that claimed it.
    pub id: u64,
    /// When it was claimed.
    pub since: Timestamp,
    /// When it may be replaced.
    pub until: Timestamp,
}

/// An operator's word.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Forced {
    /// What is to be.
    pub word: Word,
    /// Since when.
    pub since: Timestamp,
}

/// What an operator can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// Every call is refused.
    Open,
    /// Every call passes; calls are counted, and nothing follows from it.
    Closed,
    /// Every call passes, as if there were no breaker.
    Disabled,
}

/// A step that the circuit has taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Packed", into = "Packed")]
pub struct Transition {
    /// When, by the clock of whoever wrote it.
    pub at: Timestamp,
    /// What it was before.
    pub from: Stand,
    /// What it is since.
    pub to: Stand,
    /// Why.
    pub reason: Reason,
    /// The operator, or the instance.
    pub by: String,
}

/// Where a circuit stands, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stand {
    /// Calls pass.
    Closed,
    /// Calls are refused.
    Open,
    /// Calls are refused, but for a probe.
    HalfOpen,
    /// An operator has opened it.
    ForcedOpen,
    /// An operator has closed it.
    ForcedClosed,
    /// An operator has disabled it.
    Disabled,
}

/// Why a circuit took a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A quorum of instances has tripped.
    Quorum,
    /// Fewer have, and nobody doubted them.
    Undisputed,
    /// Its time was over, and a probe is on its way.
    Probing,
    /// The probe has not answered, and another is on its way.
    ProbeLost,
    /// Enough probes have succeeded.
    ProbePassed,
    /// The probe has failed.
    ProbeFailed,
    /// An operator wants it so.
    Operator,
}

/// A transition as it is stored: a third of the bytes, since each write pays for all of them.
type Packed = (i64, Stand, Stand, Reason, String);

impl From<Packed> for Transition {
    fn from((at, from, to, reason, by): Packed) -> Self {
        let at = Timestamp::from_millisecond(at).unwrap_or_default();
        Self { at, from, to, reason, by }
    }
}

impl From<Transition> for Packed {
    fn from(it: Transition) -> Self {
        (it.at.as_millisecond(), it.from, it.to, it.reason, it.by)
    }
}

/// What can be asked of a circuit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Question {
    /// This instance has opened its own circuit: may the shared one be opened?
    Vote(LocalTrip),
    /// I have voted, and nobody has doubted it: may it be opened?
    OpenAlone {
        /// Who asks.
        instance: u64,
    },
    /// My calls fare well: may it stay closed?
    Doubt {
        /// Who asks.
        instance: u64,
    },
    /// May I probe? The write becomes the name of the probe.
    Claim,
    /// The probe is back: may it be closed, or must it be opened again?
    Answer {
        /// The name of the probe.
        probe: u64,
        /// Whether it has succeeded.
        passed: bool,
    },
    /// An operator's word.
    Force(Word),
    /// An operator takes everything back: closed, as if nothing had been.
    Reset,
}

/// Who asks, and when.
#[derive(Clone, Debug)]
pub struct Asker<'a> {
    /// The operator, or the instance, for the history.
    pub by: &'a str,
    /// A fresh random number: it names the write, and is the luck in how long the circuit stays open.
    pub write: u64,
    /// The asker's clock.
    pub now: Timestamp,
}

/// Whether calls pass, but for an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// They do.
    Free,
    /// They don't, until then.
    Refused(Timestamp),
    /// They don't, but since then whoever claims it may probe.
    Due(Timestamp),
}

impl Shared {
    /// The state after a question, to be written; none if the question is moot.
    #[must_use]
    pub fn answer(
        &self,
        question: &Question,
        asker: &Asker<'_>,
        settings: &Settings,
    ) -> Option<Self> {
        let now = asker.now;
        let mut next = self.clone();
        next.version += 1;
        next.write = asker.write;
        let reason = match *question {
            Question::Force(word) => {
                next.close(now);
                next.forced = Some(Forced { word, since: now });
                Some(Reason::Operator)
            }
            Question::Reset => {
                next.close(now);
                next.forced = None;
                next.openings = 0;
                Some(Reason::Operator)
            }
            // Nobody argues with an operator.
            _ if self.forced.is_some() => return None,
            Question::Vote(ref trip) => {
                let (mut votes, doubted_at) = self.suspicion(settings, now)?;
                let instance = trip.instance;
                let has_voted = votes.iter().any(|it| it.instance == instance);
                if has_voted && self.has_report_of(trip.instance, trip.since) {
                    return None;
                }
                if !has_voted {
                    votes.push(Vote { instance, at: now });
                }
                next.report(trip.clone(), now);
                next.failures_permille = trip.failures_permille;
                if votes.len() >= settings.quorum {
                    next.open_again(asker, settings);
                    Some(Reason::Quorum)
                } else {
                    next.state = State::Suspected { votes, doubted_at };
                    None
                }
            }
            Question::OpenAlone { instance } => {
                let (votes, doubted_at) = self.suspicion(settings, now)?;
                votes.iter().find(|it| it.instance == instance)?;
                let first = votes.first()?.at;
                // Those who doubted had a while in which they need not have said so again.
                let doubted = doubted_at.map(|at| plus(at, settings.window_ms));
                let undoubted = doubted.map_or(first, |it| it.max(first));
                if now < plus(undoubted, settings.alone_after_ms) {
                    return None;
                }
                next.open_again(asker, settings);
                Some(Reason::Undisputed)
            }
            Question::Doubt { instance } => {
                let (votes, doubted_at) = self.suspicion(settings, now)?;
                let is_known = doubted_at.is_some_and(|at| ms_apart(at, now) <= settings.window_ms);
                if is_known || votes.is_empty() || votes.iter().any(|it| it.instance == instance) {
                    return None;
                }
                next.state = State::Suspected { votes, doubted_at: Some(now) };
                None
            }
            Question::Claim => {
                let (opened_at, passed, reason) = match &self.state {
                    State::Closed | State::Suspected { .. } => return None,
                    State::Open { opened_at, .. } => (*opened_at, 0, Reason::Probing),
                    State::HalfOpen { opened_at, passed, probe: None } => {
                        (*opened_at, *passed, Reason::Probing)
                    }
                    State::HalfOpen { opened_at, passed, probe: Some(_) } => {
                        (*opened_at, *passed, Reason::ProbeLost)
                    }
                };
                let until = plus(now, settings.lease_ms);
                let probe = Some(Probe { id: asker.write, since: now, until });
                next.state = State::HalfOpen { opened_at, passed, probe };
                Some(reason)
            }
            Question::Answer { probe: id, passed: is_passed } => {
                let State::HalfOpen { opened_at, passed, probe: Some(probe) } = &self.state else {
                    return None;
                };
                // A straggler of an earlier time says nothing.
                if probe.id != id {
                    return None;
                }
                if !is_passed {
                    next.open(*opened_at, asker, settings);
                    Some(Reason::ProbeFailed)
                } else if passed + 1 < settings.probes_to_close {
                    let (opened_at, passed) = (*opened_at, passed + 1);
                    next.state = State::HalfOpen { opened_at, passed, probe: None };
                    None
                } else {
                    next.close(now);
                    Some(Reason::ProbePassed)
                }
            }
        };
        if let Some(reason) = reason {
            let (from, to) = (self.stand(), next.stand());
            let by = asker.by.to_owned();
            next.history.push(Transition { at: now, from, to, reason, by });
            let excess = next.history.len().saturating_sub(HISTORY_MAX);
            next.history.drain(..excess);
        }
        Some(next)
    }

    /// Whether calls pass, for someone who has first seen this state at `seen_at`.
    ///
    /// Nobody waits longer than the state itself was meant to last, counted by their own clock: the times in it may be of
    /// a clock that is wrong.
    #[must_use]
    pub fn passage(&self, seen_at: Timestamp, now: Timestamp) -> Passage {
        let (since, until) = match &self.state {
            State::Closed | State::Suspected { .. } => return Passage::Free,
            State::Open { since, until, .. } => (*since, *until),
            State::HalfOpen { probe: Some(probe), .. } => (probe.since, probe.until),
            State::HalfOpen { probe: None, .. } => (seen_at, seen_at),
        };
        let until = until.min(plus(seen_at, ms_from(since, until)));
        if now < until { Passage::Refused(until) } else { Passage::Due(until) }
    }

    /// Whether instances say that it should not be closed.
    #[must_use]
    pub fn is_suspected(&self, settings: &Settings, now: Timestamp) -> bool {
        match &self.state {
            State::Suspected { votes, .. } => {
                votes.iter().any(|it| ms_apart(it.at, now) <= settings.window_ms)
            }
            State::Closed | State::Open { .. } | State::HalfOpen { .. } => false,
        }
    }

    /// Whether the trip of this instance at this time is reported.
    #[must_use]
    pub fn has_report_of(&self, instance: u64, since: Timestamp) -> bool {
        // Stored to the millisecond.
        let since = since.as_millisecond();
        self.local_trips
            .iter()
            .any(|it| it.instance == instance && it.since.as_millisecond() == since)
    }

    /// The instances that reject calls by their own decision now. None while the shared circuit is not closed or an
    /// operator's override applies, since then no instance decides alone.
    pub fn local_trips_at(&self, now: Timestamp) -> impl Iterator<Item = &LocalTrip> {
        let is_local = self.stand() == Stand::Closed;
        self.local_trips.iter().filter(move |it| is_local && now < it.until)
    }

    /// The votes that count now, and the last veto if it still counts; none if the circuit is not closed.
    #[must_use]
    pub fn votes_at(&self, settings: &Settings, now: Timestamp) -> (usize, Option<Timestamp>) {
        match self.suspicion(settings, now) {
            Some((votes, vetoed_at)) if self.forced.is_none() && !votes.is_empty() => {
                (votes.len(), vetoed_at)
            }
            Some(_) | None => (0, None),
        }
    }

    /// Where it stands, in a word.
    #[must_use]
    pub fn stand(&self) -> Stand {
        match self.forced.as_ref().map(|it| it.word) {
            Some(Word::Open) => Stand::ForcedOpen,
            Some(Word::Closed) => Stand::ForcedClosed,
            Some(Word::Disabled) => Stand::Disabled,
            None => match self.state {
                State::Closed | State::Suspected { .. } => Stand::Closed,
                State::Open { .. } => Stand::Open,
                State::HalfOpen { .. } => Stand::HalfOpen,
            },
        }
    }

    /// The votes that still count, and the last doubt; none if it is not closed.
    fn suspicion(
        &self,
        settings: &Settings,
        now: Timestamp,
    ) -> Option<(Vec<Vote>, Option<Timestamp>)> {
        match &self.state {
            State::Closed => Some((Vec::new(), None)),
            State::Suspected { votes, doubted_at } => {
                let mut votes = votes.clone();
                // To both sides: a vote of a clock that is ahead must not count until the others' clocks are.
                votes.retain(|it| ms_apart(it.at, now) <= settings.window_ms);
                // Long enough that what OpenAlone waits for after it can be told.
                let doubt_ms = settings.window_ms.saturating_add(settings.alone_after_ms);
                let doubted_at = doubted_at.filter(|at| ms_apart(*at, now) <= doubt_ms);
                Some((votes, doubted_at))
            }
            State::Open { .. } | State::HalfOpen { .. } => None,
        }
    }

    /// Adds a local trip, and drops what is over.
    fn report(&mut self, trip: LocalTrip, now: Timestamp) {
        self.local_trips.retain(|it| it.instance != trip.instance && now < it.until);
        self.local_trips.push(trip);
        let excess = self.local_trips.len().saturating_sub(LOCAL_TRIPS_MAX);
        self.local_trips.drain(..excess);
    }

    /// From closed to open, for longer if it was open not long ago.
    fn open_again(&mut self, asker: &Asker<'_>, settings: &Settings) {
        if self.closed_at.is_none_or(|at| ms_apart(at, asker.now) >= settings.forget_ms) {
            self.openings = 0;
        }
        self.open(asker.now, asker, settings);
    }

    fn open(&mut self, opened_at: Timestamp, asker: &Asker<'_>, settings: &Settings) {
        let since = asker.now;
        let until = plus(since, settings.open_for_ms(self.openings, asker.write));
        self.openings = self.openings.saturating_add(1);
        self.local_trips.clear();
        self.state = State::Open { opened_at, since, until };
    }

    fn close(&mut self, now: Timestamp) {
        self.state = State::Closed;
        self.generation += 1;
        self.closed_at = Some(now);
        self.failures_permille = 0;
        self.local_trips.clear();
    }
}
