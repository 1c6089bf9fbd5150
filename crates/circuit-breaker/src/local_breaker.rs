//! The breaker of one instance: pure functions over what this instance knows. `breaker` performs what they decide.
//!
//! An instance has a window of its own calls and a local circuit. If the window exceeds a threshold, the local circuit opens
//! immediately, for this instance only, until the fleet agrees or for as long as the store is unreachable. The shared state
//! takes precedence over the local circuit.
//!
//! Store operations are never queued. They are derived from what is known each time ([`LocalBreaker::next_store_op`]), so
//! a cancelled call loses none, and a failed one is repeated after the back-off.

use jiff::Timestamp;

use crate::call_outcome::CallOutcome;
use crate::decision::{CallKind, Decision, StoreOp};
use crate::settings::{Refresh, Settings};
use crate::shared_state::{
    Actor, Gate, LocalTrip, Override, Proposal, SharedState, State, Transition,
};
use crate::time::{ms_apart, ms_from, plus};
use crate::window::Window;

/// The view that one instance has of a circuit: its own calls, its local circuit and the last known shared state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LocalBreaker {
    id: u64,
    window: Window,
    circuit: LocalCircuit,
    /// The number of consecutive earlier trips.
    trips: u32,
    /// When the local circuit last opened because of this instance's own calls.
    tripped_at: Option<Timestamp>,
    /// Whether that trip is not yet reported to the fleet.
    is_unreported: bool,
    known: Option<Known>,
    /// The id of the elected probe and whether it succeeded, until that is written.
    pending_probe_result: Option<(u64, bool)>,
    /// Whether a call failed or was slow since the last read of the store.
    has_failures: bool,
    /// Whether a call of this instance uses the store. Only one does at a time.
    is_store_busy: bool,
    store_failures: u32,
    store_backoff_until: Option<Timestamp>,
    /// The last write whose result is unknown.
    unconfirmed_write: Option<u64>,
    local_probes: u64,
    last: Timestamp,
}

/// The shared state, as last read or written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Known {
    shared: SharedState,
    /// When this version was first read.
    seen_at: Timestamp,
    /// When it was last read; none if the clock has been set back since.
    read_at: Option<Timestamp>,
    /// How long this instance delays its claim of a probe. The jitter keeps a fleet from claiming all at once.
    claim_jitter_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum LocalCircuit {
    Closed,
    Open { until: Timestamp },
    Probing { number: u64 },
}

/// What the shared state decides about a call.
enum SharedDecision {
    /// An operator's override admits every call.
    Admit(CallKind),
    /// The local circuit decides.
    Undecided,
    /// The circuit is open, or forced open, which has no end.
    Reject(Option<Timestamp>),
    /// A probe is due since then.
    ProbeDue(Timestamp),
}

impl LocalBreaker {
    /// Creates the state of an instance that has just started. `id` identifies it in votes and in the history.
    #[must_use]
    pub fn new(id: u64, settings: &Settings) -> Self {
        Self {
            id,
            window: Window::new(settings.window_ms),
            circuit: LocalCircuit::Closed,
            trips: 0,
            tripped_at: None,
            is_unreported: false,
            known: None,
            pending_probe_result: None,
            has_failures: false,
            is_store_busy: false,
            store_failures: 0,
            store_backoff_until: None,
            unconfirmed_write: None,
            local_probes: 0,
            last: Timestamp::MIN,
        }
    }

    /// The id of this instance.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The shared state as last read or written; `None` before the first time.
    #[must_use]
    pub fn known(&self) -> Option<&SharedState> {
        self.known.as_ref().map(|it| &it.shared)
    }

    /// Decides whether a call may be made. `may_wait` says whether the call may wait for a store operation.
    ///
    /// If the decision includes a store operation, the caller has exclusive use of the store until
    /// [`LocalBreaker::release_store`].
    pub fn admit(&mut self, settings: &Settings, now: Timestamp, may_wait: bool) -> Decision {
        self.observe_clock(settings, now);
        let can_use_store = may_wait && !self.is_store_busy && !self.is_store_backing_off(now);
        // A state that was just read must count as fresh, however long the read took.
        let fresh_ms = settings.cache_ms.max(settings.store_deadline_ms);
        let decision = match self.shared_decision(settings, now) {
            SharedDecision::Admit(kind) => self
                .once_fresh(settings, now, may_wait, |is_read| Decision::Admit { kind, is_read }),
            SharedDecision::Reject(until) => {
                match self.due_store_op(settings, now, can_use_store) {
                    Some(op) => Decision::StoreFirst(op),
                    None => self.once_fresh(settings, now, may_wait, |_| Decision::Reject(until)),
                }
            }
            SharedDecision::ProbeDue(since) => {
                match self.due_store_op(settings, now, can_use_store) {
                    Some(op) => Decision::StoreFirst(op),
                    None if !can_use_store => {
                        self.once_fresh(settings, now, may_wait, |_| Decision::Reject(None))
                    }
                    // Another instance may have claimed the probe since, and a read costs less than a failed write.
                    None if !self.is_read_since(since) || self.is_old(fresh_ms, now) => {
                        Decision::StoreFirst(StoreOp::Read)
                    }
                    None => Decision::StoreFirst(StoreOp::Write(Proposal::ClaimProbe)),
                }
            }
            SharedDecision::Undecided => self.admit_locally(settings, now, may_wait),
        };
        self.is_store_busy |=
            matches!(decision, Decision::StoreFirst(_) | Decision::Admit { is_read: true, .. });
        decision
    }

    fn admit_locally(&mut self, settings: &Settings, now: Timestamp, may_wait: bool) -> Decision {
        if self.circuit == LocalCircuit::Closed {
            let kind = CallKind::Counted { generation: self.generation() };
            return match settings.refresh {
                Refresh::OnFailure => Decision::Admit { kind, is_read: false },
                Refresh::Concurrent => self.once_fresh(settings, now, may_wait, |is_read| {
                    Decision::Admit { kind, is_read }
                }),
            };
        }
        let can_use_store = may_wait && !self.is_store_busy && !self.is_store_backing_off(now);
        if let Some(op) = self.due_store_op(settings, now, can_use_store) {
            return Decision::StoreFirst(op);
        }
        // The shared circuit may have changed since, or an operator may have set an override.
        let circuit = self.circuit;
        let decision = self.once_fresh(settings, now, may_wait, |_| match circuit {
            LocalCircuit::Open { until } if now < until => Decision::Reject(Some(until)),
            LocalCircuit::Closed | LocalCircuit::Open { .. } | LocalCircuit::Probing { .. } => {
                Decision::Reject(None)
            }
        });
        match (decision, circuit) {
            (Decision::Reject(None), LocalCircuit::Open { .. }) => {
                self.local_probes += 1;
                let number = self.local_probes;
                self.circuit = LocalCircuit::Probing { number };
                Decision::Admit { kind: CallKind::LocalProbe { number }, is_read: false }
            }
            (decision, _) => decision,
        }
    }

    /// Decides if the known state is at most `cache_ms` old. Otherwise the store is read first, so that an override takes
    /// effect before the next call is admitted or rejected.
    ///
    /// `decide` receives whether an admitted call must read concurrently. It must from half of that age on, so that an
    /// instance with many calls never waits for a read.
    fn once_fresh(
        &self,
        settings: &Settings,
        now: Timestamp,
        may_wait: bool,
        decide: impl FnOnce(bool) -> Decision,
    ) -> Decision {
        if !may_wait || self.is_store_backing_off(now) {
            return decide(false);
        }
        match (self.is_stale(settings, now), self.is_store_busy) {
            (true, false) => Decision::StoreFirst(StoreOp::Read),
            (true, true) => Decision::Wait,
            (false, is_store_busy) => {
                decide(!is_store_busy && self.is_old(settings.cache_ms / 2, now))
            }
        }
    }

    /// Counts the outcome of a call, in the window or as the result of a probe. Returns whether the local circuit opened
    /// because of it.
    pub fn record(
        &mut self,
        settings: &Settings,
        kind: CallKind,
        outcome: CallOutcome,
        elapsed_ms: u64,
        now: Timestamp,
        jitter: impl FnOnce() -> u64,
    ) -> bool {
        self.observe_clock(settings, now);
        let is_failure = match outcome {
            CallOutcome::Success => false,
            CallOutcome::Failure => true,
            CallOutcome::Ignored => {
                if self.circuit == (LocalCircuit::Probing { number: kind.local_number() }) {
                    self.circuit = LocalCircuit::Open { until: now };
                }
                return false;
            }
        };
        let is_slow = elapsed_ms >= settings.slow_call_ms;
        let is_bad = is_failure || is_slow && settings.slow_permille <= 1000;
        match kind {
            CallKind::Uncounted => false,
            CallKind::Probe { id } => {
                self.pending_probe_result = Some((id, !is_bad));
                false
            }
            CallKind::LocalProbe { number } => {
                if self.circuit != (LocalCircuit::Probing { number }) {
                    return false;
                }
                if is_bad {
                    self.trip(settings, now, jitter());
                } else {
                    self.circuit = LocalCircuit::Closed;
                    self.is_unreported = false;
                    self.window.clear();
                }
                is_bad
            }
            CallKind::Counted { generation } => {
                // A late result from before the circuit opened or closed says nothing about the current state.
                let is_current = generation == self.generation()
                    && self.circuit == LocalCircuit::Closed
                    && matches!(
                        self.shared_decision(settings, now),
                        SharedDecision::Undecided | SharedDecision::Admit(CallKind::Counted { .. })
                    );
                if !is_current {
                    return false;
                }
                self.window.count(now.as_millisecond(), is_failure, is_slow);
                self.has_failures |= is_bad;
                let trips = self.known().is_none_or(|it| it.active_override.is_none())
                    && self.is_over_threshold(settings, now);
                if trips {
                    self.trip(settings, now, jitter());
                }
                trips
            }
        }
    }

    /// The store operation that is due now, if any. The caller then has exclusive use of the store until
    /// [`LocalBreaker::release_store`].
    pub fn next_store_op(&mut self, settings: &Settings, now: Timestamp) -> Option<StoreOp> {
        let can_use_store = !self.is_store_busy && !self.is_store_backing_off(now);
        let op = self.due_store_op(settings, now, can_use_store);
        self.is_store_busy |= op.is_some();
        op
    }

    fn due_store_op(
        &mut self,
        settings: &Settings,
        now: Timestamp,
        can_use_store: bool,
    ) -> Option<StoreOp> {
        if !can_use_store {
            return None;
        }
        let is_stale = self.is_stale(settings, now);
        let Some(known) = &self.known else {
            return (self.has_failures || self.is_unreported).then_some(StoreOp::Read);
        };
        if let Some((probe, passed)) = self.pending_probe_result {
            return Some(StoreOp::Write(Proposal::RecordProbe { probe, passed }));
        }
        let no_votes = !known.shared.is_open_pending(settings, now);
        if no_votes && !self.is_unreported && !self.has_failures {
            return None;
        }
        let recent_trip = self.tripped_at.filter(|at| ms_apart(*at, now) <= settings.window_ms);
        let would_vote =
            self.is_unreported && recent_trip.is_some() && self.circuit != LocalCircuit::Closed;
        if (would_vote || self.has_failures && settings.refresh == Refresh::OnFailure) && is_stale {
            return Some(StoreOp::Read);
        }
        let instance = self.id;
        let mut proposal = None;
        if would_vote {
            proposal = self.local_trip(now).map(Proposal::Vote);
        } else if !no_votes && self.circuit != LocalCircuit::Closed && self.tripped_at.is_some() {
            proposal = Some(Proposal::OpenWithoutQuorum { instance });
        } else if !no_votes && self.is_healthy(settings, now) {
            proposal = Some(Proposal::Veto { instance });
        }
        proposal.filter(|it| self.propose(it, 0, settings, now).is_some()).map(StoreOp::Write)
    }

    /// The version that the write expects, and the state to write; `None` if the proposal no longer applies.
    #[must_use]
    pub fn propose(
        &self,
        proposal: &Proposal,
        write: u64,
        settings: &Settings,
        now: Timestamp,
    ) -> Option<(u64, SharedState)> {
        let shared = self.known()?;
        // Whether a probe is due depends on when this instance first read the state, which `apply` does not know.
        if matches!(proposal, Proposal::ClaimProbe)
            && !matches!(self.shared_decision(settings, now), SharedDecision::ProbeDue(_))
        {
            return None;
        }
        let by = format!("{:016x}", self.id);
        let next = shared.apply(proposal, &Actor { by: &by, write, now }, settings)?;
        Some((shared.version, next))
    }

    /// Discards a proposal that no longer applies, so that it is not derived again.
    pub fn discard(&mut self, proposal: &Proposal) {
        match proposal {
            Proposal::RecordProbe { .. } => self.pending_probe_result = None,
            Proposal::Vote(_) => self.is_unreported = false,
            Proposal::OpenWithoutQuorum { .. }
            | Proposal::Veto { .. }
            | Proposal::ClaimProbe
            | Proposal::SetOverride(_)
            | Proposal::Reset => {}
        }
    }

    /// Adopts the shared state that was read from the store or written to it.
    ///
    /// If the state shows that an unconfirmed write of this instance took effect, returns the transition of that write, which
    /// is not yet observed.
    pub fn adopt(
        &mut self,
        shared: SharedState,
        settings: &Settings,
        now: Timestamp,
        jitter: u64,
    ) -> Option<Transition> {
        let is_own = self.unconfirmed_write.take_if(|it| *it == shared.write).is_some();
        let own = shared.history.last().filter(|_| is_own).cloned();
        self.store_failures = 0;
        self.store_backoff_until = None;
        self.has_failures = false;
        let before = self.known.take();
        if let Some(known) = before.as_ref()
            && (known.shared.version, known.shared.write) == (shared.version, shared.write)
        {
            let (seen_at, claim_jitter_ms) = (known.seen_at, known.claim_jitter_ms);
            self.known = Some(Known { shared, seen_at, read_at: Some(now), claim_jitter_ms });
            return own;
        }
        if self.pending_probe_result.is_some_and(|(id, _)| !is_probe(&shared, id)) {
            self.pending_probe_result = None;
        }
        let is_new_generation =
            before.as_ref().is_none_or(|it| it.shared.generation != shared.generation);
        match &shared.state {
            _ if shared.active_override.is_some() => {
                self.set_circuit(LocalCircuit::Closed);
                self.window.clear();
            }
            // The local circuit copies the shared one, so that it can take over if the store becomes unreachable.
            State::Open { until, .. } => {
                self.set_circuit(LocalCircuit::Open { until: *until });
                self.window.clear();
            }
            State::HalfOpen { probe, .. } => {
                let until = probe.as_ref().map_or(now, |it| it.until);
                self.set_circuit(LocalCircuit::Open { until });
                self.window.clear();
            }
            State::Closed | State::PendingOpen { .. } if is_new_generation => {
                if let Some(closed_at) = shared.closed_at {
                    self.window.forget_until(closed_at.as_millisecond());
                }
                // A local trip that is more recent than the close stays in force.
                if self.tripped_at.is_none_or(|at| shared.closed_at.is_some_and(|it| at <= it)) {
                    self.set_circuit(LocalCircuit::Closed);
                }
            }
            State::Closed => {}
            State::PendingOpen { votes, .. } => {
                let has_voted = votes.iter().any(|it| it.instance == self.id);
                let is_reported =
                    self.tripped_at.is_none_or(|since| shared.has_report_of(self.id, since));
                self.is_unreported &= !(has_voted && is_reported);
            }
        }
        let claim_jitter_ms = jitter % (settings.cache_ms / 2 + 1);
        self.known = Some(Known { shared, seen_at: now, read_at: Some(now), claim_jitter_ms });
        own
    }

    /// Starts the back-off of the store after a failed request. `unconfirmed_write` is the number of the write that may or may
    /// not have taken effect.
    pub fn store_failed(
        &mut self,
        unconfirmed_write: Option<u64>,
        settings: &Settings,
        now: Timestamp,
        jitter: u64,
    ) {
        self.unconfirmed_write = unconfirmed_write.or(self.unconfirmed_write);
        let store_backoff_ms = settings.store_backoff_for_ms(self.store_failures, jitter);
        self.store_failures = self.store_failures.saturating_add(1);
        self.store_backoff_until = Some(plus(now, store_backoff_ms));
    }

    /// Ends the exclusive use of the store.
    pub fn release_store(&mut self) {
        self.is_store_busy = false;
    }

    /// The report of this instance's local trip, for its vote; none if the local circuit is closed.
    fn local_trip(&mut self, now: Timestamp) -> Option<LocalTrip> {
        let since = self.tripped_at?;
        let until = match self.circuit {
            LocalCircuit::Closed => return None,
            LocalCircuit::Open { until } => until,
            // Its own probe is in flight. Every other call is rejected until the probe returns.
            LocalCircuit::Probing { .. } => now,
        };
        let tally = self.window.tally(now.as_millisecond());
        let (failures_permille, slow_permille) = (tally.failures_permille(), tally.slow_permille());
        let instance = self.id;
        Some(LocalTrip { instance, since, until, failures_permille, slow_permille })
    }

    fn set_circuit(&mut self, circuit: LocalCircuit) {
        self.circuit = circuit;
        self.tripped_at = None;
        self.is_unreported = false;
    }

    fn trip(&mut self, settings: &Settings, now: Timestamp, jitter: u64) {
        let is_again =
            self.tripped_at.is_some_and(|at| ms_apart(at, now) < settings.reset_after_ms);
        self.trips = if is_again { self.trips.saturating_add(1) } else { 0 };
        let until = plus(now, settings.open_for_ms(self.trips, jitter));
        self.circuit = LocalCircuit::Open { until };
        self.tripped_at = Some(now);
        self.is_unreported = true;
    }

    /// If the clock jumps backwards, no running timeout gets longer.
    fn observe_clock(&mut self, settings: &Settings, now: Timestamp) {
        if now >= self.last {
            self.last = now;
            return;
        }
        // Concurrent calls may arrive out of order, but only by a little.
        if ms_from(now, self.last) <= settings.window_ms / 10 {
            return;
        }
        self.last = now;
        self.window.clear();
        self.store_backoff_until = None;
        if let LocalCircuit::Open { until } = &mut self.circuit {
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

    fn shared_decision(&self, settings: &Settings, now: Timestamp) -> SharedDecision {
        let Some(known) = &self.known else { return SharedDecision::Undecided };
        if let Some(active_override) = &known.shared.active_override {
            return match active_override.kind {
                Override::Disabled => SharedDecision::Admit(CallKind::Uncounted),
                Override::Closed => {
                    SharedDecision::Admit(CallKind::Counted { generation: known.shared.generation })
                }
                // An operator cannot reset the override while the store is unreachable, so it expires.
                Override::Open
                    if self.is_store_backing_off(now) && self.is_old(settings.open_max_ms, now) =>
                {
                    SharedDecision::Undecided
                }
                Override::Open => SharedDecision::Reject(None),
            };
        }
        match known.shared.gate(known.seen_at, now) {
            Gate::Allowed => SharedDecision::Undecided,
            Gate::Rejected(until) => SharedDecision::Reject(Some(until)),
            Gate::ProbeDue(_) if self.is_store_backing_off(now) => SharedDecision::Undecided,
            Gate::ProbeDue(since) => match plus(since, known.claim_jitter_ms) {
                until if now < until => SharedDecision::Reject(Some(until)),
                until => SharedDecision::ProbeDue(until),
            },
        }
    }

    fn generation(&self) -> u64 {
        self.known().map_or(0, |it| it.generation)
    }

    fn is_over_threshold(&mut self, settings: &Settings, now: Timestamp) -> bool {
        let tally = self.window.tally(now.as_millisecond());
        tally.calls >= settings.calls_min
            && (tally.failures_permille() >= settings.failures_permille
                || tally.slow_permille() >= settings.slow_permille)
    }

    fn is_healthy(&mut self, settings: &Settings, now: Timestamp) -> bool {
        self.circuit == LocalCircuit::Closed
            && self.window.tally(now.as_millisecond()).calls >= settings.calls_min
            && !self.is_over_threshold(settings, now)
    }

    fn is_store_backing_off(&self, now: Timestamp) -> bool {
        self.store_backoff_until.is_some_and(|until| now < until)
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

fn is_probe(shared: &SharedState, id: u64) -> bool {
    match &shared.state {
        State::HalfOpen { probe: Some(probe), .. } => probe.id == id,
        State::HalfOpen { probe: None, .. }
        | State::Open { .. }
        | State::Closed
        | State::PendingOpen { .. } => false,
    }
}
