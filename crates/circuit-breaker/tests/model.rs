//! Every schedule of three instances and one store, up to a depth: the pure parts, led as `call` leads them.
//!
//! A step is one of: an instance begins a call; a call ends well or badly; a read or a write reaches the store; its answer
//! arrives, or is lost; an instance dies and another takes its place; a second passes. What is at the store is what the
//! conditional write makes it. In every state that can be reached so, the laws below hold.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use circuit_breaker::instance::{Admission, Duty, Instance, Pass};
use circuit_breaker::outcome::Outcome;
use circuit_breaker::settings::Settings;
use circuit_breaker::shared_state::{Question, Shared, Stand, State};
use jiff::Timestamp;

const INSTANCES: usize = 3;
/// As `call` does it: see, claim, lose, see.
const ROUNDS_MAX: usize = 4;

fn settings() -> Settings {
    Settings {
        window_ms: 10_000,
        calls_min: 1,
        quorum: 2,
        alone_after_ms: 2_000,
        open_ms: 2_000,
        open_max_ms: 4_000,
        forget_ms: 100_000,
        lease_ms: 2_000,
        cache_ms: 1_000,
        rest_ms: 1_000,
        rest_max_ms: 2_000,
        ..Settings::default()
    }
}

/// What an instance is at.
#[derive(Clone, Debug, Hash)]
enum Work {
    Idle,
    /// A call is under way; a probe must answer by then.
    Calling {
        pass: Pass,
        until: Option<Timestamp>,
    },
    /// The state is being read: nothing has been seen yet, or this.
    Reading {
        seen: Option<Shared>,
        is_first: bool,
        rounds: usize,
    },
    /// A write is under way: it has not come to the store, or has its answer.
    Writing {
        write: Box<Write>,
        answer: Option<Answer>,
        is_first: bool,
        rounds: usize,
    },
}

#[derive(Clone, Debug, Hash)]
struct Write {
    question: Question,
    id: u64,
    expected: u64,
    next: Shared,
}

#[derive(Clone, Debug, Hash)]
enum Answer {
    Done,
    Lost(Shared),
}

#[derive(Clone, Hash)]
struct Model {
    /// In seconds.
    now: i64,
    stored: Shared,
    instances: [(Instance, Work); INSTANCES],
    writes: u64,
    /// So many faults may still befall.
    faults: u32,
    begun: u64,
}

impl Model {
    fn new(faults: u32) -> Self {
        let instance = |id| (Instance::new(id, &settings()), Work::Idle);
        let instances = [instance(1), instance(2), instance(3)];
        Self { now: 100, stored: Shared::default(), instances, writes: 0, faults, begun: 3 }
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_second(self.now).unwrap()
    }

    /// Asks the instance for leave, until it has said yes or no or wants to go to the store.
    fn admit(&mut self, i: usize, rounds: usize) {
        let now = self.time();
        match self.instances[i].0.admit(&settings(), now, rounds < ROUNDS_MAX) {
            Admission::Pass { pass, .. } => {
                self.instances[i].0.leave();
                self.instances[i].1 = Work::Calling { pass, until: None };
            }
            Admission::Refuse(_) | Admission::Wait => self.instances[i].1 = Work::Idle,
            Admission::First(duty) => self.begin(i, duty, true, rounds + 1),
        }
    }

    fn begin(&mut self, i: usize, duty: Duty, is_first: bool, rounds: usize) {
        let now = self.time();
        let question = match duty {
            Duty::Read => {
                self.instances[i].1 = Work::Reading { seen: None, is_first, rounds };
                return;
            }
            Duty::Ask(question) => question,
        };
        self.writes += 1;
        let id = self.writes;
        if let Some((expected, next)) = self.instances[i].0.asks(&question, id, &settings(), now) {
            let write = Box::new(Write { question, id, expected, next });
            self.instances[i].1 = Work::Writing { write, answer: None, is_first, rounds };
        } else {
            self.instances[i].0.drop_question(&question);
            self.go_on(i, None, is_first, rounds);
        }
    }

    /// Whoever was at the store has left it, perhaps as the elected probe.
    fn go_on(&mut self, i: usize, probe: Option<(u64, Timestamp)>, is_first: bool, rounds: usize) {
        let now = self.time();
        self.instances[i].0.leave();
        if let Some((id, until)) = probe {
            let pass = Pass::Probe { id };
            self.instances[i].1 = Work::Calling { pass, until: Some(until) };
            return;
        }
        if is_first {
            return self.admit(i, rounds);
        }
        let duty = self.instances[i].0.duty(&settings(), now);
        match duty {
            Some(duty) if rounds < ROUNDS_MAX => self.begin(i, duty, false, rounds + 1),
            Some(_) | None => {
                self.instances[i].0.leave();
                self.instances[i].1 = Work::Idle;
            }
        }
    }

    fn end_call(&mut self, i: usize, outcome: Outcome) {
        let now = self.time();
        let (instance, work) = &mut self.instances[i];
        let Work::Calling { pass, .. } = *work else { unreachable!("there is a call to end") };
        instance.record(&settings(), pass, outcome, 10, now, || 0);
        match instance.duty(&settings(), now) {
            Some(duty) => self.begin(i, duty, false, 1),
            None => *work = Work::Idle,
        }
    }

    /// A read or a write reaches the store, or its answer the instance.
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
            Work::Writing { write, answer: None, is_first, rounds } => {
                let answer = if self.stored.version == write.expected {
                    follows(&self.stored, &write);
                    self.stored = write.next.clone();
                    Answer::Done
                } else {
                    Answer::Lost(self.stored.clone())
                };
                *work = Work::Writing { write, answer: Some(answer), is_first, rounds };
            }
            Work::Writing { write, answer: Some(Answer::Done), is_first, rounds } => {
                let claimed = match (&write.question, &write.next.state) {
                    (Question::Claim, State::HalfOpen { probe: Some(probe), .. }) => {
                        Some((probe.id, probe.until))
                    }
                    _ => None,
                };
                instance.adopt(write.next, &settings(), now, 0);
                self.go_on(i, claimed, is_first, rounds);
            }
            Work::Writing { answer: Some(Answer::Lost(winner)), is_first, rounds, .. } => {
                instance.adopt(winner, &settings(), now, 0);
                self.go_on(i, None, is_first, rounds);
            }
            Work::Idle | Work::Calling { .. } => unreachable!("it is at the store"),
        }
    }

    /// The store does not answer, whether or not it has done what it was asked.
    fn lose(&mut self, i: usize) {
        let now = self.time();
        let (unsure, is_first, rounds) = match &self.instances[i].1 {
            Work::Reading { is_first, rounds, .. } => (None, *is_first, *rounds),
            Work::Writing { write, is_first, rounds, .. } => (Some(write.id), *is_first, *rounds),
            Work::Idle | Work::Calling { .. } => unreachable!("it is at the store"),
        };
        self.faults -= 1;
        self.instances[i].0.store_failed(unsure, &settings(), now, 0);
        self.go_on(i, None, is_first, rounds);
    }

    fn die(&mut self, i: usize) {
        self.faults -= 1;
        self.begun += 1;
        self.instances[i] = (Instance::new(self.begun, &settings()), Work::Idle);
    }

    /// All states that may come next.
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
                    step(&|it| it.end_call(i, Outcome::Success));
                    step(&|it| it.end_call(i, Outcome::Failure));
                    if can_fail {
                        step(&|it| it.die(i));
                    }
                }
                Work::Reading { .. } | Work::Writing { .. } => {
                    step(&|it| it.serve(i));
                    if can_fail {
                        step(&|it| it.lose(i));
                        step(&|it| it.die(i));
                    }
                }
            }
        }
        next
    }

    /// Nobody probes while another's probe has time to answer.
    fn has_one_probe(&self) {
        let now = self.time();
        let live = self.instances.iter().filter(|(_, work)| match work {
            Work::Calling { pass: Pass::Probe { .. }, until: Some(until) } => now < *until,
            Work::Idle | Work::Calling { .. } | Work::Reading { .. } | Work::Writing { .. } => {
                false
            }
        });
        assert!(live.count() <= 1, "two probes at once");
    }

    /// Once calls go well and the store answers, all calls pass before long.
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
                        Work::Calling { .. } => self.end_call(i, Outcome::Success),
                        Work::Reading { .. } | Work::Writing { .. } => self.serve(i),
                    }
                }
            }
            self.now += 1;
        }
        // Whoever has never been in trouble has not looked, and need not know that it was ever opened.
        let knows = |it: &Instance| it.known().is_some_and(|it| it.stand() != Stand::Closed);
        assert!(!self.instances.iter().any(|it| knows(&it.0)), "{:?}", self.stored);
        for i in 0..INSTANCES {
            self.admit(i, 0);
            assert!(matches!(self.instances[i].1, Work::Calling { .. }), "{:?}", self.instances[i]);
        }
    }

    /// Lets an instance finish what it is at, but for a call.
    fn settle(&mut self, i: usize) {
        while matches!(self.instances[i].1, Work::Reading { .. } | Work::Writing { .. }) {
            self.serve(i);
        }
    }

    fn probing(&self) -> Vec<usize> {
        let is_probe = |work: &Work| matches!(work, Work::Calling { pass: Pass::Probe { .. }, .. });
        (0..INSTANCES).filter(|i| is_probe(&self.instances[*i].1)).collect()
    }

    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

/// What is written follows from what was there, and no step is left out of the history.
fn follows(before: &Shared, write: &Write) {
    let after = &write.next;
    assert_eq!(after.version, before.version + 1);
    let (kept, new) = after.history.split_at(before.history.len());
    assert_eq!(kept, before.history, "a step was forgotten");
    match new {
        [] => assert_eq!(before.stand(), after.stand(), "a step was not told"),
        [step] => assert_eq!((step.from, step.to), (before.stand(), after.stand())),
        _ => unreachable!("two steps in one write: {new:?}"),
    }
    if let Question::Answer { probe, .. } = write.question {
        let State::HalfOpen { probe: Some(current), .. } = &before.state else {
            unreachable!("an answer to no probe: {before:?}");
        };
        assert_eq!(current.id, probe, "a straggler has spoken");
    }
}

/// Goes to every state within so many steps of these; answers how many there are, and how the circuit stood in them.
fn explore(begin: Vec<Model>, depth: usize) -> (usize, HashSet<Stand>) {
    let (mut known, mut stands) = (HashSet::new(), HashSet::new());
    let mut queue: VecDeque<(Model, usize)> = begin.into_iter().map(|it| (it, 0)).collect();
    while let Some((model, steps)) = queue.pop_front() {
        model.has_one_probe();
        stands.insert(model.stored.stand());
        // Neighbours hardly differ in it, and for all of them it would take minutes.
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
    (known.len(), stands)
}

/// A circuit that one instance wants to see opened.
fn suspected() -> Model {
    let mut model = Model::new(1);
    model.admit(0, 0);
    model.end_call(0, Outcome::Failure);
    model.settle(0);
    assert!(matches!(model.stored.state, State::Suspected { .. }));
    model
}

/// A circuit that two instances have just opened, of which the third has not heard.
fn opened() -> Model {
    let mut model = Model::new(1);
    for i in [0, 1] {
        model.admit(i, 0);
        model.end_call(i, Outcome::Failure);
        model.settle(i);
    }
    assert_eq!(model.stored.stand(), Stand::Open);
    model
}

#[expect(clippy::print_stderr, reason = "how much was looked at is the point")]
fn show(states: usize) {
    eprintln!("{states} states");
}

#[test]
fn from_a_closed_circuit_no_schedule_breaks_a_law() {
    let (states, stands) = explore(vec![Model::new(1), suspected()], 8);
    show(states);
    assert!(states > 10_000 && stands.contains(&Stand::Open), "{states} {stands:?}");
}

#[test]
fn from_an_open_circuit_no_schedule_breaks_a_law() {
    let mut due = opened();
    due.now += 2;
    let (states, stands) = explore(vec![opened(), due], 8);
    show(states);
    let all = [Stand::Open, Stand::HalfOpen, Stand::Closed];
    assert!(states > 10_000 && all.iter().all(|it| stands.contains(it)), "{states} {stands:?}");
}

#[test]
fn of_two_that_claim_one_probes_and_a_late_answer_is_not_heard() {
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
    model.settle(other);
    assert_eq!(model.probing().len(), 2, "the first one is out of time");
    let before = model.stored.clone();
    model.end_call(late, Outcome::Success);
    model.settle(late);
    assert_eq!(model.stored, before, "a straggler says nothing");
    model.end_call(other, Outcome::Success);
    model.settle(other);
    assert_eq!(model.stored.stand(), Stand::Closed);
}
