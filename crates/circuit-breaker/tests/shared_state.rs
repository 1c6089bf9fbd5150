//! The rules of the shared state: what each proposal does in each state, and the stored form.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

use circuit_breaker::settings::Settings;
use circuit_breaker::shared_state::{
    ActiveOverride, Actor, EffectiveState, Gate, HISTORY_MAX, LOCAL_TRIPS_MAX, LocalTrip, Override,
    Probe, Proposal, Reason, SharedState, State, Transition, Vote,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

const NOW_MS: u64 = 100_000;

fn at(ms: u64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_millis(i64::try_from(ms).unwrap())
}

fn settings() -> Settings {
    Settings {
        window_ms: 10_000,
        open_without_quorum_after_ms: 2_000,
        open_ms: 5_000,
        ..Settings::default()
    }
}

fn shared(state: State) -> SharedState {
    SharedState { version: 7, write: 70, generation: 3, state, ..SharedState::default() }
}

fn vote(instance: u64, ms: u64) -> Vote {
    Vote { instance, at: at(ms) }
}

fn pending_open(votes: &[Vote], vetoed_ms: Option<u64>) -> State {
    State::PendingOpen { votes: votes.to_vec(), vetoed_at: vetoed_ms.map(at) }
}

fn open(since: u64, until: u64) -> State {
    State::Open { opened_at: at(90_000), since: at(since), until: at(until) }
}

fn half_open(passed: u32, probe: Option<u64>) -> State {
    let probe = probe.map(|id| Probe { id, since: at(99_000), until: at(114_000) });
    State::HalfOpen { opened_at: at(90_000), passed, probe }
}

/// No jitter: the number is a multiple of everything that the jitter is taken modulo of.
const WRITE: u64 = 0;

fn apply(shared: &SharedState, proposal: &Proposal, settings: &Settings) -> Option<SharedState> {
    shared.apply(proposal, &Actor { by: "me", write: WRITE, now: at(NOW_MS) }, settings)
}

/// The next state after a proposal, and the reason if it is a transition.
fn becomes(state: State, proposal: &Proposal) -> Option<(State, Option<Reason>)> {
    let before = shared(state);
    let after = apply(&before, proposal, &settings())?;
    assert_eq!((after.version, after.write), (8, WRITE));
    let reason = after.history.last().map(|it| it.reason);
    if let Some(transition) = after.history.last() {
        assert_eq!((transition.at, transition.by.as_str()), (at(NOW_MS), "me"));
        let expected = (before.effective_state(), after.effective_state());
        assert_eq!((transition.from, transition.to), expected);
    }
    Some((after.state, reason))
}

fn votes() -> Proposal {
    Proposal::Vote(trip(1, 99_000))
}

/// A trip that lasts for eight seconds.
fn trip(instance: u64, since: u64) -> LocalTrip {
    let (since, until) = (at(since), at(since + 8_000));
    LocalTrip { instance, since, until, failures_permille: 600, slow_permille: 0 }
}

fn passed(probe: u64) -> Proposal {
    Proposal::RecordProbe { probe, passed: true }
}

fn failed(probe: u64) -> Proposal {
    Proposal::RecordProbe { probe, passed: false }
}

#[test]
fn each_proposal_has_a_defined_result_in_each_state() {
    let alone = Proposal::OpenWithoutQuorum { instance: 1 };
    let veto = Proposal::Veto { instance: 1 };
    let opened = State::Open { opened_at: at(NOW_MS), since: at(NOW_MS), until: at(105_000) };
    let reopened = State::Open { opened_at: at(90_000), since: at(NOW_MS), until: at(105_000) };
    let probe = Probe { id: WRITE, since: at(NOW_MS), until: at(115_000) };
    let claimed = State::HalfOpen { opened_at: at(90_000), passed: 0, probe: Some(probe) };
    let step = |state: &State, reason| Some((state.clone(), Some(reason)));
    let quiet = |state: State| Some((state, None));

    // (case, state before, proposal, state after)
    let table = [
        ("a first vote", State::Closed, votes(), quiet(pending_open(&[vote(1, NOW_MS)], None))),
        ("no vote to open by", State::Closed, alone.clone(), None),
        ("no vote to veto", State::Closed, veto.clone(), None),
        ("no probe to claim", State::Closed, Proposal::ClaimProbe, None),
        ("a result without a probe", State::Closed, passed(5), None),
        (
            "a second vote is a quorum",
            pending_open(&[vote(2, 95_000)], None),
            votes(),
            step(&opened, Reason::Quorum),
        ),
        (
            "a second trip of one instance is reported, and is no second vote",
            pending_open(&[vote(1, 95_000)], None),
            votes(),
            quiet(pending_open(&[vote(1, 95_000)], None)),
        ),
        (
            "a vote after one that has lapsed",
            pending_open(&[vote(2, 89_999)], None),
            votes(),
            quiet(pending_open(&[vote(1, NOW_MS)], None)),
        ),
        (
            "a vote after one of a clock that is far ahead",
            pending_open(&[vote(2, 110_001)], None),
            votes(),
            quiet(pending_open(&[vote(1, NOW_MS)], None)),
        ),
        (
            "no veto for long enough",
            pending_open(&[vote(1, 98_000)], None),
            alone.clone(),
            step(&opened, Reason::WithoutQuorum),
        ),
        ("no veto, but too early", pending_open(&[vote(1, 98_001)], None), alone.clone(), None),
        ("a veto", pending_open(&[vote(1, 95_000)], Some(96_000)), alone.clone(), None),
        (
            "a veto that has lapsed and was not renewed in time",
            pending_open(&[vote(1, 92_000)], Some(88_000)),
            alone.clone(),
            step(&opened, Reason::WithoutQuorum),
        ),
        ("an instance without a vote", pending_open(&[vote(2, 95_000)], None), alone.clone(), None),
        (
            "a first veto",
            pending_open(&[vote(2, 95_000)], None),
            veto.clone(),
            quiet(pending_open(&[vote(2, 95_000)], Some(NOW_MS))),
        ),
        ("a second veto", pending_open(&[vote(2, 95_000)], Some(91_000)), veto.clone(), None),
        ("a veto by a voter", pending_open(&[vote(1, 95_000)], None), veto.clone(), None),
        ("a veto of a lapsed vote", pending_open(&[vote(2, 1)], None), veto.clone(), None),
        (
            "a claim while votes are pending",
            pending_open(&[vote(2, 95_000)], None),
            Proposal::ClaimProbe,
            None,
        ),
        ("a late vote", open(95_000, 99_000), votes(), None),
        ("too late without a quorum", open(95_000, 99_000), alone.clone(), None),
        ("a late veto", open(95_000, 99_000), veto.clone(), None),
        ("a claim", open(95_000, 99_000), Proposal::ClaimProbe, step(&claimed, Reason::Probing)),
        ("a result of an earlier period", open(95_000, 99_000), passed(5), None),
        ("a vote while probing", half_open(0, Some(5)), votes(), None),
        ("without a quorum while probing", half_open(0, Some(5)), alone, None),
        ("a veto while probing", half_open(0, Some(5)), veto, None),
        (
            "a probe is lost",
            half_open(0, Some(5)),
            Proposal::ClaimProbe,
            step(&claimed, Reason::ProbeLost),
        ),
        ("a next probe", half_open(0, None), Proposal::ClaimProbe, step(&claimed, Reason::Probing)),
        (
            "the probe succeeds",
            half_open(0, Some(5)),
            passed(5),
            step(&State::Closed, Reason::ProbePassed),
        ),
        ("the probe fails", half_open(0, Some(5)), failed(5), step(&reopened, Reason::ProbeFailed)),
        ("a late success", half_open(0, Some(5)), passed(4), None),
        ("a late failure", half_open(0, Some(5)), failed(4), None),
        ("a result between two probes", half_open(0, None), passed(5), None),
    ];
    for (what, before, proposal, after) in table {
        assert_eq!(becomes(before, &proposal), after, "{what}");
    }
}

#[test]
fn an_override_applies_in_every_state_and_instances_cannot_change_it() {
    let settings = settings();
    let states = [
        State::Closed,
        pending_open(&[vote(2, 95_000)], None),
        open(95_000, 99_000),
        half_open(0, Some(5)),
    ];
    for state in states {
        for (kind, state_with_override) in [
            (Override::Open, EffectiveState::ForcedOpen),
            (Override::Closed, EffectiveState::ForcedClosed),
            (Override::Disabled, EffectiveState::Disabled),
        ] {
            let proposal = Proposal::SetOverride(kind);
            let overridden = apply(&shared(state.clone()), &proposal, &settings).unwrap();
            let expected = Some(ActiveOverride { kind, since: at(NOW_MS) });
            assert_eq!(overridden.active_override, expected);
            assert_eq!(overridden.effective_state(), state_with_override);
            assert_eq!(overridden.generation, 4);
            assert_eq!(overridden.history.last().unwrap().reason, Reason::Operator);
            for proposal in [
                votes(),
                Proposal::OpenWithoutQuorum { instance: 1 },
                Proposal::Veto { instance: 1 },
                Proposal::ClaimProbe,
                passed(5),
                failed(5),
            ] {
                let next = apply(&overridden, &proposal, &settings);
                assert_eq!(next, None, "{kind:?}: {proposal:?}");
            }
            let reset = apply(&overridden, &Proposal::Reset, &settings).unwrap();
            assert_eq!(reset.active_override, None);
            assert_eq!(reset.effective_state(), EffectiveState::Closed);
            assert_eq!(reset.consecutive_opens, 0);
        }
    }
}

#[test]
fn several_consecutive_probes_must_succeed_before_it_closes() {
    let settings = Settings { probes_to_close: 2, ..settings() };
    let once = apply(&shared(half_open(0, Some(5))), &passed(5), &settings).unwrap();
    assert_eq!((&once.state, once.history.len()), (&half_open(1, None), 0));
    let again = apply(&once, &Proposal::ClaimProbe, &settings).unwrap();
    let closed = apply(&again, &passed(WRITE), &settings).unwrap();
    assert_eq!((closed.effective_state(), closed.generation), (EffectiveState::Closed, 4));
    // A failed probe resets the number of successful ones.
    let failed = apply(&again, &failed(WRITE), &settings).unwrap();
    let claimed = apply(&failed, &Proposal::ClaimProbe, &settings).unwrap();
    assert!(matches!(claimed.state, State::HalfOpen { passed: 0, .. }));
}

#[test]
fn each_consecutive_open_period_is_longer_until_the_circuit_was_closed_for_long() {
    let settings = Settings { quorum: 1, reset_after_ms: 60_000, ..settings() };
    let until = |shared: &SharedState| {
        let State::Open { since, until, .. } = shared.state else { unreachable!("{shared:?}") };
        until.duration_since(since).as_millis()
    };
    let mut shared = apply(&SharedState::default(), &votes(), &settings).unwrap();
    for expected in [5_000, 10_000, 20_000] {
        assert_eq!(until(&shared), expected);
        shared = apply(&shared, &Proposal::ClaimProbe, &settings).unwrap();
        shared = apply(&shared, &failed(WRITE), &settings).unwrap();
    }
    shared = apply(&shared, &Proposal::ClaimProbe, &settings).unwrap();
    shared = apply(&shared, &passed(WRITE), &settings).unwrap();
    // Closed a moment ago.
    assert_eq!(until(&apply(&shared, &votes(), &settings).unwrap()), 80_000);
    // Closed long ago.
    shared.closed_at = Some(at(40_000));
    assert_eq!(until(&apply(&shared, &votes(), &settings).unwrap()), 5_000);
}

#[test]
fn the_history_has_the_last_transitions_only() {
    let settings = Settings { quorum: 1, ..settings() };
    let mut shared = apply(&SharedState::default(), &votes(), &settings).unwrap();
    let mut all: Vec<Transition> = shared.history.clone();
    for _ in 0..HISTORY_MAX {
        shared = apply(&shared, &Proposal::ClaimProbe, &settings).unwrap();
        all.extend(shared.history.last().cloned());
        shared = apply(&shared, &failed(WRITE), &settings).unwrap();
        all.extend(shared.history.last().cloned());
    }
    assert_eq!(shared.history, all[all.len() - HISTORY_MAX..]);
    for pair in all.windows(2) {
        assert_eq!(pair[0].to, pair[1].from);
    }
}

#[test]
fn no_instance_waits_longer_than_a_state_was_meant_to_last() {
    let now = at(NOW_MS);
    for (what, state, seen_ms, gate) in [
        ("closed", State::Closed, NOW_MS, Gate::Allowed),
        ("pending open", pending_open(&[vote(2, 95_000)], None), NOW_MS, Gate::Allowed),
        ("open", open(99_000, 104_000), 99_500, Gate::Rejected(at(104_000))),
        ("open, by a clock far ahead", open(199_000, 204_000), 99_500, Gate::Rejected(at(104_500))),
        ("the open period is over", open(95_000, NOW_MS), 95_000, Gate::ProbeDue(now)),
        ("a probe is in flight", half_open(0, Some(5)), NOW_MS, Gate::Rejected(at(114_000))),
        ("between two probes", half_open(1, None), 99_000, Gate::ProbeDue(at(99_000))),
    ] {
        assert_eq!(shared(state).gate(at(seen_ms), now), gate, "{what}");
    }
}

#[test]
fn a_pending_open_lapses_with_its_votes() {
    let shared = shared(pending_open(&[vote(2, 95_000)], None));
    assert!(shared.is_open_pending(&settings(), at(105_000)));
    assert!(!shared.is_open_pending(&settings(), at(105_001)));
}

#[test]
fn a_state_is_read_as_it_was_written() {
    let settings = settings();
    let mut shared = shared(pending_open(&[vote(2, 95_000)], Some(96_000)));
    shared = apply(&shared, &votes(), &settings).unwrap();
    shared = apply(&shared, &Proposal::ClaimProbe, &settings).unwrap();
    shared = apply(&shared, &Proposal::SetOverride(Override::Closed), &settings).unwrap();
    shared.local_trips.push(trip(u64::MAX, 99_999));
    let text = serde_json::to_string(&shared).unwrap();
    assert_eq!(serde_json::from_str::<SharedState>(&text).unwrap(), shared);
}

#[test]
fn the_stored_form_is_that_of_earlier_releases() {
    let stored = json!({
        "version": 7,
        "write": 70,
        "state": {"suspected": {
            "votes": [{"instance": 1, "at": "1970-01-01T00:01:35Z"}],
            "doubted_at": "1970-01-01T00:01:36Z"
        }},
        "forced": {"word": "open", "since": "1970-01-01T00:01:40Z"},
        "generation": 3,
        "closed_at": null,
        "openings": 2,
        "failures_permille": 600,
        "history": [[100_000, "closed", "open", "undisputed", "me"]],
        "local_trips": [[1, 99_000, 107_000, 600, 0]]
    });
    let shared: SharedState = serde_json::from_value(stored.clone()).unwrap();
    assert_eq!(shared.state, pending_open(&[vote(1, 95_000)], Some(96_000)));
    let expected = ActiveOverride { kind: Override::Open, since: at(NOW_MS) };
    assert_eq!(shared.active_override, Some(expected));
    assert_eq!((shared.consecutive_opens, shared.generation), (2, 3));
    assert_eq!(shared.history[0].reason, Reason::WithoutQuorum);
    assert_eq!(shared.local_trips, [trip(1, 99_000)]);
    assert_eq!(serde_json::to_value(shared).unwrap(), stored);
}

#[test]
fn a_local_trip_is_reported_from_the_vote_until_it_is_over() {
    let settings = settings();
    let tripped = apply(&SharedState::default(), &votes(), &settings).unwrap();
    assert_eq!(tripped.local_trips_at(at(NOW_MS)).collect::<Vec<_>>(), [&trip(1, 99_000)]);
    assert_eq!(tripped.votes_at(&settings, at(NOW_MS)), (1, None));
    assert_eq!(tripped.local_trips_at(at(107_000)).count(), 0, "its own probe is due");
    assert_eq!(tripped.votes_at(&settings, at(110_001)), (0, None), "the vote has lapsed");
    // A repeated report costs no write.
    assert_eq!(apply(&tripped, &votes(), &settings), None);
    // A later trip of an instance replaces its earlier report.
    let again = apply(&tripped, &Proposal::Vote(trip(1, 99_500)), &settings).unwrap();
    assert_eq!(again.local_trips, [trip(1, 99_500)]);
    assert_eq!(again.votes_at(&settings, at(NOW_MS)).0, 1, "it is no second vote");
}

#[test]
fn local_trips_are_removed_when_the_circuit_opens_or_an_operator_changes_it() {
    let settings = settings();
    let tripped = apply(&SharedState::default(), &votes(), &settings).unwrap();
    let open = apply(&tripped, &Proposal::Vote(trip(2, 99_000)), &settings).unwrap();
    assert_eq!((open.effective_state(), open.local_trips.len()), (EffectiveState::Open, 0));
    for proposal in [Proposal::SetOverride(Override::Closed), Proposal::Reset] {
        let next = apply(&tripped, &proposal, &settings).unwrap();
        assert_eq!(next.local_trips, [], "{proposal:?}");
    }
}

#[test]
fn the_latest_local_trips_are_kept_and_no_more() {
    let settings = Settings { quorum: usize::MAX, ..settings() };
    let mut shared = SharedState::default();
    for instance in 0..20 {
        shared = apply(&shared, &Proposal::Vote(trip(instance, 99_000)), &settings).unwrap();
    }
    assert_eq!(shared.local_trips.len(), LOCAL_TRIPS_MAX);
    assert_eq!(shared.local_trips.last(), Some(&trip(19, 99_000)));
    // Together with a full history this fits in two write units.
    assert!(serde_json::to_string(&shared.local_trips).unwrap().len() < 512);
}

#[test]
fn a_state_without_local_trips_is_stored_without_the_field() {
    let text = serde_json::to_string(&SharedState::default()).unwrap();
    assert!(!text.contains("local_trips"), "{text}");
    assert_eq!(serde_json::from_str::<SharedState>(&text).unwrap(), SharedState::default());
}
