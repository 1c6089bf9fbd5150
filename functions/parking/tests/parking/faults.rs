//! Each command with a fault at each of its calls, and retried: the end is the same as without faults.

use proptest::prelude::*;

use crate::world::{ANN, Action, BOB, FAULTS, Fault, Line, Outcome, World};

/// What was done before, and what is done under faults.
const SCENES: [(&[Action], Action); 21] = {
    use Action::{Block, Close, Create, Over, Paid, Reopen, Reserve, Unblock};
    [
        (&[], Create),
        (&[Create], Create),
        (&[Create], Close),
        (&[Create, Block(ANN)], Close),
        (&[Create, Close], Reopen),
        (&[Create], Block(ANN)),
        (&[Create, Block(BOB)], Block(ANN)),
        (&[Create, Unblock(ANN)], Block(ANN)),
        (&[Create, Block(ANN)], Reserve(ANN)),
        (&[Create, Block(ANN), Close], Reserve(ANN)),
        (&[], Unblock(ANN)),
        (&[Create], Unblock(ANN)),
        (&[Create, Block(ANN)], Unblock(ANN)),
        (&[Create, Block(ANN), Reserve(ANN)], Unblock(ANN)),
        (&[Create, Block(BOB)], Unblock(ANN)),
        (&[], Paid(ANN)),
        (&[Create], Paid(ANN)),
        (&[Create, Paid(BOB)], Paid(ANN)),
        (&[Create, Unblock(ANN)], Paid(ANN)),
        (&[Create, Paid(ANN)], Over("BookingCheckedOut", ANN)),
        (&[Create], Over("BookingFailed", ANN)),
    ]
};

async fn repeat_after(
    given: &[Action],
    action: Action,
    faults: &[(usize, Fault)],
) -> (World, Outcome) {
    let world = World::after(given).await;
    let mut outcome = world.try_to(action, &Line::with(faults.iter().copied())).await;
    // A caller without a response retries, and now and then one with a response retries too.
    for _ in 0..2 {
        if outcome != Some(Outcome::Unknown) && outcome.is_some() {
            let again = world.calmly(action).await;
            assert_eq!(Some(&again), outcome.as_ref(), "a repeat returns the first response");
        }
        outcome = Some(world.calmly(action).await);
    }
    (world, outcome.expect("there is an outcome"))
}

#[tokio::test(start_paused = true)]
async fn a_retry_succeeds_after_any_fault_of_any_call() {
    for (given, action) in SCENES {
        let calm = World::after(given).await;
        let line = Line::default();
        let expected = calm.try_to(action, &line).await.unwrap();
        // Some faults cause further calls.
        for call in 0..line.calls() + 2 {
            for fault in FAULTS {
                let (world, outcome) = repeat_after(given, action, &[(call, fault)]).await;
                assert_eq!(outcome, expected, "{given:?} {action:?} {fault:?} at {call}");
                assert_eq!(
                    world.remains(),
                    calm.remains(),
                    "{given:?} {action:?} {fault:?} at {call}"
                );
                world.check_holds();
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_is_never_reported_as_a_rejection() {
    for (given, action) in SCENES {
        for call in 0..4 {
            for fault in [Fault::Lost, Fault::ResponseLost] {
                let world = World::after(given).await;
                let line = Line::with([(call, fault)]);
                let outcome = world.try_to(action, &line).await.unwrap();
                if call < line.calls() {
                    assert_eq!(
                        outcome,
                        Outcome::Unknown,
                        "{given:?} {action:?} {fault:?} at {call}"
                    );
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_that_loses_every_race_is_transient() {
    let world = World::after(&[Action::Create]).await;
    let line = Line::with((0..100).map(|call| (2 * call + 1, Fault::Conflict)));
    assert_eq!(world.try_to(Action::Block(ANN), &line).await, Some(Outcome::Unknown));
    assert_eq!(line.writes(), 10);
    assert_eq!(world.holder(), None);
}

fn any_action() -> impl Strategy<Value = Action> {
    let booking = prop_oneof![Just(ANN), Just(BOB)];
    (0..10, booking).prop_map(|(kind, id)| match kind {
        0 => Action::Close,
        1 => Action::Reopen,
        2 | 3 => Action::Block(id),
        4 => Action::Reserve(id),
        5 => Action::Unblock(id),
        6 | 7 => Action::Paid(id),
        8 => Action::Over("BookingCancelled", id),
        _ => Action::Create,
    })
}

fn any_faults() -> impl Strategy<Value = Vec<(usize, Fault)>> {
    prop::collection::vec((0..6_usize, (0..FAULTS.len()).prop_map(|it| FAULTS[it])), 0..3)
}

proptest! {
    /// Each command is retried under faults until it succeeds; the end is that of a run without faults.
    #[test]
    fn a_run_with_faults_ends_like_one_without(
        actions in prop::collection::vec((any_action(), prop::collection::vec(any_faults(), 0..3)), 1..12),
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let (calm, world) = (World::default(), World::default());
            for (action, tries) in actions {
                let mut outcome = None;
                for faults in tries {
                    outcome = world.try_to(action, &Line::with(faults)).await;
                    if !matches!(outcome, None | Some(Outcome::Unknown)) {
                        break;
                    }
                }
                if matches!(outcome, None | Some(Outcome::Unknown)) {
                    outcome = Some(world.calmly(action).await);
                }
                prop_assert_eq!(outcome.unwrap(), calm.calmly(action).await);
                prop_assert_eq!(world.remains(), calm.remains());
            }
            world.check_holds();
            Ok(())
        })?;
    }
}
