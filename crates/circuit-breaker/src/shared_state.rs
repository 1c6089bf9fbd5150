//! The rules that all instances of a fleet share: (state, proposal, now) → next state.
//!
//! Nothing here reads a clock, draws a random number or calls a store. An instance applies a proposal to the state that it
//! knows. If the result is another state, it is written on the condition that the stored version has not changed. So
//! concurrent proposals are serialized, and each is decided on the state that is current when it is written.
//!
//! | state | next state |
//! | --- | --- |
//! | closed | pending open after a vote, or open if the vote completes a quorum |
//! | pending open | open after the votes of a quorum, or after a vote without a veto for a while. Closed when the votes lapse, which needs no write |
//! | open | half-open when a probe is claimed, once the open period is over |
//! | half-open | closed or open after the result of the probe. Half-open again when another probe is claimed after the lease |
//!
//! An operator's override takes precedence over all of these until it is reset.
//!
//! Some fields and variants have a different name in the stored form, so that earlier releases can read it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::settings::Settings;
use crate::time::{ms_apart, ms_from, plus};

/// The number of transitions that are kept: enough to see what happened, and small enough for two write units.
pub const HISTORY_MAX: usize = 20;

/// The number of local trips that are kept, latest last: more than an operator reads, and half a write unit.
pub const LOCAL_TRIPS_MAX: usize = 8;

/// The state of a circuit that all instances share. The default is a closed circuit that was never open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SharedState {
    /// The number of writes so far. A write is conditional on it.
    pub version: u64,
    /// The random number that identifies the last write.
    pub write: u64,
    /// The state of the circuit, without the override.
    pub state: State,
    /// The operator's override, if one is set.
    #[serde(rename = "forced")]
    pub active_override: Option<ActiveOverride>,
    /// The number of times the circuit closed. Calls that started in an earlier generation are not counted.
    pub generation: u64,
    /// When the circuit last closed.
    pub closed_at: Option<Timestamp>,
    /// The number of consecutive opens. Each one doubles the next open period.
    #[serde(rename = "openings")]
    pub consecutive_opens: u32,
    /// The failure rate in the last vote, in permille; 0 while the circuit is closed.
    pub failures_permille: u32,
    /// The last transitions, oldest first.
    pub history: Vec<Transition>,
    /// Instances whose local circuit is open while the shared circuit is closed, oldest first. Each is written together with
    /// the vote of the instance, so a report costs no write of its own. An entry is obsolete after its `until`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub local_trips: Vec<LocalTrip>,
}

/// The local circuit of one instance is open. While the shared circuit is closed, only this instance rejects calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "PackedTrip", into = "PackedTrip")]
pub struct LocalTrip {
    /// The id of the instance.
    pub instance: u64,
    /// When its local circuit opened.
    pub since: Timestamp,
    /// Until when it rejects calls. Its next call after that is a probe of its own.
    pub until: Timestamp,
    /// The share of failures in its window at that time, in permille.
    pub failures_permille: u32,
    /// The share of slow calls in its window at that time, in permille.
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

/// The state of a circuit, without the override.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Calls are admitted.
    #[default]
    Closed,
    /// Calls are admitted. Some instances have voted to open the circuit, but not enough.
    #[serde(rename = "suspected")]
    PendingOpen {
        /// The votes, oldest first.
        votes: Vec<Vote>,
        /// When a healthy instance last vetoed the votes.
        #[serde(rename = "doubted_at")]
        vetoed_at: Option<Timestamp>,
    },
    /// Calls are rejected.
    Open {
        /// When the circuit opened after it was closed.
        opened_at: Timestamp,
        /// When this open period started.
        since: Timestamp,
        /// When a probe is due.
        until: Timestamp,
    },
    /// Calls are rejected, except one probe.
    HalfOpen {
        /// When the circuit opened after it was closed.
        opened_at: Timestamp,
        /// The number of probes that have succeeded.
        passed: u32,
        /// The elected probe; none between two probes.
        probe: Option<Probe>,
    },
}

/// The vote of an instance to open the circuit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Vote {
    /// The id of the instance.
    pub instance: u64,
    /// When it voted, by its own clock.
    pub at: Timestamp,
}

/// The single call that a half-open circuit admits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Probe {
    /// Its id: the number of the write that claimed it.
    pub id: u64,
    /// When it was claimed.
    pub since: Timestamp,
    /// When its lease ends. Another probe may be claimed from then on.
    pub until: Timestamp,
}

/// An operator's override that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ActiveOverride {
    /// What the operator has chosen.
    #[serde(rename = "word")]
    pub kind: Override,
    /// When it was set.
    pub since: Timestamp,
}

/// A manual override of a circuit, for all instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Override {
    /// Every call is rejected.
    Open,
    /// Every call is admitted and counted, but the circuit never opens.
    Closed,
    /// Every call is admitted and none is counted, as if there were no breaker.
    Disabled,
}

/// A change of the effective state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "PackedTransition", into = "PackedTransition")]
pub struct Transition {
    /// When it was written, by the clock of the writer.
    pub at: Timestamp,
    /// The state before.
    pub from: EffectiveState,
    /// The state after.
    pub to: EffectiveState,
    /// Why the state changed.
    pub reason: Reason,
    /// The name of the operator, or the id of the instance.
    pub by: String,
}

/// The state of a circuit, with the override.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectiveState {
    /// Calls are admitted.
    Closed,
    /// Calls are rejected.
    Open,
    /// Calls are rejected, except a probe.
    HalfOpen,
    /// An operator has forced the circuit open.
    ForcedOpen,
    /// An operator has forced the circuit closed.
    ForcedClosed,
    /// An operator has disabled the circuit.
    Disabled,
}

/// Why a circuit changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A quorum of instances voted to open it.
    Quorum,
    /// Fewer instances voted to open it, and no healthy instance vetoed that.
    #[serde(rename = "undisputed")]
    WithoutQuorum,
    /// The open period ended, and a probe was claimed.
    Probing,
    /// The lease of the probe ended without a result, and another probe was claimed.
    ProbeLost,
    /// Enough probes succeeded.
    ProbePassed,
    /// The probe failed.
    ProbeFailed,
    /// An operator set or reset an override.
    Operator,
}

/// A transition as it is stored: a third of the bytes, since each write pays for all of them.
type PackedTransition = (i64, EffectiveState, EffectiveState, Reason, String);

impl From<PackedTransition> for Transition {
    fn from((at, from, to, reason, by): PackedTransition) -> Self {
        let at = Timestamp::from_millisecond(at).unwrap_or_default();
        Self { at, from, to, reason, by }
    }
}

impl From<Transition> for PackedTransition {
    fn from(it: Transition) -> Self {
        (it.at.as_millisecond(), it.from, it.to, it.reason, it.by)
    }
}

/// A proposed change of the shared state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Proposal {
    /// An instance whose local circuit has opened votes to open the shared one.
    Vote(LocalTrip),
    /// An instance opens the circuit after its vote was not vetoed for `open_without_quorum_after_ms`.
    OpenWithoutQuorum {
        /// The id of the instance, which must have voted.
        instance: u64,
    },
    /// A healthy instance vetoes the votes of the others.
    Veto {
        /// The id of the instance.
        instance: u64,
    },
    /// An instance claims the probe. The number of the write becomes the id of the probe.
    ClaimProbe,
    /// The result of a probe: it closes the circuit, or opens it again.
    RecordProbe {
        /// The id of the probe.
        probe: u64,
        /// Whether it succeeded.
        passed: bool,
    },
    /// An operator sets an override.
    SetOverride(Override),
    /// An operator resets the circuit: no override, closed, and no consecutive opens.
    Reset,
}

/// The author and the time of a proposal.
#[derive(Clone, Debug)]
pub struct Actor<'a> {
    /// The name of the operator, or the id of the instance, for the history.
    pub by: &'a str,
    /// A new random number. It identifies the write, and is the jitter of the open period.
    pub write: u64,
    /// The current time by the actor's clock.
    pub now: Timestamp,
}

/// Whether the shared state admits calls, without the override.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Calls are admitted.
    Allowed,
    /// Calls are rejected until then.
    Rejected(Timestamp),
    /// Calls are rejected, but since then an instance may claim a probe.
    ProbeDue(Timestamp),
}

impl SharedState {
    /// The state after a proposal, to be written; `None` if the proposal does not apply to this state.
    #[must_use]
    pub fn apply(
        &self,
        proposal: &Proposal,
        actor: &Actor<'_>,
        settings: &Settings,
    ) -> Option<Self> {
        let now = actor.now;
        let mut next = self.clone();
        next.version += 1;
        next.write = actor.write;
        let reason = match *proposal {
            Proposal::SetOverride(kind) => {
                next.close(now);
                next.active_override = Some(ActiveOverride { kind, since: now });
                Some(Reason::Operator)
            }
            Proposal::Reset => {
                next.close(now);
                next.active_override = None;
                next.consecutive_opens = 0;
                Some(Reason::Operator)
            }
            // An override takes precedence over everything that instances propose.
            _ if self.active_override.is_some() => return None,
            Proposal::Vote(ref trip) => {
                let (mut votes, vetoed_at) = self.pending_votes(settings, now)?;
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
                    next.open_again(actor, settings);
                    Some(Reason::Quorum)
                } else {
                    next.state = State::PendingOpen { votes, vetoed_at };
                    None
                }
            }
            Proposal::OpenWithoutQuorum { instance } => {
                let (votes, vetoed_at) = self.pending_votes(settings, now)?;
                votes.iter().find(|it| it.instance == instance)?;
                let first = votes.first()?.at;
                // A veto stays valid for one window, so the wait starts only after the last veto has lapsed.
                let veto_until = vetoed_at.map(|at| plus(at, settings.window_ms));
                let unopposed_since = veto_until.map_or(first, |it| it.max(first));
                if now < plus(unopposed_since, settings.open_without_quorum_after_ms) {
                    return None;
                }
                next.open_again(actor, settings);
                Some(Reason::WithoutQuorum)
            }
            Proposal::Veto { instance } => {
                let (votes, vetoed_at) = self.pending_votes(settings, now)?;
                let is_known = vetoed_at.is_some_and(|at| ms_apart(at, now) <= settings.window_ms);
                if is_known || votes.is_empty() || votes.iter().any(|it| it.instance == instance) {
                    return None;
                }
                next.state = State::PendingOpen { votes, vetoed_at: Some(now) };
                None
            }
            Proposal::ClaimProbe => {
                let (opened_at, passed, reason) = match &self.state {
                    State::Closed | State::PendingOpen { .. } => return None,
                    State::Open { opened_at, .. } => (*opened_at, 0, Reason::Probing),
                    State::HalfOpen { opened_at, passed, probe: None } => {
                        (*opened_at, *passed, Reason::Probing)
                    }
                    State::HalfOpen { opened_at, passed, probe: Some(_) } => {
                        (*opened_at, *passed, Reason::ProbeLost)
                    }
                };
                let until = plus(now, settings.lease_ms);
                let probe = Some(Probe { id: actor.write, since: now, until });
                next.state = State::HalfOpen { opened_at, passed, probe };
                Some(reason)
            }
            Proposal::RecordProbe { probe: id, passed: is_passed } => {
                let State::HalfOpen { opened_at, passed, probe: Some(probe) } = &self.state else {
                    return None;
                };
                // The result of an earlier probe says nothing about the current state.
                if probe.id != id {
                    return None;
                }
                if !is_passed {
                    next.open(*opened_at, actor, settings);
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
            let (from, to) = (self.effective_state(), next.effective_state());
            let by = actor.by.to_owned();
            next.history.push(Transition { at: now, from, to, reason, by });
            let excess = next.history.len().saturating_sub(HISTORY_MAX);
            next.history.drain(..excess);
        }
        Some(next)
    }

    /// Whether calls are admitted, for an instance that first read this state at `seen_at`.
    ///
    /// The times in the state are of another instance's clock, which may be wrong. So no instance waits longer, by its own
    /// clock, than the state was meant to last.
    #[must_use]
    pub fn gate(&self, seen_at: Timestamp, now: Timestamp) -> Gate {
        let (since, until) = match &self.state {
            State::Closed | State::PendingOpen { .. } => return Gate::Allowed,
            State::Open { since, until, .. } => (*since, *until),
            State::HalfOpen { probe: Some(probe), .. } => (probe.since, probe.until),
            State::HalfOpen { probe: None, .. } => (seen_at, seen_at),
        };
        let until = until.min(plus(seen_at, ms_from(since, until)));
        if now < until { Gate::Rejected(until) } else { Gate::ProbeDue(until) }
    }

    /// Whether there is a vote to open the circuit that has not lapsed.
    #[must_use]
    pub fn is_open_pending(&self, settings: &Settings, now: Timestamp) -> bool {
        match &self.state {
            State::PendingOpen { votes, .. } => {
                votes.iter().any(|it| ms_apart(it.at, now) <= settings.window_ms)
            }
            State::Closed | State::Open { .. } | State::HalfOpen { .. } => false,
        }
    }

    /// Whether this trip of the instance is already reported.
    #[must_use]
    pub fn has_report_of(&self, instance: u64, since: Timestamp) -> bool {
        // Timestamps are stored in milliseconds.
        let since = since.as_millisecond();
        self.local_trips
            .iter()
            .any(|it| it.instance == instance && it.since.as_millisecond() == since)
    }

    /// The instances that reject calls by their own decision now. None while the shared circuit is not closed or an
    /// operator's override applies, since then no instance decides alone.
    pub fn local_trips_at(&self, now: Timestamp) -> impl Iterator<Item = &LocalTrip> {
        let is_local = self.effective_state() == EffectiveState::Closed;
        self.local_trips.iter().filter(move |it| is_local && now < it.until)
    }

    /// The votes that count now, and the last veto if it still counts; none if the circuit is not closed.
    #[must_use]
    pub fn votes_at(&self, settings: &Settings, now: Timestamp) -> (usize, Option<Timestamp>) {
        match self.pending_votes(settings, now) {
            Some((votes, vetoed_at)) if self.active_override.is_none() && !votes.is_empty() => {
                (votes.len(), vetoed_at)
            }
            Some(_) | None => (0, None),
        }
    }

    /// The state with the override applied.
    #[must_use]
    pub fn effective_state(&self) -> EffectiveState {
        match self.active_override.as_ref().map(|it| it.kind) {
            Some(Override::Open) => EffectiveState::ForcedOpen,
            Some(Override::Closed) => EffectiveState::ForcedClosed,
            Some(Override::Disabled) => EffectiveState::Disabled,
            None => match self.state {
                State::Closed | State::PendingOpen { .. } => EffectiveState::Closed,
                State::Open { .. } => EffectiveState::Open,
                State::HalfOpen { .. } => EffectiveState::HalfOpen,
            },
        }
    }

    /// The votes that still count, and the last veto; none if the circuit is not closed.
    fn pending_votes(
        &self,
        settings: &Settings,
        now: Timestamp,
    ) -> Option<(Vec<Vote>, Option<Timestamp>)> {
        match &self.state {
            State::Closed => Some((Vec::new(), None)),
            State::PendingOpen { votes, vetoed_at } => {
                let mut votes = votes.clone();
                // In both directions: a vote by a clock that is ahead must not count for longer than a window.
                votes.retain(|it| ms_apart(it.at, now) <= settings.window_ms);
                // `OpenWithoutQuorum` needs the last veto until its wait after the veto is over.
                let keep_ms =
                    settings.window_ms.saturating_add(settings.open_without_quorum_after_ms);
                let vetoed_at = vetoed_at.filter(|at| ms_apart(*at, now) <= keep_ms);
                Some((votes, vetoed_at))
            }
            State::Open { .. } | State::HalfOpen { .. } => None,
        }
    }

    /// Adds a local trip, and removes those that are over.
    fn report(&mut self, trip: LocalTrip, now: Timestamp) {
        self.local_trips.retain(|it| it.instance != trip.instance && now < it.until);
        self.local_trips.push(trip);
        let excess = self.local_trips.len().saturating_sub(LOCAL_TRIPS_MAX);
        self.local_trips.drain(..excess);
    }

    /// From closed to open, for longer if the circuit was open within `reset_after_ms`.
    fn open_again(&mut self, actor: &Actor<'_>, settings: &Settings) {
        if self.closed_at.is_none_or(|at| ms_apart(at, actor.now) >= settings.reset_after_ms) {
            self.consecutive_opens = 0;
        }
        self.open(actor.now, actor, settings);
    }

    fn open(&mut self, opened_at: Timestamp, actor: &Actor<'_>, settings: &Settings) {
        let since = actor.now;
        let until = plus(since, settings.open_for_ms(self.consecutive_opens, actor.write));
        self.consecutive_opens = self.consecutive_opens.saturating_add(1);
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
