//! Calls through a breaker: what callers, operators and dependencies can rely on.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use circuit_breaker::breaker::{Breaker, CircuitOpen, Environment, Event};
use circuit_breaker::call_outcome::CallOutcome;
use circuit_breaker::control::{Control, PublicState};
use circuit_breaker::layer::{BreakerLayer, CallError};
use circuit_breaker::memory::MemoryStore;
use circuit_breaker::settings::{Refresh, Settings};
use circuit_breaker::shared_state::{Override, SharedState};
use circuit_breaker::store::{Store, StoreError, Swapped};
use jiff::Timestamp;
use tokio::time::{Instant, sleep};
use tower::{Service as _, ServiceBuilder, ServiceExt as _, service_fn};

/// Tokio's clock, which the tests advance, and a record of the observed events.
#[derive(Clone, Debug)]
struct World {
    began: Instant,
    observed: Arc<Mutex<Vec<String>>>,
}

impl World {
    fn new() -> Self {
        Self { began: Instant::now(), observed: Arc::default() }
    }

    fn observed(&self) -> Vec<String> {
        std::mem::take(&mut self.observed.lock().unwrap())
    }
}

impl Environment for World {
    fn now(&self) -> Timestamp {
        let elapsed = i64::try_from(self.began.elapsed().as_millis()).unwrap();
        Timestamp::from_millisecond(elapsed).unwrap()
    }

    fn random(&self) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    fn observe(&self, _: &str, event: &Event<'_>) {
        let event = match event {
            Event::StateChanged(transition) => format!("{:?}", transition.to),
            Event::Tripped => "Tripped".to_owned(),
            Event::Rejected => "Rejected".to_owned(),
            Event::Probing { .. } => "Probing".to_owned(),
            Event::StoreFailed(_) => "StoreFailed".to_owned(),
        };
        self.observed.lock().unwrap().push(event);
    }
}

/// A store that counts its requests, and may be slow or unavailable.
#[derive(Clone, Debug, Default)]
struct FaultyStore {
    store: MemoryStore,
    calls: Arc<AtomicUsize>,
    delay_ms: Arc<AtomicU64>,
    is_unavailable: Arc<Mutex<bool>>,
}

impl FaultyStore {
    async fn inject_fault(&self) -> Result<(), StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        sleep(Duration::from_millis(self.delay_ms.load(Ordering::SeqCst))).await;
        match *self.is_unavailable.lock().unwrap() {
            true => Err(StoreError::Unavailable("it is unavailable".into())),
            false => Ok(()),
        }
    }
}

impl Store for FaultyStore {
    async fn load(&self, name: &str) -> Result<Option<SharedState>, StoreError> {
        self.inject_fault().await?;
        self.store.load(name).await
    }

    async fn swap(
        &self,
        name: &str,
        expected: u64,
        next: &SharedState,
    ) -> Result<Swapped, StoreError> {
        self.inject_fault().await?;
        self.store.swap(name, expected, next).await
    }
}

fn settings() -> Settings {
    Settings { quorum: 1, calls_min: 3, slow_call_ms: 2_000, ..Settings::default() }
}

fn breaker(settings: Settings) -> (Breaker<FaultyStore, World>, FaultyStore, World) {
    let (store, world) = (FaultyStore::default(), World::new());
    (Breaker::new("it", settings, store.clone(), world.clone()), store, world)
}

async fn call(
    breaker: &Breaker<FaultyStore, World>,
    outcome: CallOutcome,
) -> Result<(), CircuitOpen> {
    breaker.call(|()| outcome, async {}).await
}

#[tokio::test(start_paused = true)]
async fn failures_open_it_then_calls_are_rejected_immediately_and_a_probe_closes_it() {
    let (breaker, store, world) = breaker(settings());
    for _ in 0..3 {
        call(&breaker, CallOutcome::Failure).await.unwrap();
    }
    let before = Instant::now();
    let rejected = call(&breaker, CallOutcome::Success).await.unwrap_err();
    assert_eq!(before.elapsed(), Duration::ZERO);
    assert!(rejected.retry_at.unwrap() > world.now());
    sleep(Duration::from_secs(11)).await;
    call(&breaker, CallOutcome::Success).await.unwrap();
    call(&breaker, CallOutcome::Success).await.unwrap();
    let expected = ["Tripped", "Open", "Rejected", "HalfOpen", "Probing", "Closed"];
    assert_eq!(world.observed(), expected);
    let status = Control::new(store, world).status("it").await.unwrap();
    assert_eq!((status.state, status.history.len()), (PublicState::Closed, 3));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_opens_it_for_longer() {
    let (breaker, _, world) = breaker(settings());
    for _ in 0..3 {
        call(&breaker, CallOutcome::Failure).await.unwrap();
    }
    let mut waited = Vec::new();
    for _ in 0..6 {
        let rejected = call(&breaker, CallOutcome::Success).await.unwrap_err();
        let wait = rejected.retry_at.unwrap().as_millisecond() - world.now().as_millisecond();
        waited.push(wait);
        sleep(Duration::from_millis(wait.unsigned_abs() + 1_000)).await;
        call(&breaker, CallOutcome::Failure).await.unwrap();
    }
    // Each period is twice as long, shortened by at most a fifth at random, up to the maximum.
    for (wait, full) in waited.iter().zip([10_000, 20_000, 40_000, 80_000, 120_000, 120_000]) {
        assert!((full * 4 / 5 - 1..=full).contains(wait), "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn slow_calls_open_it_too() {
    let (breaker, ..) = breaker(settings());
    for _ in 0..3 {
        let slow = sleep(Duration::from_secs(2));
        breaker.call(|()| CallOutcome::Success, slow).await.unwrap();
    }
    call(&breaker, CallOutcome::Success).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_cancelled_late_has_failed_and_one_that_is_cancelled_early_is_not_counted() {
    for (timeout_ms, is_counted) in [(1_900, false), (2_100, true)] {
        let (breaker, ..) = breaker(settings());
        for _ in 0..4 {
            let hangs = breaker.call(|()| CallOutcome::Success, sleep(Duration::from_secs(60)));
            drop(tokio::time::timeout(Duration::from_millis(timeout_ms), hangs).await);
        }
        let result = call(&breaker, CallOutcome::Success).await;
        assert_eq!(result.is_err(), is_counted, "{timeout_ms}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unused_permit_is_not_counted() {
    let (breaker, store, _) = breaker(settings());
    for _ in 0..20 {
        drop(breaker.acquire_permit().await.unwrap());
    }
    assert_eq!(store.calls.load(Ordering::SeqCst), 0);
    call(&breaker, CallOutcome::Success).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_ignored_outcome_is_not_counted() {
    let (breaker, store, _) = breaker(settings());
    for _ in 0..20 {
        call(&breaker, CallOutcome::Ignored).await.unwrap();
    }
    assert_eq!(store.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn without_its_store_an_instance_continues_and_decides_by_its_own_window() {
    let (breaker, store, world) = breaker(settings());
    *store.is_unavailable.lock().unwrap() = true;
    for _ in 0..3 {
        call(&breaker, CallOutcome::Failure).await.unwrap();
    }
    // The local circuit is open.
    call(&breaker, CallOutcome::Success).await.unwrap_err();
    sleep(Duration::from_secs(11)).await;
    // A local probe closes it.
    for _ in 0..9 {
        call(&breaker, CallOutcome::Success).await.unwrap();
    }
    assert!(world.observed().contains(&"StoreFailed".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_delays_a_call_by_the_deadline_at_most_and_is_then_not_used_for_a_while()
{
    let settings = Settings { refresh: Refresh::Concurrent, ..settings() };
    let (breaker, store, _) = breaker(settings);
    store.delay_ms.store(60_000, Ordering::SeqCst);
    let before = Instant::now();
    call(&breaker, CallOutcome::Success).await.unwrap();
    assert_eq!(before.elapsed(), Duration::from_millis(25));
    for _ in 0..100 {
        call(&breaker, CallOutcome::Success).await.unwrap();
    }
    assert_eq!(before.elapsed(), Duration::from_millis(25), "the store is backing off");
    assert_eq!(store.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_calls_often_reads_concurrently_and_never_waits() {
    let (breaker, store, _) = breaker(Settings { refresh: Refresh::Concurrent, ..settings() });
    breaker.refresh().await;
    store.delay_ms.store(10, Ordering::SeqCst);
    for _ in 0..30 {
        let before = Instant::now();
        breaker.call(|()| CallOutcome::Success, sleep(Duration::from_millis(100))).await.unwrap();
        assert_eq!(before.elapsed(), Duration::from_millis(100));
    }
    assert!(store.calls.load(Ordering::SeqCst) <= 7, "two per second, and the first");
}

#[tokio::test(start_paused = true)]
async fn an_override_applies_to_every_call_that_starts_a_second_later_in_idle_instances_too() {
    let settings = Settings { refresh: Refresh::Concurrent, ..settings() };
    let (busy, store, world) = breaker(settings.clone());
    let idle = Breaker::new("it", settings.clone(), store.clone(), world.clone());
    let control = Control::new(store.clone(), world.clone());
    call(&idle, CallOutcome::Success).await.unwrap();
    for (kind, passes) in
        [(Override::Open, false), (Override::Closed, true), (Override::Disabled, true)]
    {
        control.set_override("it", kind, "olga").await.unwrap();
        // One instance makes calls meanwhile. Another is idle, and a third does not exist yet.
        for _ in 0..9 {
            call(&busy, CallOutcome::Success).await.unwrap_or(());
            sleep(Duration::from_millis(120)).await;
        }
        let fresh = Breaker::new("it", settings.clone(), store.clone(), world.clone());
        for it in [&busy, &idle, &fresh] {
            for _ in 0..9 {
                assert_eq!(call(it, CallOutcome::Failure).await.is_ok(), passes, "{kind:?}");
            }
        }
        let status = control.status("it").await.unwrap();
        assert_eq!(
            (status.active_override, status.state == PublicState::Open),
            (Some(kind), !passes)
        );
        sleep(Duration::from_secs(20)).await;
    }
    control.set_override("it", Override::Open, "olga").await.unwrap();
    sleep(Duration::from_secs(2)).await;
    call(&busy, CallOutcome::Success).await.unwrap_err();
    control.reset("it", "olga").await.unwrap();
    sleep(Duration::from_secs(1)).await;
    call(&busy, CallOutcome::Success).await.unwrap();
    for _ in 0..2 {
        call(&busy, CallOutcome::Failure).await.unwrap();
    }
    call(&busy, CallOutcome::Success).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn no_concurrent_call_after_a_pause_ignores_an_override() {
    let settings = Settings { refresh: Refresh::Concurrent, ..settings() };
    let (breaker, store, world) = breaker(settings);
    call(&breaker, CallOutcome::Success).await.unwrap();
    Control::new(store.clone(), world).set_override("it", Override::Open, "olga").await.unwrap();
    sleep(Duration::from_secs(20)).await;
    store.delay_ms.store(10, Ordering::SeqCst);
    let reads = store.calls.load(Ordering::SeqCst);
    let calls = (0..5).map(|_| call(&breaker, CallOutcome::Success));
    let passed = futures::future::join_all(calls).await.iter().filter(|it| it.is_ok()).count();
    assert_eq!(passed, 0);
    assert_eq!(store.calls.load(Ordering::SeqCst) - reads, 1, "one reads, the others wait for it");
}

#[tokio::test(start_paused = true)]
async fn a_local_trip_costs_one_write_and_is_reported_until_it_is_over() {
    let settings =
        Settings { quorum: 2, calls_min: 3, refresh: Refresh::Concurrent, ..Settings::default() };
    let (breaker, store, world) = breaker(settings);
    let control = Control::new(store.clone(), world.clone());
    call(&breaker, CallOutcome::Success).await.unwrap();
    sleep(Duration::from_secs(11)).await;
    for _ in 0..3 {
        call(&breaker, CallOutcome::Failure).await.unwrap();
    }
    call(&breaker, CallOutcome::Success).await.unwrap_err();
    let status = control.status("it").await.unwrap();
    assert_eq!((status.state, status.votes, status.failures_permille), (PublicState::Closed, 1, 0));
    let [trip] = status.local_trips.as_slice() else { unreachable!("{status:?}") };
    assert_eq!((trip.failures_permille, trip.slow_permille), (1_000, 0));
    assert!(trip.since <= world.now() && trip.until > world.now(), "{trip:?}");
    assert_eq!(store.store.load("it").await.unwrap().unwrap().version, 1, "one write");
    // The instance is idle from now on: nothing is written, and obsolete votes and trips are not reported.
    sleep(Duration::from_secs(15)).await;
    let status = control.status("it").await.unwrap();
    assert_eq!((status.votes, status.local_trips.len(), status.failures_permille), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn failures_of_one_instance_do_not_open_it_for_healthy_instances() {
    let settings = Settings { quorum: 2, calls_min: 3, ..Settings::default() };
    let (failing, store, world) = breaker(settings.clone());
    let healthy = Breaker::new("it", settings, store.clone(), world.clone());
    for _ in 0..30 {
        call(&failing, CallOutcome::Failure).await.unwrap_or(());
        // An occasional failure makes the healthy instance read the store, and veto.
        for outcome in
            [CallOutcome::Success, CallOutcome::Success, CallOutcome::Success, CallOutcome::Failure]
        {
            call(&healthy, outcome).await.unwrap();
        }
        sleep(Duration::from_millis(500)).await;
    }
    let status = Control::new(store, world).status("it").await.unwrap();
    assert_eq!((status.state, status.history.len()), (PublicState::Closed, 0));
}

#[tokio::test(start_paused = true)]
async fn a_layer_puts_a_breaker_around_any_service() {
    let (store, world) = (FaultyStore::default(), World::new());
    let breaker = Arc::new(Breaker::new("it", settings(), store, world));
    let classify = |result: &Result<u16, Infallible>| match result {
        Ok(500..) => CallOutcome::Failure,
        Ok(_) | Err(_) => CallOutcome::Success,
    };
    let layer = BreakerLayer::new(Arc::clone(&breaker), classify);
    let mut service = ServiceBuilder::new()
        .layer(layer)
        .service(service_fn(async |status: u16| Ok::<_, Infallible>(status)));
    for status in [404, 500, 500] {
        assert_eq!(service.ready().await.unwrap().call(status).await.unwrap(), status);
    }
    let rejected = service.ready().await.unwrap().call(200).await;
    assert!(matches!(rejected, Err(CallError::CircuitOpen(_))), "{rejected:?}");
}
