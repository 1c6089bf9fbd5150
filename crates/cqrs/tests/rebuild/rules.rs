//! The rules of starting a rebuild, promoting a generation, and rolling back.

use cqrs::generation::{
    Generations as _, LEASE_DURATION, ProjectionState, ProjectionStateStore as _,
    RollbackRejection, Status,
};
use cqrs::memory::MemoryGenerations;
use cqrs::rebuild::{RebuildError, RollbackError, WorkOutcome, begin, progress, roll_back, work};
use cqrs::view::{Reader as _, View as _};
use futures::future::join_all;
use tokio::time::sleep;

use crate::world::{Far, Lamp, Line, Rng, World, day, lamp, now};

type Views = MemoryGenerations<Lamp>;

async fn a_view(ids: &[&str]) -> (Views, World) {
    let (views, world) = (Views::default(), World::default());
    for id in ids {
        world.commit(id);
    }
    world.project(&views, &Rng::new(1), || true).await;
    (views, world)
}

async fn rebuild(views: &Views, world: &World) -> Result<WorkOutcome, RebuildError> {
    begin(views, now()).await.unwrap();
    let source = Far { near: world.clone(), line: Line::new(1) };
    work(views, &source, "worker", now).await
}

async fn settle() {
    sleep(std::time::Duration::from_secs(8)).await;
}

#[test]
fn of_32_concurrent_requests_one_rebuild_starts() {
    day(async {
        let (views, _) = a_view(&["a"]).await;
        let far: Vec<_> =
            (0..32).map(|seed| Far { near: views.clone(), line: Line::new(seed) }).collect();
        let started = join_all(far.iter().map(|views| begin(views, now()))).await;
        for progress in started {
            let progress = progress.unwrap();
            assert_eq!(progress.status, Status::Rebuilding);
            assert_eq!(progress.rebuild.unwrap().generation, 2);
        }
        assert_eq!(views.state().await.unwrap().0.newest, 2);
    });
}

#[test]
fn of_two_workers_one_works() {
    day(async {
        let (views, world) = a_view(&["a", "b", "c", "d", "e"]).await;
        begin(&views, now()).await.unwrap();
        let worker = |name: &'static str, seed| {
            let views = Far { near: views.clone(), line: Line::new(seed) };
            let source = Far { near: world.clone(), line: Line::new(seed + 1) };
            async move { work(&views, &source, name, now).await.unwrap() }
        };
        let mut worked = [WorkOutcome::Done; 2];
        (worked[0], worked[1]) = tokio::join!(worker("one", 1), worker("two", 5));
        worked.sort_by_key(|it| *it == WorkOutcome::LeasedElsewhere);
        assert_eq!(worked, [WorkOutcome::Done, WorkOutcome::LeasedElsewhere]);
        assert_eq!(views.state().await.unwrap().0.counts.applied, 5);
    });
}

#[test]
fn a_message_that_is_delivered_twice_has_one_effect() {
    day(async {
        let (views, world) = a_view(&["a", "b", "c", "d", "e"]).await;
        begin(&views, now()).await.unwrap();
        let worker = |seed| {
            let views = Far { near: views.clone(), line: Line::new(seed) };
            let source = Far { near: world.clone(), line: Line::new(seed + 1) };
            async move { work(&views, &source, "same", now).await.unwrap() }
        };
        tokio::join!(worker(1), worker(5));
        let (state, _) = views.state().await.unwrap();
        assert_eq!((state.live, state.counts.applied, state.counts.compared), (2, 5, 5));
    });
}

#[test]
fn a_lease_that_is_not_renewed_expires_and_the_status_is_failed() {
    day(async {
        let (views, _) = a_view(&["a"]).await;
        begin(&views, now()).await.unwrap();
        assert_eq!(progress(&views, now()).await.unwrap().status, Status::Rebuilding);
        sleep(std::time::Duration::try_from(LEASE_DURATION).unwrap()).await;
        assert_eq!(progress(&views, now()).await.unwrap().status, Status::Failed);
        assert_eq!(begin(&views, now()).await.unwrap().status, Status::Rebuilding);
        assert_eq!(views.state().await.unwrap().0.newest, 2, "it is the same one");
    });
}

#[test]
fn wrong_live_rows_are_corrected_and_counted() {
    day(async {
        let (views, world) = a_view(&["a", "b", "c"]).await;
        // Another text, no row, and a row without an aggregate.
        let live = views.generation(1);
        world.source.lock().unwrap().insert("a".to_owned(), 2);
        live.upsert_if_newer("a", 2, &lamp("x", 2)).await.unwrap();
        world.source.lock().unwrap().insert("lost".to_owned(), 1);
        live.upsert_if_newer("ghost", 1, &lamp("ghost", 1)).await.unwrap();
        rebuild(&views, &world).await.unwrap();
        let made = views.generation(2);
        assert_eq!(made.get("a").await.unwrap().unwrap().row, lamp("a", 2));
        assert_eq!(made.get("lost").await.unwrap().unwrap().row, lamp("lost", 1));
        assert_eq!(made.get("ghost").await.unwrap(), None);
        let counts = progress(&views, now()).await.unwrap().counts;
        assert_eq!((counts.applied, counts.compared, counts.different), (4, 4, 2));
    });
}

#[test]
fn a_row_that_would_be_lost_prevents_the_promotion_and_one_without_a_live_row_does_not() {
    day(async {
        let (views, world) = a_view(&["a", "b"]).await;
        world.source.lock().unwrap().insert("never-shown".to_owned(), 1);
        world.unreadable.lock().unwrap().extend(["never-shown".to_owned(), "b".to_owned()]);
        let halted = rebuild(&views, &world).await;
        assert!(matches!(halted, Err(RebuildError::Unreadable { ref id, .. }) if id == "b"));
        let reported = progress(&views, now()).await.unwrap();
        assert_eq!((reported.status, reported.live), (Status::Failed, 1));
        assert!(reported.rebuild.unwrap().failure.unwrap().contains("gibberish"));
        // Once the aggregate is readable, the same rebuild continues.
        world.unreadable.lock().unwrap().retain(|it| it != "b");
        assert_eq!(rebuild(&views, &world).await.unwrap(), WorkOutcome::Done);
        let reported = progress(&views, now()).await.unwrap();
        assert_eq!((reported.status, reported.live), (Status::Live, 2));
        assert_eq!((reported.counts.unreadable, reported.counts.backfilled), (2, 1));
    });
}

#[test]
fn the_previous_generation_can_be_restored_and_is_up_to_date() {
    day(async {
        let (views, world) = a_view(&["a"]).await;
        let refused = roll_back(&views, 7, now()).await;
        assert!(matches!(refused, Err(RollbackError::Rejected(RollbackRejection::NotRetained))));
        rebuild(&views, &world).await.unwrap();
        let early = roll_back(&views, 1, now()).await;
        assert!(matches!(early, Err(RollbackError::Rejected(RollbackRejection::NotPropagated))));
        world.commit("a");
        world.project(&views, &Rng::new(1), || true).await;
        settle().await;
        // Idempotent.
        for _ in 0..2 {
            let back = roll_back(&views, 1, now()).await.unwrap();
            assert_eq!((back.live, back.previous), (1, Some(2)));
            settle().await;
        }
        assert_eq!(views.generation(1).get("a").await.unwrap().unwrap().version, 2);
    });
}

#[test]
fn two_generations_are_retained_and_no_number_is_assigned_twice() {
    day(async {
        let (views, world) = a_view(&["a"]).await;
        for number in 2..6 {
            rebuild(&views, &world).await.unwrap();
            assert_eq!(views.numbers(), [number - 1, number]);
        }
        settle().await;
        roll_back(&views, 4, now()).await.unwrap();
        rebuild(&views, &world).await.unwrap();
        let (state, _) = views.state().await.unwrap();
        assert_eq!((state.live, state.previous, state.newest), (6, Some(4), 6));
        assert_eq!(views.numbers(), [4, 6]);
    });
}

#[test]
fn a_row_is_written_last_to_the_generation_that_readers_come_from() {
    let started = ProjectionState::default().start_rebuild(now()).unwrap();
    assert_eq!(started.write_targets(now()), [2, 1], "they will come from 1 to 2");
    let switched = started.promote(started.counts, now()).unwrap();
    assert_eq!(switched.write_targets(now()), [2, 1], "some are still on their way");
    let later = now() + cqrs::generation::PROPAGATED_AFTER;
    assert_eq!(switched.write_targets(later), [1, 2], "they may go back");
    let back = switched.roll_back(1, later).unwrap().unwrap();
    assert_eq!(back.write_targets(later), [1, 2]);
}

#[test]
fn the_stored_form_of_a_rebuild_is_that_of_earlier_releases() {
    let stored = serde_json::json!({
        "revision": 3, "newest": 2, "live": 1,
        "rebuild": {
            "generation": 2, "begunAt": "2026-01-01T00:00:00Z", "phase": "compare",
            "counts": {"applied": 5, "unreadable": 1, "compared": 4, "healed": 2, "different": 0},
            "leasedUntil": "2026-01-01T00:01:00Z",
        },
        "counts": {"applied": 0, "unreadable": 0, "compared": 0, "healed": 0, "different": 0},
    });
    let state: ProjectionState = serde_json::from_value(stored.clone()).unwrap();
    let rebuild = state.rebuild.as_ref().unwrap();
    assert_eq!(rebuild.started_at, "2026-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(rebuild.counts.backfilled, 2);
    assert_eq!(serde_json::to_value(state).unwrap(), stored);
}
