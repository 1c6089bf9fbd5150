//! Calls through a breaker: what callers, operators and those who are called can rely on.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use circuit_breaker::breaker::{Breaker, Event, Host, Refused};
use circuit_breaker::control::{Control, Shown};
use circuit_breaker::layer::{BreakerLayer, CallError};
use circuit_breaker::memory::MemoryStore;
use circuit_breaker::outcome::Outcome;
use circuit_breaker::settings::{Settings, Watch};
use circuit_breaker::shared_state::{Shared, Word};
use circuit_breaker::store::{Store, StoreError, Swapped};
use jiff::Timestamp;
use tokio::time::{Instant, sleep};
use tower::{Service as _, ServiceBuilder, ServiceExt as _, service_fn};

/// Tokio's clock, which the tests move; keeps what it is told.
#[derive(Clone, Debug)]
struct World {
    began: Instant,
    told: Arc<Mutex<Vec<String>>>,
}

impl World {
    fn new() -> Self {
        Self { began: Instant::now(), told: Arc::default() }
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().unwrap())
    }
}

impl Host for World {
    fn now(&self) -> Timestamp {
        let elapsed = i64::try_from(self.began.elapsed().as_millis()).unwrap();
        Timestamp::from_millisecond(elapsed).unwrap()
    }

    fn random(&self) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    fn observe(&self, _: &str, event: &Event<'_>) {
        let told = match event {
            Event::Stepped(step) => format!("{:?}", step.to),
            Event::Tripped => "Tripped".to_owned(),
            Event::Refused => "Refused".to_owned(),
            Event::Probing { .. } => "Probing".to_owned(),
            Event::StoreFailed(_) => "StoreFailed".to_owned(),
        };
        self.told.lock().unwrap().push(told);
    }
}

/// A store that may be slow, gone, or only counted.
#[derive(Clone, Debug, Default)]
struct Shaky {
    store: MemoryStore,
    calls: Arc<AtomicUsize>,
    delay_ms: Arc<AtomicU64>,
    is_gone: Arc<Mutex<bool>>,
}

impl Shaky {
    async fn suffer(&self) -> Result<(), StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        sleep(Duration::from_millis(self.delay_ms.load(Ordering::SeqCst))).await;
        match *self.is_gone.lock().unwrap() {
            true => Err(StoreError::Unavailable("it is gone".into())),
            false => Ok(()),
        }
    }
}

impl Store for Shaky {
    async fn load(&self, name: &str) -> Result<Option<Shared>, StoreError> {
        self.suffer().await?;
        self.store.load(name).await
    }

    async fn swap(&self, name: &str, expected: u64, next: &Shared) -> Result<Swapped, StoreError> {
        self.suffer().await?;
        self.store.swap(name, expected, next).await
    }
}

fn settings() -> Settings {
    Settings { quorum: 1, calls_min: 3, slow_call_ms: 2_000, ..Settings::default() }
}

fn breaker(settings: Settings) -> (Breaker<Shaky, World>, Shaky, World) {
    let (store, world) = (Shaky::default(), World::new());
    (Breaker::new("it", settings, store.clone(), world.clone()), store, world)
}

async fn call(breaker: &Breaker<Shaky, World>, outcome: Outcome) -> Result<(), Refused> {
    breaker.call(|()| outcome, async {}).await
}

#[tokio::test(start_paused = true)]
async fn it_opens_by_failures_refuses_at_once_and_is_closed_by_a_probe() {
    let (breaker, store, world) = breaker(settings());
    for _ in 0..3 {
        call(&breaker, Outcome::Failure).await.unwrap();
    }
    let before = Instant::now();
    let refused = call(&breaker, Outcome::Success).await.unwrap_err();
    assert_eq!(before.elapsed(), Duration::ZERO);
    assert!(refused.retry_at.unwrap() > world.now());
    sleep(Duration::from_secs(11)).await;
    call(&breaker, Outcome::Success).await.unwrap();
    call(&breaker, Outcome::Success).await.unwrap();
    let expected = ["Tripped", "Open", "Refused", "HalfOpen", "Probing", "Closed"];
    assert_eq!(world.told(), expected);
    let status = Control::new(store, world).status("it").await.unwrap();
    assert_eq!((status.state, status.history.len()), (Shown::Closed, 3));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_opens_it_for_longer() {
    let (breaker, _, world) = breaker(settings());
    for _ in 0..3 {
        call(&breaker, Outcome::Failure).await.unwrap();
    }
    let mut waited = Vec::new();
    for _ in 0..6 {
        let refused = call(&breaker, Outcome::Success).await.unwrap_err();
        let wait = refused.retry_at.unwrap().as_millisecond() - world.now().as_millisecond();
        waited.push(wait);
        sleep(Duration::from_millis(wait.unsigned_abs() + 1_000)).await;
        call(&breaker, Outcome::Failure).await.unwrap();
    }
    // Twice as long each time, less a fifth at most by chance, up to the limit.
    for (wait, full) in waited.iter().zip([10_000, 20_000, 40_000, 80_000, 120_000, 120_000]) {
        assert!((full * 4 / 5 - 1..=full).contains(wait), "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn slow_calls_open_it_as_well() {
    let (breaker, ..) = breaker(settings());
    for _ in 0..3 {
        let slow = sleep(Duration::from_secs(2));
        breaker.call(|()| Outcome::Success, slow).await.unwrap();
    }
    call(&breaker, Outcome::Success).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn who_is_given_up_late_has_failed_and_who_is_given_up_early_has_not() {
    for (patience_ms, is_held_against) in [(1_900, false), (2_100, true)] {
        let (breaker, ..) = breaker(settings());
        for _ in 0..4 {
            let hangs = breaker.call(|()| Outcome::Success, sleep(Duration::from_secs(60)));
            drop(tokio::time::timeout(Duration::from_millis(patience_ms), hangs).await);
        }
        let answer = call(&breaker, Outcome::Success).await;
        assert_eq!(answer.is_err(), is_held_against, "{patience_ms}");
    }
}

#[tokio::test(start_paused = true)]
async fn leave_that_is_not_used_says_nothing() {
    let (breaker, store, _) = breaker(settings());
    for _ in 0..20 {
        drop(breaker.enter().await.unwrap());
    }
    assert_eq!(store.calls.load(Ordering::SeqCst), 0);
    call(&breaker, Outcome::Success).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_ignored_counts_for_nothing() {
    let (breaker, store, _) = breaker(settings());
    for _ in 0..20 {
        call(&breaker, Outcome::Ignored).await.unwrap();
    }
    assert_eq!(store.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn without_its_store_calls_go_on_and_the_instance_decides_for_itself() {
    let (breaker, store, world) = breaker(settings());
    *store.is_gone.lock().unwrap() = true;
    for _ in 0..3 {
        call(&breaker, Outcome::Failure).await.unwrap();
    }
    // It has seen enough by itself,
    call(&breaker, Outcome::Success).await.unwrap_err();
    sleep(Duration::from_secs(11)).await;
    // and finds out by itself that all is well.
    for _ in 0..9 {
        call(&breaker, Outcome::Success).await.unwrap();
    }
    assert!(world.told().contains(&"StoreFailed".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_costs_a_call_no_more_than_the_deadline_and_is_then_left_alone() {
    let settings = Settings { watch: Watch::Beside, ..settings() };
    let (breaker, store, _) = breaker(settings);
    store.delay_ms.store(60_000, Ordering::SeqCst);
    let before = Instant::now();
    call(&breaker, Outcome::Success).await.unwrap();
    assert_eq!(before.elapsed(), Duration::from_millis(25));
    for _ in 0..100 {
        call(&breaker, Outcome::Success).await.unwrap();
    }
    assert_eq!(before.elapsed(), Duration::from_millis(25), "it rests");
    assert_eq!(store.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_calls_often_reads_concurrently_and_never_waits() {
    let (breaker, store, _) = breaker(Settings { watch: Watch::Beside, ..settings() });
    breaker.refresh().await;
    store.delay_ms.store(10, Ordering::SeqCst);
    for _ in 0..30 {
        let before = Instant::now();
        breaker.call(|()| Outcome::Success, sleep(Duration::from_millis(100))).await.unwrap();
        assert_eq!(before.elapsed(), Duration::from_millis(100));
    }
    assert!(store.calls.load(Ordering::SeqCst) <= 7, "two a second, and the first");
}

#[tokio::test(start_paused = true)]
async fn an_override_applies_to_every_call_that_begins_a_second_later_however_idle_the_instance() {
    let settings = Settings { watch: Watch::Beside, ..settings() };
    let (busy, store, world) = breaker(settings.clone());
    let idle = Breaker::new("it", settings.clone(), store.clone(), world.clone());
    let control = Control::new(store.clone(), world.clone());
    call(&idle, Outcome::Success).await.unwrap();
    for (word, passes) in [(Word::Open, false), (Word::Closed, true), (Word::Disabled, true)] {
        control.force("it", word, "olga").await.unwrap();
        // One instance makes calls all the while; others make none, or did not exist.
        for _ in 0..9 {
            call(&busy, Outcome::Success).await.unwrap_or(());
            sleep(Duration::from_millis(120)).await;
        }
        let fresh = Breaker::new("it", settings.clone(), store.clone(), world.clone());
        for it in [&busy, &idle, &fresh] {
            for _ in 0..9 {
                assert_eq!(call(it, Outcome::Failure).await.is_ok(), passes, "{word:?}");
            }
        }
        let status = control.status("it").await.unwrap();
        assert_eq!((status.forced, status.state == Shown::Open), (Some(word), !passes));
        sleep(Duration::from_secs(20)).await;
    }
    control.force("it", Word::Open, "olga").await.unwrap();
    sleep(Duration::from_secs(2)).await;
    call(&busy, Outcome::Success).await.unwrap_err();
    control.reset("it", "olga").await.unwrap();
    sleep(Duration::from_secs(1)).await;
    call(&busy, Outcome::Success).await.unwrap();
    for _ in 0..2 {
        call(&busy, Outcome::Failure).await.unwrap();
    }
    call(&busy, Outcome::Success).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn of_calls_that_begin_at_once_after_a_pause_none_passes_an_override() {
    let settings = Settings { watch: Watch::Beside, ..settings() };
    let (breaker, store, world) = breaker(settings);
    call(&breaker, Outcome::Success).await.unwrap();
    Control::new(store.clone(), world).force("it", Word::Open, "olga").await.unwrap();
    sleep(Duration::from_secs(20)).await;
    store.delay_ms.store(10, Ordering::SeqCst);
    let reads = store.calls.load(Ordering::SeqCst);
    let calls = (0..5).map(|_| call(&breaker, Outcome::Success));
    let passed = futures::future::join_all(calls).await.iter().filter(|it| it.is_ok()).count();
    assert_eq!(passed, 0);
    assert_eq!(store.calls.load(Ordering::SeqCst) - reads, 1, "one reads, the others wait for it");
}

#[tokio::test(start_paused = true)]
async fn a_local_trip_costs_one_write_and_is_shown_until_it_is_over() {
    let settings =
        Settings { quorum: 2, calls_min: 3, watch: Watch::Beside, ..Settings::default() };
    let (breaker, store, world) = breaker(settings);
    let control = Control::new(store.clone(), world.clone());
    call(&breaker, Outcome::Success).await.unwrap();
    sleep(Duration::from_secs(11)).await;
    for _ in 0..3 {
        call(&breaker, Outcome::Failure).await.unwrap();
    }
    call(&breaker, Outcome::Success).await.unwrap_err();
    let status = control.status("it").await.unwrap();
    assert_eq!((status.state, status.votes, status.failures_permille), (Shown::Closed, 1, 0));
    let [trip] = status.local_trips.as_slice() else { unreachable!("{status:?}") };
    assert_eq!((trip.failures_permille, trip.slow_permille), (1_000, 0));
    assert!(trip.since <= world.now() && trip.until > world.now(), "{trip:?}");
    assert_eq!(store.store.load("it").await.unwrap().unwrap().version, 1, "one write");
    // It is idle from now on: nobody writes, and what is old is not shown.
    sleep(Duration::from_secs(15)).await;
    let status = control.status("it").await.unwrap();
    assert_eq!((status.votes, status.local_trips.len(), status.failures_permille), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn one_sick_instance_does_not_open_it_for_those_that_fare_well() {
    let settings = Settings { quorum: 2, calls_min: 3, ..Settings::default() };
    let (sick, store, world) = breaker(settings.clone());
    let well = Breaker::new("it", settings, store.clone(), world.clone());
    for _ in 0..30 {
        call(&sick, Outcome::Failure).await.unwrap_or(());
        // An occasional failure makes it look, and say that it fares well.
        for outcome in [Outcome::Success, Outcome::Success, Outcome::Success, Outcome::Failure] {
            call(&well, outcome).await.unwrap();
        }
        sleep(Duration::from_millis(500)).await;
    }
    let status = Control::new(store, world).status("it").await.unwrap();
    assert_eq!((status.state, status.history.len()), (Shown::Closed, 0));
}

#[tokio::test(start_paused = true)]
async fn a_layer_puts_it_around_any_service() {
    let (store, world) = (Shaky::default(), World::new());
    let breaker = Arc::new(Breaker::new("it", settings(), store, world));
    let classify = |answer: &Result<u16, Infallible>| match answer {
        Ok(500..) => Outcome::Failure,
        Ok(_) | Err(_) => Outcome::Success,
    };
    let layer = BreakerLayer::new(Arc::clone(&breaker), classify);
    let mut service = ServiceBuilder::new()
        .layer(layer)
        .service(service_fn(async |status: u16| Ok::<_, Infallible>(status)));
    for status in [404, 500, 500] {
        assert_eq!(service.ready().await.unwrap().call(status).await.unwrap(), status);
    }
    let refused = service.ready().await.unwrap().call(200).await;
    assert!(matches!(refused, Err(CallError::Refused(_))), "{refused:?}");
}
