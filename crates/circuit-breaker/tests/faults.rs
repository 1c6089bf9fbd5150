//! What `model` leaves out, tried to the end: late writes, slow calls, an operator, and how it heals; no two probes, no way to be
//! stuck, no transition lost.
//!
//! A step of the model is a step of the pure parts, as [`circuit_breaker::call`] takes them: a call is made or comes back, and
//! a request goes to the store. Between any two of them any other instance may take its own, and time may go on. So often as
//! the scope says a request or an answer may be lost or slow, a write take effect long after its writer has given up, a
//! call take its time, and an instance die, with its calls, and be replaced by a fresh one.
//!
//! Chance is left out: whoever may claim does so at once, which is the herd at its worst. All clocks are right.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use circuit_breaker::instance::{Admission, Duty, Instance, Pass};
use circuit_breaker::outcome::Outcome;
use circuit_breaker::settings::{Settings, Watch};
use circuit_breaker::shared_state::{Asker, LocalTrip, Question, Shared, Stand, State, Word};
use jiff::Timestamp;

const TICK_MS: i64 = 10;
const INSTANCES: usize = 3;

/// Within so many steps of time whose calls are healthy a circuit must be closed: the longest time open, a lease, and a
/// step for everybody to hear of it.
const HEALED_WITHIN: i64 = 8;

fn settings() -> Settings {
    Settings {
        window_ms: 20,
        calls_min: 1,
        failures_permille: 600,
        slow_call_ms: 10_000,
        slow_permille: 1_001,
        quorum: 2,
        alone_after_ms: 10,
        open_ms: 10,
        open_max_ms: 20,
        forget_ms: 40,
        lease_ms: 10,
        probes_to_close: 1,
        cache_ms: 10,
        watch: Watch::OnTrouble,
        store_deadline_ms: 1,
        rest_ms: 10,
        rest_max_ms: 10,
    }
}

/// How much of it is looked at.
#[derive(Clone)]
struct Scope {
    name: &'static str,
    settings: Settings,
    ticks: i64,
    /// So many answers and requests may be lost or late, instances die, and calls stay under way.
    faults: u8,
    /// What an operator may say, once.
    words: Vec<Question>,
    /// Whether ordinary calls may fail.
    is_sick: bool,
}

#[derive(Clone, Hash)]
struct World {
    tick: i64,
    shared: Shared,
    /// How often it has become half-open.
    period: u8,
    sites: Vec<Site>,
    /// Writes that their writers have given up, and that may yet take effect.
    late: Vec<Wire>,
    faults: u8,
    has_spoken: bool,
}

/// An instance, and what it is about.
#[derive(Clone, Hash)]
struct Site {
    id: u64,
    instance: Instance,
    /// It makes one ordinary call in each step of time.
    has_called: bool,
    calls: Vec<Call>,
    wire: Option<Wire>,
    /// Others go first.
    is_slow: bool,
    /// It has done nothing yet.
    is_idle: bool,
}

#[derive(Clone, Hash)]
struct Call {
    pass: Pass,
    /// The period it probes, and when its lease is over.
    elected: Option<(u8, i64)>,
}

/// A request on its way to the store, or an answer on its way back.
#[derive(Clone, Hash)]
enum Wire {
    Read { seen: Shared },
    Write { question: Question, write: u64, by: String, at: i64, expected: u64, next: Shared },
}

fn time(tick: i64) -> Timestamp {
    Timestamp::from_millisecond(1_000_000 + tick * TICK_MS).unwrap()
}

impl World {
    fn new(scope: &Scope, shared: Shared, is_known: bool) -> Self {
        let sites = (1..).take(INSTANCES).map(|id| {
            let mut instance = Instance::new(id, &scope.settings);
            instance.record(&scope.settings, Pass::Free, Outcome::Success, 0, time(0), || 0);
            if is_known {
                instance.adopt(shared.clone(), &scope.settings, time(0), 0);
            }
            Site {
                id,
                instance,
                has_called: false,
                calls: Vec::new(),
                wire: None,
                is_slow: false,
                is_idle: true,
            }
        });
        let (sites, late) = (sites.collect(), Vec::new());
        Self { tick: 0, shared, period: 0, sites, late, faults: scope.faults, has_spoken: false }
    }

    fn print(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }

    /// A write takes effect if nobody has written since, and must then follow from what was there.
    fn write(&mut self, wire: &Wire, settings: &Settings) -> bool {
        let Wire::Write { question, write, by, at, expected, next } = wire else { return false };
        if self.shared.version != *expected {
            return false;
        }
        let asker = Asker { by, write: *write, now: time(*at) };
        let follows = self.shared.answer(question, &asker, settings);
        assert_eq!(follows.as_ref(), Some(next), "written without regard to {:?}", self.shared);
        self.replace(next.clone());
        true
    }

    fn replace(&mut self, mut next: Shared) {
        let (before, after) = (self.shared.stand(), next.stand());
        assert_eq!(next.version, self.shared.version + 1);
        let new = next.history.strip_prefix(self.shared.history.as_slice()).unwrap();
        match new {
            [] => assert_eq!(before, after, "a step that the history does not tell of"),
            [step] => assert_eq!((step.from, step.to), (before, after)),
            more => unreachable!("{more:?}"),
        }
        if after == Stand::HalfOpen && before != Stand::HalfOpen {
            self.period += 1;
        }
        // The last step is enough to see that nothing is lost, and keeps the model small.
        let told = next.history.len().saturating_sub(1);
        next.history.drain(..told);
        self.shared = next;
    }

    /// Whoever has been told to go to the store goes.
    fn send(&mut self, site: usize, duty: Duty, settings: &Settings) {
        let now = time(self.tick);
        let it = &mut self.sites[site];
        let question = match duty {
            Duty::Read => {
                it.wire = Some(Wire::Read { seen: self.shared.clone() });
                return;
            }
            Duty::Ask(question) => question,
        };
        // Unique, and without luck.
        let version = it.instance.known().map_or(0, |it| it.version);
        let tick = u64::try_from(self.tick).unwrap();
        let write = ((tick * 64 + version) * 16 + it.id) * 15;
        match it.instance.asks(&question, write, settings, now) {
            Some((expected, next)) => {
                let by = format!("{:016x}", it.id);
                let at = self.tick;
                it.wire = Some(Wire::Write { question, write, by, at, expected, next });
            }
            None => {
                it.instance.drop_question(&question);
                it.instance.leave();
            }
        }
    }

    /// The answer arrives.
    fn arrive(&mut self, site: usize, settings: &Settings) {
        let now = time(self.tick);
        self.sites[site].is_slow = false;
        let wire = self.sites[site].wire.take().unwrap();
        let is_done = self.write(&wire, settings);
        let period = self.period;
        let stored = self.shared.clone();
        let it = &mut self.sites[site];
        match wire {
            Wire::Read { seen } => {
                it.instance.adopt(seen, settings, now, 0);
            }
            Wire::Write { question, write, next, .. } => {
                it.instance.adopt(stored, settings, now, 0);
                if is_done && question == Question::Claim {
                    let State::HalfOpen { probe: Some(probe), .. } = next.state else {
                        unreachable!("a claim of {next:?}");
                    };
                    let elected = Some((period, probe.until.as_millisecond()));
                    it.calls.push(Call { pass: Pass::Probe { id: write }, elected });
                }
            }
        }
        it.instance.leave();
    }

    /// No answer arrives.
    fn give_up(&mut self, site: usize, settings: &Settings) -> Wire {
        let now = time(self.tick);
        let it = &mut self.sites[site];
        it.is_slow = false;
        let wire = it.wire.take().unwrap();
        let unsure = match &wire {
            Wire::Read { .. } => None,
            Wire::Write { write, .. } => Some(*write),
        };
        it.instance.store_failed(unsure, settings, now, 0);
        it.instance.leave();
        wire
    }

    /// A caller asks whether it may call. What it is told to do first, it does; what becomes of that is another step.
    fn enter(&mut self, site: usize, settings: &Settings) -> Option<Pass> {
        let now = time(self.tick);
        match self.sites[site].instance.admit(settings, now, true) {
            Admission::Pass { pass, is_read } => {
                if is_read {
                    self.send(site, Duty::Read, settings);
                }
                Some(pass)
            }
            Admission::Refuse(_) | Admission::Wait => None,
            Admission::First(duty) => {
                self.send(site, duty, settings);
                None
            }
        }
    }

    fn land(&mut self, site: usize, pass: Pass, outcome: Outcome, settings: &Settings) {
        let now = time(self.tick);
        self.sites[site].instance.record(settings, pass, outcome, 0, now, || 0);
        self.settle(site, settings);
    }

    fn settle(&mut self, site: usize, settings: &Settings) {
        let now = time(self.tick);
        if self.sites[site].wire.is_none()
            && let Some(duty) = self.sites[site].instance.duty(settings, now)
        {
            self.send(site, duty, settings);
        }
    }

    /// All that can happen next.
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
                    // To have asked in vain is to have done nothing.
                    after.is_idle &= (&before.instance, after.has_called, after.calls.len())
                        == (&after.instance, before.has_called, before.calls.len());
                }
                all.push(next);
            }
        };
        // A request is answered before anything else happens, unless it is one of those that are not. What an instance knows
        // is stale enough without that, as soon as another has written.
        if let Some(site) = self.sites.iter().position(|it| it.wire.is_some() && !it.is_slow) {
            then(0, Some(site), &|it| it.arrive(site, settings));
            // It is lost.
            then(1, Some(site), &|it| drop(it.give_up(site, settings)));
            // It takes its time, with time going on and others going first.
            then(1, Some(site), &|it| it.sites[site].is_slow = true);
            if matches!(self.sites[site].wire, Some(Wire::Write { .. })) {
                // Its answer is lost.
                then(1, Some(site), &|it| {
                    let wire = it.give_up(site, settings);
                    it.write(&wire, settings);
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
                    // All notice that time goes on, which tells worlds apart that are the same.
                    site.instance.record(settings, Pass::Free, Outcome::Success, 0, now, || 0);
                }
            });
        }
        for number in 0..self.late.len() {
            then(0, None, &|it| {
                let wire = it.late.remove(number);
                it.write(&wire, settings);
            });
        }
        if !self.has_spoken {
            for question in &scope.words {
                then(0, None, &|it| {
                    it.has_spoken = true;
                    let write = 7 * 15;
                    let asker = Asker { by: "operator", write, now: time(it.tick) };
                    it.replace(it.shared.answer(question, &asker, settings).unwrap());
                });
            }
        }
        // Those that have done nothing yet differ in nothing but their names, so the first of them stands for all.
        let idle = self.sites.iter().position(|it| it.is_idle);
        for (site, it) in self.sites.iter().enumerate() {
            if it.is_idle && idle != Some(site) {
                continue;
            }
            if it.wire.is_some() {
                then(0, Some(site), &|it| it.arrive(site, settings));
                // Its writer gives up, and it may yet take effect.
                then(0, Some(site), &|it| {
                    let wire = it.give_up(site, settings);
                    it.late.extend(Some(wire).filter(|it| matches!(it, Wire::Write { .. })));
                });
            } else {
                then(0, Some(site), &|it| it.settle(site, settings));
            }
            for number in 0..it.calls.len() {
                for outcome in [Outcome::Success, Outcome::Failure] {
                    then(0, Some(site), &|it| {
                        let call = it.sites[site].calls.remove(number);
                        it.land(site, call.pass, outcome, settings);
                    });
                }
            }
            if !it.has_called {
                let outcomes = [(Outcome::Success, true), (Outcome::Failure, scope.is_sick)];
                for (outcome, _) in outcomes.into_iter().filter(|(_, is_tried)| *is_tried) {
                    then(0, Some(site), &|it| match it.enter(site, settings) {
                        Some(pass @ (Pass::Counted { .. } | Pass::Free)) => {
                            it.sites[site].has_called = true;
                            it.land(site, pass, outcome, settings);
                        }
                        Some(pass) => it.sites[site].calls.push(Call { pass, elected: None }),
                        None => {}
                    });
                }
                // It may take its time as well.
                then(1, Some(site), &|it| {
                    if let Some(pass) = it.enter(site, settings) {
                        it.sites[site].has_called = true;
                        it.sites[site].calls.push(Call { pass, elected: None });
                    }
                });
            }
            if it.id < 10 {
                // It dies, with its calls; what it has sent is on its way.
                then(1, Some(site), &|it| {
                    let dead = &mut it.sites[site];
                    let (id, calls) = (dead.id + 10, Vec::new());
                    let instance = Instance::new(id, settings);
                    let wire = dead.wire.take();
                    *dead = Site {
                        id,
                        instance,
                        has_called: true,
                        calls,
                        wire: None,
                        is_slow: false,
                        is_idle: false,
                    };
                    it.late.extend(wire.filter(|it| matches!(it, Wire::Write { .. })));
                });
            }
        }
        all
    }

    /// No two probes whose time is not over in one period.
    fn check(&self) {
        let now = time(self.tick).as_millisecond();
        let elected = self.sites.iter().flat_map(|it| &it.calls).filter_map(|it| it.elected);
        let mut live: Vec<_> = elected.filter(|(_, until)| now < *until).collect();
        live.sort_unstable();
        for pair in live.windows(2) {
            assert_ne!(pair[0].0, pair[1].0, "two probes in one period: {live:?}");
        }
    }

    /// From here on all is well, and nobody does more than make calls: soon everybody's pass. If the circuit is still open
    /// then, nobody who calls knows, as is so if all who did are dead; one fresh instance that looks is enough to close it.
    fn heals(mut self, scope: &Scope) -> bool {
        let settings = &scope.settings;
        for wire in std::mem::take(&mut self.late) {
            self.write(&wire, settings);
        }
        let mut ends = self.tick + HEALED_WITHIN;
        let mut is_looked_at = false;
        while self.tick <= ends {
            let mut passed = 0;
            for site in 0..INSTANCES {
                // More than any call takes: see, claim, probe, answer.
                for _ in 0..8 {
                    if self.sites[site].wire.is_some() {
                        self.arrive(site, settings);
                    }
                    if let Some(call) = self.sites[site].calls.pop() {
                        self.land(site, call.pass, Outcome::Success, settings);
                    }
                    self.settle(site, settings);
                }
                let mut pass = self.enter(site, settings);
                // What is to be done first is done, and the same caller asks again.
                if pass.is_none() && self.sites[site].wire.is_some() {
                    self.arrive(site, settings);
                    pass = self.enter(site, settings);
                }
                if let Some(pass) = pass {
                    self.land(site, pass, Outcome::Success, settings);
                    passed += 1;
                }
            }
            let is_open = matches!(self.shared.stand(), Stand::Open | Stand::HalfOpen);
            if passed == INSTANCES && !is_open {
                return true;
            }
            if passed == INSTANCES && !is_looked_at {
                is_looked_at = true;
                ends = self.tick + HEALED_WITHIN;
                self.send(0, Duty::Read, settings);
            }
            self.tick += 1;
        }
        false
    }
}

/// Breadth first, so that the first thing that goes wrong is the shortest way to it.
fn explore(scope: &Scope, starts: Vec<World>) -> HashSet<Stand> {
    let mut seen = HashSet::new();
    let mut stands = HashSet::new();
    let mut layer = starts;
    let mut steps: usize = 0;
    layer.retain(|it| seen.insert(it.print()));
    while !layer.is_empty() {
        let mut next = Vec::new();
        for world in &layer {
            world.check();
            stands.insert(world.shared.stand());
            let is_shut = matches!(world.shared.forced.as_ref(), Some(it) if it.word == Word::Open);
            assert!(is_shut || world.clone().heals(scope), "stuck: {:?}", world.shared);
            for world in world.steps(scope) {
                steps += 1;
                if seen.insert(world.print()) {
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
    stands
}

#[expect(clippy::print_stderr, reason = "how much was looked at is the point")]
fn show(line: &str) {
    eprintln!("{line}");
}

/// A circuit that was opened at the first step.
fn opened(settings: &Settings) -> Shared {
    let mut shared = Shared::default();
    for instance in [1, 2] {
        let question = Question::Vote(LocalTrip {
            instance,
            since: time(0),
            until: time(1),
            failures_permille: 1_000,
            slow_permille: 0,
        });
        let asker = Asker { by: "test", write: instance * 15, now: time(0) };
        shared = shared.answer(&question, &asker, settings).unwrap();
    }
    shared
}

fn explore_all(scopes: &[(i64, u8)], scope: &Scope, shared: &Shared, stands: &[Stand]) {
    let mut seen = HashSet::new();
    for (ticks, faults) in scopes {
        let scope = Scope { ticks: *ticks, faults: *faults, ..scope.clone() };
        // They know it, or have yet to see it; the latter is too much where faults are.
        let starts =
            [true, *faults > 0].map(|is_known| World::new(&scope, shared.clone(), is_known));
        seen.extend(explore(&scope, starts.into()));
    }
    for stand in stands {
        assert!(seen.contains(stand), "{stand:?} was never reached");
    }
}

fn scope(name: &'static str, is_sick: bool) -> Scope {
    Scope { name, settings: settings(), ticks: 0, faults: 0, words: Vec::new(), is_sick }
}

#[test]
fn however_three_instances_begin_they_agree_and_nothing_is_lost() {
    let scope = scope("from closed", true);
    let stands = [Stand::Closed, Stand::Open, Stand::HalfOpen];
    explore_all(&[(1, 0), (0, 1)], &scope, &Shared::default(), &stands);
}

#[test]
fn however_an_open_circuit_is_probed_there_is_one_probe_and_it_closes() {
    let scope = scope("from open", false);
    let stands = [Stand::Closed, Stand::Open, Stand::HalfOpen];
    explore_all(&[(3, 0), (1, 1)], &scope, &opened(&scope.settings), &stands);
}

#[test]
fn whenever_an_operator_speaks_no_period_has_two_probes() {
    let words = vec![Question::Force(Word::Open), Question::Force(Word::Disabled), Question::Reset];
    let scope = Scope { words, ..scope("with an operator", true) };
    let stands = [Stand::ForcedOpen, Stand::Disabled, Stand::Closed, Stand::HalfOpen];
    explore_all(&[(1, 0)], &scope, &opened(&scope.settings), &stands);
}
