//! Rebuilds under load, in many interleavings.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cqrs::dynamodb::DynamoGenerations;
use cqrs::generation::{CACHE, Generations, Status};
use cqrs::live::Live;
use cqrs::memory::MemoryGenerations;
use cqrs::rebuild::{WorkOutcome, begin, progress, roll_back, work};
use cqrs::view::{Order, Range, Reader};
use cqrs::wait::{self, WaitPolicy};
use dynoxide_client::DynamoDb;

use crate::world::{Far, Lamp, Line, Rng, World, day, lamp, now};

const IDS: u64 = 12;

fn id(number: u64) -> String {
    format!("lamp-{number:02}")
}

/// One run: writers, a projector that is late and repeats batches, readers, and a rebuild; then the view equals the source.
async fn run_all<G: Generations<Lamp> + Clone>(views: &G, seed: u64) -> usize {
    let (world, rng) = (World::default(), Rng::new(seed));
    let far = |number: u64| Far { near: views.clone(), line: Line::new(seed * 100 + number) };
    for number in 0..IDS - 4 {
        world.commit(&id(number));
    }
    // Some changes are in the view already, some are still in the stream.
    if rng.below(2) == 0 {
        world.project(views, &rng, || true).await;
    }
    let (writing, projecting) = (AtomicBool::new(true), AtomicBool::new(true));
    let rebuilding = AtomicBool::new(true);
    let reads = AtomicUsize::new(0);
    let writer = async {
        let mut commits = 0;
        while commits < 80 || rebuilding.load(Ordering::SeqCst) {
            world.commit(&id(rng.below(IDS)));
            commits += 1;
            if commits > 80 {
                tokio::time::sleep(Duration::from_millis(rng.below(100))).await;
            }
            for _ in 0..rng.below(12) {
                tokio::task::yield_now().await;
            }
            if rng.below(20) == 0 {
                // Time passes for the other tasks too.
                tokio::time::sleep(CACHE / 2).await;
            }
        }
        writing.store(false, Ordering::SeqCst);
    };
    let project = |number: u64| {
        let views = far(number);
        let (world, rng) = (&world, Rng::new(seed + number));
        let (writing, projecting) = (&writing, &projecting);
        async move {
            world.project(&views, &rng, || !writing.load(Ordering::SeqCst)).await;
            projecting.store(false, Ordering::SeqCst);
        }
    };
    let reader = |number: u64| {
        let view = Live::new(far(number), now);
        let rng = Rng::new(seed + number);
        let (world, projecting, reads) = (&world, &projecting, &reads);
        async move {
            let mut seen: BTreeMap<String, u64> = BTreeMap::new();
            while projecting.load(Ordering::SeqCst) {
                let id = id(rng.below(IDS));
                let found = Reader::<Lamp>::get(&view, &id).await.unwrap();
                let known = seen.get(&id).copied().unwrap_or(0);
                let version = found.as_ref().map_or(0, |it| it.version);
                assert!(version >= known, "{id} went back from {known} to {version}");
                if let Some(found) = found {
                    assert_eq!(found.row, lamp(&id, version));
                    seen.insert(id, version);
                }
                reads.fetch_add(1, Ordering::SeqCst);
                if rng.below(3) == 0 {
                    let list = view.list(ALL).await.unwrap();
                    let unique: BTreeMap<String, u64> = list
                        .iter()
                        .map(|it: &cqrs::view::Positioned<Lamp>| (it.row.text.clone(), it.version))
                        .collect();
                    assert_eq!(unique.len(), list.len(), "a list has a row twice");
                    assert!(list.len() >= seen.len(), "a row is missing from the list");
                }
                if rng.below(4) == 0 {
                    // The committed version arrives, or the query reports that it has not arrived.
                    let id = self::id(rng.below(IDS - 4));
                    let min_version = world.source.lock().unwrap()[&id];
                    let policy = WaitPolicy { min_version, timeout: CACHE * 2 };
                    let found = wait::get(&view, &id, policy).await.unwrap();
                    assert!(found.unwrap().version >= min_version, "{id} did not come");
                }
                tokio::time::sleep(Duration::from_millis(rng.below(20))).await;
            }
        }
    };
    let rebuild = async {
        for _ in 0..rng.below(100) {
            tokio::task::yield_now().await;
        }
        let views = far(1);
        begin(&views, now()).await.unwrap();
        let source = Far { near: world.clone(), line: Line::new(seed + 2) };
        assert_eq!(work(&views, &source, "worker", now).await.unwrap(), WorkOutcome::Done);
        let switched = progress(&views, now()).await.unwrap();
        assert_eq!(
            (switched.status, switched.live, switched.counts.different),
            (Status::Live, 2, 0)
        );
        if seed.is_multiple_of(3) {
            // Another rebuild, and a rollback: readers must not notice them either.
            begin(&views, now()).await.unwrap();
            work(&views, &source, "worker", now).await.unwrap();
            loop {
                match roll_back(&views, 2, now()).await {
                    Ok(_) => break,
                    Err(_) => tokio::time::sleep(CACHE).await,
                }
            }
            // Continue until the promotion is propagated.
            tokio::time::sleep(CACHE * 2).await;
        }
        rebuilding.store(false, Ordering::SeqCst);
    };
    tokio::join!(writer, project(3), reader(4), reader(5), rebuild);

    // One late batch may have arrived after the readers ended; the views contain it.
    world.project(views, &rng, || true).await;
    let (state, _) = views.state().await.unwrap();
    let source = world.source.lock().unwrap().clone();
    for generation in state.retained() {
        let view = views.generation(generation);
        for (id, version) in &source {
            let row = view.get(id).await.unwrap().map(|it| (it.version, it.row));
            assert_eq!(row, Some((*version, lamp(id, *version))), "{id} in {generation}");
        }
        let (mut rows, mut after) = (0, None);
        loop {
            let page = views.rows(generation, after.as_deref()).await.unwrap();
            rows += page.rows.len();
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(rows, source.len(), "{generation} has rows of nothing");
    }
    reads.load(Ordering::SeqCst)
}

const ALL: Range<'_> = Range {
    index: "by-colour",
    attribute: "colour",
    partition: "red",
    after: None,
    order: Order::Ascending,
    limit: 100,
};

#[test]
fn a_rebuild_under_load_is_invisible_to_readers() {
    let days = 1..=200;
    let reads: usize = days.map(|seed| day(run_all(&MemoryGenerations::default(), seed))).sum();
    assert!(reads > 10_000, "there were reads: {reads}");
}

#[test]
fn nor_is_one_in_dynamodb() {
    for seed in 1..=15 {
        let dynamodb = DynamoDb::new();
        dynamodb.create_table(include_str!("table.json"));
        let views = DynamoGenerations::new(dynamodb.client(), "lamps".to_owned());
        assert!(day(run_all(&views, seed)) > 0, "there were reads");
    }
}

/// A batch that read the state before the rebuild started, and writes after it has ended.
#[test]
fn a_batch_that_is_delayed_by_a_whole_rebuild_loses_nothing() {
    day(async {
        let views: MemoryGenerations<Lamp> = MemoryGenerations::default();
        let world = World::default();
        world.commit("a");
        world.project(&views, &Rng::new(1), || true).await;
        world.commit("a");
        let (state, _) = cqrs::generation::ProjectionStateStore::state(&views).await.unwrap();
        let late = state.write_targets(now());
        begin(&views, now()).await.unwrap();
        let source = Far { near: world.clone(), line: Line::new(1) };
        work(&views, &source, "worker", now).await.unwrap();
        let live = Live::new(views.clone(), now);
        assert_eq!(Reader::<Lamp>::get(&live, "a").await.unwrap().unwrap().version, 2);
        for number in late {
            let view = views.generation(number);
            cqrs::view::View::upsert_if_newer(&view, "a", 2, &lamp("a", 2)).await.unwrap();
        }
        assert_eq!(Reader::<Lamp>::get(&live, "a").await.unwrap().unwrap().version, 2);
    });
}

#[test]
fn a_reader_that_was_frozen_does_not_use_its_cache() {
    day(async {
        let views: MemoryGenerations<Lamp> = MemoryGenerations::default();
        let world = World::default();
        world.commit("a");
        world.project(&views, &Rng::new(1), || true).await;
        // The wall clock continues; the clock of the runtime is paused.
        let wall = std::sync::Mutex::new(now());
        let live = Live::new(views.clone(), || *wall.lock().unwrap());
        assert!(Reader::<Lamp>::get(&live, "a").await.unwrap().is_some());
        let state = cqrs::generation::ProjectionStateStore::state(&views).await.unwrap().0;
        let next =
            cqrs::generation::ProjectionState { revision: state.revision + 1, live: 3, ..state };
        assert!(cqrs::generation::ProjectionStateStore::update_state(&views, &next).await.unwrap());
        assert!(
            Reader::<Lamp>::get(&live, "a").await.unwrap().is_some(),
            "it was looked up just now"
        );
        for passed in [jiff::SignedDuration::from_hours(1), jiff::SignedDuration::from_hours(-2)] {
            *wall.lock().unwrap() += passed;
            assert_eq!(Reader::<Lamp>::get(&live, "a").await.unwrap(), None, "{passed}");
        }
    });
}
