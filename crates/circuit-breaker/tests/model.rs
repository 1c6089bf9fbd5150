//! Every schedule of three instances and one store, up to a depth: the pure modules, driven as `breaker` drives them.
//!
//! A step is one of: an instance starts a call; a call succeeds or fails; a read or a write reaches the store; its response
//! arrives or is lost; an instance crashes and another replaces it; a second passes. The store performs conditional writes.
//! The invariants below hold in every state that can be reached in this way.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use circuit_breaker::call_outcome::CallOutcome;
use circuit_breaker::decision::{CallKind, Decision, StoreOp};
use circuit_breaker::local_breaker::LocalBreaker;
use circuit_breaker::settings::Settings;
use circuit_breaker::shared_state::{EffectiveState, Proposal, SharedState, State};
use jiff::Timestamp;

const INSTANCES: usize = 3;
/// The same limit as in `breaker`: read, claim, lose the race, read again.
const ROUNDS_MAX: usize = 4;

fn settings() -> Settings {
    Settings {
        window_ms: 10_000,
        calls_min: 1,
        quorum: 2,
        open_without_quorum_after_ms: 2_000,
        open_ms: 2_000,
        open_max_ms: 4_000,
        reset_after_ms: 100_000,
        lease_ms: 2_000,
        cache_ms: 1_000,
        store_backoff_ms: 1_000,
        store_backoff_max_ms: 2_000,
        ..Settings::default()
    }
}

/// What an instance is doing.
#[derive(Clone, Debug, Hash)]
enum Work {
    Idle,
    /// A call is in flight. A probe has a lease until then.
    Calling {
        kind: CallKind,
        until: Option<Timestamp>,
    },
    /// A read is in flight. `seen` is its response, if the store has processed it.
    Reading {
        seen: Option<SharedState>,
        is_first: bool,
        rounds: usize,
    },
    /// A write is in flight. `response` is the store's response, if the store has processed it.
    Writing {
        write: Box<Write>,
        response: Option<Response>,
        is_first: bool,
        rounds: usize,
    },
}

#[derive(Clone, Debug, Hash)]
struct Write {
    proposal: Proposal,
    id: u64,
    expected: u64,
    next: SharedState,
}

#[derive(Clone, Debug, Hash)]
enum Response {
    Done,
    Lost(SharedState),
}

#[derive(Clone, Hash)]
struct Model {
    /// In seconds.
    now: i64,
    stored: SharedState,
    instances: [(LocalBreaker, Work); INSTANCES],
    writes: u64,
    /// The number of faults that may still be injected.
    faults: u32,
    started: u64,
}

impl Model {
    fn new(faults: u32) -> Self {
        let instance = |id| (LocalBreaker::new(id, &settings()), Work::Idle);
        let instances = [instance(1), instance(2), instance(3)];
        Self { now: 100, stored: SharedState::default(), instances, writes: 0, faults, started: 3 }
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_second(self.now).unwrap()
    }

    /// The instance decides about a call, or starts a store operation first.
    fn admit(&mut self, i: usize, rounds: usize) {
        let now = self.time();
        match self.instances[i].0.admit(&settings(), now, rounds < ROUNDS_MAX) {
            Decision::Admit { kind, .. } => {
                self.instances[i].0.release_store();
                self.instances[i].1 = Work::Calling { kind, until: None };
            }
            Decision::Reject(_) | Decision::Wait => self.instances[i].1 = Work::Idle,
            Decision::StoreFirst(op) => self.begin(i, op, true, rounds + 1),
        }
    }

    fn begin(&mut self, i: usize, op: StoreOp, is_first: bool, rounds: usize) {
        let now = self.time();
        let proposal = match op {
            StoreOp::Read => {
                self.instances[i].1 = Work::Reading { seen: None, is_first, rounds };
                return;
            }
            StoreOp::Write(proposal) => proposal,
        };
        self.writes += 1;
        let id = self.writes;
        if let Some((expected, next)) = self.instances[i].0.propose(&proposal, id, &settings(), now)
        {
            let write = Box::new(Write { proposal, id, expected, next });
            self.instances[i].1 = Work::Writing { write, response: None, is_first, rounds };
        } else {
            self.instances[i].0.discard(&proposal);
            self.go_on(i, None, is_first, rounds);
        }
    }

    /// The instance releases the store, perhaps as the elected probe.
    fn go_on(&mut self, i: usize, probe: Option<(u64, Timestamp)>, is_first: bool, rounds: usize) {
        let now = self.time();
        self.instances[i].0.release_store();
        if let Some((id, until)) = probe {
            let kind = CallKind::Probe { id };
            self.instances[i].1 = Work::Calling { kind, until: Some(until) };
            return;
        }
        if is_first {
            return self.admit(i, rounds);
        }
        let op = self.instances[i].0.next_store_op(&settings(), now);
        match op {
            Some(op) if rounds < ROUNDS_MAX => self.begin(i, op, false, rounds + 1),
            Some(_) | None => {
                self.instances[i].0.release_store();
                self.instances[i].1 = Work::Idle;
            }
        }
    }

    fn end_call(&mut self, i: usize, outcome: CallOutcome) {
        let now = self.time();
        let (instance, work) = &mut self.instances[i];
        let Work::Calling { kind, .. } = *work else { unreachable!("there is a call to end") };
        instance.record(&settings(), kind, outcome, 10, now, || 0);
        match instance.next_store_op(&settings(), now) {
            Some(op) => self.begin(i, op, false, 1),
            None => *work = Work::Idle,
        }
    }

    /// A read or a write reaches the store, or its response reaches the instance.
    fn serve(&mut self, i: usize) {
        let now = self.time();
        let (instance, work) = &mut self.instances[i];
        match std::mem::replace(work, Work::Idle) {
            Work::Reading { seen: None, is_first, rounds } => {
                let seen = Some(self.stored.clone());
                *work = Work::Reading { seen, is_first, rounds };
            }
            Work::Reading { seen: Some(seen), is_first, rounds } => {
                instance.adopt(seen, &settings(), now, 0);
                self.go_on(i, None, is_first, rounds);
            }
            Work::Writing { write, response: None, is_first, rounds } => {
                let response = if self.stored.version == write.expected {
                    follows(&self.stored, &write);
                    self.stored = write.next.clone();
                    Response::Done
                } else {
                    Response::Lost(self.stored.clone())
                };
                *work = Work::Writing { write, response: Some(response), is_first, rounds };
            }
            Work::Writing { write, response: Some(Response::Done), is_first, rounds } => {
                let claimed = match (&write.proposal, &write.next.state) {
                    (Proposal::ClaimProbe, State::HalfOpen { probe: Some(probe), .. }) => {
                        Some((probe.id, probe.until))
                    }
                    _ => None,
                };
                instance.adopt(write.next, &settings(), now, 0);
                self.go_on(i, claimed, is_first, rounds);
            }
            Work::Writing { response: Some(Response::Lost(winner)), is_first, rounds, .. } => {
                instance.adopt(winner, &settings(), now, 0);
                self.go_on(i, None, is_first, rounds);
            }
            Work::Idle | Work::Calling { .. } => unreachable!("a request is in flight"),
        }
    }

    /// The store does not respond, whether or not it has processed the request.
    fn lose(&mut self, i: usize) {
        let now = self.time();
        let (unconfirmed_write, is_first, rounds) = match &self.instances[i].1 {
            Work::Reading { is_first, rounds, .. } => (None, *is_first, *rounds),
            Work::Writing { write, is_first, rounds, .. } => (Some(write.id), *is_first, *rounds),
            Work::Idle | Work::Calling { .. } => unreachable!("a request is in flight"),
        };
        self.faults -= 1;
        self.instances[i].0.store_failed(unconfirmed_write, &settings(), now, 0);
        self.go_on(i, None, is_first, rounds);
    }

    fn crash(&mut self, i: usize) {
        self.faults -= 1;
        self.started += 1;
        self.instances[i] = (LocalBreaker::new(self.started, &settings()), Work::Idle);
    }

    /// All possible next states.
    fn steps(&self) -> Vec<Self> {
        let mut next = Vec::new();
        let mut step = |change: &dyn Fn(&mut Self)| {
            let mut model = self.clone();
            change(&mut model);
            next.push(model);
        };
        step(&|it| it.now += 1);
        for i in 0..INSTANCES {
            let can_fail = self.faults > 0;
            match self.instances[i].1 {
                Work::Idle => step(&|it| it.admit(i, 0)),
                Work::Calling { .. } => {
                    step(&|it| it.end_call(i, CallOutcome::Success));
                    step(&|it| it.end_call(i, CallOutcome::Failure));
                    if can_fail {
                        step(&|it| it.crash(i));
                    }
                }
                Work::Reading { .. } | Work::Writing { .. } => {
                    step(&|it| it.serve(i));
                    if can_fail {
                        step(&|it| it.lose(i));
                        step(&|it| it.crash(i));
                    }
                }
            }
        }
        next
    }

    /// Checks that there is no second probe before the lease of the first one ends.
    fn has_one_probe(&self) {
        let now = self.time();
        let live = self.instances.iter().filter(|(_, work)| match work {
            Work::Calling { kind: CallKind::Probe { .. }, until: Some(until) } => now < *until,
            Work::Idle | Work::Calling { .. } | Work::Reading { .. } | Work::Writing { .. } => {
                false
            }
        });
        assert!(live.count() <= 1, "two probes at once");
    }

    /// Checks that all calls are admitted soon once calls succeed and the store responds.
    fn closes(mut self) {
        for _ in 0..20 {
            for i in 0..INSTANCES {
                for _ in 0..12 {
                    match self.instances[i].1 {
                        Work::Idle => {
                            self.admit(i, 0);
                            if matches!(self.instances[i].1, Work::Idle) {
                                break;
                            }
                        }
                        Work::Calling { .. } => self.end_call(i, CallOutcome::Success),
                        Work::Reading { .. } | Work::Writing { .. } => self.serve(i),
                    }
                }
            }
            self.now += 1;
        }
        // An instance without failures has not read the store, so it may not know that the circuit was open.
        let knows = |it: &LocalBreaker| {
            it.known().is_some_and(|it| it.effective_state() != EffectiveState::Closed)
        };
        assert!(!self.instances.iter().any(|it| knows(&it.0)), "{:?}", self.stored);
        for i in 0..INSTANCES {
            self.admit(i, 0);
            assert!(matches!(self.instances[i].1, Work::Calling { .. }), "{:?}", self.instances[i]);
        }
    }

    /// Completes the store operations of an instance.
    fn complete_request(&mut self, i: usize) {
        while matches!(self.instances[i].1, Work::Reading { .. } | Work::Writing { .. }) {
            self.serve(i);
        }
    }

    fn probing(&self) -> Vec<usize> {
        let is_probe =
            |work: &Work| matches!(work, Work::Calling { kind: CallKind::Probe { .. }, .. });
        (0..INSTANCES).filter(|i| is_probe(&self.instances[*i].1)).collect()
    }

    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

/// Checks that a write results from the stored state, and that the history has every transition.
fn follows(before: &SharedState, write: &Write) {
    let after = &write.next;
    assert_eq!(after.version, before.version + 1);
    let (kept, new) = after.history.split_at(before.history.len());
    assert_eq!(kept, before.history, "a transition was removed");
    match new {
        [] => assert_eq!(
            before.effective_state(),
            after.effective_state(),
            "a transition is not in the history"
        ),
        [step] => {
            assert_eq!((step.from, step.to), (before.effective_state(), after.effective_state()))
        }
        _ => unreachable!("two transitions in one write: {new:?}"),
    }
    if let Proposal::RecordProbe { probe, .. } = write.proposal {
        let State::HalfOpen { probe: Some(current), .. } = &before.state else {
            unreachable!("a result without a probe: {before:?}");
        };
        assert_eq!(current.id, probe, "a late result was recorded");
    }
}

/// Searches every state within `depth` steps. Returns the number of states, and the effective states of the circuit in them.
fn explore(begin: Vec<Model>, depth: usize) -> (usize, HashSet<EffectiveState>) {
    let (mut known, mut reached) = (HashSet::new(), HashSet::new());
    let mut queue: VecDeque<(Model, usize)> = begin.into_iter().map(|it| (it, 0)).collect();
    while let Some((model, steps)) = queue.pop_front() {
        model.has_one_probe();
        reached.insert(model.stored.effective_state());
        // Neighbouring states hardly differ, and a check of all of them would take minutes.
        if known.len().is_multiple_of(8) {
            model.clone().closes();
        }
        if steps == depth {
            continue;
        }
        for next in model.steps() {
            if known.insert(next.fingerprint()) {
                queue.push_back((next, steps + 1));
            }
        }
    }
    (known.len(), reached)
}

/// A circuit that one instance has voted to open.
fn pending_open() -> Model {
    let mut model = Model::new(1);
    model.admit(0, 0);
    model.end_call(0, CallOutcome::Failure);
    model.complete_request(0);
    assert!(matches!(model.stored.state, State::PendingOpen { .. }));
    model
}

/// A circuit that two instances have just opened, which the third one does not know.
fn opened() -> Model {
    let mut model = Model::new(1);
    for i in [0, 1] {
        model.admit(i, 0);
        model.end_call(i, CallOutcome::Failure);
        model.complete_request(i);
    }
    assert_eq!(model.stored.effective_state(), EffectiveState::Open);
    model
}

#[expect(clippy::print_stderr, reason = "the number of states shows how much was searched")]
fn show(states: usize) {
    eprintln!("{states} states");
}

#[test]
fn from_a_closed_circuit_no_schedule_violates_an_invariant() {
    let (states, reached) = explore(vec![Model::new(1), pending_open()], 8);
    show(states);
    assert!(states > 10_000 && reached.contains(&EffectiveState::Open), "{states} {reached:?}");
}

#[test]
fn from_an_open_circuit_no_schedule_violates_an_invariant() {
    let mut due = opened();
    due.now += 2;
    let (states, reached) = explore(vec![opened(), due], 8);
    show(states);
    let all = [EffectiveState::Open, EffectiveState::HalfOpen, EffectiveState::Closed];
    assert!(states > 10_000 && all.iter().all(|it| reached.contains(it)), "{states} {reached:?}");
}

#[test]
fn one_of_two_claims_becomes_the_probe_and_a_late_result_is_ignored() {
    let mut model = opened();
    model.now += 2;
    for i in [0, 1] {
        model.admit(i, 0);
    }
    for _ in 0..12 {
        for i in [0, 1] {
            if matches!(model.instances[i].1, Work::Reading { .. } | Work::Writing { .. }) {
                model.serve(i);
            }
        }
    }
    let first = model.probing();
    assert_eq!(first.len(), 1, "{:?}", model.stored);
    model.now += 2;
    let (late, other) = (first[0], 1 - first[0]);
    model.admit(other, 0);
    model.complete_request(other);
    assert_eq!(model.probing().len(), 2, "the lease of the first one is over");
    let before = model.stored.clone();
    model.end_call(late, CallOutcome::Success);
    model.complete_request(late);
    assert_eq!(model.stored, before, "a late result is ignored");
    model.end_call(other, CallOutcome::Success);
    model.complete_request(other);
    assert_eq!(model.stored.effective_state(), EffectiveState::Closed);
}
