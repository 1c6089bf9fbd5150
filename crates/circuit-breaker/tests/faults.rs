//! An exhaustive search of what `model` leaves out: late writes, slow calls, an operator, and recovery. No period has two
//! probes, the circuit always closes again, and no transition is lost.
//!
//! A step of the model is a step of the pure modules, in the order in which [`circuit_breaker::breaker`] performs them: a call
//! starts or returns, and a request goes to the store. Between two steps any other instance may take its own, and time may
//! advance. The scope limits the number of faults: a lost or slow request or response, a write that takes effect after its
//! writer has timed out, a slow call, and an instance that crashes with its calls and is replaced by a new one.
//!
//! There is no jitter: every instance claims a probe as soon as it may, which is the worst case. All clocks are correct.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use circuit_breaker::call_outcome::CallOutcome;
use circuit_breaker::decision::{CallKind, Decision, StoreOp};
use circuit_breaker::local_breaker::LocalBreaker;
use circuit_breaker::settings::{Refresh, Settings};
use circuit_breaker::shared_state::{
    Actor, EffectiveState, LocalTrip, Override, Proposal, SharedState, State,
};
use jiff::Timestamp;

const TICK_MS: i64 = 10;
const INSTANCES: usize = 3;

/// The circuit must close within this number of ticks with successful calls: the longest open period, a lease, and a tick
/// in which all instances read it.
const RECOVERED_WITHIN: i64 = 8;

fn settings() -> Settings {
    Settings {
        window_ms: 20,
        calls_min: 1,
        failures_permille: 600,
        slow_call_ms: 10_000,
        slow_permille: 1_001,
        quorum: 2,
        open_without_quorum_after_ms: 10,
        open_ms: 10,
        open_max_ms: 20,
        reset_after_ms: 40,
        lease_ms: 10,
        probes_to_close: 1,
        cache_ms: 10,
        refresh: Refresh::OnFailure,
        store_deadline_ms: 1,
        store_backoff_ms: 10,
        store_backoff_max_ms: 10,
    }
}

/// The limits of a search.
#[derive(Clone)]
struct Scope {
    name: &'static str,
    settings: Settings,
    ticks: i64,
    /// The number of faults: lost or late requests and responses, crashes, and slow calls.
    faults: u8,
    /// The changes of which an operator may make one.
    overrides: Vec<Proposal>,
    /// Whether normal calls may fail.
    can_fail: bool,
}

#[derive(Clone, Hash)]
struct World {
    tick: i64,
    shared: SharedState,
    /// The number of times the circuit became half-open.
    period: u8,
    sites: Vec<Site>,
    /// Writes whose writers have timed out, and that may still take effect.
    late: Vec<Request>,
    faults: u8,
    /// Whether the operator has made a change.
    is_overridden: bool,
}

/// An instance with its calls and its request.
#[derive(Clone, Hash)]
struct Site {
    id: u64,
    instance: LocalBreaker,
    /// Whether it has made its one normal call of this tick.
    has_called: bool,
    calls: Vec<Call>,
    request: Option<Request>,
    /// Whether its request is slow, so that other instances take steps first.
    is_slow: bool,
    /// Whether it has done nothing yet.
    is_idle: bool,
}

#[derive(Clone, Hash)]
struct Call {
    kind: CallKind,
    /// For an elected probe: its period, and the end of its lease.
    elected: Option<(u8, i64)>,
}

/// A request to the store that has no response yet.
#[derive(Clone, Hash)]
enum Request {
    Read { seen: SharedState },
    Write { proposal: Proposal, write: u64, by: String, at: i64, expected: u64, next: SharedState },
}

fn time(tick: i64) -> Timestamp {
    Timestamp::from_millisecond(1_000_000 + tick * TICK_MS).unwrap()
}

impl World {
    fn new(scope: &Scope, shared: SharedState, is_known: bool) -> Self {
        let sites = (1..).take(INSTANCES).map(|id| {
            let mut instance = LocalBreaker::new(id, &scope.settings);
            instance.record(
                &scope.settings,
                CallKind::Uncounted,
                CallOutcome::Success,
                0,
                time(0),
                || 0,
            );
            if is_known {
                instance.adopt(shared.clone(), &scope.settings, time(0), 0);
            }
            Site {
                id,
                instance,
                has_called: false,
                calls: Vec::new(),
                request: None,
                is_slow: false,
                is_idle: true,
            }
        });
        let (sites, late) = (sites.collect(), Vec::new());
        Self { tick: 0, shared, period: 0, sites, late, faults: scope.faults, is_overridden: false }
    }

    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }

    /// A write takes effect if the version is unchanged. It must then result from the stored state.
    fn write(&mut self, request: &Request, settings: &Settings) -> bool {
        let Request::Write { proposal, write, by, at, expected, next } = request else {
            return false;
        };
        if self.shared.version != *expected {
            return false;
        }
        let actor = Actor { by, write: *write, now: time(*at) };
        let follows = self.shared.apply(proposal, &actor, settings);
        assert_eq!(
            follows.as_ref(),
            Some(next),
            "the write does not result from {:?}",
            self.shared
        );
        self.replace(next.clone());
        true
    }

    fn replace(&mut self, mut next: SharedState) {
        let (before, after) = (self.shared.effective_state(), next.effective_state());
        assert_eq!(next.version, self.shared.version + 1);
        let new = next.history.strip_prefix(self.shared.history.as_slice()).unwrap();
        match new {
            [] => assert_eq!(before, after, "a transition is missing in the history"),
            [step] => assert_eq!((step.from, step.to), (before, after)),
            more => unreachable!("{more:?}"),
        }
        if after == EffectiveState::HalfOpen && before != EffectiveState::HalfOpen {
            self.period += 1;
        }
        // The last transition is enough to check that none is lost, and keeps the model small.
        let checked = next.history.len().saturating_sub(1);
        next.history.drain(..checked);
        self.shared = next;
    }

    /// An instance sends its request to the store.
    fn send(&mut self, site: usize, op: StoreOp, settings: &Settings) {
        let now = time(self.tick);
        let it = &mut self.sites[site];
        let proposal = match op {
            StoreOp::Read => {
                it.request = Some(Request::Read { seen: self.shared.clone() });
                return;
            }
            StoreOp::Write(proposal) => proposal,
        };
        // Unique, and without jitter.
        let version = it.instance.known().map_or(0, |it| it.version);
        let tick = u64::try_from(self.tick).unwrap();
        let write = ((tick * 64 + version) * 16 + it.id) * 15;
        match it.instance.propose(&proposal, write, settings, now) {
            Some((expected, next)) => {
                let by = format!("{:016x}", it.id);
                let at = self.tick;
                it.request = Some(Request::Write { proposal, write, by, at, expected, next });
            }
            None => {
                it.instance.discard(&proposal);
                it.instance.release_store();
            }
        }
    }

    /// The response of the store arrives.
    fn respond(&mut self, site: usize, settings: &Settings) {
        let now = time(self.tick);
        self.sites[site].is_slow = false;
        let request = self.sites[site].request.take().unwrap();
        let is_done = self.write(&request, settings);
        let period = self.period;
        let stored = self.shared.clone();
        let it = &mut self.sites[site];
        match request {
            Request::Read { seen } => {
                it.instance.adopt(seen, settings, now, 0);
            }
            Request::Write { proposal, write, next, .. } => {
                it.instance.adopt(stored, settings, now, 0);
                if is_done && proposal == Proposal::ClaimProbe {
                    let State::HalfOpen { probe: Some(probe), .. } = next.state else {
                        unreachable!("a claim of {next:?}");
                    };
                    let elected = Some((period, probe.until.as_millisecond()));
                    it.calls.push(Call { kind: CallKind::Probe { id: write }, elected });
                }
            }
        }
        it.instance.release_store();
    }

    /// No response arrives in time.
    fn time_out(&mut self, site: usize, settings: &Settings) -> Request {
        let now = time(self.tick);
        let it = &mut self.sites[site];
        it.is_slow = false;
        let request = it.request.take().unwrap();
        let unconfirmed_write = match &request {
            Request::Read { .. } => None,
            Request::Write { write, .. } => Some(*write),
        };
        it.instance.store_failed(unconfirmed_write, settings, now, 0);
        it.instance.release_store();
        request
    }

    /// A caller requests a decision. If that includes a store operation, the request is sent; its response is another step.
    fn admit(&mut self, site: usize, settings: &Settings) -> Option<CallKind> {
        let now = time(self.tick);
        match self.sites[site].instance.admit(settings, now, true) {
            Decision::Admit { kind, is_read } => {
                if is_read {
                    self.send(site, StoreOp::Read, settings);
                }
                Some(kind)
            }
            Decision::Reject(_) | Decision::Wait => None,
            Decision::StoreFirst(op) => {
                self.send(site, op, settings);
                None
            }
        }
    }

    fn finish(&mut self, site: usize, kind: CallKind, outcome: CallOutcome, settings: &Settings) {
        let now = time(self.tick);
        self.sites[site].instance.record(settings, kind, outcome, 0, now, || 0);
        self.settle(site, settings);
    }

    fn settle(&mut self, site: usize, settings: &Settings) {
        let now = time(self.tick);
        if self.sites[site].request.is_none()
            && let Some(op) = self.sites[site].instance.next_store_op(settings, now)
        {
            self.send(site, op, settings);
        }
    }

    /// All possible next steps.
    fn steps(&self, scope: &Scope) -> Vec<Self> {
        let settings = &scope.settings;
        let mut all = Vec::new();
        let mut then = |faults: u8, site: Option<usize>, step: &dyn Fn(&mut Self)| {
            if self.faults >= faults {
                let mut next = self.clone();
                next.faults -= faults;
                step(&mut next);
                if let Some(site) = site {
                    let (before, after) = (&self.sites[site], &mut next.sites[site]);
                    // A rejected call does not change the instance.
                    after.is_idle &= (&before.instance, after.has_called, after.calls.len())
                        == (&after.instance, before.has_called, before.calls.len());
                }
                all.push(next);
            }
        };
        // A request gets its response before any other step, unless a fault affects it. This loses no schedule that matters:
        // what an instance knows is stale anyway as soon as another instance writes.
        if let Some(site) = self.sites.iter().position(|it| it.request.is_some() && !it.is_slow) {
            then(0, Some(site), &|it| it.respond(site, settings));
            // The request is lost.
            then(1, Some(site), &|it| drop(it.time_out(site, settings)));
            // The request is slow: time advances, and other instances take steps first.
            then(1, Some(site), &|it| it.sites[site].is_slow = true);
            if matches!(self.sites[site].request, Some(Request::Write { .. })) {
                // The response is lost.
                then(1, Some(site), &|it| {
                    let request = it.time_out(site, settings);
                    it.write(&request, settings);
                });
            }
            return all;
        }
        if self.tick < scope.ticks {
            then(0, None, &|it| {
                it.tick += 1;
                let now = time(it.tick);
                for site in &mut it.sites {
                    site.has_called = false;
                    // Every instance observes the clock, so that equal worlds have equal fingerprints.
                    site.instance.record(
                        settings,
                        CallKind::Uncounted,
                        CallOutcome::Success,
                        0,
                        now,
                        || 0,
                    );
                }
            });
        }
        for number in 0..self.late.len() {
            then(0, None, &|it| {
                let request = it.late.remove(number);
                it.write(&request, settings);
            });
        }
        if !self.is_overridden {
            for proposal in &scope.overrides {
                then(0, None, &|it| {
                    it.is_overridden = true;
                    let write = 7 * 15;
                    let actor = Actor { by: "operator", write, now: time(it.tick) };
                    it.replace(it.shared.apply(proposal, &actor, settings).unwrap());
                });
            }
        }
        // Instances that have done nothing yet differ only in their ids, so the first of them represents all.
        let idle = self.sites.iter().position(|it| it.is_idle);
        for (site, it) in self.sites.iter().enumerate() {
            if it.is_idle && idle != Some(site) {
                continue;
            }
            if it.request.is_some() {
                then(0, Some(site), &|it| it.respond(site, settings));
                // The writer times out, and the write may still take effect.
                then(0, Some(site), &|it| {
                    let request = it.time_out(site, settings);
                    it.late.extend(Some(request).filter(|it| matches!(it, Request::Write { .. })));
                });
            } else {
                then(0, Some(site), &|it| it.settle(site, settings));
            }
            for number in 0..it.calls.len() {
                for outcome in [CallOutcome::Success, CallOutcome::Failure] {
                    then(0, Some(site), &|it| {
                        let call = it.sites[site].calls.remove(number);
                        it.finish(site, call.kind, outcome, settings);
                    });
                }
            }
            if !it.has_called {
                let outcomes =
                    [(CallOutcome::Success, true), (CallOutcome::Failure, scope.can_fail)];
                for (outcome, _) in outcomes.into_iter().filter(|(_, is_tried)| *is_tried) {
                    then(0, Some(site), &|it| match it.admit(site, settings) {
                        Some(kind @ (CallKind::Counted { .. } | CallKind::Uncounted)) => {
                            it.sites[site].has_called = true;
                            it.finish(site, kind, outcome, settings);
                        }
                        Some(kind) => it.sites[site].calls.push(Call { kind, elected: None }),
                        None => {}
                    });
                }
                // The call may be slow.
                then(1, Some(site), &|it| {
                    if let Some(kind) = it.admit(site, settings) {
                        it.sites[site].has_called = true;
                        it.sites[site].calls.push(Call { kind, elected: None });
                    }
                });
            }
            if it.id < 10 {
                // The instance crashes with its calls. A request that it has sent may still take effect.
                then(1, Some(site), &|it| {
                    let crashed = &mut it.sites[site];
                    let (id, calls) = (crashed.id + 10, Vec::new());
                    let instance = LocalBreaker::new(id, settings);
                    let request = crashed.request.take();
                    *crashed = Site {
                        id,
                        instance,
                        has_called: true,
                        calls,
                        request: None,
                        is_slow: false,
                        is_idle: false,
                    };
                    it.late.extend(request.filter(|it| matches!(it, Request::Write { .. })));
                });
            }
        }
        all
    }

    /// Checks that no period has two probes whose leases are not over.
    fn check(&self) {
        let now = time(self.tick).as_millisecond();
        let elected = self.sites.iter().flat_map(|it| &it.calls).filter_map(|it| it.elected);
        let mut live: Vec<_> = elected.filter(|(_, until)| now < *until).collect();
        live.sort_unstable();
        for pair in live.windows(2) {
            assert_ne!(pair[0].0, pair[1].0, "two probes in one period: {live:?}");
        }
    }

    /// Whether all calls are admitted soon once there are no more faults and all calls succeed. If the circuit is still open
    /// then, no running instance knows of it, since those that did have crashed. One instance that reads it is enough to
    /// close it.
    fn recovers(mut self, scope: &Scope) -> bool {
        let settings = &scope.settings;
        for request in std::mem::take(&mut self.late) {
            self.write(&request, settings);
        }
        let mut ends = self.tick + RECOVERED_WITHIN;
        let mut is_looked_at = false;
        while self.tick <= ends {
            let mut passed = 0;
            for site in 0..INSTANCES {
                // More rounds than any call needs: read, claim, probe, record.
                for _ in 0..8 {
                    if self.sites[site].request.is_some() {
                        self.respond(site, settings);
                    }
                    if let Some(call) = self.sites[site].calls.pop() {
                        self.finish(site, call.kind, CallOutcome::Success, settings);
                    }
                    self.settle(site, settings);
                }
                let mut kind = self.admit(site, settings);
                // After the store operation the same caller requests a decision again.
                if kind.is_none() && self.sites[site].request.is_some() {
                    self.respond(site, settings);
                    kind = self.admit(site, settings);
                }
                if let Some(kind) = kind {
                    self.finish(site, kind, CallOutcome::Success, settings);
                    passed += 1;
                }
            }
            let is_open = matches!(
                self.shared.effective_state(),
                EffectiveState::Open | EffectiveState::HalfOpen
            );
            if passed == INSTANCES && !is_open {
                return true;
            }
            if passed == INSTANCES && !is_looked_at {
                is_looked_at = true;
                ends = self.tick + RECOVERED_WITHIN;
                self.send(0, StoreOp::Read, settings);
            }
            self.tick += 1;
        }
        false
    }
}

/// Breadth first, so that a violation is found on the shortest path to it.
fn explore(scope: &Scope, starts: Vec<World>) -> HashSet<EffectiveState> {
    let mut seen = HashSet::new();
    let mut reached = HashSet::new();
    let mut layer = starts;
    let mut steps: usize = 0;
    layer.retain(|it| seen.insert(it.fingerprint()));
    while !layer.is_empty() {
        let mut next = Vec::new();
        for world in &layer {
            world.check();
            reached.insert(world.shared.effective_state());
            let is_shut = matches!(world.shared.active_override.as_ref(), Some(it) if it.kind == Override::Open);
            assert!(is_shut || world.clone().recovers(scope), "stuck: {:?}", world.shared);
            for world in world.steps(scope) {
                steps += 1;
                if seen.insert(world.fingerprint()) {
                    next.push(world);
                }
            }
        }
        layer = next;
        assert!(seen.len() < 1_000_000, "{} is too large a scope", scope.name);
    }
    show(&format!(
        "{}, {} ticks, {} faults: {} states, {steps} steps",
        scope.name,
        scope.ticks,
        scope.faults,
        seen.len()
    ));
    reached
}

#[expect(clippy::print_stderr, reason = "the number of states shows how much was searched")]
fn show(line: &str) {
    eprintln!("{line}");
}

/// A circuit that opened at the start.
fn opened(settings: &Settings) -> SharedState {
    let mut shared = SharedState::default();
    for instance in [1, 2] {
        let proposal = Proposal::Vote(LocalTrip {
            instance,
            since: time(0),
            until: time(1),
            failures_permille: 1_000,
            slow_permille: 0,
        });
        let actor = Actor { by: "test", write: instance * 15, now: time(0) };
        shared = shared.apply(&proposal, &actor, settings).unwrap();
    }
    shared
}

fn explore_all(
    scopes: &[(i64, u8)],
    scope: &Scope,
    shared: &SharedState,
    reached: &[EffectiveState],
) {
    let mut seen = HashSet::new();
    for (ticks, faults) in scopes {
        let scope = Scope { ticks: *ticks, faults: *faults, ..scope.clone() };
        // The instances know the state, or have not read it yet. With faults, the latter would be too many states.
        let starts =
            [true, *faults > 0].map(|is_known| World::new(&scope, shared.clone(), is_known));
        seen.extend(explore(&scope, starts.into()));
    }
    for state in reached {
        assert!(seen.contains(state), "{state:?} was never reached");
    }
}

fn scope(name: &'static str, can_fail: bool) -> Scope {
    Scope { name, settings: settings(), ticks: 0, faults: 0, overrides: Vec::new(), can_fail }
}

#[test]
fn from_a_closed_circuit_three_instances_agree_and_no_transition_is_lost() {
    let scope = scope("from closed", true);
    let reached = [EffectiveState::Closed, EffectiveState::Open, EffectiveState::HalfOpen];
    explore_all(&[(1, 0), (0, 1)], &scope, &SharedState::default(), &reached);
}

#[test]
fn an_open_circuit_has_one_probe_per_period_and_closes() {
    let scope = scope("from open", false);
    let reached = [EffectiveState::Closed, EffectiveState::Open, EffectiveState::HalfOpen];
    explore_all(&[(3, 0), (1, 1)], &scope, &opened(&scope.settings), &reached);
}

#[test]
fn with_an_override_at_any_time_no_period_has_two_probes() {
    let overrides = vec![
        Proposal::SetOverride(Override::Open),
        Proposal::SetOverride(Override::Disabled),
        Proposal::Reset,
    ];
    let scope = Scope { overrides, ..scope("with an operator", true) };
    let reached = [
        EffectiveState::ForcedOpen,
        EffectiveState::Disabled,
        EffectiveState::Closed,
        EffectiveState::HalfOpen,
    ];
    explore_all(&[(1, 0)], &scope, &opened(&scope.settings), &reached);
}
