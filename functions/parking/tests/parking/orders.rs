//! A step and its compensation run concurrently, in every order of their calls.

use std::sync::Arc;

use outbox::conformance::schedule::every_order;

use crate::world::{ANN, Action, BOB, Fault, Line, Outcome, World};

/// A command, with the faults of its calls.
type Task = (Action, &'static [(usize, Fault)]);

const fn well(action: Action) -> Task {
    (action, &[])
}

/// Runs tasks in every order; those that crashed or got no response are retried, as a queue or a saga would.
async fn in_every_order(
    given: &[Action],
    tasks: &[Task],
    check: impl AsyncFn(&World, &[Option<Outcome>], &str),
) -> usize {
    every_order(
        async |gate| {
            let world = Arc::new(World::after(given).await);
            let run = |(action, faults): Task| {
                let world = Arc::clone(&world);
                let line = Line::with(faults.iter().copied()).behind(gate.clone());
                async move { world.try_to(action, &line).await }
            };
            let tasks = tasks.iter().copied().map(run).collect();
            (world, tasks)
        },
        async |world, results, order| {
            let story = format!("{given:?}, then {tasks:?} in the order {order:?}");
            world.check_holds();
            for ((action, _), result) in tasks.iter().zip(&results) {
                if matches!(result, None | Some(Outcome::Unknown)) {
                    world.calmly(*action).await;
                }
            }
            world.check_holds();
            check(&world, &results, &story).await;
        },
    )
    .await
}

/// Ann has released the slot: she holds nothing, and gets nothing.
async fn ann_is_out(world: &World, story: &str) {
    assert_ne!(world.holder(), Some(ANN), "{story}");
    for action in [Action::Block(ANN), Action::Reserve(ANN), Action::Paid(ANN)] {
        world.calmly(action).await;
        assert_ne!(world.holder(), Some(ANN), "{action:?} after {story}");
    }
}

const UNDO: Task = well(Action::Unblock(ANN));
const OVER: Task = well(Action::Over("BookingCancelled", ANN));

#[tokio::test(start_paused = true)]
async fn after_a_compensation_no_step_has_the_slot() {
    use Action::{Block, Close, Create, Paid, Reopen, Reserve};
    const BLOCK: Task = well(Block(ANN));
    const RESERVE: Task = well(Reserve(ANN));
    const PAID: Task = well(Paid(ANN));
    let mut orders = 0;
    for (given, tasks) in [
        (&[Create][..], &[BLOCK, UNDO][..]),
        (&[Create], &[BLOCK, BLOCK, UNDO]),
        (&[Create], &[BLOCK, UNDO, UNDO]),
        (&[Create], &[BLOCK, RESERVE, UNDO]),
        (&[Create], &[BLOCK, UNDO, OVER]),
        (&[Create], &[BLOCK, UNDO, well(Block(BOB))]),
        (&[Create], &[BLOCK, UNDO, well(Close)]),
        (&[Create, Close], &[BLOCK, UNDO, well(Reopen)]),
        (&[], &[BLOCK, UNDO, well(Create)]),
        (&[Create, Block(ANN)], &[RESERVE, UNDO]),
        (&[Create, Block(ANN)], &[RESERVE, BLOCK, UNDO]),
        (&[Create, Block(ANN)], &[RESERVE, UNDO, well(Block(BOB))]),
        (&[Create], &[PAID, OVER]),
        (&[Create], &[PAID, PAID, OVER]),
        (&[Create], &[PAID, OVER, OVER]),
        (&[Create], &[PAID, OVER, well(Paid(BOB))]),
        (&[Create, Paid(ANN)], &[PAID, OVER, well(Paid(BOB))]),
    ] {
        let check = async |world: &World, _: &[_], story: &str| ann_is_out(world, story).await;
        orders += in_every_order(given, tasks, check).await;
    }
    assert!(orders > 5_000, "{orders} orders");
}

#[tokio::test(start_paused = true)]
async fn after_a_compensation_no_step_has_the_slot_if_either_crashes_at_any_call() {
    use Fault::{Crash, CrashAfter};
    // No task runs indefinitely: each makes two or three calls.
    const CUTS: [&[(usize, Fault)]; 4] =
        [&[(0, CrashAfter)], &[(1, Crash)], &[(1, CrashAfter)], &[(2, CrashAfter)]];
    let check = async |world: &World, _: &[_], story: &str| ann_is_out(world, story).await;
    for cut in CUTS {
        for action in [Action::Block(ANN), Action::Paid(ANN)] {
            in_every_order(&[Action::Create], &[(action, cut), UNDO], check).await;
            in_every_order(&[Action::Create], &[well(action), (UNDO.0, cut), OVER], check).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_several_bookings_one_gets_the_slot_and_the_others_are_refused() {
    for tasks in [
        [well(Action::Block(ANN)), well(Action::Block(BOB))],
        [well(Action::Block(ANN)), well(Action::Paid(BOB))],
        [well(Action::Paid(ANN)), well(Action::Paid(BOB))],
    ] {
        in_every_order(&[Action::Create], &tasks, async |world, results, story| {
            let holder = world.holder().expect("one of them has it");
            for ((action, _), result) in tasks.iter().zip(results) {
                let has_correct_response = match action {
                    Action::Block(id) if *id != holder => {
                        *result == Some(Outcome::Refused("slot-unavailable".to_owned()))
                    }
                    Action::Paid(id) if *id != holder => {
                        world.events().contains(&"SlotUnavailable".to_owned())
                    }
                    Action::Create
                    | Action::Close
                    | Action::Reopen
                    | Action::Block(_)
                    | Action::Reserve(_)
                    | Action::Unblock(_)
                    | Action::Paid(_)
                    | Action::Over(..) => *result == Some(Outcome::Done),
                };
                assert!(has_correct_response, "{action:?} {result:?} after {story}");
            }
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn of_eight_concurrent_bookings_one_gets_the_slot_and_none_must_retry() {
    let world = World::after(&[Action::Create]).await;
    let wanted = (10..18_u128).map(|number| {
        let booking_id = contracts::id::BookingId(uuid::Uuid::from_u128(number));
        let world = &world;
        async move {
            let action =
                if number % 2 == 0 { Action::Block(booking_id) } else { Action::Paid(booking_id) };
            // Other tasks run between any two calls.
            let line = Line::yielding();
            world.try_to(action, &line).await.unwrap()
        }
    });
    let results = futures::future::join_all(wanted).await;
    assert!(!results.contains(&Outcome::Unknown), "{results:?}");
    world.check_holds();
    assert!(world.holder().is_some());
}
