//! The worker crashes at each of its calls, before or after the call's effect.

use cqrs::generation::{Generations as _, LEASE_DURATION, ProjectionStateStore as _, Status};
use cqrs::memory::MemoryGenerations;
use cqrs::rebuild::{WorkOutcome, begin, progress, work};
use cqrs::view::Reader as _;
use tokio::time::sleep;

use crate::world::{Far, Lamp, Line, Rng, World, day, lamp, now};

type Views = MemoryGenerations<Lamp>;

/// Works until the worker crashes, or is done.
async fn until_death(
    views: &Views,
    world: &World,
    worker: &str,
    line: std::sync::Arc<Line>,
) -> bool {
    let far = Far { near: views.clone(), line: line.clone() };
    let source = Far { near: world.clone(), line: line.clone() };
    let death = async {
        while !line.has_crashed() {
            sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        worked = work(&far, &source, worker, now) => { worked.unwrap(); true }
        () = death => false,
    }
}

async fn run_with_crash(crashes_at: usize, crashes_after: bool, next_worker: &str) -> bool {
    let (views, world, rng) = (Views::default(), World::default(), Rng::new(7));
    for number in 0..8 {
        world.commit(&format!("lamp-{number}"));
    }
    world.project(&views, &rng, || true).await;
    begin(&views, now()).await.unwrap();
    let line = Line::crashing(3, Some(crashes_at), crashes_after);
    let is_done = until_death(&views, &world, "first", line).await;
    // Writers continue.
    for number in 6..11 {
        world.commit(&format!("lamp-{number}"));
    }
    world.project(&views, &rng, || true).await;
    if !is_done {
        if next_worker != "first" {
            // Another worker must wait until the lease expires.
            let before = progress(&views, now()).await.unwrap();
            if before.status == Status::Rebuilding && before.rebuild.unwrap().worker.is_some() {
                let line = Line::new(9);
                let (far, source) = (
                    Far { near: views.clone(), line: line.clone() },
                    Far { near: world.clone(), line },
                );
                assert_eq!(
                    work(&far, &source, next_worker, now).await.unwrap(),
                    WorkOutcome::LeasedElsewhere
                );
                sleep(std::time::Duration::try_from(LEASE_DURATION).unwrap()).await;
                assert_eq!(progress(&views, now()).await.unwrap().status, Status::Failed);
                begin(&views, now()).await.unwrap();
            }
        }
        assert!(until_death(&views, &world, next_worker, Line::new(4)).await);
    }
    let (state, _) = views.state().await.unwrap();
    assert_eq!((state.live, state.previous, state.rebuild), (2, Some(1), None));
    let source = world.source.lock().unwrap().clone();
    for (id, version) in &source {
        for number in [1, 2] {
            let found = views.generation(number).get(id).await.unwrap().unwrap();
            assert_eq!((found.version, found.row), (*version, lamp(id, *version)));
        }
    }
    assert_eq!(views.numbers(), [1, 2]);
    is_done
}

#[test]
fn a_rebuild_continues_after_a_crash_at_any_call() {
    for next_worker in ["first", "second"] {
        for crashes_after in [false, true] {
            let mut died = 0;
            while !day(run_with_crash(died, crashes_after, next_worker)) {
                died += 1;
            }
            assert!(died > 20, "{died} calls have been tried");
        }
    }
}
