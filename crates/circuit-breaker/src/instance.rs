//! What one instance knows and decides: pure, and driven by the code that makes the calls.
//!
//! It has a window of its own calls and a local circuit (the gate). If the window exceeds its thresholds, the local circuit
//! opens immediately, for this instance only, until the fleet agrees or for as long as the store is unreachable. What the
//! fleet has agreed on takes precedence.
//!
//! What is to be done at the store is never remembered as a task: it follows from what is known, each time it is asked for
//! ([`Instance::duty`]). So nothing is lost when a call is dropped half-way, and what failed is done when its time has come.

use jiff::Timestamp;

use crate::outcome::Outcome;
use crate::settings::{Settings, Watch};
use crate::shared_state::{Asker, LocalTrip, Passage, Question, Shared, State, Transition, Word};
use crate::time::{ms_apart, ms_from, plus};
use crate::window::Window;

/// One instance's view of a circuit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Instance {
    id: u64,
    window: Window,
    gate: Gate,
    /// How often in a row the gate was opened before.
    trips: u32,
    /// When the gate was last opened for this instance's own sake.
    tripped_at: Option<Timestamp>,
    /// Whether the fleet has yet to hear of that.
    is_unheard: bool,
    known: Option<Known>,
    /// The answer of the elected probe, as long as it is not written.
    verdict: Option<(u64, bool)>,
    /// Whether a call went badly since the store was last looked at.
    is_troubled: bool,
    /// Whether somebody is at the store: one at a time.
    is_busy: bool,
    store_failures: u32,
    rest_until: Option<Timestamp>,
    /// The last write of which nobody knows whether it took effect.
    unsure: Option<u64>,
    local_probes: u64,
    last: Timestamp,
}

/// What is known of the shared state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Known {
    shared: Shared,
    /// When this version was first seen.
    seen_at: Timestamp,
    /// When it was last seen; none if that can't be told.
    read_at: Option<Timestamp>,
    /// How long this instance holds back with a claim: chance keeps a fleet from claiming all at once.
    patience_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Gate {
    Closed,
    Open { until: Timestamp },
    Probing { number: u64 },
}

/// Leave for one call, to be given back with its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pass {
    /// A call like any other.
    Counted {
        /// What it is counted in.
        generation: u64,
    },
    /// A call that is nobody's business.
    Free,
    /// The instance's own probe, while the fleet has nothing to say.
    Local {
        /// Which one.
        number: u64,
    },
    /// The fleet's elected probe.
    Probe {
        /// Its name.
        id: u64,
    },
}

/// Whether a call may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Pass {
        /// The leave.
        pass: Pass,
        /// Whether the state is to be read beside it.
        is_read: bool,
    },
    /// It may not; perhaps then.
    Refuse(Option<Timestamp>),
    /// That is to be done first; then ask again.
    First(Duty),
    /// Another call of this instance is at the store, and what is known is too old to decide by: ask again once that call
    /// has left the store.
    Wait,
}

/// What is to be done at the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Duty {
    /// See how things stand.
    Read,
    /// Write the answer to a question.
    Ask(Question),
}

/// What decides.
enum Standing {
    /// Nobody: an operator lets everything pass.
    Free(Pass),
    /// The instance itself.
    Local,
    Refused(Option<Timestamp>),
    Due(Timestamp),
}

impl Instance {
    /// An instance that has just been started.
    #[must_use]
    pub fn new(id: u64, settings: &Settings) -> Self {
        Self {
            id,
            window: Window::new(settings.window_ms),
            gate: Gate::Closed,
            trips: 0,
            tripped_at: None,
            is_unheard: false,
            known: None,
            verdict: None,
            is_troubled: false,
            is_busy: false,
            store_failures: 0,
            rest_until: None,
            unsure: None,
            local_probes: 0,
            last: Timestamp::MIN,
        }
    }

    /// Who it is.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// What it knows of the shared state.
    #[must_use]
    pub fn known(&self) -> Option<&Shared> {
        self.known.as_ref().map(|it| &it.shared)
    }

    /// Whether a call may be made. `is_patient` says whether there is time to go to the store first.
    ///
    /// Whoever is told to go to the store, first or beside the call, has the store to itself until [`Instance::leave`].
    pub fn admit(&mut self, settings: &Settings, now: Timestamp, is_patient: bool) -> Admission {
        self.notice(settings, now);
        let can_ask = is_patient && !self.is_busy && !self.is_resting(now);
        // What was just read must count as fresh, however long the reading took.
        let fresh_ms = settings.cache_ms.max(settings.store_deadline_ms);
        let admission = match self.standing(settings, now) {
            Standing::Free(pass) => self
                .once_fresh(settings, now, is_patient, |is_read| Admission::Pass { pass, is_read }),
            Standing::Refused(until) => match self.duty_at(settings, now, can_ask) {
                Some(duty) => Admission::First(duty),
                None => self.once_fresh(settings, now, is_patient, |_| Admission::Refuse(until)),
            },
            Standing::Due(since) => match self.duty_at(settings, now, can_ask) {
                Some(duty) => Admission::First(duty),
                None if !can_ask => {
                    self.once_fresh(settings, now, is_patient, |_| Admission::Refuse(None))
                }
                // Others may have claimed it meanwhile, and a look costs less than a write that is refused.
                None if !self.is_read_since(since) || self.is_old(fresh_ms, now) => {
                    Admission::First(Duty::Read)
                }
                None => Admission::First(Duty::Ask(Question::Claim)),
            },
            Standing::Local => self.admit_locally(settings, now, is_patient),
        };
        self.is_busy |=
            matches!(admission, Admission::First(_) | Admission::Pass { is_read: true, .. });
        admission
    }

    fn admit_locally(
        &mut self,
        settings: &Settings,
        now: Timestamp,
        is_patient: bool,
    ) -> Admission {
        if self.gate == Gate::Closed {
            let pass = Pass::Counted { generation: self.generation() };
            return match settings.watch {
                Watch::OnTrouble => Admission::Pass { pass, is_read: false },
                Watch::Beside => self.once_fresh(settings, now, is_patient, |is_read| {
                    Admission::Pass { pass, is_read }
                }),
            };
        }
        let can_ask = is_patient && !self.is_busy && !self.is_resting(now);
        if let Some(duty) = self.duty_at(settings, now, can_ask) {
            return Admission::First(duty);
        }
        // The fleet may have agreed on something meanwhile, or an operator may have set an override.
        let gate = self.gate;
        let admission = self.once_fresh(settings, now, is_patient, |_| match gate {
            Gate::Open { until } if now < until => Admission::Refuse(Some(until)),
            Gate::Closed | Gate::Open { .. } | Gate::Probing { .. } => Admission::Refuse(None),
        });
        match (admission, gate) {
            (Admission::Refuse(None), Gate::Open { .. }) => {
                self.local_probes += 1;
                let number = self.local_probes;
                self.gate = Gate::Probing { number };
                Admission::Pass { pass: Pass::Local { number }, is_read: false }
            }
            (admission, _) => admission,
        }
    }

    /// The decision, unless what is known is too old for it: then the store is read first, so that an operator's command
    /// takes effect before the next call passes or is refused.
    ///
    /// From half of that age on, a call that passes reads concurrently, so that an instance with many calls never waits.
    /// The decision gets whether it is to do so.
    fn once_fresh(
        &self,
        settings: &Settings,
        now: Timestamp,
        is_patient: bool,
        decision: impl FnOnce(bool) -> Admission,
    ) -> Admission {
        if !is_patient || self.is_resting(now) {
            return decision(false);
        }
        match (self.is_stale(settings, now), self.is_busy) {
            (true, false) => Admission::First(Duty::Read),
            (true, true) => Admission::Wait,
            (false, is_busy) => decision(!is_busy && self.is_old(settings.cache_ms / 2, now)),
        }
    }

    /// A call is back, or was dropped, which counts as a failure. Answers whether the gate was opened by it.
    pub fn record(
        &mut self,
        settings: &Settings,
        pass: Pass,
        outcome: Outcome,
        elapsed_ms: u64,
        now: Timestamp,
        luck: impl FnOnce() -> u64,
    ) -> bool {
        self.notice(settings, now);
        let is_failure = match outcome {
            Outcome::Success => false,
            Outcome::Failure => true,
            Outcome::Ignored => {
                if self.gate == (Gate::Probing { number: pass.local_number() }) {
                    self.gate = Gate::Open { until: now };
                }
                return false;
            }
        };
        let is_slow = elapsed_ms >= settings.slow_call_ms;
        let is_bad = is_failure || is_slow && settings.slow_permille <= 1000;
        match pass {
            Pass::Free => false,
            Pass::Probe { id } => {
                self.verdict = Some((id, !is_bad));
                false
            }
            Pass::Local { number } => {
                if self.gate != (Gate::Probing { number }) {
                    return false;
                }
                if is_bad {
                    self.trip(settings, now, luck());
                } else {
                    self.gate = Gate::Closed;
                    self.is_unheard = false;
                    self.window.clear();
                }
                is_bad
            }
            Pass::Counted { generation } => {
                // A straggler from before the circuit was opened or closed says nothing of now.
                let is_of_now = generation == self.generation()
                    && self.gate == Gate::Closed
                    && matches!(
                        self.standing(settings, now),
                        Standing::Local | Standing::Free(Pass::Counted { .. })
                    );
                if !is_of_now {
                    return false;
                }
                self.window.count(now.as_millisecond(), is_failure, is_slow);
                self.is_troubled |= is_bad;
                let trips = self.known().is_none_or(|it| it.forced.is_none())
                    && self.is_sick(settings, now);
                if trips {
                    self.trip(settings, now, luck());
                }
                trips
            }
        }
    }

    /// What is to be done at the store now, if anything; whoever is told has the store to itself until
    /// [`Instance::leave`].
    pub fn duty(&mut self, settings: &Settings, now: Timestamp) -> Option<Duty> {
        let can_ask = !self.is_busy && !self.is_resting(now);
        let duty = self.duty_at(settings, now, can_ask);
        self.is_busy |= duty.is_some();
        duty
    }

    fn duty_at(&mut self, settings: &Settings, now: Timestamp, can_ask: bool) -> Option<Duty> {
        if !can_ask {
            return None;
        }
        let is_stale = self.is_stale(settings, now);
        let Some(known) = &self.known else {
            return (self.is_troubled || self.is_unheard).then_some(Duty::Read);
        };
        if let Some((probe, passed)) = self.verdict {
            return Some(Duty::Ask(Question::Answer { probe, passed }));
        }
        let is_quiet = !known.shared.is_suspected(settings, now);
        if is_quiet && !self.is_unheard && !self.is_troubled {
            return None;
        }
        let heard = self.tripped_at.filter(|at| ms_apart(*at, now) <= settings.window_ms);
        let would_vote = self.is_unheard && heard.is_some() && self.gate != Gate::Closed;
        if (would_vote || self.is_troubled && settings.watch == Watch::OnTrouble) && is_stale {
            return Some(Duty::Read);
        }
        let instance = self.id;
        let mut question = None;
        if would_vote {
            question = self.local_trip(now).map(Question::Vote);
        } else if !is_quiet && self.gate != Gate::Closed && self.tripped_at.is_some() {
            question = Some(Question::OpenAlone { instance });
        } else if !is_quiet && self.is_well(settings, now) {
            question = Some(Question::Doubt { instance });
        }
        question.filter(|it| self.asks(it, 0, settings, now).is_some()).map(Duty::Ask)
    }

    /// The version that a write expects, and what is to be written; none if the question has become moot.
    #[must_use]
    pub fn asks(
        &self,
        question: &Question,
        write: u64,
        settings: &Settings,
        now: Timestamp,
    ) -> Option<(u64, Shared)> {
        let shared = self.known()?;
        // The claim of a probe that is not due is the only question that needs to know what was first seen when.
        if matches!(question, Question::Claim)
            && !matches!(self.standing(settings, now), Standing::Due(_))
        {
            return None;
        }
        let by = format!("{:016x}", self.id);
        let next = shared.answer(question, &Asker { by: &by, write, now }, settings)?;
        Some((shared.version, next))
    }

    /// A question needs no answer any more.
    pub fn drop_question(&mut self, question: &Question) {
        match question {
            Question::Answer { .. } => self.verdict = None,
            Question::Vote(_) => self.is_unheard = false,
            Question::OpenAlone { .. }
            | Question::Doubt { .. }
            | Question::Claim
            | Question::Force(_)
            | Question::Reset => {}
        }
    }

    /// This is how things stand, as the store says, or as was written to it.
    ///
    /// Answers the transition that this instance has written without knowing until now that it had.
    pub fn adopt(
        &mut self,
        shared: Shared,
        settings: &Settings,
        now: Timestamp,
        luck: u64,
    ) -> Option<Transition> {
        let is_own = self.unsure.take_if(|it| *it == shared.write).is_some();
        let own = shared.history.last().filter(|_| is_own).cloned();
        self.store_failures = 0;
        self.rest_until = None;
        self.is_troubled = false;
        let before = self.known.take();
        if let Some(known) = before.as_ref()
            && (known.shared.version, known.shared.write) == (shared.version, shared.write)
        {
            let (seen_at, patience_ms) = (known.seen_at, known.patience_ms);
            self.known = Some(Known { shared, seen_at, read_at: Some(now), patience_ms });
            return own;
        }
        if self.verdict.is_some_and(|(id, _)| !is_probe(&shared, id)) {
            self.verdict = None;
        }
        let is_new_generation =
            before.as_ref().is_none_or(|it| it.shared.generation != shared.generation);
        match &shared.state {
            _ if shared.forced.is_some() => {
                self.settle(Gate::Closed);
                self.window.clear();
            }
            // The gate shows what the fleet knows, so that it can take over should the store be lost.
            State::Open { until, .. } => {
                self.settle(Gate::Open { until: *until });
                self.window.clear();
            }
            State::HalfOpen { probe, .. } => {
                let until = probe.as_ref().map_or(now, |it| it.until);
                self.settle(Gate::Open { until });
                self.window.clear();
            }
            State::Closed | State::Suspected { .. } if is_new_generation => {
                if let Some(closed_at) = shared.closed_at {
                    self.window.forget_until(closed_at.as_millisecond());
                }
                // What this instance has found out since then still holds.
                if self.tripped_at.is_none_or(|at| shared.closed_at.is_some_and(|it| at <= it)) {
                    self.settle(Gate::Closed);
                }
            }
            State::Closed => {}
            State::Suspected { votes, .. } => {
                let has_voted = votes.iter().any(|it| it.instance == self.id);
                let is_reported =
                    self.tripped_at.is_none_or(|since| shared.has_report_of(self.id, since));
                self.is_unheard &= !(has_voted && is_reported);
            }
        }
        let patience_ms = luck % (settings.cache_ms / 2 + 1);
        self.known = Some(Known { shared, seen_at: now, read_at: Some(now), patience_ms });
        own
    }

    /// The store did not answer: it is left alone for a while. What was to be written, if anything, may have been.
    pub fn store_failed(
        &mut self,
        unsure: Option<u64>,
        settings: &Settings,
        now: Timestamp,
        luck: u64,
    ) {
        self.unsure = unsure.or(self.unsure);
        let rest_ms = settings.rest_for_ms(self.store_failures, luck);
        self.store_failures = self.store_failures.saturating_add(1);
        self.rest_until = Some(plus(now, rest_ms));
    }

    /// Whoever was at the store has left it.
    pub fn leave(&mut self) {
        self.is_busy = false;
    }

    /// What this instance has decided alone, for the others and for operators; none if it lets calls pass.
    fn local_trip(&mut self, now: Timestamp) -> Option<LocalTrip> {
        let since = self.tripped_at?;
        let until = match self.gate {
            Gate::Closed => return None,
            Gate::Open { until } => until,
            // Its own probe is on its way, and every other call is refused until that is back.
            Gate::Probing { .. } => now,
        };
        let tally = self.window.tally(now.as_millisecond());
        let (failures_permille, slow_permille) = (tally.failures_permille(), tally.slow_permille());
        let instance = self.id;
        Some(LocalTrip { instance, since, until, failures_permille, slow_permille })
    }

    fn settle(&mut self, gate: Gate) {
        self.gate = gate;
        self.tripped_at = None;
        self.is_unheard = false;
    }

    fn trip(&mut self, settings: &Settings, now: Timestamp, luck: u64) {
        let is_again = self.tripped_at.is_some_and(|at| ms_apart(at, now) < settings.forget_ms);
        self.trips = if is_again { self.trips.saturating_add(1) } else { 0 };
        let until = plus(now, settings.open_for_ms(self.trips, luck));
        self.gate = Gate::Open { until };
        self.tripped_at = Some(now);
        self.is_unheard = true;
    }

    /// A clock that was set back must not hold up anything that was to end by it.
    fn notice(&mut self, settings: &Settings, now: Timestamp) {
        if now >= self.last {
            self.last = now;
            return;
        }
        // Calls that run at once come in any order, but not from far.
        if ms_from(now, self.last) <= settings.window_ms / 10 {
            return;
        }
        self.last = now;
        self.window.clear();
        self.rest_until = None;
        if let Gate::Open { until } = &mut self.gate {
            *until = (*until).min(plus(now, settings.open_ms));
        }
        if self.tripped_at.is_some() {
            self.tripped_at = Some(now);
        }
        if let Some(known) = &mut self.known {
            known.seen_at = now;
            known.read_at = None;
        }
    }

    fn standing(&self, settings: &Settings, now: Timestamp) -> Standing {
        let Some(known) = &self.known else { return Standing::Local };
        if let Some(forced) = &known.shared.forced {
            return match forced.word {
                Word::Disabled => Standing::Free(Pass::Free),
                Word::Closed => {
                    Standing::Free(Pass::Counted { generation: known.shared.generation })
                }
                // Nobody can take the word back while the store is gone, so it is not held for ever.
                Word::Open if self.is_resting(now) && self.is_old(settings.open_max_ms, now) => {
                    Standing::Local
                }
                Word::Open => Standing::Refused(None),
            };
        }
        match known.shared.passage(known.seen_at, now) {
            Passage::Free => Standing::Local,
            Passage::Refused(until) => Standing::Refused(Some(until)),
            Passage::Due(_) if self.is_resting(now) => Standing::Local,
            Passage::Due(since) => match plus(since, known.patience_ms) {
                until if now < until => Standing::Refused(Some(until)),
                until => Standing::Due(until),
            },
        }
    }

    fn generation(&self) -> u64 {
        self.known().map_or(0, |it| it.generation)
    }

    fn is_sick(&mut self, settings: &Settings, now: Timestamp) -> bool {
        let tally = self.window.tally(now.as_millisecond());
        tally.calls >= settings.calls_min
            && (tally.failures_permille() >= settings.failures_permille
                || tally.slow_permille() >= settings.slow_permille)
    }

    fn is_well(&mut self, settings: &Settings, now: Timestamp) -> bool {
        self.gate == Gate::Closed
            && self.window.tally(now.as_millisecond()).calls >= settings.calls_min
            && !self.is_sick(settings, now)
    }

    fn is_resting(&self, now: Timestamp) -> bool {
        self.rest_until.is_some_and(|until| now < until)
    }

    fn is_stale(&self, settings: &Settings, now: Timestamp) -> bool {
        self.is_old(settings.cache_ms, now)
    }

    fn is_old(&self, age_ms: u64, now: Timestamp) -> bool {
        let read_at = self.known.as_ref().and_then(|it| it.read_at);
        read_at.is_none_or(|at| ms_apart(at, now) >= age_ms)
    }

    fn is_read_since(&self, since: Timestamp) -> bool {
        self.known.as_ref().and_then(|it| it.read_at).is_some_and(|at| at >= since)
    }
}

impl Pass {
    /// The number of a local probe; of no other call.
    fn local_number(self) -> u64 {
        match self {
            Self::Local { number } => number,
            Self::Counted { .. } | Self::Free | Self::Probe { .. } => 0,
        }
    }
}

fn is_probe(shared: &Shared, id: u64) -> bool {
    match &shared.state {
        State::HalfOpen { probe: Some(probe), .. } => probe.id == id,
        State::HalfOpen { probe: None, .. }
        | State::Open { .. }
        | State::Closed
        | State::Suspected { .. } => false,
    }
}
