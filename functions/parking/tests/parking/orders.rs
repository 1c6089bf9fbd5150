//! A step and its compensation run concurrently, in every order of their calls.

use std::sync::Arc;

use outbox::conformance::schedule::every_order;

use crate::world::{ANN, BOB, Deed, Fault, Line, Outcome, World};

/// A command, with the faults of its calls.
type Task = (Deed, &'static [(usize, Fault)]);

const fn well(deed: Deed) -> Task {
    (deed, &[])
}

/// Runs tasks in every order; those that crashed or got no response are retried, as a queue or a saga would.
async fn in_every_order(
    given: &[Deed],
    tasks: &[Task],
    check: impl AsyncFn(&World, &[Option<Outcome>], &str),
) -> usize {
    every_order(
        async |gate| {
            let world = Arc::new(World::after(given).await);
            let run = |(deed, faults): Task| {
                let world = Arc::clone(&world);
                let line = Line::with(faults.iter().copied()).behind(gate.clone());
                async move { world.try_to(deed, &line).await }
            };
            let tasks = tasks.iter().copied().map(run).collect();
            (world, tasks)
        },
        async |world, answers, order| {
            let story = format!("{given:?}, then {tasks:?} in the order {order:?}");
            world.check_holds();
            for ((deed, _), answer) in tasks.iter().zip(&answers) {
                if matches!(answer, None | Some(Outcome::Unknown)) {
                    world.calmly(*deed).await;
                }
            }
            world.check_holds();
            check(&world, &answers, &story).await;
        },
    )
    .await
}

/// Ann has given up: she holds nothing, and gets nothing.
async fn ann_is_out(world: &World, story: &str) {
    assert_ne!(world.holder(), Some(ANN), "{story}");
    for deed in [Deed::Block(ANN), Deed::Reserve(ANN), Deed::Paid(ANN)] {
        world.calmly(deed).await;
        assert_ne!(world.holder(), Some(ANN), "{deed:?} after {story}");
    }
}

const UNDO: Task = well(Deed::Unblock(ANN));
const OVER: Task = well(Deed::Over("BookingCancelled", ANN));

#[tokio::test(start_paused = true)]
async fn after_a_compensation_no_step_has_the_slot() {
    use Deed::{Block, Close, Create, Paid, Reopen, Reserve};
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
    // No task runs for ever: each makes two or three calls.
    const CUTS: [&[(usize, Fault)]; 4] =
        [&[(0, CrashAfter)], &[(1, Crash)], &[(1, CrashAfter)], &[(2, CrashAfter)]];
    let check = async |world: &World, _: &[_], story: &str| ann_is_out(world, story).await;
    for cut in CUTS {
        for deed in [Deed::Block(ANN), Deed::Paid(ANN)] {
            in_every_order(&[Deed::Create], &[(deed, cut), UNDO], check).await;
            in_every_order(&[Deed::Create], &[well(deed), (UNDO.0, cut), OVER], check).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_several_bookings_one_gets_the_slot_and_the_others_are_refused() {
    for tasks in [
        [well(Deed::Block(ANN)), well(Deed::Block(BOB))],
        [well(Deed::Block(ANN)), well(Deed::Paid(BOB))],
        [well(Deed::Paid(ANN)), well(Deed::Paid(BOB))],
    ] {
        in_every_order(&[Deed::Create], &tasks, async |world, answers, story| {
            let holder = world.holder().expect("somebody has it");
            for ((deed, _), answer) in tasks.iter().zip(answers) {
                let told = match deed {
                    Deed::Block(id) if *id != holder => {
                        *answer == Some(Outcome::Refused("slot-unavailable".to_owned()))
                    }
                    Deed::Paid(id) if *id != holder => {
                        world.events().contains(&"SlotUnavailable".to_owned())
                    }
                    Deed::Create
                    | Deed::Close
                    | Deed::Reopen
                    | Deed::Block(_)
                    | Deed::Reserve(_)
                    | Deed::Unblock(_)
                    | Deed::Paid(_)
                    | Deed::Over(..) => *answer == Some(Outcome::Done),
                };
                assert!(told, "{deed:?} {answer:?} after {story}");
            }
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn of_eight_concurrent_bookings_one_gets_the_slot_and_none_must_retry() {
    let world = World::after(&[Deed::Create]).await;
    let wanted = (10..18_u128).map(|number| {
        let booking_id = contracts::id::BookingId(uuid::Uuid::from_u128(number));
        let world = &world;
        async move {
            let deed =
                if number % 2 == 0 { Deed::Block(booking_id) } else { Deed::Paid(booking_id) };
            // Other tasks run between any two calls.
            let line = Line::yielding();
            world.try_to(deed, &line).await.unwrap()
        }
    });
    let answers = futures::future::join_all(wanted).await;
    assert!(!answers.contains(&Outcome::Unknown), "{answers:?}");
    world.check_holds();
    assert!(world.holder().is_some());
}
