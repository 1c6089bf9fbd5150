//! What each question does in each state, as a table.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

use circuit_breaker::settings::Settings;
use circuit_breaker::shared_state::{
    Asker, Forced, HISTORY_MAX, LOCAL_TRIPS_MAX, LocalTrip, Passage, Probe, Question, Reason,
    Shared, Stand, State, Transition, Vote, Word,
};
use jiff::{SignedDuration, Timestamp};

const NOW_MS: u64 = 100_000;

fn at(ms: u64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_millis(i64::try_from(ms).unwrap())
}

fn settings() -> Settings {
    Settings { window_ms: 10_000, alone_after_ms: 2_000, open_ms: 5_000, ..Settings::default() }
}

fn shared(state: State) -> Shared {
    Shared { version: 7, write: 70, generation: 3, state, ..Shared::default() }
}

fn vote(instance: u64, ms: u64) -> Vote {
    Vote { instance, at: at(ms) }
}

fn suspected(votes: &[Vote], doubted_ms: Option<u64>) -> State {
    State::Suspected { votes: votes.to_vec(), doubted_at: doubted_ms.map(at) }
}

fn open(since: u64, until: u64) -> State {
    State::Open { opened_at: at(90_000), since: at(since), until: at(until) }
}

fn half_open(passed: u32, probe: Option<u64>) -> State {
    let probe = probe.map(|id| Probe { id, since: at(99_000), until: at(114_000) });
    State::HalfOpen { opened_at: at(90_000), passed, probe }
}

/// Luck of nothing: the number is a multiple of all that chance is divided by.
const WRITE: u64 = 0;

fn ask(shared: &Shared, question: &Question, settings: &Settings) -> Option<Shared> {
    shared.answer(question, &Asker { by: "me", write: WRITE, now: at(NOW_MS) }, settings)
}

/// What a question makes of a state: the state, and why, if that is a step.
fn becomes(state: State, question: &Question) -> Option<(State, Option<Reason>)> {
    let before = shared(state);
    let after = ask(&before, question, &settings())?;
    assert_eq!((after.version, after.write), (8, WRITE));
    let reason = after.history.last().map(|it| it.reason);
    if let Some(step) = after.history.last() {
        assert_eq!((step.at, step.by.as_str()), (at(NOW_MS), "me"));
        assert_eq!((step.from, step.to), (before.stand(), after.stand()));
    }
    Some((after.state, reason))
}

fn votes() -> Question {
    Question::Vote(trip(1, 99_000))
}

/// A trip that lasts for eight seconds.
fn trip(instance: u64, since: u64) -> LocalTrip {
    let (since, until) = (at(since), at(since + 8_000));
    LocalTrip { instance, since, until, failures_permille: 600, slow_permille: 0 }
}

fn passed(probe: u64) -> Question {
    Question::Answer { probe, passed: true }
}

fn failed(probe: u64) -> Question {
    Question::Answer { probe, passed: false }
}

#[test]
fn each_question_has_its_answer_in_each_state() {
    let alone = Question::OpenAlone { instance: 1 };
    let doubt = Question::Doubt { instance: 1 };
    let opened = State::Open { opened_at: at(NOW_MS), since: at(NOW_MS), until: at(105_000) };
    let reopened = State::Open { opened_at: at(90_000), since: at(NOW_MS), until: at(105_000) };
    let probe = Probe { id: WRITE, since: at(NOW_MS), until: at(115_000) };
    let claimed = State::HalfOpen { opened_at: at(90_000), passed: 0, probe: Some(probe) };
    let step = |state: &State, reason| Some((state.clone(), Some(reason)));
    let quiet = |state: State| Some((state, None));

    // (what it is, what it was, what is asked, what it becomes)
    let table = [
        ("a first vote", State::Closed, votes(), quiet(suspected(&[vote(1, NOW_MS)], None))),
        ("nothing voted", State::Closed, alone.clone(), None),
        ("nothing to doubt", State::Closed, doubt.clone(), None),
        ("nothing to claim", State::Closed, Question::Claim, None),
        ("no probe", State::Closed, passed(5), None),
        (
            "a second vote is a quorum",
            suspected(&[vote(2, 95_000)], None),
            votes(),
            step(&opened, Reason::Quorum),
        ),
        (
            "a second trip of one instance is reported, and is no second vote",
            suspected(&[vote(1, 95_000)], None),
            votes(),
            quiet(suspected(&[vote(1, 95_000)], None)),
        ),
        (
            "a vote after one that has lapsed",
            suspected(&[vote(2, 89_999)], None),
            votes(),
            quiet(suspected(&[vote(1, NOW_MS)], None)),
        ),
        (
            "a vote after one of a clock that is far ahead",
            suspected(&[vote(2, 110_001)], None),
            votes(),
            quiet(suspected(&[vote(1, NOW_MS)], None)),
        ),
        (
            "nobody has doubted for long enough",
            suspected(&[vote(1, 98_000)], None),
            alone.clone(),
            step(&opened, Reason::Undisputed),
        ),
        ("not yet", suspected(&[vote(1, 98_001)], None), alone.clone(), None),
        ("somebody doubts", suspected(&[vote(1, 95_000)], Some(96_000)), alone.clone(), None),
        (
            "somebody has doubted, and has had time to say so again",
            suspected(&[vote(1, 92_000)], Some(88_000)),
            alone.clone(),
            step(&opened, Reason::Undisputed),
        ),
        ("who has not voted", suspected(&[vote(2, 95_000)], None), alone.clone(), None),
        (
            "a first doubt",
            suspected(&[vote(2, 95_000)], None),
            doubt.clone(),
            quiet(suspected(&[vote(2, 95_000)], Some(NOW_MS))),
        ),
        ("a doubt is known", suspected(&[vote(2, 95_000)], Some(91_000)), doubt.clone(), None),
        ("who has voted can't doubt", suspected(&[vote(1, 95_000)], None), doubt.clone(), None),
        ("what has lapsed is not doubted", suspected(&[vote(2, 1)], None), doubt.clone(), None),
        ("a suspicion is not probed", suspected(&[vote(2, 95_000)], None), Question::Claim, None),
        ("votes come late", open(95_000, 99_000), votes(), None),
        ("alone, too late", open(95_000, 99_000), alone.clone(), None),
        ("a doubt comes late", open(95_000, 99_000), doubt.clone(), None),
        ("a claim", open(95_000, 99_000), Question::Claim, step(&claimed, Reason::Probing)),
        ("an answer of long ago", open(95_000, 99_000), passed(5), None),
        ("votes while probing", half_open(0, Some(5)), votes(), None),
        ("alone while probing", half_open(0, Some(5)), alone, None),
        ("a doubt while probing", half_open(0, Some(5)), doubt, None),
        (
            "a probe is lost",
            half_open(0, Some(5)),
            Question::Claim,
            step(&claimed, Reason::ProbeLost),
        ),
        ("a next probe", half_open(0, None), Question::Claim, step(&claimed, Reason::Probing)),
        ("it passes", half_open(0, Some(5)), passed(5), step(&State::Closed, Reason::ProbePassed)),
        ("it fails", half_open(0, Some(5)), failed(5), step(&reopened, Reason::ProbeFailed)),
        ("a straggler passes", half_open(0, Some(5)), passed(4), None),
        ("a straggler fails", half_open(0, Some(5)), failed(4), None),
        ("nobody probes", half_open(0, None), passed(5), None),
    ];
    for (what, before, question, after) in table {
        assert_eq!(becomes(before, &question), after, "{what}");
    }
}

#[test]
fn an_operator_is_heard_in_every_state_and_nobody_argues() {
    let settings = settings();
    let states = [
        State::Closed,
        suspected(&[vote(2, 95_000)], None),
        open(95_000, 99_000),
        half_open(0, Some(5)),
    ];
    for state in states {
        for (word, stand) in [
            (Word::Open, Stand::ForcedOpen),
            (Word::Closed, Stand::ForcedClosed),
            (Word::Disabled, Stand::Disabled),
        ] {
            let forced = ask(&shared(state.clone()), &Question::Force(word), &settings).unwrap();
            assert_eq!(forced.forced, Some(Forced { word, since: at(NOW_MS) }));
            assert_eq!((forced.stand(), forced.generation), (stand, 4));
            assert_eq!(forced.history.last().unwrap().reason, Reason::Operator);
            for question in [
                votes(),
                Question::OpenAlone { instance: 1 },
                Question::Doubt { instance: 1 },
                Question::Claim,
                passed(5),
                failed(5),
            ] {
                assert_eq!(ask(&forced, &question, &settings), None, "{word:?}: {question:?}");
            }
            let reset = ask(&forced, &Question::Reset, &settings).unwrap();
            assert_eq!((reset.forced.as_ref(), reset.stand()), (None, Stand::Closed));
            assert_eq!(reset.openings, 0);
        }
    }
}

#[test]
fn several_probes_pass_one_after_the_other_before_it_closes() {
    let settings = Settings { probes_to_close: 2, ..settings() };
    let once = ask(&shared(half_open(0, Some(5))), &passed(5), &settings).unwrap();
    assert_eq!((&once.state, once.history.len()), (&half_open(1, None), 0));
    let again = ask(&once, &Question::Claim, &settings).unwrap();
    let closed = ask(&again, &passed(WRITE), &settings).unwrap();
    assert_eq!((closed.stand(), closed.generation), (Stand::Closed, 4));
    // One that fails takes with it those that have passed.
    let failed = ask(&again, &failed(WRITE), &settings).unwrap();
    let claimed = ask(&failed, &Question::Claim, &settings).unwrap();
    assert!(matches!(claimed.state, State::HalfOpen { passed: 0, .. }));
}

#[test]
fn it_stays_open_longer_each_time_until_it_was_closed_for_long() {
    let settings = Settings { quorum: 1, forget_ms: 60_000, ..settings() };
    let until = |shared: &Shared| {
        let State::Open { since, until, .. } = shared.state else { unreachable!("{shared:?}") };
        until.duration_since(since).as_millis()
    };
    let mut shared = ask(&Shared::default(), &votes(), &settings).unwrap();
    for expected in [5_000, 10_000, 20_000] {
        assert_eq!(until(&shared), expected);
        shared = ask(&shared, &Question::Claim, &settings).unwrap();
        shared = ask(&shared, &failed(WRITE), &settings).unwrap();
    }
    shared = ask(&shared, &Question::Claim, &settings).unwrap();
    shared = ask(&shared, &passed(WRITE), &settings).unwrap();
    // Closed a moment ago.
    assert_eq!(until(&ask(&shared, &votes(), &settings).unwrap()), 80_000);
    // Closed long ago.
    shared.closed_at = Some(at(40_000));
    assert_eq!(until(&ask(&shared, &votes(), &settings).unwrap()), 5_000);
}

#[test]
fn the_last_steps_are_kept_and_no_more() {
    let settings = Settings { quorum: 1, ..settings() };
    let mut shared = ask(&Shared::default(), &votes(), &settings).unwrap();
    let mut all: Vec<Transition> = shared.history.clone();
    for _ in 0..HISTORY_MAX {
        shared = ask(&shared, &Question::Claim, &settings).unwrap();
        all.extend(shared.history.last().cloned());
        shared = ask(&shared, &failed(WRITE), &settings).unwrap();
        all.extend(shared.history.last().cloned());
    }
    assert_eq!(shared.history, all[all.len() - HISTORY_MAX..]);
    for pair in all.windows(2) {
        assert_eq!(pair[0].to, pair[1].from);
    }
}

#[test]
fn nobody_waits_longer_than_a_state_was_meant_to_last() {
    let now = at(NOW_MS);
    for (what, state, seen_ms, passage) in [
        ("closed", State::Closed, NOW_MS, Passage::Free),
        ("suspected", suspected(&[vote(2, 95_000)], None), NOW_MS, Passage::Free),
        ("open", open(99_000, 104_000), 99_500, Passage::Refused(at(104_000))),
        (
            "open, of a clock far ahead",
            open(199_000, 204_000),
            99_500,
            Passage::Refused(at(104_500)),
        ),
        ("its time is over", open(95_000, NOW_MS), 95_000, Passage::Due(now)),
        ("probed", half_open(0, Some(5)), NOW_MS, Passage::Refused(at(114_000))),
        ("between two probes", half_open(1, None), 99_000, Passage::Due(at(99_000))),
    ] {
        assert_eq!(shared(state).passage(at(seen_ms), now), passage, "{what}");
    }
}

#[test]
fn a_suspicion_lapses_with_its_votes() {
    let shared = shared(suspected(&[vote(2, 95_000)], None));
    assert!(shared.is_suspected(&settings(), at(105_000)));
    assert!(!shared.is_suspected(&settings(), at(105_001)));
}

#[test]
fn a_state_is_read_as_it_was_written() {
    let settings = settings();
    let mut shared = shared(suspected(&[vote(2, 95_000)], Some(96_000)));
    shared = ask(&shared, &votes(), &settings).unwrap();
    shared = ask(&shared, &Question::Claim, &settings).unwrap();
    shared = ask(&shared, &Question::Force(Word::Closed), &settings).unwrap();
    shared.local_trips.push(trip(u64::MAX, 99_999));
    let text = serde_json::to_string(&shared).unwrap();
    assert_eq!(serde_json::from_str::<Shared>(&text).unwrap(), shared);
}

#[test]
fn a_local_trip_is_shown_from_the_vote_until_its_time_is_over() {
    let settings = settings();
    let tripped = ask(&Shared::default(), &votes(), &settings).unwrap();
    assert_eq!(tripped.local_trips_at(at(NOW_MS)).collect::<Vec<_>>(), [&trip(1, 99_000)]);
    assert_eq!(tripped.votes_at(&settings, at(NOW_MS)), (1, None));
    assert_eq!(tripped.local_trips_at(at(107_000)).count(), 0, "its own probe is due");
    assert_eq!(tripped.votes_at(&settings, at(110_001)), (0, None), "the vote has lapsed");
    // The same report again is no news, and costs no write.
    assert_eq!(ask(&tripped, &votes(), &settings), None);
    // What an instance trips for later replaces what it has reported before.
    let again = ask(&tripped, &Question::Vote(trip(1, 99_500)), &settings).unwrap();
    assert_eq!(again.local_trips, [trip(1, 99_500)]);
    assert_eq!(again.votes_at(&settings, at(NOW_MS)).0, 1, "it is no second vote");
}

#[test]
fn no_instance_decides_alone_once_all_have_or_an_operator_has() {
    let settings = settings();
    let tripped = ask(&Shared::default(), &votes(), &settings).unwrap();
    let open = ask(&tripped, &Question::Vote(trip(2, 99_000)), &settings).unwrap();
    assert_eq!((open.stand(), open.local_trips.len()), (Stand::Open, 0));
    for question in [Question::Force(Word::Closed), Question::Reset] {
        let next = ask(&tripped, &question, &settings).unwrap();
        assert_eq!(next.local_trips, [], "{question:?}");
    }
}

#[test]
fn the_latest_local_trips_are_kept_and_no_more() {
    let settings = Settings { quorum: usize::MAX, ..settings() };
    let mut shared = Shared::default();
    for instance in 0..20 {
        shared = ask(&shared, &Question::Vote(trip(instance, 99_000)), &settings).unwrap();
    }
    assert_eq!(shared.local_trips.len(), LOCAL_TRIPS_MAX);
    assert_eq!(shared.local_trips.last(), Some(&trip(19, 99_000)));
    // The size that the table pays for: two write units with a full history.
    assert!(serde_json::to_string(&shared.local_trips).unwrap().len() < 512);
}

#[test]
fn a_state_without_local_trips_is_written_as_it_always_was() {
    let text = serde_json::to_string(&Shared::default()).unwrap();
    assert!(!text.contains("local_trips"), "{text}");
    assert_eq!(serde_json::from_str::<Shared>(&text).unwrap(), Shared::default());
}
